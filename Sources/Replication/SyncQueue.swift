// Group commit: the partitions of one disk that wait for a sync. One round at a time takes all that are queued; whoever
// comes meanwhile is in the next. Many partitions share one sync of the whole disk, a few are synced one by one.

internal import Basics
package import Environment
package import Log
package import Synchronization

/// The syncs of one log folder. Any thread may call.
package final class SyncQueue: Sendable {
    private struct State {
        var due: [Partition] = []
        var isRunning = false
    }

    private let state = Mutex(State())
    private let pool: any Pool
    /// Nil where the kernel cannot say what became of such a sync.
    private let disk: (any Disk)?
    private let onFailure: @Sendable (Partition, StorageError) -> Void
    /// Syncs so far, for the metrics.
    package let count = Atomic(0)

    package init(
        pool: any Pool, disk: (any Disk)?, onFailure: @escaping @Sendable (Partition, StorageError) -> Void
    ) {
        self.pool = pool
        self.disk = disk
        self.onFailure = onFailure
    }

    /// Has `partition` synced soon.
    package func add(_ partition: Partition) {
        let starts = state.withLock { state in
            if !state.due.contains(where: { $0 === partition }) { state.due.append(partition) }
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if starts { pool.run { self.round() } }
    }

    private func round() {
        let group = state.withLock { state in
            let due = state.due
            state.due = []
            return due
        }
        sync(group)
        let isOver = state.withLock { state in
            state.isRunning = !state.due.isEmpty
            return state.due.isEmpty
        }
        if !isOver { pool.run { self.round() } }
    }

    private func sync(_ group: [Partition]) {
        var begun: [(partition: Partition, mark: PartitionLog.SyncMark)] = []
        for partition in group {
            attempt(partition) { () throws(StorageError) in
                if let mark = try partition.log.beginSync() {
                    begun.append((partition, mark))
                } else {
                    partition.synced(upTo: Offset(partition.log.recoveryPoint.load(ordering: .acquiring)))
                }
            }
        }
        if begun.count >= LogFolder.sharedSyncMin, let disk { return sync(begun, disk) }
        for (partition, mark) in begun {
            count.add(1, ordering: .relaxed)
            attempt(partition) { () throws(StorageError) in
                try partition.log.sync(mark)
                partition.synced(upTo: mark.end)
            }
        }
    }

    private func sync(_ begun: [(partition: Partition, mark: PartitionLog.SyncMark)], _ disk: any Disk) {
        count.add(1, ordering: .relaxed)
        do throws(FileError) {
            try disk.sync()
            for (partition, mark) in begun {
                partition.log.endSync(mark)
                partition.synced(upTo: mark.end)
            }
        } catch {
            for (partition, _) in begun { attempt(partition) { () throws(StorageError) in throw .file(error) } }
        }
    }

    private func attempt(_ partition: Partition, _ body: () throws(StorageError) -> Void) {
        do throws(StorageError) {
            try body()
        } catch {
            partition.syncFailed(error)
            onFailure(partition, error)
        }
    }
}
