// What of a log is durable: syncs, the recovery point, producer snapshots, and the orderly end.
//
// Invariant: whatever lies below the recovery point has been synced, batches, sealed indexes and snapshots alike; recovery
// believes it. A sync that failed is the end of its folder, see `FolderFileSystem`: nothing is synced there any more.

internal import Environment
package import Basics
internal import Synchronization

extension PartitionLog {
    /// How far a sync reaches.
    package struct SyncMark: Sendable {
        let view: Published
        package let end: Offset
        let bytes: Int
        let hasSnapshots: Bool
        let withActive: Bool
    }

    /// Makes everything published at the time of the call durable and moves the recovery point.
    package func sync() throws(StorageError) { try sync(withActive: true) }

    /// Makes all segments but the active one durable: what a crash leaves to be scanned is one segment.
    package func syncSealed() throws(StorageError) { try sync(withActive: false) }

    private func sync(withActive: Bool) throws(StorageError) {
        guard let mark = try beginSync(withActive: withActive) else { return }
        try sync(mark)
    }

    /// Makes durable what `mark` stands for, file by file.
    package func sync(_ mark: SyncMark) throws(StorageError) {
        try maintenanceTurn.withLock { _ throws(StorageError) in
            if !isRetired.load(ordering: .relaxed) { try syncFiles(mark) }
        }
        endSync(mark)
    }

    /// What a sync that begins now makes durable; nil if there is nothing to do. For syncs of a whole disk, which many
    /// logs share: `beginSync` of each, the sync, `endSync` of each.
    package func beginSync(withActive: Bool = true) throws(StorageError) -> SyncMark? {
        let bytes = appendedBytes.load(ordering: .acquiring)
        let view = view
        let end = withActive ? view.end : view.active.base
        let hasRolled = view.active.base.rawValue > directorySyncedAt.load(ordering: .relaxed)
        let isDue = hasRolled || !snapshots.withLock { $0.isEmpty }
        guard isDue || end.rawValue > recoveryPoint.load(ordering: .acquiring) else { return nil }
        return try maintenanceTurn.withLock { _ throws(StorageError) in
            guard !isRetired.load(ordering: .relaxed) else { return nil }
            try writeEpochs(fileSystem)
            let hasSnapshots = try writeSnapshots(fileSystem)
            if withActive {
                syncingFrom.min(unsyncedFrom.exchange(.max, ordering: .relaxed), ordering: .relaxed)
            }
            return SyncMark(
                view: view, end: end, bytes: withActive ? bytes : 0, hasSnapshots: hasSnapshots, withActive: withActive)
        }
    }

    /// Everything that `mark` stands for is on the disk.
    package func endSync(_ mark: SyncMark) {
        directorySyncedAt.max(mark.view.active.base.rawValue, ordering: .relaxed)
        syncedBytes.max(mark.bytes, ordering: .relaxed)
        if mark.withActive { syncingFrom.store(.max, ordering: .relaxed) }
        recoveryPoint.max(mark.end.rawValue, ordering: .acquiringAndReleasing)
        // The newest are at the end; those before one that may be closed may be, too.
        for segment in mark.view.segments.dropLast().reversed() {
            guard !segment.mayClose else { break }
            segment.allowClosing()
        }
    }

    private func syncFiles(_ mark: SyncMark) throws(StorageError) {
        let view = mark.view
        let point = recoveryPoint.load(ordering: .acquiring)
        // What was removed since has no names any more.
        let first = self.view.segments[0].base
        for (index, segment) in view.segments.enumerated() where segment.base >= first {
            let next = index + 1 < view.segments.count ? view.segments[index + 1].base : view.end
            // One that was synced to its end while it was active has got its indexes since.
            guard next.rawValue >= point, next <= mark.end else { continue }
            try segment.sync(withIndexes: index + 1 < view.segments.count)
        }
        // Nothing is made in the folder between two rolls.
        guard mark.hasSnapshots || view.active.base.rawValue > directorySyncedAt.load(ordering: .relaxed) else { return }
        try storage { () throws(FileError) in try fileSystem.syncDirectory(directory) }
    }

    /// Bytes that were appended and not synced.
    package var unsyncedBytes: Int {
        max(0, appendedBytes.load(ordering: .relaxed) - syncedBytes.load(ordering: .relaxed))
    }

    /// When the oldest record was appended that is not known to be durable; nil if there is none.
    package var unsyncedSince: Instant? {
        guard unsyncedBytes > 0 else { return nil }
        let oldest = min(syncingFrom.load(ordering: .relaxed), unsyncedFrom.load(ordering: .relaxed))
        return oldest == .max ? nil : Instant(nanoseconds: oldest)
    }

    /// Records were appended just now; for `unsyncedSince`.
    package func noteAppend(at now: Instant) {
        guard unsyncedFrom.load(ordering: .relaxed) == .max else { return }
        unsyncedFrom.min(now.nanoseconds, ordering: .relaxed)
    }

    /// Writes the active indexes and syncs everything: the end of an orderly life. Where there is no room for what saves a
    /// scan, it fails, and the records are durable.
    package func close() throws(StorageError) {
        do throws(StorageError) {
            try writeEnd(fileSystem)
            try sync()
        } catch {
            guard case .file(let refusal) = error, refusal.kind == .noSpace else { throw error }
            try syncRecords()
            throw error
        }
    }

    private func syncRecords() throws(StorageError) {
        let view = view
        let everything = SyncMark(view: view, end: view.end, bytes: 0, hasSnapshots: false, withActive: true)
        try maintenanceTurn.withLock { _ throws(StorageError) in try syncFiles(everything) }
    }

    /// The same together with other logs: what this writes, and the mark for `endSync`, is for after the batch's commit.
    package func close(in batch: SyncBatch) throws(StorageError) -> SyncMark? {
        try writeEnd(batch)
        return try beginSync()
    }

    private func writeEnd(_ fileSystem: any FileSystem) throws(StorageError) {
        try cutBack()
        let tail = tail.withLock { $0 }
        if closedAt.load(ordering: .relaxed) != tail.endOffset.rawValue {
            try view.active.writeIndexes(endingWith: tail.nextTimeEntry())
            if tail.endOffset > .zero { snapshots.withLock { $0.append((tail.endOffset, producers)) } }
            _ = try writeSnapshots(fileSystem)
        }
        try writeEpochs(fileSystem)
        closedAt.store(tail.endOffset.rawValue, ordering: .relaxed)
    }

    /// Writes the producer snapshots that rolls left behind; false if there are none.
    private func writeSnapshots(_ fileSystem: any FileSystem) throws(StorageError) -> Bool {
        let due = snapshots.withLock { $0 }
        for (offset, producers) in due {
            try ProducerSnapshot.write(producers, at: offset, to: directory, fileSystem)
        }
        snapshots.withLock { $0.removeAll { entry in due.contains { $0.offset == entry.offset } } }
        return !due.isEmpty
    }
}
