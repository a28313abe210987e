// Validation of what a producer sent for one partition, with Kafka's error for each refusal, and the changes that a topic
// asks for: the broker's time, another compression.
//
// The order of the checks is Kafka's, since it decides which error a batch with several faults gets: the form of the
// request (one batch, format 2, a codec that the version knows), base offset, size, CRC, header, records.

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
    /// The answer names the log start offset: Kafka does so for what its log refuses, not for what comes before.
    var namesStart = false
}

/// Checks batches against a topic's settings.
struct BatchIntake {
    /// Bytes that a compressed batch may become, at least; see `expansionLimit`.
    static let expansionMin = 128 << 20
    /// The first version of Produce that may carry zstd (KIP-110).
    private static let zstdSince: Int16 = 7

    private let configuration: TopicConfiguration
    private let partition: TopicPartition
    private let version: Int16
    private let now: Timestamp

    init(_ configuration: TopicConfiguration, _ partition: TopicPartition, version: Int16, now: Timestamp) {
        self.configuration = configuration
        self.partition = partition
        self.version = version
        self.now = now
    }

    /// A few kilobytes can claim to be gigabytes; whoever allows large batches gets four times as much.
    private var expansionLimit: Int { max(BatchIntake.expansionMin, 4 * configuration.messageBytesMax) }

    /// Bytes of a batch from which on its decompression would hold up the other connections of a loop.
    private static let longMin = 128 << 10

    /// Whether `validate` should run on the pool.
    func takesLong(_ records: RecordsField) -> Bool {
        guard let bytes = records.slice, bytes.count >= BatchIntake.longMin, let header = BatchHeader(bytes) else {
            return false
        }
        let target = configuration.compression.codec?.rawValue ?? header.compressionId
        return header.compressionId != 0 || target != 0
    }

    /// The batch, ready to be placed in the log.
    func validate(_ records: RecordsField) -> Result<RecordBatch, IntakeRefusal> {
        do throws(IntakeRefusal) {
            let batch = try single(records)
            if batch.header.baseOffset != .zero {
                throw IntakeRefusal(
                    code: .invalidRecord, message: "The baseOffset of the record batch in the append to \(partition)"
                        + " should be 0, but it is \(batch.header.baseOffset)", namesStart: true)
            }
            try checkSize(batch.bytes.count)
            let found: ValidatedBatch
            do throws(BatchFault) {
                found = try batch.validate(rules)
            } catch {
                throw refusal(for: error)
            }
            return .success(try finish(batch, found))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Form

    /// The one batch that a request carries for a partition.
    private func single(_ records: RecordsField) throws(IntakeRefusal) -> RecordBatch {
        guard let bytes = records.slice, bytes.count >= BatchHeader.logOverhead else {
            throw IntakeRefusal(code: .invalidRecord)
        }
        let length = bytes.load(Int32.self, at: 8)
        guard length >= 14 else {
            throw IntakeRefusal(
                code: .corruptMessage, message: "Record size \(length) is less than the minimum record overhead (14)")
        }
        guard bytes.count > 16 else { throw IntakeRefusal(code: .invalidRecord) }
        let magic = bytes.load(Int8.self, at: 16)
        guard (0...BatchHeader.currentMagic).contains(magic) else {
            throw IntakeRefusal(code: .corruptMessage, message: "Invalid magic found in record: \(magic)")
        }
        guard magic == BatchHeader.currentMagic, let batch = RecordBatch(bytes), batch.bytes.count == bytes.count else {
            throw IntakeRefusal(code: .invalidRecord)
        }
        guard let type = CompressionType(rawValue: batch.header.compressionId) else {
            throw IntakeRefusal(code: .unknownServerError)
        }
        guard type != .zstd || version >= BatchIntake.zstdSince else {
            throw IntakeRefusal(code: .unsupportedCompressionType)
        }
        return batch
    }

    private func checkSize(_ count: Int) throws(IntakeRefusal) {
        if count > configuration.messageBytesMax { throw IntakeRefusal(code: .messageTooLarge) }
        if count > configuration.segmentBytes { throw IntakeRefusal(code: .recordListTooLarge) }
    }

    // MARK: Content

    private var rules: BatchRules {
        var rules = BatchRules()
        rules.requiresKeys = configuration.isCompacted
        rules.expansionLimit = expansionLimit
        if !configuration.usesLogAppendTime {
            // With the default for "before" the lowest time is far below zero, but still one.
            let low = now.milliseconds.subtractingReportingOverflow(configuration.timestampBeforeMax)
            let high = now.milliseconds.addingReportingOverflow(configuration.timestampAfterMax)
            rules.timestamps = (low.overflow ? .min : low.partialValue)...(high.overflow ? .max : high.partialValue)
        }
        return rules
    }

    private func refusal(for fault: BatchFault) -> IntakeRefusal {
        switch fault {
        case .unsupportedMagic(let magic):
            IntakeRefusal(code: .corruptMessage, message: "Invalid magic found in record: \(magic)")
        case .wrongChecksum: IntakeRefusal(code: .corruptMessage)
        case .invalidHeader(let reason): IntakeRefusal(code: .invalidRecord, message: reason, namesStart: true)
        case .unreadable(.compression(.tooLarge(let limit))):
            IntakeRefusal(
                code: .invalidRecord, message: "The batch becomes more than \(limit) bytes.", namesStart: true)
        case .unreadable(.compression), .unreadable(.unknownCompression):
            IntakeRefusal(code: .unknownServerError, namesStart: true)
        case .unreadable(let error): IntakeRefusal(code: .invalidRecord, message: "\(error)", namesStart: true)
        case .refusedRecords(let faults, let count): refusal(for: faults, count: count)
        }
    }

    /// The error of the batch, and of each record (KIP-467). A wrong time goes before a missing key.
    private func refusal(for faults: [RecordFault], count: Int) -> IntakeRefusal {
        let isTime = faults.contains { fault in
            if case .timestampOutOfRange = fault.kind { true } else { false }
        }
        let told = faults.map { fault in
            ProduceResponse.BatchIndexAndErrorMessage {
                $0.batchIndex = fault.batchIndex
                $0.batchIndexErrorMessage = fault.message(partition)
            }
        }
        guard !isTime else {
            return IntakeRefusal(
                code: .invalidTimestamp, message: "One or more records have been rejected due to invalid timestamp",
                recordErrors: told, namesStart: true)
        }
        let first = faults.prefix(3).map {
            "RecordError(batchIndex=\($0.batchIndex), message='\($0.message(partition))')"
        }
        return IntakeRefusal(
            code: .invalidRecord, message: "One or more records have been rejected due to \(count) record errors in"
                + " total, and only showing the first three errors at most: [\(first.joined(separator: ", "))]",
            recordErrors: told, namesStart: true)
    }

    // MARK: Changes

    private func finish(_ batch: RecordBatch, _ found: ValidatedBatch) throws(IntakeRefusal) -> RecordBatch {
        var batch = batch
        if let target = configuration.compression.codec, target.rawValue != batch.header.compressionId {
            batch = try recompressed(batch, target)
            try checkSize(batch.bytes.count)
        }
        if configuration.usesLogAppendTime {
            batch.stampAppendTime(now)
        } else {
            batch.setTimes(isLogAppendTime: false, max: found.maxTimestamp)
        }
        return batch
    }

    private func recompressed(
        _ batch: RecordBatch, _ target: CompressionType
    ) throws(IntakeRefusal) -> RecordBatch {
        do {
            let bytes = try batch.recompressed(target, level: level(target), expansionLimit: expansionLimit)
            guard let made = RecordBatch(bytes) else { throw IntakeRefusal(code: .unknownServerError) }
            return made
        } catch {
            throw IntakeRefusal(code: .unknownServerError, message: "\(error)", namesStart: true)
        }
    }

    private func level(_ target: CompressionType) -> Int? {
        switch target {
        case .gzip: configuration.gzipLevel < 0 ? nil : configuration.gzipLevel
        case .lz4: configuration.lz4Level
        case .zstd: configuration.zstdLevel
        case .none, .snappy: nil
        }
    }
}

extension TopicConfiguration.Compression {
    /// What batches are stored as; nil for whatever the producer chose.
    fileprivate var codec: CompressionType? {
        switch self {
        case .producer: nil
        case .uncompressed: CompressionType.none
        case .gzip: .gzip
        case .snappy: .snappy
        case .lz4: .lz4
        case .zstd: .zstd
        }
    }
}
