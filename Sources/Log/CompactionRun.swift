// One cleaning of one log, in steps of a few megabytes, so that it can be held back, paced and given up between any two.
//
//     map:    the keys of the dirty part are read into a table, until its end or until the table is full
//     clean:  group by group, all segments up to there are copied but for what the table says is superseded
//     swap:   each finished group takes the place of its sources (`SegmentSwap`)
//
// Any thread of the pool may make the next step; one at a time does.

package import Basics
internal import Bytes
internal import Environment
internal import Records
internal import Synchronization

/// A cleaning under way.
package final class CompactionRun: Sendable {
    /// Bytes that one step reads, about.
    package static let stepBytes = 4 << 20
    /// The most that the records of one batch may take without compression: far more than a producer may send.
    static let expansionMax = 1 << 30

    /// What a step came to.
    package struct Step: Sendable {
        /// Bytes that were read and written.
        package var bytes = 0
        /// Files that are not in use any more, but by readers who have them open.
        package var removed: [String] = []
        /// Set by the last step: the offset below which the log is clean.
        package var cleaned: Offset?
    }

    /// What a cleaning has done.
    package struct Totals: Hashable, Sendable {
        package var bytesRead = 0
        package var bytesBefore = 0
        package var bytesAfter = 0
    }

    package let log: PartitionLog
    /// Of the log, when the run began.
    let moves: Int
    private let state: Mutex<State>

    struct State {
        let configuration: LogConfiguration
        let segments: [Segment]
        let facts: [CompactionFacts]
        let firstDirty: Offset
        var keys: KeyOffsets
        var rules: CompactionRules
        /// Passed by the mapping, and by the cleaning.
        var mappingSweep: TransactionSweep
        var sweep: TransactionSweep
        /// Up to here all keys are in the table.
        var lastMapped: Offset
        var phase: Phase
        var groups: [Range<Int>] = []
        var totals = Totals()
    }

    enum Phase {
        case mapping(segment: Int, SegmentScanner?)
        case cleaning(group: Int, segment: Int, SegmentScanner?, CleanedSegment?)
        case done
    }

    /// Memory for the keys, how full it may get, and the secret that they are hashed with.
    package struct Table: Sendable {
        package var bytes: Int
        package var loadFactor: Double
        package var seed: (UInt64, UInt64)

        package init(bytes: Int, loadFactor: Double, seed: (UInt64, UInt64)) {
            self.bytes = bytes
            self.loadFactor = loadFactor
            self.seed = seed
        }
    }

    /// A cleaning of `range`. All below its end must be below the recovery point that is on disk: afterwards the offsets
    /// have holes, and recovery takes a hole behind that point for lost data.
    package init(_ log: PartitionLog, _ range: CleanableRange, _ table: Table, now: Timestamp) throws(StorageError) {
        self.log = log
        moves = log.compaction.moves
        let view = log.view
        let configuration = log.configuration
        let count = view.segments.indices.dropLast().prefix { view.segments[$0 + 1].base <= range.end }.count
        let facts = try log.compactionFacts(view, withIndexes: true)
        let keys = KeyOffsets(
            bytes: table.bytes, loadFactor: table.loadFactor, keysMax: Int(max(0, range.end - range.firstDirty)),
            seed: table.seed)
        let first = view.segments[..<count].lastIndex { $0.base <= range.firstDirty } ?? 0
        let sweep = TransactionSweep(try log.abortedTransactions(in: view.segments[0].base..<range.end))
        state = Mutex(
            State(
                configuration: configuration, segments: Array(view.segments[..<count]),
                facts: Array(facts[..<count]), firstDirty: range.firstDirty, keys: keys,
                rules: CompactionRules(
                    now: now, deleteRetentionMilliseconds: configuration.deleteRetentionMilliseconds,
                    end: range.end, lastBatches: log.lastBatches()),
                mappingSweep: sweep, sweep: sweep,
                lastMapped: range.firstDirty + -1, phase: .mapping(segment: first, nil)))
    }

    package var totals: Totals { state.withLock { $0.totals } }

    /// Does a part of the work. Blocks for its I/O.
    package func step() throws(StorageError) -> Step {
        try state.withLock { state throws(StorageError) in
            var step = Step()
            while step.bytes < CompactionRun.stepBytes, step.cleaned == nil {
                switch state.phase {
                case .mapping(let index, let scanner):
                    try state.map(index, scanner, &step, log)
                case .cleaning(let group, let index, let scanner, let cleaned):
                    try state.clean(group, index, scanner, cleaned, &step, log)
                case .done:
                    step.cleaned = state.lastMapped + 1
                }
            }
            state.totals.bytesRead += step.bytes
            return step
        }
    }

    /// Takes back what is not in the log yet.
    package func giveUp() {
        state.withLock { state in
            if case .cleaning(_, _, _, let cleaned?) = state.phase { _ = try? log.inTurn { cleaned.discard() } }
            state.phase = .done
        }
    }
}

extension CompactionRun.State {
    private func scanner(_ index: Int, from position: Int) throws(StorageError) -> SegmentScanner {
        SegmentScanner(
            try segments[index].file(), from: position, offset: segments[index].base, fileSize: segments[index].sealedSize)
    }

    /// The next batch; nil at the end of the segment. A batch that cannot be read is no end.
    private func next(_ scanner: inout SegmentScanner, _ index: Int) throws(StorageError) -> RecordBatch? {
        if let batch = try scanner.next() { return batch }
        guard let fault = scanner.fault else { return nil }
        throw .corrupt(path: segments[index].path(.log), position: scanner.position, reason: fault.description)
    }

    private func reading<Result>(
        _ index: Int, _ position: Int, _ body: () throws(RecordError) -> Result
    ) throws(StorageError) -> Result {
        do {
            return try body()
        } catch {
            throw .corrupt(path: segments[index].path(.log), position: position, reason: "\(error)")
        }
    }

    // MARK: Mapping

    mutating func map(
        _ index: Int, _ open: SegmentScanner?, _ step: inout CompactionRun.Step, _ log: PartitionLog
    ) throws(StorageError) {
        guard index < segments.count else { return beginCleaning() }
        var scanner =
            if let open { open } else { try scanner(index, from: try segments[index].scanStart(for: firstDirty)) }
        // The table is changed in place as long as nothing else holds the phase.
        phase = .mapping(segment: index, nil)
        while step.bytes < CompactionRun.stepBytes {
            guard let batch = try next(&scanner, index) else {
                lastMapped = max(lastMapped, facts[index].segment.end + -1)
                phase = .mapping(segment: index + 1, nil)
                return
            }
            step.bytes += batch.bytes.count
            guard try note(batch, index, scanner.position - batch.bytes.count) else {
                guard lastMapped >= firstDirty else {
                    throw .malformed(
                        path: log.directory, reason: "log.cleaner.dedupe.buffer.size is too small for one batch")
                }
                return beginCleaning()
            }
        }
        phase = .mapping(segment: index, scanner)
    }

    /// Takes the keys of `batch` into the table; false if it is full.
    private mutating func note(
        _ batch: RecordBatch, _ index: Int, _ position: Int
    ) throws(StorageError) -> Bool {
        let isAborted = mappingSweep.discards(batch)
        guard batch.header.lastOffset >= firstDirty else { return true }
        var hasRoom = true
        if !batch.header.isControl, !isAborted {
            var reader = try reading(index, position) { () throws(RecordError) in
                try RecordReader(batch, expansionLimit: .max)
            }
            while hasRoom, let record = try reading(index, position, { () throws(RecordError) in try reader.next() }) {
                guard let key = record.key, record.offset >= firstDirty else { continue }
                hasRoom = keys.note(key, at: record.offset)
            }
        }
        if hasRoom { lastMapped = batch.header.lastOffset }
        return hasRoom
    }

    private mutating func beginCleaning() {
        let count = segments.firstIndex { $0.base > lastMapped } ?? segments.count
        groups = CompactionGroups.of(Array(facts[..<count]), configuration)
        phase = .cleaning(group: 0, segment: 0, nil, nil)
    }

    // MARK: Cleaning

    mutating func clean(
        _ group: Int, _ index: Int, _ open: SegmentScanner?, _ written: CleanedSegment?,
        _ step: inout CompactionRun.Step, _ log: PartitionLog
    ) throws(StorageError) {
        guard group < groups.count else {
            phase = .done
            return
        }
        var cleaned: CleanedSegment
        if let written {
            cleaned = written
        } else {
            cleaned = try log.inTurn { () throws(StorageError) in
                try CleanedSegment(at: segments[index].base, in: log.directory, log.fileSystem, configuration)
            }
        }
        var scanner = if let open { open } else { try scanner(index, from: 0) }
        phase = .cleaning(group: group, segment: index, scanner, cleaned)
        while step.bytes < CompactionRun.stepBytes {
            guard let batch = try next(&scanner, index) else {
                if index + 1 < groups[group].upperBound {
                    phase = .cleaning(group: group, segment: index + 1, nil, cleaned)
                } else {
                    try finish(group, &cleaned, &step, log)
                    phase = .cleaning(group: group + 1, segment: index + 1, nil, nil)
                }
                return
            }
            step.bytes += batch.bytes.count
            let position = scanner.position - batch.bytes.count
            guard let kept = try reading(index, position, { () throws(RecordError) in try filter(batch) }) else {
                cleaned.isChanged = true
                continue
            }
            cleaned.isChanged = cleaned.isChanged || kept.isChanged
            step.bytes += kept.batch.bytes.count
            try cleaned.append(kept.batch)
        }
        phase = .cleaning(group: group, segment: index, scanner, cleaned)
    }

    /// What is left of `batch`; nil if nothing is.
    private mutating func filter(
        _ batch: RecordBatch
    ) throws(RecordError) -> (batch: RecordBatch, isChanged: Bool)? {
        let header = batch.header
        let fate = rules.fate(of: header, isDiscardable: sweep.discards(batch))
        let keepsHeader: Bool
        switch fate {
        case .discarded(let keeps):
            keepsHeader = keeps
        case .examined(let keeps, let needsHorizon):
            keepsHeader = keeps
            let selection = try batch.select { offset, key, hasValue in
                rules.retains(
                    offset: offset, key: key, hasValue: hasValue, in: header, keys, lastMapped: lastMapped)
            }
            guard !selection.isEmpty else { break }
            let isMissing = (selection.hasTombstone && !header.isControl && !header.hasDeleteHorizon) || needsHorizon
            guard isMissing || !selection.isWhole else { return (batch, false) }
            let bytes = try batch.encoded(
                keeping: selection, deleteHorizon: isMissing ? rules.newHorizon : nil,
                expansionLimit: CompactionRun.expansionMax)
            return RecordBatch(bytes).map { ($0, true) }
        }
        guard keepsHeader else { return nil }
        if header.recordCount == 0 { return (batch, false) }
        return RecordBatch(batch.emptied()).map { ($0, true) }
    }

    /// Puts a whole group into the log; one that came out as it went in is left alone.
    private mutating func finish(
        _ group: Int, _ cleaned: inout CleanedSegment, _ step: inout CompactionRun.Step, _ log: PartitionLog
    ) throws(StorageError) {
        let old = Array(segments[groups[group]])
        let before = old.reduce(0) { $0 + $1.sealedSize }
        totals.bytesBefore += before
        let aborted = sweep.takeEnded()
        guard cleaned.isChanged || old.count > 1 else {
            totals.bytesAfter += before
            return try log.inTurn { cleaned.discard() }
        }
        let size = try log.inTurn { () throws(StorageError) in try cleaned.finish(aborted) }
        totals.bytesAfter += size
        step.removed += try log.swap(old, with: cleaned.base, size: size)
    }
}
