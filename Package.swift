// swift-tools-version: 6.3
import PackageDescription

// Every target is compiled alike: Swift 6 mode, warnings are errors, strict memory safety.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A room of the house. `Tests/TidyTests` holds the imports of each against the room table.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], plugins: [Target.PluginUsage] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings, plugins: plugins)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .library(name: "MartletClient", targets: ["MartletClient"]),
    ],
    targets: [
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        room("Basics"),
        room("Bytes", ["Basics", "CLinux"]),
        room("Environment", ["Bytes", "Basics"]),
        room("Configuration", ["Basics"]),
        .systemLibrary(name: "CZlib", path: "Sources/CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLZ4", path: "Sources/CLZ4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CZstd", path: "Sources/CZstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSnappy", path: "Sources/CSnappy", providers: [.apt(["libsnappy-dev"])]),
        .target(
            name: "Records", dependencies: ["Bytes", "Basics", "CZlib", "CLZ4", "CZstd", "CSnappy"],
            swiftSettings: settings,
            // The archives themselves, so that the binary needs no library of the four on its machine.
            linkerSettings: [":libz.a", ":liblz4.a", ":libzstd.a", ":libsnappy.a", "stdc++"].map {
                .linkedLibrary($0)
            }),
        room("Log", ["Records", "Environment", "Bytes", "Basics"]),
        room("Replication", ["Log", "Records", "Environment", "Bytes", "Basics"]),
        room("WireProtocol", ["Bytes", "Basics"], plugins: ["GenerateProtocol"]),
        room("Raft", ["Basics"]),
        room("ClusterImage", ["WireProtocol", "Configuration", "Basics"]),
        room("Controller", ["ClusterImage", "WireProtocol", "Configuration", "Basics"]),
        room("Coordination", ["Records", "Bytes", "Basics"]),
        .systemLibrary(name: "CPcre2", path: "Sources/CPcre2", providers: [.apt(["libpcre2-dev"])]),
        .target(
            name: "Groups",
            dependencies: [
                "Coordination", "ClusterImage", "Records", "WireProtocol", "Configuration", "Bytes", "Basics", "CPcre2",
            ],
            swiftSettings: settings,
            linkerSettings: [.linkedLibrary(":libpcre2-8.a")]),
        room("Reactor", ["Environment", "Bytes", "Basics", "CLinux"]),
        room("Channel", ["WireProtocol", "Environment", "Bytes", "Basics"]),
        room("Client", ["Channel", "Records", "WireProtocol", "Environment", "Bytes", "Basics"]),
        room(
            "MartletClient", ["Client", "Channel", "Reactor", "Records", "WireProtocol", "Environment", "Bytes", "Basics"]),
        .executableTarget(
            name: "ProduceConsume", dependencies: ["MartletClient"], path: "Tools/Examples/ProduceConsume",
            swiftSettings: settings),
        room(
            "Broker",
            [
                "Groups", "Coordination", "Controller", "ClusterImage", "Raft", "Replication", "Channel", "Log", "Records", "WireProtocol", "Configuration",
                "Environment", "Bytes", "Basics",
            ]),
        .executableTarget(
            name: "martlet",
            dependencies: [
                "Broker", "Client", "Channel", "Log", "Records", "Reactor", "WireProtocol", "Configuration", "Environment",
                "Bytes", "Basics",
            ],
            swiftSettings: settings),
        .target(name: "ProtocolSchema", path: "Tools/ProtocolSchema", swiftSettings: settings),
        .executableTarget(
            name: "ProtocolGenerator", dependencies: ["ProtocolSchema"], path: "Tools/ProtocolGenerator",
            swiftSettings: settings),
        .plugin(
            name: "GenerateProtocol", capability: .buildTool(), dependencies: ["ProtocolGenerator"],
            path: "Tools/GenerateProtocol"),
        .target(
            name: "Simulation",
            dependencies: [
                "Broker", "Client", "Channel", "Groups", "Coordination", "Controller", "ClusterImage", "Raft", "Replication", "Log",
                "Records", "WireProtocol", "Configuration", "Environment", "Bytes", "Basics",
            ],
            path: "Tests/Simulation", swiftSettings: settings),
        .executableTarget(
            name: "simulate", dependencies: ["Simulation"], path: "Tools/Simulate", swiftSettings: settings),
        .executableTarget(
            name: "compaction-bench", dependencies: ["Log", "Records", "Reactor", "Environment", "Bytes", "Basics"],
            path: "Tools/CompactionBench", swiftSettings: settings),
        tests("TidyTests", []),
        tests("LogTests", ["Log", "Records", "Reactor", "Environment", "Bytes", "Basics"]),
        tests("SimulationTests", ["Simulation", "simulate", "Basics"]),
        tests("BasicsTests", ["Basics"]),
        tests("BytesTests", ["Bytes", "Basics"]),
        tests("EnvironmentTests", ["Environment", "Bytes", "Basics"]),
        tests("WireProtocolTests", ["WireProtocol", "ProtocolSchema", "Bytes", "Basics"], exclude: ["Peers"]),
        tests("RecordsTests", ["Records", "Bytes", "Basics"]),
        tests("ReactorTests", ["Reactor", "Environment", "Bytes", "Basics", "CLinux"]),
        tests("ConfigurationTests", ["Configuration"]),
        tests(
            "ClientTests", ["Client", "Channel", "Records", "WireProtocol", "Environment", "Bytes", "Basics"]),
        tests("CommandTests", ["martlet"]),
        tests("ControllerTests", ["Controller", "ClusterImage", "WireProtocol", "Configuration", "Bytes", "Basics"]),
        tests("ReplicationTests", ["Replication", "Log", "Records", "Reactor", "Environment", "Bytes", "Basics"]),
        tests("RaftTests", ["Raft", "Basics"]),
        tests("CoordinationTests", ["Coordination", "Records", "Bytes", "Basics"]),
        tests(
            "GroupsTests",
            ["Groups", "Coordination", "ClusterImage", "Records", "WireProtocol", "Configuration", "Bytes", "Basics"]),
        tests(
            "ClusterImageTests",
            ["ClusterImage", "Log", "Records", "Reactor", "WireProtocol", "Environment", "Bytes", "Basics"]),
        tests(
            "BrokerTests",
            [
                "Broker", "Raft", "Reactor", "Records", "WireProtocol", "Configuration", "Environment", "Bytes", "Basics",
            ]),
    ]
)
