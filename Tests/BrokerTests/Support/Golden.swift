// The recorded frames and conversations of a real cluster.

import Bytes
import Foundation
import WireProtocol

struct TestFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

enum Golden {
    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// `MARTLET_GOLDEN`, or `shared/golden` beside the package or beside the folder that holds it.
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_GOLDEN"] { return URL(fileURLWithPath: path) }
        let beside = package.deletingLastPathComponent().appendingPathComponent("shared/golden")
        if FileManager.default.fileExists(atPath: beside.path) { return beside }
        return package.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/golden")
    }()

    static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    /// A line of the index of recorded frames.
    struct Frame {
        var file: String
        var key: Int16
        var version: Int16
        var isRequest: Bool
        var peer: String
        /// `yes`, `no`, or `no (acks=0)`.
        var answered: String
    }

    static func frames() throws -> [Frame] {
        try text("INDEX.tsv").split(separator: "\n").dropFirst().map { line in
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard columns.count >= 11, let key = Int16(columns[1]), let version = Int16(columns[3]) else {
                throw TestFailure("a line of the index is not as expected: \(line)")
            }
            return Frame(
                file: columns[0], key: key, version: version, isRequest: columns[4] == "req", peer: columns[7],
                answered: columns[10])
        }
    }

    /// One frame of a recorded conversation.
    struct Turn: Decodable {
        var session: Int
        var peer: String
        var exchange: Int
        var direction: String
        var apiKey: Int16
        var name: String
        var version: Int16
        var correlationId: Int32
        var frame: Data

        /// A frame that was recorded without its conversation.
        init(_ recorded: Frame) throws {
            session = 0
            peer = recorded.peer
            exchange = 0
            direction = recorded.isRequest ? "req" : "res"
            apiKey = recorded.key
            name = recorded.file
            version = recorded.version
            frame = try Data(contentsOf: folder.appendingPathComponent("wire/\(recorded.file)"))
            let at = recorded.isRequest ? 4 : 0
            correlationId = ByteSlice([UInt8](frame)).load(Int32.self, at: at)
        }
    }

    static func turns() throws -> [Turn] {
        let decoder = JSONDecoder()
        return try text("sessions.ndjson").split(separator: "\n").map { line in
            try decoder.decode(Turn.self, from: Data(line.utf8))
        }
    }
}

/// A response frame of `key`, read: the correlation id and all fields.
func readResponse(_ frame: ByteSlice, _ key: ApiKey, _ version: Int16) throws -> (id: Int32, fields: FieldDump) {
    var reader = ByteReader(frame)
    let header = try ResponseHeader(from: &reader, version: key.responseHeaderVersion(version))
    let fields = try dump(key.responseType, &reader, version)
    guard reader.remaining == 0 else { throw TestFailure("\(reader.remaining) bytes follow a response of \(key)") }
    return (header.correlationId, fields)
}

private func dump<Body: Message>(
    _ type: Body.Type, _ reader: inout ByteReader, _ version: Int16
) throws -> FieldDump {
    try Body(checking: &reader, version: version).dump(version: version)
}
