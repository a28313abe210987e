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
        .executable(name: "martlet", targets: ["martlet"])
    ],
    targets: [
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        room("Basics"),
        room("Bytes", ["Basics", "CLinux"]),
        room("Environment", ["Bytes", "Basics"]),
        room("WireProtocol", ["Bytes", "Basics"], plugins: ["GenerateProtocol"]),
        .executableTarget(name: "martlet", dependencies: ["Environment"], swiftSettings: settings),
        .target(name: "ProtocolSchema", path: "Tools/ProtocolSchema", swiftSettings: settings),
        .executableTarget(
            name: "ProtocolGenerator", dependencies: ["ProtocolSchema"], path: "Tools/ProtocolGenerator",
            swiftSettings: settings),
        .plugin(
            name: "GenerateProtocol", capability: .buildTool(), dependencies: ["ProtocolGenerator"],
            path: "Tools/GenerateProtocol"),
        tests("BasicsTests", ["Basics"]),
        tests("BytesTests", ["Bytes"]),
        tests("WireProtocolTests", ["WireProtocol", "ProtocolSchema", "Bytes", "Basics"], exclude: ["Peers"]),
    ]
)
