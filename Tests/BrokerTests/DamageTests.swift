// A bit that changed on the disk, as a client meets it: an error that it sees, and everything else as before.

import Basics
import Bytes
import Environment
import Reactor
import Records
import Testing
import WireProtocol

@Suite struct DamageTests {
    @Test func `a damaged batch is an error for who reads it, and for nobody else`() throws {
        try withFolder { folder in
            let value = String(repeating: "v", count: 400_000)
            let first = try TestBroker(folder: folder)
            let writer = try Peer(port: first.port)
            try writer.create("t", ["segment.bytes": "1048576"])
            for _ in 0..<8 {
                let produced = try writer.produce(
                    try batch(count: 0) { $0.append(timestamp: .init(milliseconds: now()), key: nil, value: text(value)) },
                    to: "t")
                #expect(produced.errorCode == .none)
            }
            try first.stop()
            // The lock lasts as long as the process.
            let copy = try TestBroker.copy(folder)
            let file = try RealFileSystem().open(copy + "/t-0/00000000000000000000.log", .update)
            let size = try file.size() / 2
            try file.write([ByteSlice([try file.read(at: size + 300, count: 1)[0] ^ 4])], at: size + 300)

            let second = try TestBroker(folder: copy)
            let peer = try Peer(port: second.port)
            #expect(try peer.records("t").map(\.offset.rawValue) == [0], "what lies before the damage is served")
            let answer = try peer.fetch("t", from: 1).responses[0].partitions[0]
            #expect(answer.errorCode == .corruptMessage && answer.records.slice?.isEmpty ?? true)
            var next: Int64 = 2
            while next < 8 { next = try #require(try peer.records("t", from: next).last).offset.rawValue + 1 }
            #expect(try peer.produce(try batch(), to: "t").baseOffset == 8)
            #expect(try peer.records("t", from: 8).count == 3)
            #expect(try peer.fetch("t", from: 1).responses[0].partitions[0].errorCode == .corruptMessage)
            try second.stop()
        }
    }
}
