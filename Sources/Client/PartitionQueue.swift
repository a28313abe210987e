// The records of one partition on their way: an open batch that takes records, closed batches in order, and how many
// are under way.

internal import Basics
internal import Bytes
internal import Records

/// A batch that takes no more records.
final class ClosedBatch {
    /// The batch as it is sent; sequence numbers are patched in at its first sending.
    let bytes: ByteSlice
    let recordCount: Int32
    /// Bytes that it holds of the producer's memory.
    let charge: Int
    let reports: [(index: Int32, timestamp: Timestamp, handler: DeliveryHandler)]
    /// Its place among the batches of its partition.
    let number: Int
    let deadline: Instant
    var attempts = 0
    /// The producer's generation whose sequence number it carries; nil before its first sending.
    var stampedFor: Int?

    init(_ open: OpenBatch, bytes: ByteSlice, number: Int, deadline: Instant) {
        self.bytes = bytes
        recordCount = open.recordCount
        charge = open.charge
        reports = open.reports
        self.number = number
        self.deadline = deadline
    }

    /// Writes the producer's identity and the first sequence number into the head, and takes the CRC anew.
    func stamp(producerId: Int64, epoch: Int16, sequence: Int32, generation: Int) {
        bytes.patch(producerId, at: 43)
        bytes.patch(epoch, at: 51)
        bytes.patch(sequence, at: 53)
        bytes.patch(bytes.dropFirst(21).crc32c(), at: 17)
        stampedFor = generation
    }
}

/// A batch that takes records.
final class OpenBatch {
    var builder: RecordBatchBuilder
    let openedAt: Instant
    private(set) var charge = 0
    private(set) var recordCount: Int32 = 0
    private(set) var reports: [(index: Int32, timestamp: Timestamp, handler: DeliveryHandler)] = []

    init(openedAt: Instant, capacity: Int) {
        self.openedAt = openedAt
        builder = RecordBatchBuilder(capacity: capacity)
    }

    func append(_ record: ProducerRecord, charge: Int, now: Timestamp, _ report: DeliveryHandler?) {
        let timestamp = record.timestamp ?? now
        builder.append(timestamp: timestamp, key: record.key, value: record.value, headers: record.headers)
        if let report { reports.append((recordCount, timestamp, report)) }
        recordCount += 1
        self.charge += charge
    }

    /// The bytes of the batch; it takes no records any more.
    func finish(_ settings: ProducerSettings) throws(CompressionError) -> ByteSlice {
        var taken = RecordBatchBuilder(capacity: 0)
        swap(&taken, &builder)
        return try taken.finish(settings.compression, level: settings.compressionLevel)
    }
}

/// One partition of a producer.
final class PartitionQueue {
    let partition: TopicPartition
    var open: OpenBatch?
    /// In the order of their numbers.
    private(set) var closed: [ClosedBatch] = []
    var underWay = 0
    var retryAt = Instant(nanoseconds: .min)
    var backoffFailures = 0
    /// What kept the last batch from being stored.
    var lastFailure: String?
    var nextSequence: Int32 = 0
    private var nextNumber = 0
    /// The first batch of a generation that was refused for good when it was first sent.
    private var gap: (number: Int, generation: Int)?

    init(_ partition: TopicPartition) { self.partition = partition }

    var isIdle: Bool { open == nil && closed.isEmpty && underWay == 0 }

    /// Whether batches have numbers and no answer that settles them.
    var hasNumbered: Bool { underWay > 0 || closed.contains { $0.stampedFor != nil } }

    func takeNumber() -> Int {
        defer { nextNumber += 1 }
        return nextNumber
    }

    func append(_ batch: ClosedBatch) { closed.append(batch) }

    func takeFirst() -> ClosedBatch { closed.removeFirst() }

    /// A batch was refused for good when it was first sent: what was numbered behind it was not stored either, and loses its
    /// number.
    func noteGap(at batch: ClosedBatch) {
        guard let generation = batch.stampedFor else { return }
        if gap?.generation != generation || batch.number < gap?.number ?? .max { gap = (batch.number, generation) }
        for waiting in closed where isBehindGap(waiting) { waiting.stampedFor = nil }
    }

    private func isBehindGap(_ batch: ClosedBatch) -> Bool {
        guard let gap else { return false }
        return batch.stampedFor == gap.generation && batch.number > gap.number
    }

    /// Puts a batch that is to be sent again in its place.
    func putBack(_ batch: ClosedBatch) {
        if isBehindGap(batch) { batch.stampedFor = nil }
        let index = closed.firstIndex { $0.number > batch.number } ?? closed.endIndex
        closed.insert(batch, at: index)
    }

    /// Takes out the batches whose deadline has come.
    func takeOverdue(at now: Instant) -> [ClosedBatch] {
        guard closed.contains(where: { $0.deadline <= now }) else { return [] }
        let overdue = closed.filter { $0.deadline <= now }
        closed.removeAll { $0.deadline <= now }
        return overdue
    }
}
