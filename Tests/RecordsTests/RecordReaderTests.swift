import Basics
import Bytes
import Records
import Testing

private func batch(
    _ compression: CompressionType = .none, count: Int = 50, change: (inout RecordBatchBuilder) -> Void = { _ in }
) throws -> RecordBatch {
    var builder = RecordBatchBuilder(baseOffset: Offset(100))
    change(&builder)
    for number in 0..<count {
        builder.append(
            timestamp: Timestamp(milliseconds: 1_000_000 + Int64(number * 7 % 11)),
            key: number % 3 == 0 ? nil : text("key \(number)"), value: number % 5 == 0 ? nil : text("value \(number)"),
            headers: (0..<number % 4).map { RecordHeader(key: "é\($0)", value: $0 == 0 ? nil : text("h\($0)")) })
    }
    return try #require(RecordBatch(try builder.finish(compression)))
}

/// The batch with `value` at `position`, and its CRC made right again.
private func patched<Value: FixedWidthInteger & BitwiseCopyable>(
    _ batch: RecordBatch, _ value: Value, at position: Int
) throws -> RecordBatch {
    let copy = ByteSlice(batch.bytes.array)
    copy.patch(value, at: position)
    copy.patch(copy.dropFirst(21).crc32c(), at: 17)
    return try #require(RecordBatch(copy))
}

@Suite struct RecordReaderTests {
    @Test(arguments: ForeignBatch.all)
    func `reads what other producers wrote as Kafka's consumers do`(foreign: ForeignBatch) throws {
        let batch = try #require(RecordBatch(decodeBase64(foreign.base64)))
        #expect(batch.hasValidChecksum)
        #expect(batch.header.compressionId == foreign.compression.rawValue)
        let records = try readAll(batch)
        #expect(records.count == foreign.recordCount)
        #expect(records.reduce(0) { $0 + $1.headers.count } == foreign.headerCount)
        #expect(records.last?.timestamp.milliseconds == foreign.lastTimestamp)
        let keys = records.flatMap { $0.key?.array ?? [] }
        let values = records.flatMap { $0.value?.array ?? [] }
        #expect(ByteSlice(keys + values).crc32c() == foreign.contentSum)
        let validated = try batch.validate(BatchRules())
        #expect(validated.maxTimestamp == batch.header.maxTimestamp)
    }

    @Test(arguments: CompressionType.allCases)
    func `reads back what a builder made`(type: CompressionType) throws {
        let made = try batch(type) { builder in
            builder.producerId = 7
            builder.producerEpoch = 2
            builder.baseSequence = 40
            builder.isTransactional = true
            builder.leaderEpoch = LeaderEpoch(3)
        }
        #expect(made.hasValidChecksum && made.header.isPlausible)
        #expect(made.header.producerId == 7 && made.header.producerEpoch == 2 && made.header.lastSequence == 89)
        #expect(made.header.isTransactional && !made.header.isControl && made.header.lastOffset == Offset(149))
        #expect(made.header.maxTimestamp == Timestamp(milliseconds: 1_000_010))
        let records = try readAll(made)
        #expect(records.map(\.offset.rawValue) == Array(100..<150))
        for (number, record) in records.enumerated() {
            #expect(record.key?.string == (number % 3 == 0 ? nil : "key \(number)"))
            #expect(record.value?.string == (number % 5 == 0 ? nil : "value \(number)"))
            #expect(record.timestamp.milliseconds == 1_000_000 + Int64(number * 7 % 11))
            #expect(record.headers.map(\.key) == (0..<number % 4).map { "é\($0)" })
            #expect(record.headers.allSatisfy { $0.value == nil || $0.value?.string.first == "h" })
        }
    }

    @Test(arguments: CompressionType.allCases)
    func `holds records larger than its block, and records that the caller keeps`(type: CompressionType) throws {
        var builder = RecordBatchBuilder()
        let values = (0..<200).map { compressible($0 % 50 == 7 ? 200_000 : $0 * 13, seed: UInt64($0)) }
        for value in values { builder.append(timestamp: Timestamp(milliseconds: 5), key: nil, value: value) }
        let made = try #require(RecordBatch(try builder.finish(type)))
        let records = try readAll(made)
        #expect(records.count == 200)
        for (record, value) in zip(records, values) { #expect(record.value == value) }
        #expect(try made.validate(BatchRules()).expandedCount > 800_000)
    }

    @Test func `keeps gaps, the last offset and the delete horizon of a compacted batch`() throws {
        var builder = RecordBatchBuilder(baseOffset: Offset(10), deleteHorizon: Timestamp(milliseconds: 99))
        builder.append(timestamp: Timestamp(milliseconds: 50), key: text("a"), value: nil, offsetDelta: 3)
        builder.append(timestamp: Timestamp(milliseconds: 40), key: text("b"), value: nil, offsetDelta: 8)
        builder.lastOffsetDelta = 11
        let made = try #require(RecordBatch(try builder.finish(.zstd)))
        #expect(made.header.hasDeleteHorizon && made.header.baseTimestamp == Timestamp(milliseconds: 99))
        #expect(made.header.lastOffset == Offset(21) && made.header.maxTimestamp == Timestamp(milliseconds: 50))
        let records = try readAll(made)
        #expect(records.map(\.offset) == [Offset(13), Offset(18)])
        #expect(records.map(\.timestamp.milliseconds) == [50, 40])
    }

    @Test(arguments: CompressionType.allCases)
    func `refuses counts that the records contradict`(type: CompressionType) throws {
        let made = try batch(type)
        #expect(throws: RecordError.tooMany(claimed: 49)) { try readAll(patched(made, Int32(49), at: 57)) }
        #expect(throws: RecordError.tooFew(claimed: 51, found: 50)) { try readAll(patched(made, Int32(51), at: 57)) }
        #expect(throws: RecordError.negativeCount(-1)) { try readAll(patched(made, Int32(-1), at: 57)) }
    }

    @Test func `refuses records whose parts do not fill their length exactly`() throws {
        var builder = RecordBatchBuilder()
        builder.append(
            timestamp: .none, key: text("k"), value: text("v"), headers: [RecordHeader(key: "h", value: nil)])
        let made = try #require(RecordBatch(try builder.finish()))
        // length, attributes, timestamp delta, offset delta, key length, k, value length, v, header count, 1, h, -1
        for (position, value) in [(0, 20), (0, 24), (0, 1), (4, 4), (4, 100), (6, 4), (8, 0), (8, 4), (8, 1), (9, 1)] {
            let changed = try patched(made, UInt8(value), at: 61 + position)
            let error = #expect(throws: RecordError.self) { try readAll(changed) }
            guard case .malformed(index: 0, _) = error else {
                Issue.record("\(String(describing: error)) for \(value) at \(position)")
                continue
            }
        }
        #expect(throws: RecordError.unknownCompression(6)) { try readAll(patched(made, Int16(6), at: 21)) }
    }

    @Test(arguments: CompressionType.allCases)
    func `changed batches are refused, and never crash the reader`(type: CompressionType) throws {
        let made = try batch(type)
        var random = SeededRandom(seed: 21)
        for _ in 0..<1000 {
            var bytes = made.bytes.array
            let bit = Int.random(in: 21 * 8..<bytes.count * 8, using: &random)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            let changed = try #require(RecordBatch(ByteSlice(bytes)))
            #expect(throws: BatchFault.self) { try changed.validate(BatchRules()) }
            _ = try? readAll(changed)
            _ = try? patched(changed, changed.header.producerEpoch, at: 51).validate(BatchRules())
        }
    }
}

@Suite struct BatchValidatorTests {
    @Test func `refuses headers that contradict themselves or take what producers may not`() throws {
        let made = try batch()
        #expect(throws: BatchFault.wrongChecksum) {
            let copy = ByteSlice(made.bytes.array)
            copy.patch(copy[copy.count - 1] ^ 1, at: copy.count - 1)
            _ = try RecordBatch(copy)?.validate(BatchRules())
        }
        func refusal(_ batch: RecordBatch) -> String? {
            do throws(BatchFault) {
                _ = try batch.validate(BatchRules())
                return nil
            } catch {
                if case .invalidHeader(let text) = error { return text }
                return "\(error)"
            }
        }
        #expect(refusal(made) == nil)
        #expect(refusal(try patched(made, Int8(1), at: 16)) == "unsupportedMagic(1)")
        #expect(refusal(try patched(made, Int32(-1), at: 23)) == "Batch has an invalid offset range")
        #expect(refusal(try patched(made, Int32.max, at: 23)) == "Inconsistent batch offset range and count of records")
        #expect(refusal(try patched(made, Int32(0), at: 57)) == "Invalid reported count for record batch")
        #expect(refusal(try patched(made, Int16(32), at: 21)) == "Clients are not allowed to write control records")
        #expect(refusal(try patched(made, Int64(5), at: 43)) == "Invalid sequence number -1 in record batch")
    }

    @Test(arguments: CompressionType.allCases)
    func `tells which records were refused, and finds the latest time`(type: CompressionType) throws {
        let made = try batch(type)
        let found = try made.validate(BatchRules())
        #expect(found.maxTimestamp == Timestamp(milliseconds: 1_000_010) && found.maxTimestampOffsetDelta == 3)
        var rules = BatchRules()
        rules.requiresKeys = true
        rules.timestamps = 1_000_000...1_000_009
        do throws(BatchFault) {
            _ = try made.validate(rules)
            Issue.record("nothing was refused")
        } catch {
            guard case .refusedRecords(let faults, let count) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(count == faults.count)
            #expect(faults.filter { $0.kind == .missingKey }.map(\.batchIndex) == (0..<17).map { $0 * 3 })
            // Records 3 and 36 have no key either; a record is refused once.
            #expect(faults.filter { $0.kind != .missingKey }.map(\.batchIndex) == [14, 25, 47])
            #expect(
                faults[0].message(TopicPartition("t", 1))
                    == "Compacted topic cannot accept message without key in topic partition t-1")
        }
    }

    @Test func `refuses offsets out of order, and takes a record without a time`() throws {
        var builder = RecordBatchBuilder()
        builder.append(timestamp: .none, key: nil, value: nil)
        builder.append(timestamp: .none, key: nil, value: nil, offsetDelta: 2)
        builder.lastOffsetDelta = 1
        let made = try #require(RecordBatch(try builder.finish()))
        var rules = BatchRules()
        rules.timestamps = 5...9
        let fault = RecordFault(batchIndex: 1, kind: .offsetOutOfOrder(found: 2, expected: 1))
        #expect(throws: BatchFault.refusedRecords([fault], count: 1)) { try made.validate(rules) }
    }

    @Test func `a batch that becomes larger than the limit is refused`() throws {
        var builder = RecordBatchBuilder()
        builder.append(timestamp: .none, key: nil, value: ByteSlice([UInt8](repeating: 7, count: 5_000_000)))
        let bomb = try #require(RecordBatch(try builder.finish(.zstd)))
        var rules = BatchRules()
        rules.expansionLimit = 1_000_000
        #expect(throws: BatchFault.unreadable(.compression(.tooLarge(limit: 1_000_000)))) { try bomb.validate(rules) }
    }
}
