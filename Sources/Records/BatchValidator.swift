// What a leader checks before it appends a batch that a producer sent, as Kafka's LogValidator does: the header against
// itself, the CRC, and each record. A batch that passes can be appended as it is.
//
// Errors of the batch as a whole end the check. Errors of single records are collected, so that the producer learns
// which of its records were refused (KIP-467).

package import Basics

/// What the topic asks of its records.
package struct BatchRules: Sendable {
    /// Compacted topics take no record without a key.
    package var requiresKeys = false
    /// Times that a record may carry, with both ends; nil where the broker's time replaces them. A record without a
    /// time is always taken.
    package var timestamps: ClosedRange<Int64>?
    /// Bytes that a compressed batch may become.
    package var expansionLimit = 1 << 30

    package init() {}
}

/// One record that is refused.
package struct RecordFault: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case missingKey
        case timestampOutOfRange(Timestamp, offset: Offset, allowed: ClosedRange<Int64>)
        case offsetOutOfOrder(found: Int32, expected: Int32)
    }

    /// Counted from 0.
    package var batchIndex: Int32
    package var kind: Kind

    package init(batchIndex: Int32, kind: Kind) {
        self.batchIndex = batchIndex
        self.kind = kind
    }

    /// The sentence that the producer of `partition` is shown.
    package func message(_ partition: TopicPartition) -> String {
        switch kind {
        case .missingKey:
            "Compacted topic cannot accept message without key in topic partition \(partition)"
        case .timestampOutOfRange(let timestamp, let offset, let allowed):
            "Timestamp \(timestamp) of message with offset \(offset) is out of range. The timestamp should be within "
                + "[\(allowed.lowerBound), \(allowed.upperBound)]"
        case .offsetOutOfOrder(let found, let expected):
            "Inner record with offset \(found) does not have incremental offsets, expected offset is"
                + " \(expected) in topic partition \(partition)"
        }
    }
}

/// Why a batch is refused.
package enum BatchFault: Error, Equatable, Sendable {
    case unsupportedMagic(Int8)
    case wrongChecksum
    /// The header contradicts itself, or asks for what producers may not.
    case invalidHeader(String)
    case unreadable(RecordError)
    /// `faults` holds the first of `count` refused records.
    case refusedRecords([RecordFault], count: Int)
}

/// What the walk over a good batch found.
package struct ValidatedBatch: Sendable {
    /// The latest time of the records, and the first record that has it. It may differ from the header, which
    /// Kafka then corrects (with the CRC) before it appends.
    package var maxTimestamp = Timestamp.none
    package var maxTimestampOffsetDelta: Int32 = -1
    /// Bytes of the records, decompressed.
    package var expandedCount = 0

    package init() {}
}

extension RecordBatch {
    /// Refused records that are told one by one; what is beyond is counted.
    package static let faultsMax = 1000

    /// Checks a batch that a producer sent against `rules`.
    package func validate(_ rules: BatchRules) throws(BatchFault) -> ValidatedBatch {
        try checkHeader()
        guard hasValidChecksum else { throw .wrongChecksum }
        let walk: BatchWalk
        do throws(RecordError) {
            walk = try BatchWalk(self, rules)
        } catch {
            throw .unreadable(error)
        }
        guard walk.faultCount == 0 else { throw .refusedRecords(walk.faults, count: walk.faultCount) }
        return walk.found
    }

    private func checkHeader() throws(BatchFault) {
        guard header.magic == BatchHeader.currentMagic else { throw .unsupportedMagic(header.magic) }
        guard header.lastOffsetDelta >= 0 else { throw .invalidHeader("Batch has an invalid offset range") }
        guard header.recordCount > 0 else { throw .invalidHeader("Invalid reported count for record batch") }
        guard Int64(header.lastOffsetDelta) + 1 == Int64(header.recordCount) else {
            throw .invalidHeader("Inconsistent batch offset range and count of records")
        }
        guard !header.isControl else { throw .invalidHeader("Clients are not allowed to write control records") }
        guard !header.hasProducerId || header.baseSequence >= 0 else {
            throw .invalidHeader("Invalid sequence number \(header.baseSequence) in record batch")
        }
    }
}

/// One walk over the records of a batch, and what it found.
private struct BatchWalk {
    var found = ValidatedBatch()
    var faults: [RecordFault] = []
    var faultCount = 0

    init(_ batch: RecordBatch, _ rules: BatchRules) throws(RecordError) {
        var reader = try RecordReader(batch, expansionLimit: rules.expansionLimit)
        var expected: Int32 = 0
        let header = batch.header
        while let shape = try reader.nextShape() {
            if shape.offsetDelta != expected {
                add(.offsetOutOfOrder(found: shape.offsetDelta, expected: expected), at: expected)
            }
            // The record's own time, also if the client set the bit that says it is the broker's.
            let timestamp = Timestamp(milliseconds: header.baseTimestamp.milliseconds &+ shape.timestampDelta)
            if rules.requiresKeys, shape.key.isNull {
                add(.missingKey, at: expected)
            } else if let allowed = rules.timestamps, timestamp != .none, !allowed.contains(timestamp.milliseconds) {
                let offset = header.baseOffset + Int64(shape.offsetDelta)
                add(.timestampOutOfRange(timestamp, offset: offset, allowed: allowed), at: expected)
            }
            if timestamp > found.maxTimestamp {
                found.maxTimestamp = timestamp
                found.maxTimestampOffsetDelta = expected
            }
            expected += 1
        }
        found.expandedCount = reader.expandedCount
    }

    private mutating func add(_ kind: RecordFault.Kind, at index: Int32) {
        faultCount += 1
        if faults.count < RecordBatch.faultsMax { faults.append(RecordFault(batchIndex: index, kind: kind)) }
    }
}
