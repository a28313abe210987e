// A log under compaction: what may be compacted of it, and the exchange of segments before the eyes of its readers.

package import Basics
internal import Bytes
internal import Environment
internal import Records
internal import Synchronization

extension PartitionLog {
    /// How far compaction has come with the log.
    package struct CompactionStanding: Sendable {
        /// Everything below was compacted; nil if nothing was yet.
        package var cleaned: Offset?
        /// A batch could not be read: the log is left as it is.
        package var isUncleanable = false
        /// A copy is being made: what was copied before may be superseded by what is copied later, so nothing goes meanwhile.
        package var isPaused = false
        /// How often a copy took the place of the log.
        let moves: Int

        package init() { self.init(moves: 0) }

        init(moves: Int) { self.moves = moves }
    }

    /// Notes that `run` has come to its end: everything below `offset` is clean. Nothing if the log was moved since.
    package func noteCleaned(below offset: Offset, by run: CompactionRun) {
        compactionStanding.withLock { standing in
            if standing.moves == run.moves { standing.cleaned = offset }
        }
    }

    /// Has no compaction begin until it is called again with false.
    package func pauseCompaction(_ isPaused: Bool) { compactionStanding.withLock { $0.isPaused = isPaused } }

    package var compaction: CompactionStanding {
        get { compactionStanding.withLock { $0 } }
        set { compactionStanding.withLock { $0 = newValue } }
    }

    /// What may be compacted, by `CleanableRange`. `stable`: below it everything is committed and decided.
    package func cleanableRange(stable: Offset, now: Timestamp) throws(StorageError) -> CleanableRange {
        let view = view
        let configuration = configuration
        let durable = Offset(recoveryPoint.load(ordering: .acquiring))
        return CleanableRange(
            try compactionFacts(view, withIndexes: false), configuration, startOffset: view.startOffset,
            cleaned: compaction.cleaned, stable: min(stable, durable), now: now)
    }

    func compactionFacts(_ view: Published, withIndexes: Bool) throws(StorageError) -> [CompactionFacts] {
        let asksForFirst = configuration.compactionLagMaxMilliseconds < .max
        var all: [CompactionFacts] = []
        for index in view.segments.indices {
            var facts = CompactionFacts(try facts(of: index, in: view))
            let segment = view.segments[index]
            if asksForFirst, facts.segment.size >= BatchHeader.size {
                let file = try segment.file()
                let head = try storage { () throws(FileError) in try file.read(at: 0, count: BatchHeader.size) }
                facts.firstTimestamp = BatchHeader(head)?.maxTimestamp
            }
            if withIndexes, !facts.segment.isActive {
                facts.offsetIndexBytes = try fileSize(segment.path(.offsetIndex))
                facts.timeIndexBytes = try fileSize(segment.path(.timeIndex))
            }
            all.append(facts)
        }
        return all
    }

    private func fileSize(_ path: String) throws(StorageError) -> Int {
        try storage { () throws(FileError) in try fileSystem.attributes(path)?.size ?? 0 }
    }

    /// The last batch of each producer that the log remembers.
    func lastBatches() -> [Int64: CompactionRules.LastBatch] {
        producers.producers.mapValues { producer in
            CompactionRules.LastBatch(offset: producer.batches.last?.lastOffset, epoch: producer.epoch)
        }
    }

    /// Puts the finished segment at `base`, of `size` bytes, in the place of `old`. Answers the paths of the old files,
    /// which readers may still have open. When the old ones are not in the log any more, the new one is dropped and
    /// `.closed` thrown. A failure half way ends the maintenance of the log: the next start brings the swap to its end.
    func swap(_ old: [Segment], with base: Offset, size: Int) throws(StorageError) -> [String] {
        var hasBegun = false
        do {
            return try inTurn { () throws(StorageError) in
                guard let range = position(of: old) else { throw .closed }
                hasBegun = true
                return try swapNames(old, base, size, range)
            }
        } catch {
            if hasBegun { endMaintenance() }
            throw error
        }
    }

    private func swapNames(
        _ old: [Segment], _ base: Offset, _ size: Int, _ range: Range<Int>
    ) throws(StorageError) -> [String] {
        let end = view.segments[range.upperBound].base
        try SegmentSwap.rename(
            base, in: directory, from: SegmentFiles.cleanedSuffix, to: SegmentFiles.swapSuffix, fileSystem)
        let paths = try markDeleted(old) { $0 > base && $0 < end }
        try SegmentSwap.rename(base, in: directory, from: SegmentFiles.swapSuffix, to: "", fileSystem)
        let new = Segment(
            sealedAt: size, base: base, directory: directory, fileSystem: fileSystem, isChecked: true, handles: handles)
        // Whoever appends adds behind the range, and removals wait for their turn: it is still where it was.
        published.withLock { $0.segments.replaceSubrange(range, with: [new]) }
        return paths
    }

    /// Where `segments` stand in the log, if they do, one behind the other and before the active one.
    private func position(of segments: [Segment]) -> Range<Int>? {
        let all = view.segments
        guard let first = segments.first, let start = all.firstIndex(where: { $0 === first }),
            start + segments.count < all.count,
            zip(all[start...], segments).allSatisfy({ $0 === $1 })
        else { return nil }
        return start..<start + segments.count
    }
}
