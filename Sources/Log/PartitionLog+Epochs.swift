// The leader epochs of a log: where the records of each leader begin (KIP-101).
//
// Invariant: the checkpoint file knows the epochs of all batches below the recovery point. Those behind it are found in the
// batches themselves when a crash makes them be scanned; an epoch without a record may be forgotten without harm.

package import Basics
internal import Environment
internal import Records
internal import Synchronization

extension PartitionLog {
    package var epochs: LeaderEpochs { leaderEpochs.withLock { $0 } }

    /// Notes that a leader begins at the end of the log.
    package func beginEpoch(_ epoch: LeaderEpoch) {
        let start = endOffset
        leaderEpochs.withLock { epochs in
            if epochs.begin(epoch, at: start) { hasUnwrittenEpochs.store(true, ordering: .relaxed) }
        }
    }

    /// Forgets epochs that have no record: those of a leader that wrote nothing before another one came.
    package func forgetEmptyEpochs() {
        let end = endOffset
        leaderEpochs.withLock { epochs in
            if epochs.truncate(to: end) { hasUnwrittenEpochs.store(true, ordering: .relaxed) }
        }
    }

    /// Writes the checkpoint if it lacks something.
    func writeEpochs(_ fileSystem: any FileSystem) throws(StorageError) {
        guard hasUnwrittenEpochs.exchange(false, ordering: .acquiringAndReleasing) else { return }
        do {
            try epochs.write(to: directory, fileSystem)
        } catch {
            hasUnwrittenEpochs.store(true, ordering: .relaxed)
            throw error
        }
    }

    func noteEpochs(of batches: [RecordBatch]) {
        leaderEpochs.withLock { epochs in
            for index in batches.indices where batches[index].header.leaderEpoch > epochs.latest ?? .none {
                epochs.begin(batches[index].header.leaderEpoch, at: batches[index].header.baseOffset)
                hasUnwrittenEpochs.store(true, ordering: .relaxed)
            }
        }
    }
}
