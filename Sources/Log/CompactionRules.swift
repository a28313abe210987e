// Which batches and records stay in a compacted log: Kafka's rules as plain functions.
//
//   - Of each key the record with the greatest offset stays, if it lies in the part that the table of keys covers; what
//     lies behind that part stays as it is. A record without a key goes.
//   - A tombstone (a record without a value) that is the last of its key stays until its batch's delete horizon. The first
//     cleaning that meets it sets the horizon: now and `delete.retention.ms` (KIP-534).
//   - Records of aborted transactions go. A marker stays as long as a batch of its transaction does; after that it gets a
//     horizon and goes like a tombstone.
//   - The last batch of a producer that the log remembers stays, be it without records: it holds the epoch and sequence.
//     So does the last batch of the cleaned range, which holds the last offset.

package import Basics
package import Bytes
package import Records

/// What becomes of a batch before its records are looked at.
package enum BatchFate: Hashable, Sendable {
    /// All records go; the header stays if `keepsHeader`.
    case discarded(keepsHeader: Bool)
    /// Each record is looked at; if none stays, the header stays if `keepsHeader`. `needsHorizon`: a marker that is to go
    /// later.
    case examined(keepsHeader: Bool, needsHorizon: Bool)
}

/// The rules for one cleaning of one log.
package struct CompactionRules: Sendable {
    /// The last batch of each producer: its last offset, or if it wrote markers only, its epoch.
    package struct LastBatch: Hashable, Sendable {
        package var offset: Offset?
        package var epoch: Int16

        package init(offset: Offset?, epoch: Int16) {
            self.offset = offset
            self.epoch = epoch
        }
    }

    package var now: Timestamp
    package var deleteRetentionMilliseconds: Int64
    /// Where the cleaned range ends.
    package var end: Offset
    package var lastBatches: [Int64: LastBatch]

    package init(
        now: Timestamp, deleteRetentionMilliseconds: Int64, end: Offset, lastBatches: [Int64: LastBatch]
    ) {
        self.now = now
        self.deleteRetentionMilliseconds = deleteRetentionMilliseconds
        self.end = end
        self.lastBatches = lastBatches
    }

    /// The delete horizon that a batch gets at this cleaning.
    package var newHorizon: Timestamp {
        let (sum, overflow) = now.milliseconds.addingReportingOverflow(deleteRetentionMilliseconds)
        return Timestamp(milliseconds: overflow ? .max : sum)
    }

    /// The fate of a batch of which `TransactionSweep.discards` said `isDiscardable`.
    package func fate(of batch: BatchHeader, isDiscardable: Bool) -> BatchFate {
        let keepsHeader = isLastOfProducer(batch) || batch.nextOffset == end
        guard batch.isControl else {
            return isDiscardable
                ? .discarded(keepsHeader: keepsHeader) : .examined(keepsHeader: keepsHeader, needsHorizon: false)
        }
        if isDiscardable, hasPassedHorizon(batch) { return .discarded(keepsHeader: keepsHeader) }
        return .examined(keepsHeader: keepsHeader, needsHorizon: isDiscardable && !batch.hasDeleteHorizon)
    }

    private func isLastOfProducer(_ batch: BatchHeader) -> Bool {
        guard batch.hasProducerId, let last = lastBatches[batch.producerId] else { return false }
        if let offset = last.offset { return batch.lastOffset == offset }
        return batch.isControl && batch.producerEpoch == last.epoch
    }

    private func hasPassedHorizon(_ batch: BatchHeader) -> Bool {
        batch.hasDeleteHorizon && batch.baseTimestamp <= now
    }

    /// Whether a record of `batch` stays. `lastMapped`: up to where `keys` knows all keys.
    package func retains(
        offset: Offset, key: ByteSlice?, hasValue: Bool, in batch: BatchHeader, _ keys: borrowing KeyOffsets,
        lastMapped: Offset
    ) -> Bool {
        if batch.isControl || offset > lastMapped { return true }
        guard let key, offset >= keys.offset(of: key) else { return false }
        return hasValue || !hasPassedHorizon(batch)
    }
}
