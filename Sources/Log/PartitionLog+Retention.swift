// Removing the oldest segments of a log. Order, so that a crash at any point loses nothing that should stay and brings
// nothing back: the log start offset moves; the caller writes its checkpoint; the files are renamed to `.deleted` and the
// folder synced; readers see the shorter list; the caller removes the renamed files after `file.delete.delay.ms`.
//
// Retention, compaction and syncs of one log take turns, since all go by the names of its files. A turn lasts as long as
// its I/O; only the pool waits for one.

package import Basics
internal import Environment
internal import Synchronization

extension PartitionLog {
    /// Runs `body` as the only one that renames files of the log; throws `.closed` after `endMaintenance`.
    func inTurn<Result>(_ body: () throws(StorageError) -> Result) throws(StorageError) -> Result {
        try maintenanceTurn.withLock { hasEnded throws(StorageError) in
            guard !hasEnded else { throw .closed }
            return try body()
        }
    }

    /// Waits for the maintenance under way; from now on there is none, and the folder may be renamed or closed.
    package func endMaintenance() { maintenanceTurn.withLock { $0 = true } }

    /// The same for a log that is deleted; it is not synced any more either.
    package func retire() {
        maintenanceTurn.withLock { hasEnded in
            hasEnded = true
            isRetired.store(true, ordering: .relaxed)
        }
    }

    // MARK: Looking

    /// What retention would remove: the log start offset that follows from it, or nil if all stays.
    package struct Expiry: Hashable, Sendable {
        package var startOffset: Offset
        /// The active segment has expired, and must be rolled before.
        package var includesActive: Bool
    }

    /// Asks `Retention` about the segments from the oldest on.
    package func expiry(now: Timestamp, highWatermark: Offset) throws(StorageError) -> Expiry? {
        let view = view
        var retention = Retention(
            configuration, now: now, highWatermark: highWatermark, startOffset: view.startOffset, size: size)
        var found: Expiry?
        for index in view.segments.indices {
            let facts = try facts(of: index, in: view)
            guard retention.releases(facts) else { break }
            found = Expiry(startOffset: max(facts.end, view.startOffset), includesActive: facts.isActive)
        }
        return found
    }

    /// Base offset and size in bytes of each segment, in order.
    package var segmentSizes: [(base: Offset, size: Int)] {
        let view = view
        return view.segments.indices.map { (view.segments[$0].base, publishedSize(of: $0, in: view)) }
    }

    /// What retention and compaction look at in the segment at `index`.
    func facts(of index: Int, in view: Published) throws(StorageError) -> SegmentFacts {
        let segment = view.segments[index]
        let isActive = index == view.segments.count - 1
        let timestamp: Timestamp
        if !isActive {
            timestamp = try segment.largestTimestamp()
        } else if let newest = activeMaximum {
            timestamp = newest.timestamp
        } else {
            timestamp = try segment.lastChange()
        }
        return SegmentFacts(
            base: segment.base, end: isActive ? view.end : view.segments[index + 1].base,
            size: publishedSize(of: index, in: view), largestTimestamp: timestamp, isActive: isActive)
    }

    // MARK: Acting

    /// Ends the active segment and begins an empty one at the end of the log. Only for the lane's writer.
    package func rollActive() throws(StorageError) {
        let ended = tail.withLock { $0 }
        guard ended.segmentSize > 0 else { return }
        try rollEmpty(behind: ended)
        try storage { () throws(FileError) in try fileSystem.syncDirectory(directory) }
    }

    /// Takes the segments that lie wholly below the log start offset out of the log and renames their files. Their data
    /// must be durable, and the checkpoint of the start offset written. Answers the paths of the renamed files, which
    /// readers may still have open.
    package func removeBelowStart() throws(StorageError) -> [String] {
        try inTurn { () throws(StorageError) in
            let view = view
            let count = view.segments.indices.dropLast().prefix { view.segments[$0 + 1].base <= view.startOffset }.count
            guard count > 0 else { return [] }
            let first = view.segments[count].base
            let paths = try markDeleted(Array(view.segments[..<count])) { $0 < first }
            published.withLock { $0.segments.removeFirst(count) }
            try trimEpochs(to: view.startOffset)
            return paths
        }
    }

    /// Renames the files of `segments`, and the producer snapshots whose offsets `isObsolete` names, durably.
    /// The segments stay readable: their files are open, and so are their indexes then.
    func markDeleted(
        _ segments: [Segment], _ isObsolete: (Offset) -> Bool
    ) throws(StorageError) -> [String] {
        for segment in segments { try segment.openIndexes() }
        let bases = Set(segments.map(\.base))
        return try storage { () throws(FileError) in
            var paths: [String] = []
            for entry in try fileSystem.entries(directory) {
                guard let file = SegmentFiles.parse(entry.name) else { continue }
                let goes = file.kind == .producerSnapshot ? isObsolete(file.base) : bases.contains(file.base)
                guard goes else { continue }
                let path = directory + "/" + entry.name
                try fileSystem.rename(path, to: path + SegmentFiles.deletedSuffix)
                paths.append(path + SegmentFiles.deletedSuffix)
            }
            try fileSystem.syncDirectory(directory)
            return paths
        }
    }

    private func trimEpochs(to start: Offset) throws(StorageError) {
        let trimmed = leaderEpochs.withLock { epochs in epochs.trim(to: start) ? epochs : nil }
        if let trimmed { try trimmed.write(to: directory, fileSystem) }
    }
}
