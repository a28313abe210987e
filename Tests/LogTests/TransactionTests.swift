import Basics
import Bytes
import Environment
import Foundation
import Log
import Records
import Synchronization
import Testing

/// A marker as a coordinator writes it.
func makeMarker(
    _ producer: (id: Int64, epoch: Int16), isCommit: Bool, coordinatorEpoch: Int32 = 0
) throws -> RecordBatch {
    let marker = TransactionMarker(isCommit: isCommit, coordinatorEpoch: coordinatorEpoch)
    var builder = RecordBatchBuilder()
    builder.producerId = producer.id
    builder.producerEpoch = producer.epoch
    builder.isTransactional = true
    builder.isControl = true
    builder.append(timestamp: Timestamp(milliseconds: 1_000), key: marker.key, value: marker.value)
    return try #require(RecordBatch(try builder.finish()))
}

func makeTransactional(
    _ values: [String], _ producer: (id: Int64, epoch: Int16, sequence: Int32)
) throws -> RecordBatch {
    var builder = RecordBatchBuilder()
    builder.producerId = producer.id
    builder.producerEpoch = producer.epoch
    builder.baseSequence = producer.sequence
    builder.isTransactional = true
    for value in values {
        builder.append(timestamp: Timestamp(milliseconds: 1_000), key: nil, value: ByteSlice(Array(value.utf8)))
    }
    return try #require(RecordBatch(try builder.finish()))
}

@Suite struct TransactionTests {
    @Test func `the first open transaction bounds readers until its marker is committed`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeBatch(["plain"]), try makeTransactional(["a"], (1, 0, 0))])
        _ = try log.append([try makeTransactional(["b"], (2, 0, 0)), try makeBatch(["plain"])])
        #expect(log.firstUnstableOffset == Offset(1))
        _ = try log.append([try makeMarker((1, 0), isCommit: true)])
        log.settleTransactions(below: Offset(4))
        #expect(log.firstUnstableOffset == Offset(1), "the marker at 4 is not committed")
        log.settleTransactions(below: Offset(5))
        #expect(log.firstUnstableOffset == Offset(2))
        _ = try log.append([try makeMarker((2, 0), isCommit: false)])
        log.settleTransactions(below: Offset(6))
        #expect(log.firstUnstableOffset == nil)
    }

    @Test func `readers are told of the aborted transactions in what they get, and of no others`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 300
        configuration.indexIntervalBytes = 0
        let log = try openLog(folder.path, configuration).log
        var aborted: [AbortedTransaction] = []
        for round in 0..<20 {
            let id = Int64(round % 3)
            let start = log.endOffset
            _ = try log.append([try makeTransactional(["x", "y"], (id, 0, Int32(2 * (round / 3))))])
            _ = try log.append([try makeBatch(["between"])])
            _ = try log.append([try makeMarker((id, 0), isCommit: round % 2 == 0)])
            guard round % 2 == 1 else { continue }
            aborted.append(
                AbortedTransaction(
                    producerId: id, firstOffset: start, lastOffset: start + 3, lastStableOffset: start + 4))
        }
        #expect(log.view.segments.count > 3)
        for lower in 0..<log.endOffset.rawValue {
            for upper in lower + 1...log.endOffset.rawValue {
                let expected = aborted.filter { $0.lastOffset.rawValue >= lower && $0.firstOffset.rawValue < upper }
                #expect(try log.abortedTransactions(in: Offset(lower)..<Offset(upper)) == expected)
            }
        }
    }

    @Test func `a transaction that spans segments is found in the segment of its marker`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 200
        let log = try openLog(folder.path, configuration).log
        _ = try log.append([try makeTransactional(["first"], (1, 0, 0))])
        for _ in 0..<10 { _ = try log.append([try makeBatch([String(repeating: "filler", count: 10)])]) }
        _ = try log.append([try makeMarker((1, 0), isCommit: false)])
        let found = try log.abortedTransactions(in: Offset(0)..<Offset(1))
        #expect(found.map(\.firstOffset) == [Offset(0)])
        #expect(found.map(\.lastOffset) == [Offset(11)])
    }

    @Test(arguments: [true, false])
    func `producers, open transactions and aborted ones are the same after a restart`(isClean: Bool) throws {
        var random = SeededRandom(seed: isClean ? 1 : 2)
        for _ in 0..<20 {
            let folder = Folder()
            var configuration = LogConfiguration()
            configuration.segmentBytes = Int.random(in: 200...900, using: &random)
            var log = try openLog(folder.path, configuration).log
            var sequences: [Int64: Int32] = [:]
            var isOpen: Set<Int64> = []
            for _ in 0..<60 {
                let id = Int64.random(in: 0..<4, using: &random)
                if isOpen.contains(id), Int.random(in: 0..<3, using: &random) == 0 {
                    let isCommit = Bool.random(using: &random)
                    _ = try log.append([try makeMarker((id, 0), isCommit: isCommit)])
                    isOpen.remove(id)
                } else {
                    let sequence = sequences[id] ?? 0
                    let outcomes = try log.append([try makeTransactional(["v"], (id, 0, sequence))])
                    #expect(outcomes.map(\.verdict) == [.append])
                    sequences[id] = sequence + 1
                    isOpen.insert(id)
                }
                if Int.random(in: 0..<5, using: &random) == 0 { try log.syncSealed() }
            }
            let before = log.producers
            let aborted = try log.abortedTransactions(in: Offset(0)..<log.endOffset)
            let point = Offset(log.recoveryPoint.load(ordering: .acquiring))
            if isClean { try log.close() }
            log = try openLog(folder.path, configuration, isClean: isClean, recoveryPoint: point).log
            let after = log.producers
            #expect(after.producers.mapValues(\.transactionStart) == before.producers.mapValues(\.transactionStart))
            #expect(after.producers.mapValues(\.epoch) == before.producers.mapValues(\.epoch))
            #expect(
                after.producers.compactMapValues(\.batches.last) == before.producers.compactMapValues(\.batches.last))
            #expect(
                after.transactions.filter { $0.lastOffset == .none }
                    == before.transactions.filter { $0.lastOffset == .none })
            #expect(try log.abortedTransactions(in: Offset(0)..<log.endOffset) == aborted)
        }
    }

    @Test func `markers of a replaced coordinator or an older epoch are refused`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["a"], (1, 3, 0))])
        _ = try log.append([try makeMarker((1, 3), isCommit: true, coordinatorEpoch: 5)])
        let outcomes = try log.append([
            try makeMarker((1, 3), isCommit: true, coordinatorEpoch: 4), try makeMarker((1, 2), isCommit: true),
        ])
        #expect(outcomes.map(\.verdict) == [.fencedCoordinator, .fencedEpoch])
        #expect(log.endOffset == Offset(2))
    }

    @Test func `a plain record of a producer with an open transaction is refused`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["a"], (1, 0, 0))])
        let outcomes = try log.append([try makeBatch(["b"], producer: (1, 0, 1))])
        #expect(outcomes.map(\.verdict) == [.transactionIsOpen])
    }

    @Test func `a new epoch begins with sequence 0, after a marker too`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["a"], (1, 0, 0)), try makeMarker((1, 1), isCommit: false)])
        let late = try log.append([try makeTransactional(["late"], (1, 0, 1)), try makeTransactional(["b"], (1, 1, 1))])
        #expect(late.map(\.verdict) == [.fencedEpoch, .outOfOrder])
        #expect(try log.append([try makeTransactional(["b"], (1, 1, 0))]).map(\.verdict) == [.append])
    }

    @Test func `a failed write leaves transactions as they were`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["a"], (1, 0, 0))])
        let before = log.producers.transactions
        var plan = log.plan(
            [try makeMarker((1, 0), isCommit: true), try makeTransactional(["b"], (2, 0, 0))],
            epoch: LeaderEpoch(0), at: Instant(nanoseconds: 0))
        try log.write(&plan)
        log.abandon(plan)
        #expect(log.producers.transactions == before)
        #expect(log.firstUnstableOffset == Offset(0))
    }

    @Test func `a silent producer is forgotten, a busy one with old timestamps and an open one are not`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["open"], (1, 0, 0)), try makeBatch(["a"], producer: (2, 0, 0))])
        let day: Int64 = 86_400_000
        log.expireProducers(at: Timestamp(milliseconds: 10 * day), after: .seconds(86_400))
        #expect(log.producers.producers.keys.sorted() == [1, 2])
        log.expireProducers(at: Timestamp(milliseconds: 11 * day - 1), after: .seconds(86_400))
        #expect(log.producers.producers.keys.sorted() == [1, 2])
        log.expireProducers(at: Timestamp(milliseconds: 11 * day), after: .seconds(86_400))
        #expect(log.producers.producers.keys.sorted() == [1])
        try log.close()
        let again = try openLog(folder.path).log
        again.expireProducers(at: Timestamp(milliseconds: 11 * day), after: .seconds(86_400))
        #expect(again.producers.producers.keys.sorted() == [1])
    }

    @Test func `a damaged index of transactions is made anew from the log`() throws {
        let folder = Folder()
        var log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["a"], (1, 0, 0)), try makeMarker((1, 0), isCommit: false)])
        let expected = try log.abortedTransactions(in: Offset(0)..<Offset(2))
        #expect(expected.count == 1)
        try log.close()
        let path = log.view.active.path(.transactionIndex)
        let content = try Data(contentsOf: URL(fileURLWithPath: path))
        try content.prefix(20).write(to: URL(fileURLWithPath: path))
        log = try openLog(folder.path).log
        #expect(try log.abortedTransactions(in: Offset(0)..<Offset(2)) == expected)
    }

    @Test func `a snapshot behind the end goes, those at segments and the newest stay`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 100
        let log = try openLog(folder.path, configuration).log
        for sequence in 0..<4 { _ = try log.append([try makeBatch(["value"], producer: (1, 0, Int32(sequence)))]) }
        try log.syncSealed()
        func snapshots() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".snapshot") }.sorted()
        }
        #expect(try snapshots().count == 3)
        try log.close()
        #expect(try snapshots().count == 4)
        let active = log.view.active
        try FileManager.default.removeItem(atPath: active.path(.log))
        let shorter = try openLog(folder.path, configuration, isClean: false).log
        #expect(shorter.endOffset == Offset(3))
        #expect(try snapshots().map { Int($0.prefix(20)) } == [1, 2, 3])
    }
}
