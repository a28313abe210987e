// What compaction must know of the transactions whose batches it passes, from the oldest on (KIP-98): which batches are of
// an aborted transaction, and whether a marker still has records of its transaction before it.

internal import Basics
package import Records

/// Follows transactions through a log. Every batch is shown to it once, in order.
package struct TransactionSweep: Sendable {
    /// Aborted transactions by their first offset, the next one last.
    private var coming: [AbortedTransaction]
    private var aborted: [Int64: Aborted] = [:]
    /// Producers of committed transactions of which a batch was seen.
    private var committed: Set<Int64> = []
    /// Aborted transactions whose marker was passed and stays, in the order of the markers.
    private var ended: [AbortedTransaction] = []

    private struct Aborted: Sendable {
        var transaction: AbortedTransaction
        var hasBatches = false
    }

    package init(_ transactions: [AbortedTransaction]) {
        coming = transactions.sorted { ($0.firstOffset, $0.lastOffset) > ($1.firstOffset, $1.lastOffset) }
    }

    /// Passes `batch`. True: it is data of an aborted transaction, or a marker behind whose transaction nothing is left.
    package mutating func discards(_ batch: RecordBatch) -> Bool {
        while let next = coming.last, next.firstOffset <= batch.header.lastOffset {
            coming.removeLast()
            if aborted[next.producerId] == nil { aborted[next.producerId] = Aborted(transaction: next) }
        }
        return batch.header.isControl ? discardsMarker(batch) : discardsData(batch.header)
    }

    private mutating func discardsData(_ header: BatchHeader) -> Bool {
        guard header.isTransactional else { return false }
        guard aborted[header.producerId] == nil else {
            aborted[header.producerId]?.hasBatches = true
            return true
        }
        committed.insert(header.producerId)
        return false
    }

    private mutating func discardsMarker(_ batch: RecordBatch) -> Bool {
        let producer = batch.header.producerId
        // What was left of a marker that went: its batch stays for the sake of the producer's epoch.
        guard batch.header.recordCount > 0 else { return true }
        guard let marker = TransactionMarker(batch) else { return false }
        guard !marker.isCommit else { return committed.remove(producer) == nil }
        guard let known = aborted.removeValue(forKey: producer), known.hasBatches else { return true }
        ended.append(known.transaction)
        return false
    }

    /// Aborted transactions for the index of what was written since the last call.
    package mutating func takeEnded() -> [AbortedTransaction] {
        defer { ended = [] }
        return ended
    }
}

