// A decision of the append lane: which of the offered batches are appended, where they go, and what changes with them.
//
// Made by `PartitionLog.plan` without touching a file, carried out by `write`, shown to readers by `publish`, or taken
// back by `abandon`.

package import Basics
package import Records

extension PartitionLog {
    /// What becomes of an offered batch.
    package struct Outcome: Hashable, Sendable {
        package var verdict: ProducerStates.Verdict
        /// The offset of the first record, of an appended batch or of the one that it repeats.
        package var baseOffset: Offset
    }

    /// Batches with their offsets assigned, and where they will be written.
    package struct AppendPlan: Sendable {
        package private(set) var batches: [RecordBatch] = []
        /// One for each batch that was offered: what became of it, and its base offset if it is appended.
        package private(set) var outcomes: [Outcome] = []
        private(set) var admissions: [LogTail.Admission] = []
        let before: LogTail
        private let now: Instant
        private(set) var after: LogTail
        /// The segments that begin in this plan, as they are made.
        var segments: [Segment] = []
        /// Of each segment that ends in this plan, how it ended.
        private(set) var sealed: [(tail: LogTail, producers: ProducerStates)] = []
        /// Transactions taken back by the batch with this index.
        private(set) var aborted: [Int: AbortedTransaction] = [:]
        private(set) var touchesTransactions = false
        private(set) var replacedProducers: [(id: Int64, state: ProducerStates.Producer?)] = []

        init(behind tail: LogTail, at now: Instant) {
            before = tail
            self.now = now
            after = tail
        }

        /// Whether a segment ends with this plan.
        package var rolls: Bool { !sealed.isEmpty }
        package var firstOffset: Offset { before.endOffset }
        package var endOffset: Offset { after.endOffset }
        var byteCount: Int { batches.reduce(0) { $0 + $1.header.byteCount } }

        mutating func leaveOut(_ outcome: Outcome) { outcomes.append(outcome) }

        mutating func add(
            _ batch: RecordBatch, _ configuration: LogConfiguration, _ producers: inout ProducerStates
        ) {
            let tail = after
            let admission = after.admit(batch.header, configuration, at: now)
            if admission.rolls { sealed.append((tail, producers)) }
            if let entry = note(batch, &producers) { aborted[batches.count] = entry }
            batches.append(batch)
            outcomes.append(Outcome(verdict: .append, baseOffset: batch.header.baseOffset))
            admissions.append(admission)
        }

        private mutating func note(_ batch: RecordBatch, _ producers: inout ProducerStates) -> AbortedTransaction? {
            guard batch.header.hasProducerId else { return nil }
            let id = batch.header.producerId
            replacedProducers.append((id, producers.producers[id]))
            touchesTransactions = touchesTransactions || batch.header.isTransactional
            return producers.note(batch)
        }
    }
}
