// Writing records from Swift programs. One producer serves any number of tasks and topics; it gathers what comes at one
// time into batches, so that waiting for each record of many tasks costs little.

internal import Basics
internal import Bytes
internal import Client
internal import Records

/// A record to be written.
public struct OutgoingRecord: Sendable {
    /// Chosen by the key as Kafka's Java client does, or freely, if nil.
    public var partition: Int?
    public var key: [UInt8]?
    /// Nil is a tombstone.
    public var value: [UInt8]?
    public var headers: [(name: String, value: [UInt8]?)]
    /// Milliseconds since 1970; the time of sending if nil.
    public var timestamp: Int64?

    public init(
        key: [UInt8]? = nil, value: [UInt8]?, headers: [(name: String, value: [UInt8]?)] = [], partition: Int? = nil,
        timestamp: Int64? = nil
    ) {
        self.key = key
        self.value = value
        self.headers = headers
        self.partition = partition
        self.timestamp = timestamp
    }

    /// A record of texts.
    public init(key: String? = nil, text: String) {
        self.init(key: key.map { Array($0.utf8) }, value: Array(text.utf8))
    }

    var record: ProducerRecord {
        ProducerRecord(
            partition: partition.map { Int32(clamping: $0) }, key: key.map { ByteSlice($0) },
            value: value.map { ByteSlice($0) },
            headers: headers.map { RecordHeader(key: $0.name, value: $0.value.map { ByteSlice($0) }) },
            timestamp: timestamp.map { Timestamp(milliseconds: $0) })
    }
}

/// Where a record is.
public struct RecordPosition: Hashable, Sendable {
    public let topic: String
    public let partition: Int
    /// -1 where the broker does not tell: without acknowledgement.
    public let offset: Int64
}

/// How a producer writes.
public struct ProducerOptions: Sendable {
    public enum Acknowledgement: Int16, Sendable { case none = 0, leader = 1, all = -1 }
    public enum Compression: Int, Sendable { case none = 0, gzip, snappy, lz4, zstd }

    /// Who must have a record before it counts as written.
    public var acknowledgement = Acknowledgement.all
    public var compression = Compression.none
    /// Bytes of a batch before compression.
    public var batchBytes = 256 << 10
    /// How long a batch that is not full waits for more.
    public var linger = Duration.milliseconds(5)
    /// Time from `send` to giving a record up.
    public var deliveryTimeout = Duration.seconds(120)

    public init() {}

    var settings: ProducerSettings {
        var settings = ProducerSettings()
        settings.acks = acknowledgement.rawValue
        settings.compression = CompressionType(rawValue: compression.rawValue) ?? .none
        settings.batchBytes = batchBytes
        settings.linger = linger
        settings.deliveryTimeout = deliveryTimeout
        return settings
    }
}

extension Cluster {
    /// A producer on this connection.
    public func producer(_ options: ProducerOptions = ProducerOptions()) async -> ClusterProducer {
        let client = client
        let settings = options.settings
        let loop = loop
        let producer: Confined<Producer> = await withCheckedContinuation { continuation in
            loop.post { continuation.resume(returning: Confined(Producer(client.value, settings), to: loop)) }
        }
        return ClusterProducer(self, producer)
    }
}

/// A producer. Records that one task sends to one partition are stored in the order of its calls.
public final class ClusterProducer: Sendable {
    private let cluster: Cluster
    private let producer: Confined<Producer>

    init(_ cluster: Cluster, _ producer: Confined<Producer>) {
        self.cluster = cluster
        self.producer = producer
    }

    /// Writes a record and waits until it is stored as `acknowledgement` asks; waits for room first while the producer's
    /// memory is full.
    @discardableResult
    public func send(_ record: OutgoingRecord, to topic: String) async throws(ClusterError) -> RecordPosition {
        try await send([record], to: topic)[0]
    }

    /// Writes records in order and waits for all. Positions come in the order of storing, which is that of the records
    /// within one partition. Throws the first error, and then some of the records may be stored.
    @discardableResult
    public func send(_ records: [OutgoingRecord], to topic: String) async throws(ClusterError) -> [RecordPosition] {
        guard !records.isEmpty else { return [] }
        let producer = producer
        let result: Result<[RecordPosition], ClientError> = await withCheckedContinuation { continuation in
            cluster.loop.post {
                let gathering = DeliveryGathering(records.count) { continuation.resume(returning: $0) }
                Self.give(records, to: topic, producer.value, gathering)
            }
        }
        switch result {
        case .success(let positions): return positions
        case .failure(let error): throw ClusterError(error)
        }
    }

    /// Gives records to the producer as soon as it has room. A call of `send` is taken whole.
    private static func give(
        _ records: [OutgoingRecord], to topic: String, _ producer: Producer, _ gathering: DeliveryGathering
    ) {
        guard !producer.isFull else {
            return producer.whenRoom { give(records, to: topic, producer, gathering) }
        }
        producer.send(records.map(\.record), to: topic) { gathering.take($0) }
    }

    /// Sends what waits without lingering, and waits until nothing is under way.
    public func flush() async {
        let producer = producer
        await withCheckedContinuation { continuation in
            cluster.loop.post { producer.value.flush { continuation.resume() } }
        }
    }
}

/// The reports of the records of one call. Owner: the loop.
private final class DeliveryGathering {
    private var positions: [RecordPosition] = []
    private var missing: Int
    private var error: ClientError?
    private let done: (Result<[RecordPosition], ClientError>) -> Void

    init(_ count: Int, _ done: @escaping (Result<[RecordPosition], ClientError>) -> Void) {
        missing = count
        self.done = done
    }

    func take(_ result: Result<Delivery, ClientError>) {
        switch result {
        case .success(let delivery):
            positions.append(
                RecordPosition(
                    topic: delivery.topic, partition: Int(delivery.partition), offset: delivery.offset.rawValue))
        case .failure(let failure): if error == nil { error = failure }
        }
        missing -= 1
        guard missing == 0 else { return }
        done(error.map { .failure($0) } ?? .success(positions))
    }
}
