// Validation of what a producer sent for one partition, with Kafka's error for each refusal.

internal import Basics
internal import Bytes
internal import Configuration
internal import Records
internal import WireProtocol

/// Why a batch is not taken.
struct IntakeRefusal: Error {
    var code: ErrorCode
    var message: String?
    var recordErrors: [ProduceResponse.BatchIndexAndErrorMessage] = []
}

/// Checks batches against a topic's settings.
struct BatchIntake {
    private let configuration: TopicConfiguration
    private let version: Int16
    private let now: Timestamp

    init(_ configuration: TopicConfiguration, version: Int16, now: Timestamp) {
        self.configuration = configuration
        self.version = version
        self.now = now
    }

    /// The batch, ready to be placed in the log.
    func validate(_ records: RecordsField) -> Result<RecordBatch, IntakeRefusal> {
        guard let bytes = records.slice, !bytes.isEmpty else {
            return refuse(.invalidRecord, "The record data is empty.")
        }
        guard let header = BatchHeader(bytes) else {
            return refuse(.corruptMessage, "The record data is shorter than a batch.")
        }
        guard header.magic == BatchHeader.currentMagic else {
            return refuse(.corruptMessage, "Format \(header.magic) of record batches is not known.")
        }
        guard var batch = RecordBatch(bytes) else {
            return refuse(.corruptMessage, "The length of the batch is not that of the data.")
        }
        guard batch.bytes.count == bytes.count else {
            return refuse(.invalidRecord, "A partition takes one batch in a request.")
        }
        guard batch.bytes.count <= configuration.messageBytesMax else {
            return refuse(
                .messageTooLarge, "The batch is \(batch.bytes.count) bytes, more than the maximum"
                    + " \(configuration.messageBytesMax).")
        }
        guard batch.hasValidChecksum else { return refuse(.corruptMessage, "The checksum of the batch is wrong.") }
        if let refusal = objection(to: header) { return .failure(refusal) }
        if configuration.usesLogAppendTime { batch.stampAppendTime(now) }
        return .success(batch)
    }

    private func refuse(_ code: ErrorCode, _ message: String) -> Result<RecordBatch, IntakeRefusal> {
        .failure(IntakeRefusal(code: code, message: message))
    }

    private func objection(to header: BatchHeader) -> IntakeRefusal? {
        if header.isControl {
            return IntakeRefusal(code: .invalidRecord, message: "Clients do not write control batches.")
        }
        if header.baseOffset != .zero {
            return IntakeRefusal(code: .invalidRecord, message: "The base offset of a produced batch is 0.")
        }
        if header.recordCount <= 0 || header.lastOffsetDelta != header.recordCount - 1 {
            return IntakeRefusal(
                code: .invalidRecord, message: "The batch counts \(header.recordCount) records, and its last offset"
                    + " delta is \(header.lastOffsetDelta).")
        }
        if header.hasProducerId, header.baseSequence < 0 || header.producerEpoch < 0 {
            return IntakeRefusal(code: .invalidRecord, message: "A producer id needs an epoch and a sequence.")
        }
        return nil
    }
}
