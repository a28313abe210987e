// Requests that are none: cut short, of impossible lengths and versions, with wild arrays, wrong sums, or mere noise. Each
// is answered with an error or ends its connection; others are served meanwhile. (That memory stays bounded is seen on
// the real process: Tests/Compatibility/test_malformed.py.)

import Basics
import Broker
import Bytes
import Foundation
import Records
import Testing
import WireProtocol

/// One malformed request, with its length before it or, where `isWhole` is not, without a right one.
private struct Malformed {
    var what: String
    var bytes: [UInt8]
    /// Nothing more is sent, so that the broker sees the end in the middle of a frame.
    var endsSending = false
    /// The request may ask to wait, or for no answer.
    var mayBeSilent = false
}

@Suite struct MalformedRequestTests {
    private static let seed: UInt64 = 20_261_121

    @Test func `survives a corpus of malformed requests`() throws {
        let corpus = try MalformedRequestTests.corpus()
        #expect(corpus.count >= 400)
        try withBroker(["auto.create.topics.enable": "false"]) { broker in
            let witness = try Peer(port: broker.port)
            try witness.create("t")
            _ = try witness.produce(batch(), to: "t")
            var outcomes = (answered: 0, closed: 0, silent: 0)
            for (index, request) in corpus.enumerated() {
                let peer = try Peer(port: broker.port)
                if request.mayBeSilent { peer.patience(milliseconds: 30) }
                peer.write(request.bytes)
                if request.endsSending { peer.endSending() }
                switch peer.receive() {
                case .frame: outcomes.answered += 1
                case .closed: outcomes.closed += 1
                case .silence where request.mayBeSilent: outcomes.silent += 1
                case .silence: Issue.record("\(request.what): neither an answer nor an end")
                }
                if index % 20 == 0 { #expect(try witness.records("t").count == 3, "after \(request.what)") }
            }
            #expect(try witness.records("t").count == 3)
            print("malformed requests: \(corpus.count), \(outcomes)")
        }
    }

    @Test func `a produce with a wrong sum, or records that are none, is answered with an error`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            var random = SeededRandom(seed: MalformedRequestTests.seed)
            let good = try batch(.gzip, count: 20).array
            for _ in 0..<100 {
                var bytes = good
                // Behind the leader epoch, which says nothing to the leader.
                let position = Int.random(in: 16..<bytes.count, using: &random)
                bytes[position] ^= UInt8.random(in: 1...255, using: &random)
                let answer = try peer.produce(ByteSlice(bytes), to: "t")
                #expect(answer.errorCode != .none, "byte \(position)")
            }
            for _ in 0..<100 {
                var bytes = good
                for _ in 0..<8 {
                    bytes[Int.random(in: 61..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                // With a right sum only the records themselves tell.
                let slice = ByteSlice(bytes)
                slice.patch(slice.dropFirst(21).crc32c(), at: 17)
                _ = try peer.produce(slice, to: "t")
            }
            #expect(try peer.produce(batch(), to: "t").errorCode == .none)
        }
    }

    @Test func `a batch that would become enormous is refused, and its memory given back`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t", ["max.message.bytes": "1000000"])
            let zeros = ByteSlice([UInt8](repeating: 0, count: 200 << 20))
            let bomb = try CompressedBomb.batch(zeros)
            #expect(bomb.count < 1_000_000)
            #expect(try peer.produce(bomb, to: "t").errorCode == .invalidRecord)
        }
    }

    // MARK: Corpus

    private static func prefixed(_ frame: [UInt8], length: Int? = nil) -> [UInt8] {
        let count = UInt32(truncatingIfNeeded: length ?? frame.count)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + frame
    }

    /// Recorded requests of served APIs, the oldest and the newest version of each.
    private static func samples() throws -> [(name: String, key: ApiKey, bytes: [UInt8])] {
        var found: [Int16: [Golden.Frame]] = [:]
        for frame in try Golden.frames() where frame.isRequest && frame.answered == "yes" {
            if ProtocolSupport.served[frame.key]?.contains(frame.version) ?? false { found[frame.key, default: []].append(frame) }
        }
        var samples: [(name: String, key: ApiKey, bytes: [UInt8])] = []
        for (number, frames) in found.sorted(by: { $0.key < $1.key }) {
            guard let key = ApiKey(rawValue: number) else { continue }
            let sorted = frames.sorted { ($0.version, $0.file) < ($1.version, $1.file) }
            for frame in [sorted[0], sorted[sorted.count - 1]] {
                samples.append((frame.file, key, try Golden.bytes("wire/\(frame.file)")))
            }
        }
        return samples
    }

    private static func corpus() throws -> [Malformed] {
        var random = SeededRandom(seed: seed)
        var corpus = impossible()
        for (name, key, bytes) in try samples() {
            for part in 1..<8 {
                let cut = Array(bytes.prefix(bytes.count * part / 8))
                corpus.append(
                    Malformed(what: "\(name) cut to \(cut.count)", bytes: prefixed(cut), mayBeSilent: key == .produce))
                if part % 3 == 0 {
                    corpus.append(
                        Malformed(
                            what: "\(name) ended at \(cut.count)", bytes: prefixed(cut, length: bytes.count),
                            endsSending: true))
                }
            }
            for version: Int16 in [-1, 99, .max, .min] where key != .apiVersions {
                let slice = ByteSlice(bytes)
                slice.patch(version, at: 2)
                corpus.append(Malformed(what: "\(name) as version \(version)", bytes: prefixed(slice.array)))
            }
            // Thousands of partitions are no malformed wish.
            guard key != .createTopics, key != .createPartitions else { continue }
            let isPatient = key == .fetch || key == .produce
            for _ in 0..<6 { corpus.append(wild(name, bytes, isPatient, &random)) }
        }
        return corpus
    }

    /// A frame with a wild number somewhere behind its header.
    private static func wild(
        _ name: String, _ bytes: [UInt8], _ isPatient: Bool, _ random: inout SeededRandom
    ) -> Malformed {
        let values: [[UInt8]] = [
            [0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xfe], [0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0, 0, 0],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ]
        var bytes = bytes
        let value = values[Int.random(in: 0..<values.count, using: &random)]
        let position = Int.random(in: min(8, bytes.count - 1)..<bytes.count, using: &random)
        for (index, byte) in value.enumerated() where position + index < bytes.count { bytes[position + index] = byte }
        return Malformed(what: "\(name) wild at \(position)", bytes: prefixed(bytes), mayBeSilent: isPatient)
    }

    /// Lengths, keys and noise that belong to no request.
    private static func impossible() -> [Malformed] {
        var random = SeededRandom(seed: seed)
        var corpus: [Malformed] = []
        for length in [-1, Int(Int32.min), Int(Int32.max), 200 << 20, -100] {
            corpus.append(Malformed(what: "length \(length)", bytes: prefixed([0, 3, 0, 9], length: length)))
        }
        corpus.append(Malformed(what: "length 0", bytes: prefixed([])))
        for count in 1..<10 {
            corpus.append(Malformed(what: "\(count) zeros", bytes: prefixed([UInt8](repeating: 0, count: count))))
        }
        for key: Int16 in [-1, 4, 5, 6, 7, 95, 200, 1000, .max, .min] {
            var writer = ByteWriter(capacity: 32)
            writer.writeInteger(key)
            writer.writeInteger(Int16(0))
            writer.writeInteger(Int64(0))
            corpus.append(Malformed(what: "api key \(key)", bytes: prefixed(writer.finishSlice().array)))
        }
        for size in [4, 16, 64, 256, 1024, 65_536] {
            for _ in 0..<10 {
                let noise = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                corpus.append(
                    Malformed(what: "\(size) bytes of noise", bytes: prefixed(noise), mayBeSilent: true))
                corpus.append(
                    Malformed(what: "\(size) bare bytes of noise", bytes: noise, endsSending: true))
            }
        }
        for line in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}", "SSH-2.0-x\r\n"] {
            corpus.append(Malformed(what: "another protocol", bytes: Array(line.utf8), endsSending: true))
        }
        return corpus
    }
}
