// The source tree as the tidy tests see it.

import Foundation

/// A Swift file of the project, by its path from the root.
struct SourceFile {
    var path: String
    var lines: [String]

    /// `Sources/Log/Segment.swift` is in the room `Log`.
    var room: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    /// Modules named in import declarations.
    var imports: [String] {
        lines.compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard let index = words.firstIndex(of: "import"), index <= 2, !line.hasPrefix("//"), words.count > index + 1
            else { return nil }
            let isDeclaration = words[..<index].allSatisfy {
                ["public", "package", "internal", "private", "fileprivate"].contains($0) || $0.hasPrefix("@")
            }
            return isDeclaration ? words[index + 1] : nil
        }
    }
}

enum Tree {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Files under `folder` with one of the extensions, sorted by path.
    static func files(_ folder: String, _ extensions: Set<String>) -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        guard let walker = FileManager.default.enumerator(atPath: base.path) else { return [] }
        var found: [SourceFile] = []
        for case let path as String in walker where extensions.contains((path as NSString).pathExtension) {
            guard !path.contains(".build/"), let text = try? String(contentsOf: base.appendingPathComponent(path), encoding: .utf8)
            else { continue }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            found.append(SourceFile(path: folder + "/" + path, lines: lines))
        }
        return found.sorted { $0.path < $1.path }
    }

    static func swift(_ folder: String) -> [SourceFile] { files(folder, ["swift"]) }
}
