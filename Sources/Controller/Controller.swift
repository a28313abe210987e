// The controller: turns requests into metadata records and a reply. It decides on the newest image, committed or not;
// state changes only when the records it returned are replayed, and the reply leaves when they are committed.
//
// A decision is one batch of records: all of them take effect, or none.

package import Basics
package import ClusterImage
package import Configuration
package import WireProtocol

/// Records to append, and what to answer when they are committed.
package struct Decision<Reply: Sendable>: Sendable {
    package var records: [VersionedRecord] = []
    package var reply: Reply

    package init(records: [VersionedRecord] = [], reply: Reply) {
        self.records = records
        self.reply = reply
    }
}

/// A refusal with its text.
struct Refusal: Error, Sendable {
    var code: ErrorCode
    var message: String?

    init(_ code: ErrorCode, _ message: String? = nil) {
        self.code = code
        self.message = message
    }

    static let tooManyPartitions = Refusal(
        .policyViolation, "Excessively large number of partitions per request.")
}

/// The metadata decisions. Owner: the loop that drives the quorum.
package struct Controller: Sendable {
    /// Everything that was appended, replayed.
    package private(set) var image: ClusterImage
    package let node: NodeConfiguration
    private var randomState: SeededRandom

    package init(image: ClusterImage, node: NodeConfiguration, seed: UInt64) {
        self.image = image
        self.node = node
        randomState = SeededRandom(seed: seed)
    }

    /// The only way in which the state changes.
    package mutating func replay(_ record: MetadataRecord, at offset: Offset) { image.replay(record, at: offset) }

    /// Notes control records, which stand in the log and change nothing here.
    package mutating func skip(to offset: Offset) { image.skip(to: offset) }

    mutating func newId() -> Uuid { Uuid.random(using: &randomState) }

    mutating func withRandom<Result>(
        _ body: (inout SeededRandom) throws(Refusal) -> Result
    ) throws(Refusal) -> Result { try body(&randomState) }

    // MARK: Producer ids

    /// Ids in one block (KIP-730).
    package static let producerIdBlockSize: Int64 = 1000

    /// Hands the next block of producer ids to a broker; the first id of it.
    package func allocateProducerIds(for broker: NodeId, epoch: Int64) -> Decision<Int64> {
        let first = image.nextProducerId
        let record = ProducerIdsRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = epoch
            $0.nextProducerId = first + Controller.producerIdBlockSize
        }
        return Decision(records: [VersionedRecord(.producerIds(record), 0)], reply: first)
    }
}
