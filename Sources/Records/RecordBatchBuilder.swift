// Making a batch of records: for clients, for records that the broker writes itself, for compaction and recompression.
//
// Records are appended in the order of their offsets; the header is written, and the CRC taken, at the end.

package import Basics
package import Bytes

/// Collects records and gives the bytes of one batch.
package struct RecordBatchBuilder: ~Copyable {
    package let baseOffset: Offset
    package var leaderEpoch = LeaderEpoch.none
    package var producerId: Int64 = -1
    package var producerEpoch: Int16 = -1
    package var baseSequence: Int32 = -1
    package var isTransactional = false
    package var isControl = false
    /// The time of appending, if that is what the records are to carry.
    package var appendTime: Timestamp?
    /// When the tombstones of the batch may go (KIP-534); it takes the place of the base timestamp. To be set before
    /// the first record.
    package let deleteHorizon: Timestamp?
    /// The delta of the batch's last offset, where it is not that of the last record: compaction keeps it.
    package var lastOffsetDelta: Int32?

    package private(set) var recordCount: Int32 = 0
    private var baseTimestamp: Timestamp?
    private var maxTimestamp = Timestamp.none
    private var lastDelta: Int32 = -1
    private var records: ByteWriter

    /// A builder for records from `baseOffset` on; `capacity` bytes of records need no growth.
    package init(baseOffset: Offset = .zero, deleteHorizon: Timestamp? = nil, capacity: Int = 1024) {
        self.baseOffset = baseOffset
        self.deleteHorizon = deleteHorizon
        baseTimestamp = deleteHorizon
        records = ByteWriter(capacity: capacity)
    }

    /// Bytes of the batch so far, without compression.
    package var byteCount: Int { BatchHeader.size + records.count }

    /// Bytes of a record in the worst case of its varints, its length included.
    package static func sizeMax(key: ByteSlice?, value: ByteSlice?, headers: [RecordHeader] = []) -> Int {
        let headerBytes = headers.reduce(0) { $0 + 10 + $1.key.utf8.count + ($1.value?.count ?? 0) }
        return 36 + (key?.count ?? 0) + (value?.count ?? 0) + headerBytes
    }

    /// Appends a record, by default with the offset after the last one's.
    package mutating func append(
        timestamp: Timestamp, key: ByteSlice?, value: ByteSlice?, headers: [RecordHeader] = [],
        offsetDelta: Int32? = nil
    ) {
        let delta = offsetDelta ?? lastDelta + 1
        precondition(delta > lastDelta, "records stand in the order of their offsets")
        let base = baseTimestamp ?? timestamp
        baseTimestamp = base
        let timestampDelta = timestamp.milliseconds &- base.milliseconds
        records.writeVarint(
            Int32(RecordBatchBuilder.bodySize(timestampDelta, delta, key, value, headers)))
        records.writeInteger(Int8(0))
        records.writeVarlong(timestampDelta)
        records.writeVarint(delta)
        records.writePart(key)
        records.writePart(value)
        records.writeVarint(Int32(headers.count))
        for header in headers {
            records.writeVarint(Int32(header.key.utf8.count))
            records.write(utf8: header.key)
            records.writePart(header.value)
        }
        maxTimestamp = max(maxTimestamp, timestamp)
        lastDelta = delta
        recordCount += 1
    }

    private static func bodySize(
        _ timestampDelta: Int64, _ delta: Int32, _ key: ByteSlice?, _ value: ByteSlice?, _ headers: [RecordHeader]
    ) -> Int {
        func sizeOfPart(_ part: ByteSlice?) -> Int {
            guard let part else { return 1 }
            return sizeOfVarint(Int32(part.count)) + part.count
        }
        var size = 1 + sizeOfVarlong(timestampDelta) + sizeOfVarint(delta)
        size += sizeOfPart(key) + sizeOfPart(value) + sizeOfVarint(Int32(headers.count))
        for header in headers {
            let length = header.key.utf8.count
            size += sizeOfVarint(Int32(length)) + length + sizeOfPart(header.value)
        }
        return size
    }

    /// The bytes of the batch.
    package consuming func finish(
        _ compression: CompressionType = .none, level: Int? = nil
    ) throws(CompressionError) -> ByteSlice {
        var attributes = Int16(compression.rawValue)
        if appendTime != nil { attributes |= 8 }
        if isTransactional { attributes |= 16 }
        if isControl { attributes |= 32 }
        if deleteHorizon != nil { attributes |= 64 }
        let lastDelta = lastOffsetDelta ?? max(lastDelta, 0)
        let times = (base: baseTimestamp ?? .none, max: appendTime ?? maxTimestamp)
        let payload = try compression.compress(records.finishSlice(), level: level)
        var writer = ByteWriter(capacity: BatchHeader.size + payload.count)
        writer.writeInteger(baseOffset.rawValue)
        writer.writeInteger(Int32(BatchHeader.size - BatchHeader.logOverhead + payload.count))
        writer.writeInteger(leaderEpoch.rawValue)
        writer.writeInteger(BatchHeader.currentMagic)
        writer.writeInteger(UInt32(0))
        writer.writeInteger(attributes)
        writer.writeInteger(lastDelta)
        writer.writeInteger(times.base.milliseconds)
        writer.writeInteger(times.max.milliseconds)
        writer.writeInteger(producerId)
        writer.writeInteger(producerEpoch)
        writer.writeInteger(baseSequence)
        writer.writeInteger(recordCount)
        writer.write(payload)
        let batch = writer.finishSlice()
        batch.patch(batch.dropFirst(21).crc32c(), at: 17)
        return batch
    }
}

extension ByteWriter {
    /// Bytes behind a varint length, -1 for null.
    fileprivate mutating func writePart(_ part: ByteSlice?) {
        guard let part else { return writeVarint(-1) }
        writeVarint(Int32(part.count))
        write(part)
    }
}
