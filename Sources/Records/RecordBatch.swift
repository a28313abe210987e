// The header of a record batch of format v2 (KIP-98), read in place.
//
//      0  base offset             int64   not covered by the CRC
//      8  batch length            int32   bytes after this field; not covered
//     12  partition leader epoch  int32   not covered
//     16  magic                   int8    2
//     17  CRC-32C                 uint32  over everything from the attributes to the end
//     21  attributes              int16   bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control,
//                                         6 delete horizon in the base timestamp
//     23  last offset delta       int32
//     27  base timestamp          int64
//     35  max timestamp           int64
//     43  producer id             int64
//     51  producer epoch          int16
//     53  base sequence           int32
//     57  record count            int32
//     61  records
//
// Base offset and leader epoch may be patched after validation, since the CRC does not cover them.

package import Basics
package import Bytes

/// What stands in the head of a batch, without its records.
package struct BatchHeader: Hashable, Sendable {
    /// Bytes of the header, and the smallest batch.
    package static let size = 61
    /// Bytes of the base offset and the length, which the length does not count.
    package static let logOverhead = 12
    package static let currentMagic: Int8 = 2

    package var baseOffset: Offset
    /// Bytes of the whole batch, from the base offset on.
    package var byteCount: Int
    package var leaderEpoch: LeaderEpoch
    package var magic: Int8
    package var crc: UInt32
    package var attributes: Int16
    package var lastOffsetDelta: Int32
    package var baseTimestamp: Timestamp
    package var maxTimestamp: Timestamp
    package var producerId: Int64
    package var producerEpoch: Int16
    package var baseSequence: Int32
    package var recordCount: Int32

    package var lastOffset: Offset { baseOffset + Int64(lastOffsetDelta) }
    package var nextOffset: Offset { baseOffset + Int64(lastOffsetDelta) + 1 }
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; others are not defined.
    package var compressionId: Int { Int(attributes & 7) }
    package var isLogAppendTime: Bool { attributes & 8 != 0 }
    package var isTransactional: Bool { attributes & 16 != 0 }
    package var isControl: Bool { attributes & 32 != 0 }
    package var hasDeleteHorizon: Bool { attributes & 64 != 0 }
    package var hasProducerId: Bool { producerId >= 0 }

    /// The sequence number of the last record; it wraps from the greatest Int32 to 0 (KIP-98).
    package var lastSequence: Int32 { BatchHeader.sequence(baseSequence, advancedBy: lastOffsetDelta) }

    package static func sequence(_ base: Int32, advancedBy delta: Int32) -> Int32 {
        guard base >= 0 else { return -1 }
        return Int32((Int64(base) + Int64(delta)) & 0x7fff_ffff)
    }

    /// Reads the head of the batch that begins at `position`; nil if fewer than `size` bytes are there.
    package init?(_ bytes: ByteSlice, at position: Int = 0) {
        guard position >= 0, bytes.count - position >= BatchHeader.size else { return nil }
        baseOffset = Offset(bytes.load(Int64.self, at: position))
        byteCount = BatchHeader.logOverhead + Int(bytes.load(Int32.self, at: position + 8))
        leaderEpoch = LeaderEpoch(bytes.load(Int32.self, at: position + 12))
        magic = bytes.load(Int8.self, at: position + 16)
        crc = bytes.load(UInt32.self, at: position + 17)
        attributes = bytes.load(Int16.self, at: position + 21)
        lastOffsetDelta = bytes.load(Int32.self, at: position + 23)
        baseTimestamp = Timestamp(milliseconds: bytes.load(Int64.self, at: position + 27))
        maxTimestamp = Timestamp(milliseconds: bytes.load(Int64.self, at: position + 35))
        producerId = bytes.load(Int64.self, at: position + 43)
        producerEpoch = bytes.load(Int16.self, at: position + 51)
        baseSequence = bytes.load(Int32.self, at: position + 53)
        recordCount = bytes.load(Int32.self, at: position + 57)
    }

    /// Whether length and magic can be those of a batch; says nothing of the content.
    package var isPlausible: Bool {
        byteCount >= BatchHeader.size && magic == BatchHeader.currentMagic && hasPossibleOffsets
    }

    /// Whether every offset of the batch, and the one behind it, can be an offset. The CRC does not cover the base.
    package var hasPossibleOffsets: Bool {
        baseOffset >= .zero && lastOffsetDelta >= 0 && baseOffset.rawValue < .max - Int64(Int32.max)
    }
}

/// A whole batch: its header, and its bytes as they came.
package struct RecordBatch: Sendable {
    package private(set) var header: BatchHeader
    package let bytes: ByteSlice

    /// The batch at the start of `bytes`; nil if it is not whole or its length is too small to be one.
    package init?(_ bytes: ByteSlice) {
        guard let header = BatchHeader(bytes), header.byteCount >= BatchHeader.size,
            header.byteCount <= bytes.count
        else { return nil }
        self.header = header
        self.bytes = bytes.prefix(header.byteCount)
    }

    /// The records, compressed or not, after the header.
    package var payload: ByteSlice { bytes.dropFirst(BatchHeader.size) }

    package var hasValidChecksum: Bool { bytes.dropFirst(21).crc32c() == header.crc }

    /// Writes the place of the batch in its log into the bytes. Called once, by the writer of the partition, before
    /// the bytes are published.
    package mutating func place(at offset: Offset, epoch: LeaderEpoch) {
        header.baseOffset = offset
        header.leaderEpoch = epoch
        bytes.patch(offset.rawValue, at: 0)
        bytes.patch(epoch.rawValue, at: 12)
    }

    /// Sets the time of appending on all records: attribute bit 3 and the max timestamp, and the CRC anew (KIP-32).
    package mutating func stampAppendTime(_ time: Timestamp) { setTimes(isLogAppendTime: true, max: time) }

    /// Makes the header say what the records say, where a client's says something else: whose time they carry, and
    /// the latest of it. The CRC is taken anew only then.
    package mutating func setTimes(isLogAppendTime: Bool, max time: Timestamp) {
        guard header.isLogAppendTime != isLogAppendTime || header.maxTimestamp != time else { return }
        header.attributes = isLogAppendTime ? header.attributes | 8 : header.attributes & ~8
        header.maxTimestamp = time
        bytes.patch(header.attributes, at: 21)
        bytes.patch(time.milliseconds, at: 35)
        header.crc = bytes.dropFirst(21).crc32c()
        bytes.patch(header.crc, at: 17)
    }
}

/// Walks over the batches that stand one after the other in some bytes.
package struct RecordBatchSequence: Sequence, IteratorProtocol {
    private var rest: ByteSlice

    package init(_ bytes: ByteSlice) { rest = bytes }

    /// Bytes after the last whole batch that was returned.
    package var remainder: ByteSlice { rest }

    package mutating func next() -> RecordBatch? {
        guard let batch = RecordBatch(rest) else { return nil }
        rest = rest.dropFirst(batch.bytes.count)
        return batch
    }
}
