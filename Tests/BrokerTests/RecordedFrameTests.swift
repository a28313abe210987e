// Every request that was recorded of a real cluster, sent to ours: an answer of the same version, or the end of the
// connection where Kafka ends it.

import Broker
import Bytes
import Foundation
import Testing
import WireProtocol

@Suite struct RecordedFrameTests {
    /// Kafka leaves some without an answer and the connection open (a produce with null records, a second ApiVersions
    /// under SASL); ours are answered, so that no connection waits for ever behind one of them.
    @Test func `answers every recorded request that it serves, and stays healthy`() throws {
        try withBroker(["broker.rack": "r1"]) { broker in
            let witness = try Peer(port: broker.port)
            var counts = (answered: 0, closed: 0, silent: 0, notServed: 0)
            for frame in try Golden.frames() where frame.isRequest {
                guard let versions = ProtocolSupport.served[frame.key], let key = ApiKey(rawValue: frame.key) else {
                    counts.notServed += 1
                    continue
                }
                let peer = try Peer(port: broker.port)
                let bytes = try Golden.bytes("wire/\(frame.file)")
                peer.send(bytes)
                let isServed = versions.contains(frame.version)
                if frame.answered == "no (acks=0)" {
                    peer.patience(milliseconds: 200)
                    // The topic is not there: Kafka ends the connection then.
                    if case .frame = peer.receive() { Issue.record("\(frame.file): an answer to acks=0") }
                    counts.silent += 1
                    continue
                }
                switch peer.receive() {
                case .frame(let answer):
                    let version = isServed ? frame.version : 0
                    #expect(isServed || key == .apiVersions, "\(frame.file)")
                    let (id, fields) = try readResponse(answer, key, version)
                    #expect(id == ByteSlice(bytes).load(Int32.self, at: 4), "\(frame.file)")
                    #expect(!fields.entries.isEmpty)
                    counts.answered += 1
                case .closed:
                    #expect(!isServed && key != .apiVersions, "\(frame.file)")
                    counts.closed += 1
                case .silence: Issue.record("\(frame.file): no answer")
                }
                if counts.answered % 50 == 0 {
                    _ = try witness.call(MetadataRequest { $0.topics = [] }, version: 9)
                }
            }
            #expect(counts.answered > 500)
            print("recorded requests: \(counts)")
        }
    }

    @Test func `ends the connection where Kafka does`() throws {
        try withBroker { broker in
            for name in ["0-v2", "1-v3", "2-v0", "200-v0", "3-v99", "4-v0", "8-v0"] {
                let peer = try Peer(port: broker.port)
                peer.send(try Golden.bytes("wire-refused/\(name)-req.bin"))
                guard case .closed = peer.receive() else {
                    Issue.record("\(name) was not refused")
                    continue
                }
            }
            let versions = try Peer(port: broker.port).call(
                ApiVersionsRequest {
                    $0.clientSoftwareName = "test"
                    $0.clientSoftwareVersion = "1"
                }, version: 4)
            #expect(versions.errorCode == .none && versions.apiKeys.count == ProtocolSupport.served.count)
        }
    }

    @Test func `the page of the documentation says what is served`() throws {
        let path = Golden.package.appendingPathComponent("Docs/protocol-support.md")
        if ProcessInfo.processInfo.environment["MARTLET_WRITE_DOCS"] != nil {
            try ProtocolSupport.markdown.write(to: path, atomically: true, encoding: .utf8)
        }
        let page = try String(contentsOf: path, encoding: .utf8)
        #expect(page == ProtocolSupport.markdown, "with MARTLET_WRITE_DOCS=1 this test writes it anew")
    }
}
