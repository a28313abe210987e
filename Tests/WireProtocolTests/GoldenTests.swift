// Every frame that was recorded of a real cluster is understood as Kafka understands it, and written as Kafka writes it.

import Bytes
import Foundation
import Testing
import WireProtocol

@Suite struct GoldenTests {
    @Test func `reads every recorded frame as Kafka reads it and writes the same bytes`() throws {
        let frames = try GoldenFrame.all.get()
        #expect(frames.count == 2782)
        for frame in frames {
            do {
                if let problem = try problem(of: frame) { Issue.record("\(frame.file): \(problem)") }
            } catch {
                Issue.record("\(frame.file): \(error)")
            }
        }
    }

    /// What is wrong with our reading of `frame`; nil when nothing.
    private func problem(of frame: GoldenFrame) throws -> String? {
        var reader = ByteReader(frame.bytes)
        let version = frame.bodyVersion
        if frame.isRequest {
            var probe = ByteReader(frame.bytes)
            let header = try RequestHeader(from: &probe)
            #expect(header.apiKey == frame.apiKey)
            #expect(frame.apiKey.requestHeaderVersion(header.requestApiVersion) == frame.headerVersion)
        } else {
            #expect(frame.apiKey.responseHeaderVersion(version) == frame.headerVersion)
        }
        let headerType: any Message.Type = frame.isRequest ? RequestHeader.self : ResponseHeader.self
        if let found = try check(headerType, &reader, frame.headerVersion, frame.header, "header") { return found }
        if let found = try check(frame.messageType, &reader, version, frame.body, "body") { return found }
        return reader.remaining == frame.trailingBytes ? nil : "\(reader.remaining) bytes are left"
    }

    private func check<Body: Message>(
        _ type: Body.Type, _ reader: inout ByteReader, _ version: Int16, _ json: [String: Any], _ path: String
    ) throws -> String? {
        let start = reader.position
        let message = try Body(checking: &reader, version: version)
        if let found = difference(message.dump(version: version), json, at: path) { return found }
        let original = reader.bytes[start..<reader.position]
        if message.encodedSize(version: version) != original.count { return "\(path): the size is wrong" }
        if message.encoded(version: version) != original { return "\(path): other bytes are written" }
        if let field = message.unsupportedField(version: version) { return "\(path): \(field) is not supported" }
        return nil
    }

    @Test func `knows every pair of api and version that Kafka announces`() throws {
        let path = Folders.golden.appendingPathComponent("api-versions.tsv").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        var seen = 0
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard let number = Int16(fields[0]) else { continue }
            #expect(ApiKey(rawValue: number) != nil, "\(line)")
            seen += 1
        }
        #expect(seen > 80)
    }
}
