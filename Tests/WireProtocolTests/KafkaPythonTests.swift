// A second implementation of the protocol, kafka-python 3.0, reads what we write and writes the same bytes.

import Basics
import Bytes
import Foundation
import ProtocolSchema
import Testing
import WireProtocol

@Suite struct KafkaPythonTests {
    @Test func `kafka-python reads every message that it knows and writes the same bytes`() throws {
        let types = Dictionary(uniqueKeysWithValues: Messages.all.map { ($0.messageName, $0) })
        var random = SeededRandom(seed: 482)
        var lines = ""
        for schema in try Schemas.all.get() where schema.kind == .request || schema.kind == .response {
            let type = try #require(types[schema.name])
            for version in schema.versions.lower...schema.versions.upper {
                for _ in 0..<4 {
                    var maker = RandomMessage(schema, version: version, random: SeededRandom(seed: random.next()))
                    maker.unknownTags = false
                    lines += "\(schema.name)\t\(version)\t\(hex(try reencoded(type, maker.make().bytes, Int16(version))))\n"
                }
            }
        }
        let answers = try askPeer(lines).split(separator: "\n")
        let summary = try #require(answers.last, "kafka-python is not installed for python3")
        let counts = summary.split(separator: " ").compactMap { Int($0) }
        #expect(counts.count == 2 && counts[0] > 1500, "\(summary)")
        for answer in answers.dropLast() { Issue.record("\(answer)") }
    }

    private func reencoded<Body: WireProtocol.Message>(_ type: Body.Type, _ bytes: [UInt8], _ version: Int16) throws -> ByteSlice {
        try Body(decoding: ByteSlice(bytes), version: version).encoded(version: version)
    }

    private func hex(_ slice: ByteSlice) -> String {
        slice.array.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func askPeer(_ lines: String) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-peer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("lines")
        try Data(lines.utf8).write(to: input)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = Folders.package.appendingPathComponent("Tests/WireProtocolTests/Peers/kafka_python_peer.py").path
        process.arguments = ["python3", script]
        process.standardInput = try FileHandle(forReadingFrom: input)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: answer, as: UTF8.self)
    }
}
