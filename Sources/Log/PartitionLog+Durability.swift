// What of a log is durable: syncs, the recovery point, producer snapshots, and the orderly end.
//
// Invariant: whatever lies below the recovery point has been synced, batches, sealed indexes and snapshots alike; recovery
// believes it. A sync that failed once is never tried again: what the kernel dropped then, a later one would not tell of.

internal import Environment
internal import Basics
internal import Synchronization

extension PartitionLog {
    /// Makes everything published at the time of the call durable and moves the recovery point.
    package func sync() throws(StorageError) { try sync(withActive: true) }

    /// Makes all segments but the active one durable: what a crash leaves to be scanned is one segment.
    package func syncSealed() throws(StorageError) { try sync(withActive: false) }

    private func sync(withActive: Bool) throws(StorageError) {
        if let failure = syncFailure.withLock({ $0 }) { throw failure }
        do {
            try syncOnce(withActive: withActive)
        } catch {
            syncFailure.withLock { $0 = error }
            throw error
        }
    }

    private func syncOnce(withActive: Bool) throws(StorageError) {
        let view = view
        let point = recoveryPoint.load(ordering: .acquiring)
        let end = withActive ? view.end : view.active.base
        guard end.rawValue > point else { return }
        try writeSnapshots()
        for (index, segment) in view.segments.enumerated() {
            let next = index + 1 < view.segments.count ? view.segments[index + 1].base : view.end
            guard next.rawValue > point, next <= end else { continue }
            try segment.sync(withIndexes: index + 1 < view.segments.count)
        }
        try storage { () throws(FileError) in try fileSystem.syncDirectory(directory) }
        recoveryPoint.max(end.rawValue, ordering: .acquiringAndReleasing)
    }

    /// Writes the active indexes and syncs everything: the end of an orderly life.
    package func close() throws(StorageError) {
        let tail = tail.withLock { $0 }
        try view.active.writeIndexes(endingWith: tail.nextTimeEntry())
        if tail.endOffset > .zero { snapshots.withLock { $0.append((tail.endOffset, producers)) } }
        try writeSnapshots()
        try epochs.write(to: directory, fileSystem)
        try sync()
    }

    /// Writes the producer snapshots that rolls left behind.
    private func writeSnapshots() throws(StorageError) {
        let due = snapshots.withLock { $0 }
        for (offset, producers) in due {
            try ProducerSnapshot.write(producers, at: offset, to: directory, fileSystem)
        }
        snapshots.withLock { $0.removeAll { entry in due.contains { $0.offset == entry.offset } } }
    }
}
