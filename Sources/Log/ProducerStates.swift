// What a log knows of its idempotent producers (KIP-98): of each the epoch and the last five batches, so that a batch
// sent again is answered with the offset that it got the first time, and a gap is refused.

package import Basics
package import Records

/// The producers of one partition, as a plain value.
package struct ProducerStates: Sendable {
    /// Batches remembered of each producer; a client keeps no more than this in flight.
    package static let rememberedBatchesMax = 5

    package struct Batch: Hashable, Sendable {
        package var firstSequence: Int32
        package var lastSequence: Int32
        package var lastOffset: Offset
        package var offsetDelta: Int32
        package var timestamp: Timestamp

        package var baseOffset: Offset { lastOffset + -Int64(offsetDelta) }
    }

    package struct Producer: Hashable, Sendable {
        package var epoch: Int16
        /// The newest last.
        package var batches: [Batch] = []
        package var coordinatorEpoch: Int32 = -1
        /// The first offset of the open transaction, or none.
        package var transactionStart: Offset = .none
        /// Timestamp of what was written last.
        package var lastTimestamp: Timestamp = .none
    }

    /// What becomes of a batch.
    package enum Verdict: Hashable, Sendable {
        case append
        /// It stands in the log already, at this offset.
        case duplicate(Batch)
        case outOfOrder
        case fencedEpoch
    }

    package var producers: [Int64: Producer] = [:]

    package init() {}

    /// Judges a client's batch before it is appended.
    package func verdict(on batch: BatchHeader) -> Verdict {
        guard batch.hasProducerId, let producer = producers[batch.producerId] else { return .append }
        if batch.producerEpoch < producer.epoch { return .fencedEpoch }
        if batch.producerEpoch > producer.epoch {
            return batch.baseSequence == 0 ? .append : .outOfOrder
        }
        let known = producer.batches.last {
            $0.firstSequence == batch.baseSequence && $0.lastSequence == batch.lastSequence
        }
        if let known { return .duplicate(known) }
        guard let last = producer.batches.last else { return .append }
        let expected = BatchHeader.sequence(last.lastSequence, advancedBy: 1)
        return batch.baseSequence == expected ? .append : .outOfOrder
    }

    /// Notes a batch that stands in the log, at its final offset.
    package mutating func note(_ batch: BatchHeader) {
        guard batch.hasProducerId else { return }
        var producer = producers[batch.producerId] ?? Producer(epoch: batch.producerEpoch)
        if producer.epoch != batch.producerEpoch {
            producer.epoch = batch.producerEpoch
            producer.batches = []
        }
        producer.lastTimestamp = batch.maxTimestamp
        if batch.isControl {
            producer.transactionStart = .none
        } else {
            if batch.isTransactional, producer.transactionStart == .none {
                producer.transactionStart = batch.baseOffset
            }
            if producer.batches.count == ProducerStates.rememberedBatchesMax { producer.batches.removeFirst() }
            producer.batches.append(
                Batch(
                    firstSequence: batch.baseSequence, lastSequence: batch.lastSequence,
                    lastOffset: batch.lastOffset, offsetDelta: batch.lastOffsetDelta,
                    timestamp: batch.maxTimestamp))
        }
        producers[batch.producerId] = producer
    }
}
