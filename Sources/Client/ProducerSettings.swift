// How a producer gathers and sends, and what it takes and gives back.

package import Basics
package import Bytes
package import Records

/// Sizes and times of a producer.
package struct ProducerSettings: Sendable {
    /// Whether records carry a producer id and sequence numbers, so that a repeated batch is stored once (KIP-98).
    package enum Idempotence: Sendable {
        /// If the broker serves it and acks is all.
        case automatic
        case required
        case off
    }

    /// 0: no answer; 1: the leader's; -1: all in-sync replicas'.
    package var acks: Int16 = -1
    package var compression = CompressionType.none
    package var compressionLevel: Int?
    /// Bytes of a batch before compression; one larger record makes a batch of its own.
    package var batchBytes = 256 << 10
    /// How long a batch that is not full waits for more records.
    package var linger = Duration.milliseconds(5)
    /// Produce requests under way to one broker. With idempotence at most 5 keep their order.
    package var inFlightMax = 5
    /// Bytes of one produce request.
    package var requestBytes = 8 << 20
    /// Bytes of records that wait or are under way; beyond that a record is refused.
    package var bufferBytes = 64 << 20
    /// Time from taking a record to giving it up.
    package var deliveryTimeout = Duration.seconds(120)
    /// What the broker is told to wait for replicas.
    package var requestTimeout = Duration.seconds(30)
    package var idempotence = Idempotence.automatic

    package init() {}
}

/// A record to be produced.
package struct ProducerRecord: Sendable {
    /// Chosen by key, or freely, if nil.
    package var partition: Int32?
    package var key: ByteSlice?
    /// Nil is a tombstone.
    package var value: ByteSlice?
    package var headers: [RecordHeader]
    /// The time of `send` if nil.
    package var timestamp: Timestamp?

    package init(
        partition: Int32? = nil, key: ByteSlice? = nil, value: ByteSlice?, headers: [RecordHeader] = [],
        timestamp: Timestamp? = nil
    ) {
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }

    /// Bytes that count against the producer's memory.
    var charge: Int { RecordBatchBuilder.sizeMax(key: key, value: value, headers: headers) }
}

/// Where a record was put.
package struct Delivery: Hashable, Sendable {
    package var topic: String
    package var partition: Int32
    /// -1 where the broker does not tell: acks=0, or a batch that it had already.
    package var offset: Offset
    /// The time that the record has in the log.
    package var timestamp: Timestamp
}

/// Called once for a record, inside the producer's loop.
package typealias DeliveryHandler = (Result<Delivery, ClientError>) -> Void
