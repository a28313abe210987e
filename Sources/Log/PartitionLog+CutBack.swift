// Taking back a write that failed in the middle, such as on a full disk: the log ends where readers know it to end.
//
// Invariant: nothing is written behind bytes that a failed write left. Where they cannot be cut back at once, that is
// tried again before the next write, the next roll and the orderly end, and nothing is written until it is done.

internal import Basics
internal import Environment
internal import Synchronization

extension PartitionLog {
    /// Where a failed write began, and the files of the segments that it had begun.
    struct Remains: Sendable {
        var activeSize: Int
        var segments: [String]
    }

    /// Takes back a plan whose write failed, so that the next append finds the end that readers know.
    package func abandon(_ plan: AppendPlan) {
        producerStates.withLock { $0.rollBack(to: plan.firstOffset, plan.replacedProducers) }
        remains.withLock {
            $0 = Remains(activeSize: plan.before.segmentSize, segments: plan.segments.map { $0.path(.log) })
        }
        // If it fails, the next write meets the same.
        _ = try? cutBack()
    }

    /// Cuts back what a failed write left, if it is still there. Only for the lane's writer.
    func cutBack() throws(StorageError) {
        guard let left = remains.withLock({ $0 }) else { return }
        let active = try view.active.file()
        try storage { () throws(FileError) in
            // The newest goes first: a kill in between leaves no hole.
            for path in left.segments.reversed() {
                if try fileSystem.attributes(path) != nil { try fileSystem.remove(path) }
            }
            // Their offsets are given away again: after a loss of power none of them may stand beside what is written then.
            if !left.segments.isEmpty { try fileSystem.syncDirectory(directory) }
            try active.truncate(to: left.activeSize)
        }
        remains.withLock { $0 = nil }
    }
}
