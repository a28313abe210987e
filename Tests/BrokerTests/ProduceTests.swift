// What a produced batch is answered, against the answers of the real cluster (golden/README, "Surprises").

import Basics
import Bytes
import Records
import Testing
import WireProtocol

@Suite struct ProduceTests {
    @Test func `refuses each kind of wrong batch with Kafka's error`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            let good = try batch()
            func code(_ bytes: ByteSlice?, version: Int16 = 9) throws -> ErrorCode {
                try peer.produce(bytes, to: "t", version: version).errorCode
            }
            #expect(try code(good) == .none)
            #expect(try code(nil) == .invalidRecord)
            #expect(try code(.empty) == .invalidRecord)
            #expect(try code(good.prefix(40)) == .invalidRecord)
            #expect(try code(patched(good, Int8(3), at: 16, heals: false)) == .corruptMessage)
            #expect(try code(patched(good, Int8(1), at: 16, heals: false)) == .invalidRecord)
            #expect(try code(patched(good, UInt32(1), at: 17, heals: false)) == .corruptMessage)
            #expect(try code(patched(good, Int64(4), at: 0)) == .invalidRecord)
            #expect(try code(patched(good, Int32(5), at: 57)) == .invalidRecord)
            #expect(try code(patched(good, Int32(9), at: 23)) == .invalidRecord)
            #expect(try code(patched(good, Int16(32), at: 21)) == .invalidRecord)
            #expect(try code(patched(good, Int16(7), at: 21)) == .unknownServerError)
            #expect(try code(patched(good, Int16(1), at: 21)) == .unknownServerError)
            #expect(try code(patched(good, Int16(16), at: 21)) == .transactionalIdAuthorizationFailed)
            #expect(try code(ByteSlice(good.array + good.array)) == .invalidRecord)
            #expect(try code(batch(.zstd), version: 6) == .unsupportedCompressionType)
            #expect(try code(batch(.zstd), version: 7) == .none)
            #expect(try code(good) == .none)
        }
    }

    @Test func `tells which records have a wrong time, in Kafka's words`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t", ["message.timestamp.before.max.ms": "1000"])
            let old = now() - 60_000
            let answer = try peer.produce(batch(from: old), to: "t")
            #expect(answer.errorCode == .invalidTimestamp)
            #expect(answer.errorMessage == "One or more records have been rejected due to invalid timestamp")
            #expect(answer.logStartOffset == 0 && answer.baseOffset == -1)
            #expect(answer.recordErrors.map(\.batchIndex) == [0, 1, 2])
            let first = answer.recordErrors[0].batchIndexErrorMessage ?? ""
            #expect(first.hasPrefix("Timestamp \(old) of message with offset 0 is out of range."))
            #expect(try peer.produce(batch(from: now() + 7_200_000), to: "t").errorCode == .invalidTimestamp)
        }
    }

    @Test func `takes no record without a key into a compacted topic`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("c", ["cleanup.policy": "compact"])
            let answer = try peer.produce(batch(key: nil), to: "c")
            let fault = "Compacted topic cannot accept message without key in topic partition c-0"
            #expect(answer.errorCode == .invalidRecord)
            #expect(answer.recordErrors.map(\.batchIndexErrorMessage) == [fault, fault, fault])
            #expect(
                answer.errorMessage
                    == "One or more records have been rejected due to 3 record errors in total, and only showing the"
                    + " first three errors at most: [RecordError(batchIndex=0, message='\(fault)'),"
                    + " RecordError(batchIndex=1, message='\(fault)'), RecordError(batchIndex=2, message='\(fault)')]")
            #expect(try peer.produce(batch(), to: "c").errorCode == .none)
        }
    }

    @Test func `holds batches against the limits of the topic`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("small", ["max.message.bytes": "600"])
            #expect(try peer.produce(batch(count: 100), to: "small").errorCode == .messageTooLarge)
            #expect(try peer.produce(batch(count: 2), to: "small").errorCode == .none)
        }
    }

    @Test func `corrects a latest time that the header misstates`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            let time = now() - 1000
            for type in [CompressionType.none, .gzip] {
                let wrong = patched(try batch(type, from: time), time + 900_000, at: 35)
                #expect(try peer.produce(wrong, to: "t").errorCode == .none)
            }
            let response = try peer.fetch("t", from: 0)
            let bytes = try #require(response.responses[0].partitions[0].records.slice)
            for stored in RecordBatchSequence(bytes) {
                #expect(stored.header.maxTimestamp == Timestamp(milliseconds: time + 2))
                #expect(stored.hasValidChecksum)
            }
        }
    }

    @Test(arguments: CompressionType.allCases)
    func `stores batches as the topic's compression says`(sent: CompressionType) throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            for (name, type) in [("uncompressed", CompressionType.none), ("gzip", .gzip), ("lz4", .lz4), ("zstd", .zstd)] {
                try peer.create(name, ["compression.type": name])
                let answer = try peer.produce(batch(sent, count: 50), to: name)
                #expect(answer.errorCode == .none)
                let bytes = try #require(try peer.fetch(name, from: 0).responses[0].partitions[0].records.slice)
                let stored = try #require(RecordBatch(bytes))
                #expect(stored.header.compressionId == type.rawValue && stored.hasValidChecksum)
                #expect(try peer.records(name).map { $0.value?.string } == (0..<50).map { "value \($0)" })
            }
        }
    }

    @Test func `gives records the broker's time where the topic says so`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("l", ["message.timestamp.type": "LogAppendTime"])
            let before = now()
            let answer = try peer.produce(batch(from: 5), to: "l")
            #expect(answer.errorCode == .none && answer.logAppendTimeMs >= before)
            #expect(Set(try peer.records("l").map(\.timestamp.milliseconds)) == [answer.logAppendTimeMs])
        }
    }

    @Test func `knows an idempotent producer's batches again and refuses gaps and old epochs`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            func send(_ sequence: Int32, epoch: Int16 = 3) throws -> ProduceResponse.PartitionProduceResponse {
                let bytes = try batch { builder in
                    builder.producerId = 4242
                    builder.producerEpoch = epoch
                    builder.baseSequence = sequence
                }
                return try peer.produce(bytes, to: "t")
            }
            // The first batch of a producer that the log does not know may begin anywhere.
            #expect(try send(17).errorCode == .none)
            let first = try send(20)
            #expect(first.errorCode == .none && first.baseOffset == 3)
            let again = try send(20)
            #expect(again.errorCode == .none && again.baseOffset == 3 && again.logAppendTimeMs >= 0)
            #expect(try send(30).errorCode == .outOfOrderSequenceNumber)
            #expect(try send(23, epoch: 2).errorCode == .invalidProducerEpoch)
            #expect(try send(5, epoch: 4).errorCode == .outOfOrderSequenceNumber)
            #expect(try send(0, epoch: 4).errorCode == .none)
            #expect(try peer.offset(of: -1, in: "t").offset == 9)
        }
    }

    @Test(arguments: CompressionType.allCases)
    func `finds records by their own time`(type: CompressionType) throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            let start = now() - 100_000
            for part in 0..<3 { _ = try peer.produce(batch(type, count: 10, from: start + Int64(part) * 1000), to: "t") }
            let inside = try peer.offset(of: start + 1005, in: "t")
            #expect(inside.offset == 15 && inside.timestamp == start + 1005)
            let between = try peer.offset(of: start + 500, in: "t")
            #expect(between.offset == 10 && between.timestamp == start + 1000)
            let latest = try peer.offset(of: -3, in: "t")
            #expect(latest.offset == 29 && latest.timestamp == start + 2009)
            #expect(try peer.offset(of: start + 5000, in: "t").offset == -1)
        }
    }

    @Test func `large compressed batches keep their place among the small ones`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            var random = SeededRandom(seed: 3)
            let noise = ByteSlice((0..<400_000).map { _ in UInt8.random(in: 0...255, using: &random) })
            func send(_ sequence: Int32) throws {
                var builder = RecordBatchBuilder()
                builder.producerId = 7
                builder.producerEpoch = 0
                builder.baseSequence = sequence
                let value = sequence % 2 == 0 ? noise : text("small")
                builder.append(timestamp: Timestamp(milliseconds: now()), key: text("k"), value: value)
                peer.send(Peer.production(try builder.finish(.gzip), to: "t"), version: 9)
            }
            for round in Int32(0)..<5 {
                for sequence in 4 * round..<4 * round + 4 { try send(sequence) }
                for sequence in 4 * round..<4 * round + 4 {
                    let answer = try peer.produced()
                    #expect(answer.errorCode == .none && answer.baseOffset == Int64(sequence))
                }
            }
        }
    }
}
