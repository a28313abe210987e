// The log of one partition: a list of segments, appended to at the end, read anywhere.
//
// Threads: one writer at a time (the partition's append lane sees to that) calls `plan`, `write`, `publish` and
// `abandon`; any thread reads. Readers take the list and the published end in one step, so that size and end offset
// always belong together, and never wait for a writer's I/O.
//
// Invariant: every byte below the published end is part of a whole batch that was validated.

package import Basics
package import Environment
package import Records
package import Synchronization

/// A partition's log.
package final class PartitionLog: Sendable {
    package let partition: TopicPartition
    package let directory: String
    package let fileSystem: any FileSystem

    /// What readers see, replaced as a whole.
    package struct Published: Sendable {
        package var segments: [Segment]
        package var end: Offset
        /// Published bytes of the last segment.
        package var activeSize: Int
        package var startOffset: Offset

        package var active: Segment { segments[segments.count - 1] }

        /// Published bytes of the segment at `index`.
        package func size(of index: Int) -> Int {
            index == segments.count - 1 ? activeSize : segments[index].sealedSize
        }
    }

    let handles: SegmentHandles?
    let published: Mutex<Published>
    let tail: Mutex<LogTail>
    private let settings: Mutex<LogConfiguration>
    /// Everything below is durable; moved by `sync`.
    package let recoveryPoint: Atomic<Int64>
    /// The base of the active segment when the folder was synced last, or -1.
    let directorySyncedAt = Atomic<Int64>(-1)
    /// Bytes appended by this process, and how many of them are durable.
    let appendedBytes = Atomic(0)
    let syncedBytes = Atomic(0)
    /// When the first record was appended that no sync has begun to cover, and that the sync under way covers; `Int64.max`
    /// if there is none.
    let unsyncedFrom = Atomic<Int64>(.max)
    let syncingFrom = Atomic<Int64>(.max)
    /// Advanced at `plan` and taken back at `abandon`.
    let producerStates: Mutex<ProducerStates>
    /// Producers as they were where segments begin, to be written by the next sync.
    let snapshots = Mutex<[(offset: Offset, producers: ProducerStates)]>([])
    /// Where the first transaction begins that is not known to be over; `Int64.max` if there is none.
    let firstUnstable = Atomic<Int64>(.max)
    /// What a failed write left behind the published end and could not be cut back yet.
    let remains = Mutex<Remains?>(nil)
    let leaderEpochs: Mutex<LeaderEpochs>
    let hasUnwrittenEpochs = Atomic(false)
    /// Where the log ended when indexes and snapshot were written last; -1 if they never were.
    let closedAt = Atomic<Int64>(-1)
    /// The turn of those who go by the names of the log's files; true when there is to be no maintenance any more.
    let maintenanceTurn = Mutex(false)
    /// The folder is on its way out: nothing in it need be durable any more.
    let isRetired = Atomic(false)
    let compactionStanding = Mutex(CompactionStanding())

    /// A log whose segments were loaded and whose tail is known.
    package init(
        partition: TopicPartition, directory: String, fileSystem: any FileSystem, configuration: LogConfiguration,
        segments: [Segment], tail: LogTail, startOffset: Offset, recoveryPoint: Offset,
        producers: ProducerStates, epochs: LeaderEpochs, handles: SegmentHandles? = nil
    ) {
        self.handles = handles
        self.partition = partition
        self.directory = directory
        self.fileSystem = fileSystem
        settings = Mutex(configuration)
        self.tail = Mutex(tail)
        producerStates = Mutex(producers)
        leaderEpochs = Mutex(epochs)
        self.recoveryPoint = Atomic(recoveryPoint.rawValue)
        published = Mutex(
            Published(
                segments: segments, end: tail.endOffset, activeSize: tail.segmentSize, startOffset: startOffset))
        publishUnstable()
    }

    package var configuration: LogConfiguration {
        get { settings.withLock { $0 } }
        set { settings.withLock { $0 = newValue } }
    }

    package var view: Published { published.withLock { $0 } }
    package var endOffset: Offset { published.withLock { $0.end } }
    package var startOffset: Offset { published.withLock { $0.startOffset } }

    /// Bytes of all .log files.
    package var size: Int {
        let view = view
        return view.segments.dropLast().reduce(view.activeSize) { $0 + $1.sealedSize }
    }

    /// Greatest timestamp of the active segment, and the last offset of its batch.
    var activeMaximum: TimestampedOffset? {
        tail.withLock { tail in
            guard tail.segmentSize > 0, tail.maxTimestamp.milliseconds >= 0 else { return nil }
            return TimestampedOffset(timestamp: tail.maxTimestamp, offset: tail.maxTimestampOffset)
        }
    }

    // MARK: Appending

    /// Assigns the next offsets to `batches`, in order, and decides where segments end. Touches no file.
    /// Batches that repeat what is there, leave a gap, or come from a fenced producer are left out.
    package func plan(_ batches: [RecordBatch], epoch: LeaderEpoch, at now: Instant) -> AppendPlan {
        let configuration = configuration
        var plan = AppendPlan(behind: tail.withLock { $0 }, at: now)
        producerStates.withLock { producers in
            for var batch in batches {
                let verdict = producers.verdict(on: batch)
                switch verdict {
                case .append:
                    batch.place(at: plan.after.endOffset, epoch: epoch)
                    plan.add(batch, configuration, &producers)
                case .duplicate(let known):
                    plan.leaveOut(Outcome(verdict: verdict, baseOffset: known.baseOffset))
                case .outOfOrder, .fencedEpoch, .fencedCoordinator, .transactionIsOpen:
                    plan.leaveOut(Outcome(verdict: verdict, baseOffset: .none))
                }
            }
        }
        return plan
    }

    /// Takes over batches that a leader has placed already (replication, the metadata log).
    package func planReplicated(_ batches: [RecordBatch], at now: Instant) -> AppendPlan {
        let configuration = configuration
        var plan = AppendPlan(behind: tail.withLock { $0 }, at: now)
        producerStates.withLock { producers in
            for batch in batches { plan.add(batch, configuration, &producers) }
        }
        return plan
    }

    /// Writes the planned batches: one gathered write for each segment that they touch.
    package func write(_ plan: inout AppendPlan) throws(StorageError) {
        try cutBack()
        var segment = view.active
        var index = 0
        while index < plan.batches.count {
            if plan.admissions[index].rolls {
                segment = try beginSegment(at: plan.batches[index].header.baseOffset)
                plan.segments.append(segment)
            }
            var end = index + 1
            while end < plan.batches.count, !plan.admissions[end].rolls { end += 1 }
            let slices = plan.batches[index..<end].map(\.bytes)
            let position = plan.admissions[index].position
            let file = try segment.file()
            try storage { () throws(FileError) in try file.write(slices, at: position) }
            index = end
        }
    }

    func beginSegment(at base: Offset) throws(StorageError) -> Segment {
        try storage { () throws(FileError) in
            let path = directory + "/" + SegmentFiles.name(base, .log)
            let file = try fileSystem.open(path, .replace)
            return Segment(
                active: file, base: base, directory: directory, fileSystem: fileSystem,
                capacity: configuration.segmentBytes, handles: handles)
        }
    }

    /// Makes written batches visible to readers: indexes first, then the end.
    package func publish(_ plan: AppendPlan) {
        var current = view.active
        var rolled = zip(plan.segments, plan.sealed).makeIterator()
        for (index, admission) in plan.admissions.enumerated() {
            if admission.rolls, let (next, ended) = rolled.next() {
                seal(current, ended.tail)
                snapshots.withLock { $0.append((next.base, ended.producers)) }
                publishSegment(next)
                current = next
            }
            current.addEntries(admission)
            if let aborted = plan.aborted[index] { current.addAborted(aborted) }
        }
        noteEpochs(of: plan.batches)
        if plan.touchesTransactions { publishUnstable() }
        tail.withLock { $0 = plan.after }
        appendedBytes.add(plan.byteCount, ordering: .releasing)
        published.withLock { published in
            published.end = plan.after.endOffset
            published.activeSize = plan.after.segmentSize
        }
    }

    /// Ends a segment. Indexes that cannot be written now stay in memory, and are rebuilt if the process ends so.
    private func seal(_ segment: Segment, _ tail: LogTail) {
        segment.end(at: tail.segmentSize)
        do {
            try segment.writeIndexes(endingWith: tail.nextTimeEntry())
            segment.seal()
        } catch {
            segment.keepIndexesInMemory()
        }
    }

    private func publishSegment(_ segment: Segment) {
        published.withLock { published in
            published.segments.append(segment)
            published.end = segment.base
            published.activeSize = 0
        }
    }

    /// Ends the active segment, whose tail is `ended`, with an empty one behind it.
    func rollEmpty(behind ended: LogTail) throws(StorageError) {
        try cutBack()
        let next = try beginSegment(at: ended.endOffset)
        seal(view.active, ended)
        snapshots.withLock { $0.append((next.base, producers)) }
        tail.withLock { $0.beginSegment(at: ended.endOffset) }
        publishSegment(next)
    }

    /// Moves the log start offset forward; segments wholly below it are removed by retention.
    package func advanceStart(to offset: Offset) {
        published.withLock { published in
            published.startOffset = max(published.startOffset, min(offset, published.end))
        }
    }
}
