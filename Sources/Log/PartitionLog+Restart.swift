// Beginning a log anew at a later offset: what a follower does whose leader has deleted what it would need next.
//
// Order: the files go, the newest first, so that an interruption leaves a shorter log and never a hole; then the new
// segment comes, and readers see it. Whoever reads the old files keeps them open.

package import Basics
internal import Environment
internal import Synchronization

extension PartitionLog {
    /// Drops everything; the log is empty then, and begins and ends at `offset`. No write may be under way. Before anything
    /// is appended, the caller must write the checkpoints of recovery point, log start and compaction.
    package func restart(at offset: Offset) throws(StorageError) {
        try inTurn { () throws(StorageError) in
            try cutBack()
            for segment in view.segments { try segment.pin() }
            try removeAllFiles()
            let segment = try beginSegment(at: offset)
            tail.withLock { $0 = LogTail(at: offset) }
            producerStates.withLock { $0 = ProducerStates() }
            snapshots.withLock { $0 = [] }
            leaderEpochs.withLock { $0 = LeaderEpochs() }
            hasUnwrittenEpochs.store(true, ordering: .relaxed)
            publishUnstable()
            directorySyncedAt.store(-1, ordering: .relaxed)
            closedAt.store(-1, ordering: .relaxed)
            compaction.cleaned = nil
            recoveryPoint.store(offset.rawValue, ordering: .releasing)
            published.withLock {
                $0 = Published(segments: [segment], end: offset, activeSize: 0, startOffset: offset)
            }
        }
    }

    private func removeAllFiles() throws(StorageError) {
        try storage { () throws(FileError) in
            for entry in try fileSystem.entries(directory).reversed() where SegmentFiles.parse(entry.name) != nil {
                try fileSystem.remove(directory + "/" + entry.name)
            }
            try fileSystem.syncDirectory(directory)
        }
    }
}
