// What a check of a data folder may find.

package import Basics

/// One thing that is not as it should be.
package struct LogFinding: Hashable, Sendable {
    package enum Kind: String, Sendable {
        /// Bytes of a .log file that are no batch, or one out of its place, with good batches behind.
        case damagedBatch = "damaged-batch"
        /// The same with nothing good behind it.
        case damagedEnd = "damaged-end"
        case offsetIndex = "offset-index"
        case timeIndex = "time-index"
        case transactionIndex = "transaction-index"
        case producerSnapshot = "producer-snapshot"
        case leaderEpochs = "leader-epochs"
        case metadataSnapshot = "metadata-snapshot"
        case checkpoint
        case unreadable
    }

    package var kind: Kind
    package var path: String
    package var position: Int?
    /// The offset that lies there, or is spoken of.
    package var offset: Offset?
    /// What is wrong and what that means.
    package var text: String
    /// Of a damaged batch: its place.
    package var damage: Damage?
    /// Good batches and records of the log behind it.
    package var batchesBehind = 0
    package var recordsBehind = 0

    init(_ kind: Kind, _ path: String, position: Int? = nil, offset: Offset? = nil, _ text: String) {
        self.kind = kind
        self.path = path
        self.position = position
        self.offset = offset
        self.text = text
    }

    /// Whether records are lost, as opposed to what can be made anew from them.
    package var isLoss: Bool { kind == .damagedBatch || kind == .damagedEnd || kind == .metadataSnapshot }
}

/// What a check of one log read, and what it found.
package struct LogReport: Sendable {
    package var findings: [LogFinding] = []
    package var segments = 0
    package var batches = 0
    package var records = 0
    package var bytes = 0
    /// Behind the last good batch.
    package var end = Offset.zero

    package init() {}
}
