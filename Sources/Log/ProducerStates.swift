// What a log knows of its producers (KIP-98). Of each the epoch and the last five batches, so that a batch sent again is
// answered with the offset that it got the first time, and a gap is refused; and the transactions that are open, or whose
// end is not known to be committed: no reader of committed records may pass the first of them.

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
        /// When `expire` found that it had written; nil if it wrote since then, none if only before this process began.
        /// Old timestamps do not make a busy producer a forgotten one.
        package var lastSeen: Timestamp? = Timestamp.none
    }

    /// A transaction in the log, from its first record on.
    package struct Transaction: Hashable, Sendable {
        package var producerId: Int64
        package var firstOffset: Offset
        /// Its marker, or none while it is open.
        package var lastOffset: Offset = .none
    }

    /// What becomes of a batch.
    package enum Verdict: Hashable, Sendable {
        case append
        /// It stands in the log already, at this offset.
        case duplicate(Batch)
        case outOfOrder
        case fencedEpoch
        /// The marker comes from a coordinator that was replaced.
        case fencedCoordinator
        /// A record outside of the transaction that the producer has open.
        case transactionIsOpen
    }

    package internal(set) var producers: [Int64: Producer] = [:]
    /// Ascending by first offset.
    package private(set) var transactions: [Transaction] = []

    package init() {}

    /// Producers as a snapshot has them.
    init(_ producers: [Int64: Producer]) {
        self.producers = producers
        transactions = producers.filter { $0.value.transactionStart != .none }
            .map { Transaction(producerId: $0.key, firstOffset: $0.value.transactionStart) }
            .sorted { $0.firstOffset < $1.firstOffset }
    }

    /// Where the first transaction begins that is open or not known to be over; nil if there is none.
    package var firstUnstableOffset: Offset? { transactions.first?.firstOffset }

    // MARK: Judging

    /// Judges a batch before it is appended. Batches without sequence numbers come from coordinators.
    package func verdict(on batch: RecordBatch) -> Verdict {
        let header = batch.header
        guard header.hasProducerId, let producer = producers[header.producerId] else { return .append }
        if header.producerEpoch < producer.epoch { return .fencedEpoch }
        if header.isControl {
            let marker = TransactionMarker(batch)
            return (marker?.coordinatorEpoch ?? .max) < producer.coordinatorEpoch ? .fencedCoordinator : .append
        }
        if header.baseSequence >= 0, let objection = objection(to: header, of: producer) { return objection }
        return producer.transactionStart != .none && !header.isTransactional ? .transactionIsOpen : .append
    }

    private func objection(to header: BatchHeader, of producer: Producer) -> Verdict? {
        if header.producerEpoch > producer.epoch { return header.baseSequence == 0 ? nil : .outOfOrder }
        let known = producer.batches.last {
            $0.firstSequence == header.baseSequence && $0.lastSequence == header.lastSequence
        }
        if let known { return .duplicate(known) }
        let last = producer.batches.last?.lastSequence ?? -1
        let expected = last < 0 ? 0 : BatchHeader.sequence(last, advancedBy: 1)
        return header.baseSequence == expected ? nil : .outOfOrder
    }

    // MARK: Noting

    /// Notes a batch that stands in the log, at its final offset; `isReplay`: since before this process began.
    /// Answers the transaction that it aborts.
    @discardableResult
    package mutating func note(_ batch: RecordBatch, isReplay: Bool = false) -> AbortedTransaction? {
        let header = batch.header
        guard header.hasProducerId else { return nil }
        let marker = header.isControl ? TransactionMarker(batch) : nil
        // A control batch that compaction left empty says nothing any more.
        guard !header.isControl || marker != nil else { return nil }
        var producer = producers[header.producerId] ?? Producer(epoch: header.producerEpoch)
        if producer.epoch < header.producerEpoch {
            producer.epoch = header.producerEpoch
            producer.batches = []
        }
        producer.lastTimestamp = header.maxTimestamp
        producer.lastSeen = isReplay ? Timestamp.none : nil
        var aborted: AbortedTransaction?
        if let marker {
            aborted = end(&producer, header, marker)
        } else {
            noteData(&producer, header)
        }
        producers[header.producerId] = producer
        return aborted
    }

    private mutating func noteData(_ producer: inout Producer, _ header: BatchHeader) {
        if header.isTransactional, producer.transactionStart == .none {
            producer.transactionStart = header.baseOffset
            transactions.append(Transaction(producerId: header.producerId, firstOffset: header.baseOffset))
        }
        if producer.batches.count == ProducerStates.rememberedBatchesMax { producer.batches.removeFirst() }
        producer.batches.append(
            Batch(
                firstSequence: header.baseSequence, lastSequence: header.lastSequence, lastOffset: header.lastOffset,
                offsetDelta: header.lastOffsetDelta, timestamp: header.maxTimestamp))
    }

    /// Ends the open transaction, if there is one. A marker without records before it changes nothing for readers.
    private mutating func end(
        _ producer: inout Producer, _ header: BatchHeader, _ marker: TransactionMarker
    ) -> AbortedTransaction? {
        producer.coordinatorEpoch = marker.coordinatorEpoch
        let start = producer.transactionStart
        guard start != .none else { return nil }
        producer.transactionStart = .none
        for index in transactions.indices where transactions[index].firstOffset == start {
            transactions[index].lastOffset = header.lastOffset
        }
        guard !marker.isCommit else { return nil }
        let open = transactions.first { $0.lastOffset == .none }
        return AbortedTransaction(
            producerId: header.producerId, firstOffset: start, lastOffset: header.lastOffset,
            lastStableOffset: open?.firstOffset ?? header.nextOffset)
    }

    // MARK: Forgetting

    /// Forgets transactions whose marker is committed: readers may pass them.
    package mutating func settle(below committed: Offset) {
        transactions.removeAll { $0.lastOffset != .none && $0.lastOffset < committed }
    }

    /// Takes back what was noted of batches from `end` on, given what the producers were before.
    mutating func rollBack(to end: Offset, _ replaced: [(id: Int64, state: Producer?)]) {
        for (id, state) in replaced.reversed() { producers[id] = state }
        transactions.removeAll { $0.firstOffset >= end }
        for index in transactions.indices where transactions[index].lastOffset >= end {
            transactions[index].lastOffset = .none
        }
    }

    /// Forgets producers that wrote nothing for `limit` and have no transaction open. To be called now and then.
    package mutating func expire(at now: Timestamp, after limit: Duration) {
        let oldest = Timestamp(milliseconds: now.milliseconds - limit.wholeMilliseconds)
        for (id, producer) in producers {
            let lastSeen = producer.lastSeen ?? now
            if producer.transactionStart == .none, max(producer.lastTimestamp, lastSeen) <= oldest {
                producers[id] = nil
            } else if producer.lastSeen == nil {
                producers[id]?.lastSeen = now
            }
        }
    }
}
