// One log against a plain array: random appends, reads, syncs, truncations, deletions, compactions, stops, kills and power
// cuts, on the virtual disk. After each step the log must be what the array says; where compaction ran, a record may be
// missing if a later one has its key.

import Basics
import Bytes
import Environment
import Log
import Records
import Synchronization

/// Runs one history of a log.
package enum LogModel {
    package typealias Outcome = ProduceAndFetch.Outcome

    package static func run(seed: UInt64) -> Outcome {
        let world = World(seed: seed)
        let history = LogHistory(world)
        do throws(StorageError) {
            try history.open(isClean: true)
            for _ in 0..<world.number(in: 20...120) where history.violations.isEmpty { try history.step() }
            try history.check()
        } catch {
            history.violate("\(error)")
        }
        return Outcome(
            violations: history.violations, trace: world.trace, traceHash: world.traceHash, events: world.eventCount,
            simulatedSeconds: Double(world.now) / 1e9)
    }
}

/// A record as the array remembers it.
private struct ModelRecord: Equatable {
    var key: String
    var value: String?
}

private struct ModelTransaction: Equatable {
    var producerId: Int64
    var first: Int64
    /// The offset of the marker.
    var last: Int64?
    var isAborted = false
}

private final class LogHistory {
    private static let partition = TopicPartition("t", 0)
    private static let directory = "/data/t-0"
    private static let producers: [Int64] = [11, 12, 13]

    private let world: World
    private let disk: VirtualDisk
    private var log: PartitionLog?
    private var configuration = LogConfiguration()
    /// Compacted worlds have no transactions: whose records went would be another model.
    private let isCompacted: Bool
    private(set) var violations: [String] = []

    // The array, and what the checkpoints of the folder say.
    private var records: [Int64: ModelRecord] = [:]
    private var transactions: [ModelTransaction] = []
    private var sequences: [Int64: Int32] = [:]
    private var end: Int64 = 0
    private var start: Int64 = 0
    private var recoveryPoint = Offset.zero
    private var writtenStart: Int64 = 0
    private var cleaned: Offset?
    private var wasCompacted = false
    private var compactedBelow: Int64 = 0
    private var epoch: Int32 = 0

    init(_ world: World) {
        self.world = world
        disk = VirtualDisk(world)
        isCompacted = world.chance(50)
        configuration.segmentBytes = world.number(in: 200...2000)
        configuration.indexIntervalBytes = world.number(in: 0...300)
        configuration.isCompacted = isCompacted
        configuration.isDeleted = !isCompacted
        configuration.deleteRetentionMilliseconds = .max / 4
        try? disk.createDirectory(LogHistory.directory)
        try? disk.syncDirectory("/data")
        try? disk.syncDirectory("/")
    }

    func violate(_ text: String) {
        world.note("VIOLATION \(text)")
        violations.append(text)
    }

    // MARK: Steps

    func step() throws(StorageError) {
        switch world.number(in: 0...99) {
        case 0..<45: try append()
        case 45..<60: try read()
        case 60..<66: try current.sync()
        case 66..<70: try current.syncSealed()
        case 70..<76: checkpoint()
        case 76..<80: try truncate()
        case 80..<84: try deleteRecords()
        case 84..<89: try compact()
        case 89..<93: try stop()
        case 93..<96: try kill()
        default: try cutPower()
        }
    }

    private var current: PartitionLog {
        guard let log else { preconditionFailure("the log is open between two steps") }
        return log
    }

    func open(isClean: Bool) throws(StorageError) {
        var loader = LogLoader(
            partition: LogHistory.partition, directory: LogHistory.directory, fileSystem: disk,
            configuration: configuration, isClean: isClean, recoveryPoint: recoveryPoint,
            handles: SegmentHandles(limit: 2))
        let opened = try loader.load(startOffset: Offset(writtenStart))
        opened.compaction.cleaned = cleaned
        log = opened
        epoch += 1
        opened.beginEpoch(LeaderEpoch(epoch))
    }

    private func checkpoint() {
        recoveryPoint = Offset(current.recoveryPoint.load(ordering: .acquiring))
        writtenStart = current.startOffset.rawValue
        cleaned = current.compaction.cleaned
        world.note("checkpoint \(recoveryPoint) start \(writtenStart)")
    }

    // MARK: Appending

    private func append() throws(StorageError) {
        var batches: [RecordBatch] = []
        var offset = end
        for _ in 0..<world.number(in: 1...3) {
            if !isCompacted, world.chance(30) {
                offset = appendTransactional(&batches, at: offset)
            } else {
                offset = appendPlain(&batches, at: offset)
            }
        }
        var plan = current.plan(batches, epoch: LeaderEpoch(epoch), at: Instant(nanoseconds: 0))
        if plan.outcomes.contains(where: { $0.verdict != .append }) { violate("refused \(plan.outcomes)") }
        try current.write(&plan)
        if world.chance(10) { return try takeBack(plan) }
        current.publish(plan)
        current.settleTransactions(below: current.endOffset)
        end = offset
        world.note("append to \(end)")
        if current.endOffset.rawValue != end { violate("the log ends at \(current.endOffset), not at \(end)") }
    }

    /// The write failed: nothing of it may remain.
    private func takeBack(_ plan: PartitionLog.AppendPlan) throws(StorageError) {
        current.abandon(plan)
        world.note("taken back")
        // Else a power cut could bring it back: its producer was told of no more than a failure, but the array is exact.
        let file = try current.view.active.file()
        try storage { () throws(FileError) in
            try file.sync()
            try disk.syncDirectory(LogHistory.directory)
        }
        forget(behind: end)
    }

    private func appendPlain(_ batches: inout [RecordBatch], at offset: Int64) -> Int64 {
        let made = (0..<world.number(in: 1...4)).map { index in
            ModelRecord(
                key: "k\(world.number(in: 0...7))",
                value: world.chance(15) ? nil : "v\(offset + Int64(index))" + String(repeating: "x", count: world.number(in: 0...60)))
        }
        for (index, record) in made.enumerated() { records[offset + Int64(index)] = record }
        batches.append(batch(made, producer: world.chance(50) ? 10 : nil))
        return offset + Int64(made.count)
    }

    private func appendTransactional(_ batches: inout [RecordBatch], at offset: Int64) -> Int64 {
        let id = LogHistory.producers[world.number(in: 0...2)]
        if let open = transactions.firstIndex(where: { $0.producerId == id && $0.last == nil }), world.chance(50) {
            transactions[open].last = offset
            transactions[open].isAborted = world.chance(50)
            batches.append(marker(id, isCommit: !transactions[open].isAborted))
            return offset + 1
        }
        if !transactions.contains(where: { $0.producerId == id && $0.last == nil }) {
            transactions.append(ModelTransaction(producerId: id, first: offset))
        }
        let record = ModelRecord(key: "t\(id)", value: "v\(offset)")
        records[offset] = record
        batches.append(batch([record], producer: id, isTransactional: true))
        return offset + 1
    }

    private func batch(_ made: [ModelRecord], producer: Int64?, isTransactional: Bool = false) -> RecordBatch {
        var builder = RecordBatchBuilder()
        if let producer {
            builder.producerId = producer
            builder.producerEpoch = 0
            builder.baseSequence = sequences[producer] ?? 0
            sequences[producer, default: 0] += Int32(made.count)
        }
        builder.isTransactional = isTransactional
        for record in made {
            builder.append(
                timestamp: Timestamp(milliseconds: 1000 + end), key: ByteSlice(Array(record.key.utf8)),
                value: record.value.map { ByteSlice(Array($0.utf8)) })
        }
        let type: CompressionType = world.chance(30) ? .lz4 : .none
        guard let bytes = try? builder.finish(type), let batch = RecordBatch(bytes) else {
            preconditionFailure("a batch that was just built")
        }
        return batch
    }

    private func marker(_ id: Int64, isCommit: Bool) -> RecordBatch {
        let marker = TransactionMarker(isCommit: isCommit, coordinatorEpoch: 0)
        var builder = RecordBatchBuilder()
        builder.producerId = id
        builder.producerEpoch = 0
        builder.isTransactional = true
        builder.isControl = true
        builder.append(timestamp: Timestamp(milliseconds: 1000 + end), key: marker.key, value: marker.value)
        guard let bytes = try? builder.finish(), let batch = RecordBatch(bytes) else {
            preconditionFailure("a marker that was just built")
        }
        return batch
    }

    // MARK: Shortening

    /// The array without what lies at `offset` or behind it.
    private func forget(behind offset: Int64) {
        end = offset
        records = records.filter { $0.key < offset }
        transactions.removeAll { $0.first >= offset }
        for index in transactions.indices where transactions[index].last.map({ $0 >= offset }) ?? false {
            transactions[index].last = nil
            transactions[index].isAborted = false
        }
        // A producer goes on from its last batch that stands in the log, as a client would after the answer.
        for (id, _) in sequences {
            let last = current.producers.producers[id]?.batches.last?.lastSequence
            sequences[id] = last.map { $0 + 1 } ?? 0
        }
    }

    private func truncate() throws(StorageError) {
        guard end > start, world.chance(60) else { return }
        // What was compacted is committed, and what is committed is never cut off.
        let lowest = max(start, compactedBelow)
        guard lowest <= end else { return }
        let target = Int64(world.number(in: Int(lowest)...Int(end)))
        let cut = try current.truncate(to: Offset(target)).rawValue
        world.note("truncate to \(target), cut at \(cut)")
        if cut > target { violate("cut at \(cut), asked for \(target)") }
        forget(behind: min(cut, end))
        start = min(start, end)
        checkpoint()
    }

    private func deleteRecords() throws(StorageError) {
        guard end > start else { return }
        start = Int64(world.number(in: Int(start)...Int(end)))
        current.advanceStart(to: Offset(start))
        try current.syncSealed()
        checkpoint()
        let paths = try current.removeBelowStart()
        world.note("delete below \(start): \(paths.count) files")
        for path in paths where world.chance(70) { try storage { () throws(FileError) in try disk.remove(path) } }
    }

    private func compact() throws(StorageError) {
        guard isCompacted else { return }
        try current.syncSealed()
        checkpoint()
        let now = Timestamp(milliseconds: 1_000_000)
        let range = try current.cleanableRange(stable: current.endOffset, now: now)
        guard range.end > range.firstDirty else { return }
        let table = CompactionRun.Table(bytes: world.number(in: 400...4000), loadFactor: 0.9, seed: (1, world.next()))
        let run = try CompactionRun(current, range, table, now: now)
        wasCompacted = true
        while true {
            let step = try run.step()
            for path in step.removed { try storage { () throws(FileError) in try disk.remove(path) } }
            guard let done = step.cleaned else { continue }
            current.compaction.cleaned = done
            // Records behind `done` may have made others needless, too.
            compactedBelow = max(compactedBelow, range.end.rawValue)
            world.note("compacted below \(done)")
            return
        }
    }

    // MARK: Ends

    private func stop() throws(StorageError) {
        try current.close()
        checkpoint()
        world.note("STOP")
        try open(isClean: true)
        try check()
    }

    private func kill() throws(StorageError) {
        world.note("KILL")
        try open(isClean: false)
        try check()
    }

    private func cutPower() throws(StorageError) {
        // What the checkpoint does not know of is not promised.
        let durable = recoveryPoint.rawValue
        world.note("POWER CUT")
        disk.cutPower()
        try open(isClean: false)
        let found = current.endOffset.rawValue
        if found < durable { violate("the log ends at \(found), and \(durable) was durable") }
        // Deleted records may be lost before; then the log is empty and goes on at its start.
        if found > max(end, writtenStart) { violate("the log ends at \(found), beyond \(end)") }
        forget(behind: found)
        start = writtenStart
        if found == start, current.view.segments.count == 1, current.view.activeSize == 0, current.producers.producers.isEmpty {
            // All that came before is gone, and with it what was known of producers.
            transactions = []
        }
        try check()
    }

    // MARK: Looking

    func check() throws(StorageError) {
        if current.endOffset.rawValue != end { violate("the log ends at \(current.endOffset), not at \(end)") }
        try read(from: current.startOffset.rawValue, countMax: 1 << 20, all: true)
        try checkTransactions()
    }

    private func read() throws(StorageError) {
        guard end > start else { return }
        try read(
            from: Int64(world.number(in: Int(start)...Int(end - 1))), countMax: world.number(in: 1...3000),
            all: world.chance(20))
    }

    /// Reads from `offset`, once or to the end, and compares.
    private func read(from offset: Int64, countMax: Int, all: Bool) throws(StorageError) {
        var next = offset
        repeat {
            guard next < end else { return }
            let found: LogRead
            do {
                found = try current.read(from: Offset(next), limit: Offset(end), countMax: countMax, wholeFirst: true)
            } catch .storage(let error) {
                throw error
            } catch {
                return violate("\(next) is out of range, the log is \(current.startOffset) to \(current.endOffset)")
            }
            let before = next
            next = try compare(found, from: next)
            if next == before { return violate("a read at \(next) of \(end) gives nothing") }
        } while all
    }

    /// Holds what was read against the array; answers the offset behind it.
    private func compare(_ found: LogRead, from offset: Int64) throws(StorageError) -> Int64 {
        guard let region = found.region, let file = region.source as? any File else {
            return wasCompacted ? end : offset
        }
        let bytes = try storage { () throws(FileError) in try file.read(at: region.position, count: region.count) }
        var next = offset
        for batch in RecordBatchSequence(bytes) {
            if !batch.hasValidChecksum { violate("a wrong checksum at \(batch.header.baseOffset)") }
            let seen = batch.header.isControl ? [] : (try? batch.plainRecords()) ?? []
            for (at, record) in seen where at.rawValue >= next {
                miss(next..<at.rawValue)
                let got = ModelRecord(
                    key: String(decoding: record.key ?? [], as: UTF8.self),
                    value: record.value.map { String(decoding: $0, as: UTF8.self) })
                if records[at.rawValue] != got { violate("\(at) is \(got), not \(String(describing: records[at.rawValue]))") }
                next = at.rawValue + 1
            }
            let behind = max(next, batch.header.nextOffset.rawValue)
            miss(next..<behind)
            next = behind
        }
        return next
    }

    /// Records that were not there: only superseded ones may be.
    private func miss(_ offsets: Range<Int64>) {
        for offset in offsets {
            guard let record = records[offset] else { continue }
            let isSuperseded = records.contains { $0.key > offset && $0.value.key == record.key }
            if !(wasCompacted && isSuperseded) { violate("\(offset) is missing: \(record)") }
        }
    }

    private func checkTransactions() throws(StorageError) {
        guard !isCompacted, end > start else { return }
        let lower = Int64(world.number(in: Int(start)...Int(end - 1)))
        let upper = Int64(world.number(in: Int(lower + 1)...Int(end)))
        let expected = transactions.filter { $0.isAborted && ($0.last ?? -1) >= lower && $0.first < upper }
            .sorted { ($0.last ?? 0) < ($1.last ?? 0) }
        let found = try current.abortedTransactions(in: Offset(lower)..<Offset(upper)).map {
            ModelTransaction(
                producerId: $0.producerId, first: $0.firstOffset.rawValue, last: $0.lastOffset.rawValue, isAborted: true)
        }
        if found != expected { violate("aborted in \(lower)..<\(upper): \(found), not \(expected)") }
        let open = transactions.filter { $0.last == nil }.map(\.first).min()
        current.settleTransactions(below: current.endOffset)
        let unstable = current.firstUnstableOffset?.rawValue
        if unstable != open { violate("the first unstable offset is \(String(describing: unstable)), not \(String(describing: open))") }
    }
}
