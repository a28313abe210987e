import Basics
import Bytes
import Log
import Records
import Testing

@Suite struct CompactionRulesTests {
    // MARK: Hash and table

    @Test func `the hash is SipHash-2-4-128 of the reference`() {
        let hash = SipHash(key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
        let expected: [(Int, UInt64, UInt64)] = [
            (0, 0xe6a8_25ba_047f_81a3, 0x9302_55c7_1472_f66d),
            (1, 0x44af_996b_d8c1_87da, 0x45fc_229b_1159_7634),
            (4, 0xaf8f_9c2d_c164_81f8, 0x7955_cd7b_7c6e_0f7d),
            (8, 0x61f5_5862_baa9_623b, 0xb497_14f3_64e2_830f),
            (15, 0x11a8_b033_99e9_9354, 0xd9c3_cf97_0fec_087e),
        ]
        for (count, first, second) in expected {
            let digest = hash.digest(ByteSlice((0..<count).map { UInt8($0) }))
            #expect(digest.first == first && digest.second == second, "\(count) bytes")
        }
    }

    private func key(_ number: Int) -> ByteSlice { ByteSlice(Array("key-\(number)".utf8)) }

    @Test func `a table tells the last offset of each key, and refuses new ones when it is full`() {
        var keys = KeyOffsets(bytes: 24 * 100, loadFactor: 0.9, keysMax: 1 << 40, seed: (1, 2))
        #expect(keys.capacity == 90)
        for number in 0..<90 { 
            let isNoted = keys.note(key(number), at: Offset(Int64(number)))
            #expect(isNoted)
        }
        let isNewNoted = keys.note(key(90), at: Offset(90))
        let isOldNoted = keys.note(key(7), at: Offset(91))
        #expect(!isNewNoted && isOldNoted)
        for number in 0..<90 { #expect(keys.offset(of: key(number)) == Offset(number == 7 ? 91 : Int64(number))) }
        #expect(keys.offset(of: key(90)) == .none)
        #expect(keys.count == 90)
    }

    @Test func `a table is no larger than the keys that can come`() {
        let keys = KeyOffsets(bytes: 1 << 40, loadFactor: 0.5, keysMax: 10, seed: (1, 2))
        #expect(keys.capacity == 11)
    }

    // MARK: Ranges and groups

    private func facts(_ sizes: [Int], timestamps: [Int64]? = nil) -> [CompactionFacts] {
        sizes.enumerated().map { index, size in
            var facts = CompactionFacts(
                SegmentFacts(
                    base: Offset(Int64(index * 10)), end: Offset(Int64(index * 10 + 10)), size: size,
                    largestTimestamp: Timestamp(milliseconds: timestamps?[index] ?? 0),
                    isActive: index == sizes.count - 1))
            facts.firstTimestamp = facts.segment.largestTimestamp
            return facts
        }
    }

    private func range(
        _ facts: [CompactionFacts], cleaned: Int64? = nil, stable: Int64 = .max, now: Int64 = 1000,
        _ change: (inout LogConfiguration) -> Void = { _ in }
    ) -> (range: CleanableRange, isDue: Bool) {
        var configuration = LogConfiguration()
        change(&configuration)
        let range = CleanableRange(
            facts, configuration, startOffset: .zero, cleaned: cleaned.map { Offset($0) }, stable: Offset(stable),
            now: Timestamp(milliseconds: now))
        return (range, range.isDue(configuration))
    }

    @Test func `the active segment and what is undecided are not cleaned`() {
        let all = facts([100, 100, 100, 100])
        #expect(range(all).range.end == Offset(30))
        #expect(range(all, stable: 25).range.end == Offset(20))
        #expect(range(all, stable: 5).range.end == .zero)
        #expect(!range(all, stable: 5).isDue)
    }

    @Test func `a log is due by the share of its dirty bytes, or when a record has waited too long`() {
        let all = facts([100, 100, 100, 50], timestamps: [1, 2, 3, 4])
        #expect(range(all).isDue && range(all).range.dirtyRatio == 1)
        #expect(!range(all, cleaned: 20).isDue)
        #expect(range(all, cleaned: 20) { $0.cleanableRatio = 0.3 }.isDue)
        #expect(range(all, cleaned: 20) { $0.compactionLagMaxMilliseconds = 900 }.isDue)
        #expect(!range(all, cleaned: 20) { $0.compactionLagMaxMilliseconds = 998 }.isDue)
        #expect(!range(all, cleaned: 30) { $0.compactionLagMaxMilliseconds = 1 }.isDue)
    }

    @Test func `young segments wait for the least lag`() {
        let all = facts([100, 100, 100, 50], timestamps: [1, 990, 3, 4])
        #expect(range(all) { $0.compactionLagMilliseconds = 100 }.range.end == Offset(10))
        #expect(range(all, cleaned: 20) { $0.compactionLagMilliseconds = 100 }.range.end == Offset(30))
    }

    @Test func `a checkpoint beyond the log is not believed`() {
        #expect(range(facts([100, 100]), cleaned: 21).range.firstDirty == .zero)
        #expect(range(facts([100, 100]), cleaned: 20).range.firstDirty == Offset(20))
    }

    @Test func `the dirtiest log comes first, and of equals the first`() {
        func with(_ clean: Int, _ dirty: Int) -> CleanableRange {
            var range = CleanableRange(firstDirty: .zero, end: Offset(10))
            range.cleanBytes = clean
            range.dirtyBytes = dirty
            return range
        }
        #expect(CleanableRange.dirtiest([with(1, 1), with(1, 3), with(2, 6), with(9, 1)]) == 1)
        #expect(CleanableRange.dirtiest([]) == nil)
    }

    @Test func `groups fit into a segment, its indexes and its offsets`() {
        var configuration = LogConfiguration()
        configuration.segmentBytes = 250
        configuration.segmentIndexBytes = 40
        #expect(CompactionGroups.of(facts([100, 100, 100, 300, 20, 30]), configuration) == [0..<2, 2..<3, 3..<4, 4..<6])
        var indexed = facts([10, 10, 10])
        for index in indexed.indices { indexed[index].timeIndexBytes = 20 }
        #expect(CompactionGroups.of(indexed, configuration) == [0..<2, 2..<3])
        var far = facts([10, 10])
        far[1].segment.end = Offset(Int64(Int32.max) + 1)
        #expect(CompactionGroups.of(far, configuration) == [0..<2])
        far[1].segment.end = Offset(Int64(Int32.max) + 2)
        #expect(CompactionGroups.of(far, configuration) == [0..<1, 1..<2])
        #expect(CompactionGroups.of([], configuration).isEmpty)
    }

    // MARK: Batches

    private func rules(end: Int64 = 1000, _ last: [Int64: CompactionRules.LastBatch] = [:]) -> CompactionRules {
        CompactionRules(
            now: Timestamp(milliseconds: 500), deleteRetentionMilliseconds: 100, end: Offset(end), lastBatches: last)
    }

    private func batch(
        at offset: Int64, _ records: [(key: String?, value: String?)], producer: Int64 = -1,
        isTransactional: Bool = false, horizon: Int64? = nil
    ) throws -> RecordBatch {
        var builder = RecordBatchBuilder(
            baseOffset: Offset(offset), deleteHorizon: horizon.map { Timestamp(milliseconds: $0) })
        builder.producerId = producer
        builder.producerEpoch = producer < 0 ? -1 : 3
        builder.isTransactional = isTransactional
        for record in records {
            builder.append(
                timestamp: Timestamp(milliseconds: 7), key: record.key.map { ByteSlice(Array($0.utf8)) },
                value: record.value.map { ByteSlice(Array($0.utf8)) })
        }
        return try #require(RecordBatch(try builder.finish()))
    }

    private func marker(
        at offset: Int64, producer: Int64, isCommit: Bool, horizon: Int64? = nil
    ) throws -> RecordBatch {
        var builder = RecordBatchBuilder(
            baseOffset: Offset(offset), deleteHorizon: horizon.map { Timestamp(milliseconds: $0) })
        builder.producerId = producer
        builder.producerEpoch = 3
        builder.isTransactional = true
        builder.isControl = true
        let marker = TransactionMarker(isCommit: isCommit, coordinatorEpoch: 1)
        builder.append(timestamp: Timestamp(milliseconds: 7), key: marker.key, value: marker.value)
        return try #require(RecordBatch(try builder.finish()))
    }

    @Test func `a tombstone goes at its horizon and not before`() throws {
        let keys = KeyOffsets(bytes: 240, loadFactor: 0.9, keysMax: 5, seed: (1, 2))
        for (horizon, stays) in [(nil, true), (501, true), (500, false)] as [(Int64?, Bool)] {
            let batch = try batch(at: 5, [("k", nil)], horizon: horizon)
            let retained = rules().retains(
                offset: Offset(5), key: key(1), hasValue: false, in: batch.header, keys, lastMapped: Offset(9))
            #expect(retained == stays)
            #expect(
                rules().retains(
                    offset: Offset(5), key: key(1), hasValue: true, in: batch.header, keys, lastMapped: Offset(9)))
        }
    }

    @Test func `a record without a key goes, but not behind the table`() throws {
        let keys = KeyOffsets(bytes: 240, loadFactor: 0.9, keysMax: 5, seed: (1, 2))
        let header = try batch(at: 5, [(nil, "v")]).header
        for (offset, stays) in [(Int64(9), false), (10, true)] {
            let retained = rules().retains(
                offset: Offset(offset), key: nil, hasValue: true, in: header, keys, lastMapped: Offset(9))
            #expect(retained == stays)
        }
    }

    @Test func `headers of a producer's last batch and of the last batch of all are kept`() throws {
        let last: [Int64: CompactionRules.LastBatch] = [
            4: .init(offset: Offset(6), epoch: 3), 5: .init(offset: nil, epoch: 3),
        ]
        let data = try batch(at: 6, [("a", "b")], producer: 4).header
        #expect(rules(last).fate(of: data, isDiscardable: true) == .discarded(keepsHeader: true))
        let other = try batch(at: 5, [("a", "b")], producer: 4).header
        #expect(rules(last).fate(of: other, isDiscardable: true) == .discarded(keepsHeader: false))
        let control = try marker(at: 9, producer: 5, isCommit: true, horizon: 400).header
        #expect(rules(last).fate(of: control, isDiscardable: true) == .discarded(keepsHeader: true))
        let end = try batch(at: 9, [("a", "b")]).header
        #expect(
            rules(end: 10).fate(of: end, isDiscardable: false) == .examined(keepsHeader: true, needsHorizon: false))
    }

    private func rules(_ last: [Int64: CompactionRules.LastBatch]) -> CompactionRules { rules(end: 1000, last) }

    @Test func `a marker outlives its transaction by the retention of deletes`() throws {
        let fresh = try marker(at: 9, producer: 5, isCommit: true).header
        #expect(rules().fate(of: fresh, isDiscardable: false) == .examined(keepsHeader: false, needsHorizon: false))
        #expect(rules().fate(of: fresh, isDiscardable: true) == .examined(keepsHeader: false, needsHorizon: true))
        let waiting = try marker(at: 9, producer: 5, isCommit: true, horizon: 501).header
        #expect(rules().fate(of: waiting, isDiscardable: true) == .examined(keepsHeader: false, needsHorizon: false))
        let due = try marker(at: 9, producer: 5, isCommit: true, horizon: 500).header
        #expect(rules().fate(of: due, isDiscardable: true) == .discarded(keepsHeader: false))
        #expect(rules().fate(of: due, isDiscardable: false) == .examined(keepsHeader: false, needsHorizon: false))
    }

    @Test func `batches of aborted transactions are told from those of committed ones`() throws {
        let aborted = AbortedTransaction(
            producerId: 1, firstOffset: Offset(0), lastOffset: Offset(3), lastStableOffset: Offset(4))
        let emptied = AbortedTransaction(
            producerId: 3, firstOffset: Offset(7), lastOffset: Offset(9), lastStableOffset: Offset(10))
        var sweep = TransactionSweep([emptied, aborted])
        func data(_ offset: Int64, _ producer: Int64) throws -> RecordBatch {
            try batch(at: offset, [("a", "b")], producer: producer, isTransactional: true)
        }
        let passed: [(RecordBatch, Bool)] = [
            (try data(0, 1), true), (try data(1, 2), false),
            // Not of a transaction.
            (try batch(at: 2, [("a", "b")], producer: 1), false),
            // Its data was there.
            (try marker(at: 3, producer: 1, isCommit: false), false),
            // The next transaction of the producer.
            (try data(4, 1), false), (try marker(at: 5, producer: 2, isCommit: true), false),
            // Nothing is left of them.
            (try marker(at: 6, producer: 2, isCommit: true), true),
            (try marker(at: 9, producer: 3, isCommit: false), true),
        ]
        for (batch, isDiscarded) in passed {
            let answer = sweep.discards(batch)
            #expect(answer == isDiscarded, "at \(batch.header.baseOffset)")
        }
        let ended = sweep.takeEnded()
        let more = sweep.takeEnded()
        #expect(ended == [aborted] && more.isEmpty)
    }

    @Test(arguments: CompressionType.allCases)
    func `a batch with some of its records keeps all else, in every codec`(_ type: CompressionType) throws {
        var builder = RecordBatchBuilder(baseOffset: Offset(100))
        builder.producerId = 9
        builder.producerEpoch = 2
        builder.baseSequence = 40
        builder.leaderEpoch = LeaderEpoch(6)
        let headers = [RecordHeader(key: "h", value: ByteSlice([1, 2, 3]))]
        for index in 0..<300 {
            builder.append(
                timestamp: Timestamp(milliseconds: 5000 - Int64(index)), key: key(index),
                value: index % 7 == 0 ? nil : ByteSlice(Array("value \(index)".utf8)), headers: headers)
        }
        let batch = try #require(RecordBatch(try builder.finish(type)))
        for horizon in [nil, Timestamp(milliseconds: 1_000_000)] {
            let selection = try batch.select { offset, _, _ in offset.rawValue % 3 == 0 }
            #expect(selection.hasTombstone && !selection.isWhole && selection.keptCount == 100)
            let part = try #require(
                RecordBatch(try batch.encoded(keeping: selection, deleteHorizon: horizon, expansionLimit: 1 << 20)))
            #expect(part.hasValidChecksum)
            var expected = batch.header
            expected.byteCount = part.header.byteCount
            expected.crc = part.header.crc
            expected.recordCount = 100
            expected.maxTimestamp = Timestamp(milliseconds: 4998)
            if let horizon {
                expected.attributes |= 64
                expected.baseTimestamp = horizon
            }
            #expect(part.header == expected)
            var reader = try RecordReader(part, expansionLimit: 1 << 20)
            var offset = Int64(102)
            while let record = try reader.next() {
                let index = Int(offset - 100)
                #expect(record.offset == Offset(offset) && record.timestamp.milliseconds == 5000 - Int64(index))
                #expect(record.key == key(index) && record.headers == headers)
                #expect(record.value?.string == (index % 7 == 0 ? nil : "value \(index)"))
                offset += 3
            }
            #expect(offset == 402)
        }
        let empty = try #require(RecordBatch(batch.emptied()))
        #expect(empty.hasValidChecksum && empty.bytes.count == BatchHeader.size && empty.header.recordCount == 0)
        #expect(empty.header.lastOffset == Offset(399) && empty.header.lastSequence == 339)
        #expect(try empty.plainRecords().isEmpty)
    }
}
