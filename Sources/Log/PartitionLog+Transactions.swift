// Producers and transactions of a log, as its readers and the inspection see them (KIP-98).
//
// The states run ahead of the published end by what is planned and not yet written. That does no harm: what they add
// begins behind the end, and a transaction that they end counts as unstable until its marker is committed.

package import Basics
internal import Environment
internal import Synchronization

extension PartitionLog {
    package var producers: ProducerStates { producerStates.withLock { $0 } }

    /// The first offset that a reader of committed records may not pass; nil if there is no such.
    package var firstUnstableOffset: Offset? {
        let offset = firstUnstable.load(ordering: .acquiring)
        return offset == .max ? nil : Offset(offset)
    }

    func publishUnstable() {
        producerStates.withLock { producers in
            firstUnstable.store(producers.firstUnstableOffset?.rawValue ?? .max, ordering: .releasing)
        }
    }

    /// Lets readers pass the transactions whose markers are committed.
    package func settleTransactions(below committed: Offset) {
        guard firstUnstable.load(ordering: .acquiring) != .max else { return }
        producerStates.withLock { producers in
            producers.settle(below: committed)
            firstUnstable.store(producers.firstUnstableOffset?.rawValue ?? .max, ordering: .releasing)
        }
    }

    /// Forgets producers that wrote nothing for `limit`.
    package func expireProducers(at now: Timestamp, after limit: Duration) {
        producerStates.withLock { $0.expire(at: now, after: limit) }
    }

    /// The transactions that were taken back and may have records in `offsets`. Their entries stand where their markers
    /// do, so that segments behind the range are looked at until one says that no earlier transaction was open.
    package func abortedTransactions(
        in offsets: Range<Offset>, mayWait: Bool = true
    ) throws(StorageError) -> [AbortedTransaction] {
        let view = view
        var found: [AbortedTransaction] = []
        for segment in view.segments[PartitionLog.segmentIndex(holding: offsets.lowerBound, in: view)...] {
            for entry in try segment.abortedTransactions(mayWait: mayWait) {
                if entry.lastOffset >= offsets.lowerBound, entry.firstOffset < offsets.upperBound {
                    found.append(entry)
                }
                if entry.lastStableOffset >= offsets.upperBound { return found }
            }
        }
        return found
    }
}
