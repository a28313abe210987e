// The leader epochs of a log: where the records of each leader begin (KIP-101).

package import Basics
internal import Environment
internal import Records
internal import Synchronization

extension PartitionLog {
    package var epochs: LeaderEpochs { leaderEpochs.withLock { $0 } }

    /// Notes that a leader begins at the end of the log, durably, before it appends.
    package func beginEpoch(_ epoch: LeaderEpoch) throws(StorageError) {
        let start = endOffset
        let changed = leaderEpochs.withLock { epochs in epochs.begin(epoch, at: start) ? epochs : nil }
        if let changed { try changed.write(to: directory, fileSystem) }
    }

    func noteEpochs(of batches: [RecordBatch]) {
        leaderEpochs.withLock { epochs in
            for batch in batches where batch.header.leaderEpoch > epochs.latest ?? .none {
                epochs.begin(batch.header.leaderEpoch, at: batch.header.baseOffset)
            }
        }
    }
}
