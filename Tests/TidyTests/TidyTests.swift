// The source tree checks itself: who imports whom, how long things are, which words stand nowhere, and that the paths
// which the documentation names exist.

import Foundation
import Testing

@Suite struct TidyTests {
    /// Who may import whom: a room may import those listed, and all that these import.
    private static let rooms: [String: [String]] = [
        "Basics": [],
        "Bytes": ["Basics", "CLinux"],
        "Environment": ["Bytes"],
        "WireProtocol": ["Bytes"],
        "Configuration": ["Basics"],
        "Records": ["Bytes", "CZlib", "CLZ4", "CZstd", "CSnappy"],
        "Log": ["Records", "Environment", "Configuration"],
        "Raft": ["Basics"],
        "ClusterImage": ["WireProtocol", "Configuration"],
        "Controller": ["ClusterImage"],
        "Replication": ["Log", "ClusterImage"],
        "Coordination": ["Records", "ClusterImage"],
        "Groups": ["Coordination", "CPcre2"],
        "Channel": ["WireProtocol", "Environment"],
        "Reactor": ["Environment", "CLinux"],
        "Client": ["Channel", "Records"],
        "Broker": ["Controller", "Groups", "Raft", "Replication", "Channel", "Reactor"],
        "MartletClient": ["Client", "Reactor"],
        "martlet": ["Broker", "Client", "Reactor"],
    ]

    /// Modules of the toolchain, and the rooms that may import them.
    private static let toolchain: [String: Set<String>] = [
        "Synchronization": [
            "Basics", "Bytes", "Log", "Replication", "Reactor", "Broker", "Client", "Records", "Channel", "martlet",
            "MartletClient",
        ],
        "Glibc": ["Reactor"],
    ]

    @Test func `a room imports only what the table allows`() {
        for file in Tree.swift("Sources") {
            guard Self.rooms[file.room] != nil else {
                Issue.record("\(file.path) is in a room that the table does not have")
                continue
            }
            let allowed = Self.allowed(file.room)
            for name in file.imports where !allowed.contains(name) {
                Issue.record("\(file.path) imports \(name)")
            }
        }
    }

    private static func allowed(_ room: String) -> Set<String> {
        var found: Set<String> = []
        var open = rooms[room] ?? []
        while !open.isEmpty {
            let next = open.removeLast()
            if found.insert(next).inserted, let more = rooms[next] {
                // C modules are for the rooms that list them.
                open += more.filter { rooms[$0] != nil }
            }
        }
        return found.union(toolchain.filter { $0.value.contains(room) }.keys)
    }

    @Test func `files and functions stay short`() {
        for file in Tree.swift("Sources") + Tree.swift("Tests") + Tree.swift("Tools") {
            #expect(file.lines.count <= 601, "\(file.path) has \(file.lines.count) lines")
            for function in Self.functions(of: file) {
                #expect(function.length <= 70, "\(file.path):\(function.line) has \(function.length) lines")
            }
        }
    }

    private static func functions(of file: SourceFile) -> [(line: Int, length: Int)] {
        var found: [(line: Int, length: Int)] = []
        var start: (line: Int, indent: Int)?
        for (index, line) in file.lines.enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let words = line.split(separator: " ")
            let isHead = words.prefix(5).contains { $0 == "func" || $0.hasPrefix("init(") || $0.hasPrefix("init<") }
            if start == nil, isHead, !line.contains("//"), !line.hasSuffix("}") { start = (index, indent) }
            if let open = start, index > open.line, indent == open.indent, line.dropFirst(indent).hasPrefix("}") {
                found.append((open.line + 1, index - open.line + 1))
                start = nil
            }
        }
        return found
    }

    @Test func `every file of the sources says what it owns`() {
        for file in Tree.swift("Sources") where !file.path.hasSuffix("Package.swift") {
            #expect(file.lines.first?.hasPrefix("//") ?? false, "\(file.path) has no head comment")
        }
    }

    /// What may stand nowhere in the sources, and the rooms where it may after all.
    private static let banned: [(text: String, rooms: Set<String>)] = [
        ("try" + "! ", []), ("fatal" + "Error(", []), ("@unchecked " + "Sendable", ["Basics", "Reactor"]),
        ("import " + "Foundation", []), ("import " + "Dispatch", []), ("Task" + ".sleep", []), ("TO" + "DO", []),
        ("FIX" + "ME", []),
    ]

    @Test func `banned words stand nowhere`() {
        for file in Tree.swift("Sources") {
            for (index, line) in file.lines.enumerated() {
                for (text, rooms) in Self.banned where line.contains(text) && !rooms.contains(file.room) {
                    Issue.record("\(file.path):\(index + 1) has \(text)")
                }
            }
            let name = (file.path as NSString).lastPathComponent
            for word in ["Utils", "Helpers", "Manager", "Common"] {
                #expect(!name.contains(word), "\(file.path) is named after nothing")
            }
        }
    }

    @Test func `unsafe code stays in the rooms that are for it`() {
        for file in Tree.swift("Sources") where !["Bytes", "Reactor"].contains(file.room) {
            if file.room == "Records", file.path.contains("/Compression/") { continue }
            if file.path == "Sources/Groups/TopicPattern.swift" { continue }
            for (index, line) in file.lines.enumerated() {
                let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
                // What is said in texts is no code; every other part between quotation marks is one.
                let parts = code.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
                let words = parts.filter { $0.offset.isMultiple(of: 2) }.flatMap { part in
                    part.element.split { !$0.isLetter && $0 != "_" }
                }
                #expect(!words.contains { $0 == "unsafe" }, "\(file.path):\(index + 1) is unsafe")
            }
        }
    }

    @Test func `paths that the documentation names exist`() {
        let documents = Tree.files("Docs", ["md"]) + Tree.files("Protocol", ["md"])
        for document in documents + [SourceFile(path: "README.md", lines: Self.readme)] {
            for path in document.lines.flatMap(Self.paths) {
                let url = Tree.root.appendingPathComponent(path)
                #expect(FileManager.default.fileExists(atPath: url.path), "\(document.path) names \(path)")
            }
        }
    }

    private static var readme: [String] {
        let text = (try? String(contentsOf: Tree.root.appendingPathComponent("README.md"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    /// Names in backticks that begin with a top-level folder.
    private static func paths(in line: String) -> [String] {
        line.split(separator: "`", omittingEmptySubsequences: false).enumerated().compactMap { index, part in
            guard index % 2 == 1, !part.contains(" "), !part.contains("*"), !part.contains("<") else { return nil }
            let isPath = ["Sources/", "Tests/", "Docs/", "Tools/", "Protocol/"].contains { part.hasPrefix($0) }
            return isPath ? String(part) : nil
        }
    }
}
