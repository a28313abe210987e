// swift-tools-version: 6.3
import PackageDescription

// A package of its own, because libFuzzer brings its own main:
//
//   swift build --product FuzzProtocol
//   .build/debug/FuzzProtocol -max_len=4096 -max_total_time=60 corpus
//
// The sanitizer is set for the rooms under test only: with `--sanitize=fuzzer` the generator would get that main, too.
// `package` access ends at the border of a package, so the rooms under test are taken in by symbolic links.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .strictMemorySafety(), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
]

let fuzzed = settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]

let package = Package(
    name: "fuzz",
    targets: [
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "Basics", swiftSettings: settings),
        .target(name: "Bytes", dependencies: ["Basics", "CLinux"], swiftSettings: fuzzed),
        .target(
            name: "WireProtocol", dependencies: ["Bytes", "Basics"], swiftSettings: fuzzed,
            plugins: ["GenerateProtocol"]),
        .target(name: "ProtocolSchema", path: "Tools/ProtocolSchema", swiftSettings: settings),
        .executableTarget(
            name: "ProtocolGenerator", dependencies: ["ProtocolSchema"], path: "Tools/ProtocolGenerator",
            swiftSettings: settings),
        .plugin(
            name: "GenerateProtocol", capability: .buildTool(), dependencies: ["ProtocolGenerator"],
            path: "Tools/GenerateProtocol"),
        .executableTarget(
            name: "FuzzProtocol", dependencies: ["WireProtocol", "Bytes"], swiftSettings: fuzzed,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-Xlinker", "-z", "-Xlinker", "muldefs"])]),
    ]
)
