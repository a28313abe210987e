// swift-tools-version: 6.3
import PackageDescription

// A package of its own, because libFuzzer brings its own main:
//
//   swift build --product FuzzStorage
//   .build/debug/FuzzStorage -max_len=4096 -max_total_time=60 corpus
//
// The sanitizer is set for the rooms under test only: with `--sanitize=fuzzer` the generator would get that main, too.
// `package` access ends at the border of a package, so the rooms under test are taken in by symbolic links.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
]

let fuzzed = settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]

func room(_ name: String, _ dependencies: [Target.Dependency], linking libraries: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, swiftSettings: fuzzed,
        linkerSettings: libraries.map { .linkedLibrary($0) })
}

func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: ["FuzzDriver", "Bytes", "Basics"] + dependencies, swiftSettings: fuzzed,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-Xlinker", "-z", "-Xlinker", "muldefs"])])
}

let package = Package(
    name: "fuzz",
    targets: [
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "Basics", swiftSettings: settings),
        room("Bytes", ["Basics", "CLinux"]),
        room("Environment", ["Bytes", "Basics"]),
        room("Configuration", ["Basics"]),
        .systemLibrary(name: "CZlib"),
        .systemLibrary(name: "CLZ4"),
        .systemLibrary(name: "CZstd"),
        .systemLibrary(name: "CSnappy"),
        room(
            "Records", ["Bytes", "Basics", "CZlib", "CLZ4", "CZstd", "CSnappy"],
            linking: [":libz.a", ":liblz4.a", ":libzstd.a", ":libsnappy.a", "stdc++"]),
        room("Log", ["Records", "Environment", "Bytes", "Basics"]),
        .target(
            name: "WireProtocol", dependencies: ["Bytes", "Basics"], swiftSettings: fuzzed,
            plugins: ["GenerateProtocol"]),
        room("Channel", ["WireProtocol", "Environment", "Bytes", "Basics"]),
        room("Client", ["Channel", "Records", "WireProtocol", "Environment", "Bytes", "Basics"]),
        room("ClusterImage", ["WireProtocol", "Configuration", "Basics"]),
        room("Coordination", ["Records", "Bytes", "Basics"]),
        .systemLibrary(name: "CPcre2"),
        room(
            "Groups",
            ["Coordination", "ClusterImage", "Records", "WireProtocol", "Configuration", "Bytes", "Basics", "CPcre2"],
            linking: [":libpcre2-8.a"]),
        .target(name: "ProtocolSchema", path: "Tools/ProtocolSchema", swiftSettings: settings),
        .executableTarget(
            name: "ProtocolGenerator", dependencies: ["ProtocolSchema"], path: "Tools/ProtocolGenerator",
            swiftSettings: settings),
        .plugin(
            name: "GenerateProtocol", capability: .buildTool(), dependencies: ["ProtocolGenerator"],
            path: "Tools/GenerateProtocol"),
        room("FuzzDriver", ["Bytes"]),
        fuzzer("FuzzProtocol", ["WireProtocol"]),
        fuzzer("FuzzStorage", ["Log", "Records", "Environment"]),
        fuzzer("FuzzText", ["Configuration", "Client", "Groups"]),
    ]
)
