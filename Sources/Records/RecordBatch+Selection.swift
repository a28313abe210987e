// A batch with some of its records only: what compaction writes.
//
// What stays is copied as it stands: offsets, keys, values and headers are not encoded anew. Base offset, last offset,
// producer, sequence and leader epoch of the header stay, so that the batch still covers the offsets that it covered.
// Only a delete horizon (KIP-534) changes the timestamp deltas, since it takes the place of the base timestamp.

package import Basics
package import Bytes

/// Which records of a batch stay, and what is to be known of them.
package struct RecordSelection: Sendable {
    /// One for each record, in order.
    package fileprivate(set) var kept: [Bool] = []
    package fileprivate(set) var keptCount = 0
    /// A record that stays has no value.
    package fileprivate(set) var hasTombstone = false
    /// The greatest timestamp of those that stay.
    package fileprivate(set) var maxTimestamp = Timestamp.none

    package var isWhole: Bool { keptCount == kept.count }
    package var isEmpty: Bool { keptCount == 0 }
}

extension RecordBatch {
    /// Asks `stays` about each record: its offset, its key, and whether it has a value.
    package func select(
        _ stays: (_ offset: Offset, _ key: ByteSlice?, _ hasValue: Bool) -> Bool
    ) throws(RecordError) -> RecordSelection {
        // Records stream through one block, so that there is no need for a limit of memory.
        var reader = try RecordReader(self, expansionLimit: .max)
        var selection = RecordSelection()
        selection.kept.reserveCapacity(Int(min(header.recordCount, 1 << 16)))
        while let shape = try reader.nextShape() {
            let offset = header.baseOffset + Int64(shape.offsetDelta)
            let keeps = stays(offset, shape.key.view(of: reader.content), !shape.value.isNull)
            selection.kept.append(keeps)
            guard keeps else { continue }
            selection.keptCount += 1
            selection.hasTombstone = selection.hasTombstone || shape.value.isNull
            selection.maxTimestamp = max(selection.maxTimestamp, header.timestamp(shape.timestampDelta))
        }
        return selection
    }

    /// The bytes of a batch with the selected records, compressed as this one. `deleteHorizon`: when its tombstones may
    /// go; nil leaves what is there. The records that stay must not become more than `expansionLimit` bytes.
    package func encoded(
        keeping selection: RecordSelection, deleteHorizon: Timestamp?, expansionLimit: Int
    ) throws(RecordError) -> ByteSlice {
        let base = deleteHorizon ?? header.baseTimestamp
        let shift = header.baseTimestamp.milliseconds &- base.milliseconds
        var reader = try RecordReader(self, expansionLimit: .max)
        var records = ByteWriter(capacity: max(0, header.byteCount - BatchHeader.size))
        while let shape = try reader.nextShape() {
            guard selection.kept[reader.index - 1] else { continue }
            guard records.count <= expansionLimit else { throw .compression(.tooLarge(limit: expansionLimit)) }
            records.copy(shape, of: reader.content, shift: shift)
        }
        let type = CompressionType(rawValue: header.compressionId) ?? .none
        do throws(CompressionError) {
            let payload = try type.compress(records.finishSlice())
            return rebuilt(
                payload, attributes: deleteHorizon == nil ? header.attributes : header.attributes | 64, base: base,
                max: selection.maxTimestamp, count: Int32(selection.keptCount))
        } catch {
            throw .compression(error)
        }
    }

    /// The bytes of a batch without records, which keeps the offsets, the producer and its sequence.
    package func emptied() -> ByteSlice {
        rebuilt(
            .empty, attributes: header.attributes & ~(7 | 64), base: .none, max: header.maxTimestamp, count: 0)
    }

    private func rebuilt(
        _ payload: ByteSlice, attributes: Int16, base: Timestamp, max time: Timestamp, count: Int32
    ) -> ByteSlice {
        var writer = ByteWriter(capacity: BatchHeader.size + payload.count)
        writer.write(bytes.prefix(BatchHeader.size))
        writer.write(payload)
        let batch = writer.finishSlice()
        batch.patch(Int32(batch.count - BatchHeader.logOverhead), at: 8)
        batch.patch(attributes, at: 21)
        batch.patch(base.milliseconds, at: 27)
        batch.patch(time.milliseconds, at: 35)
        batch.patch(count, at: 57)
        batch.patch(batch.dropFirst(21).crc32c(), at: 17)
        return batch
    }
}

extension ByteWriter {
    /// A record as it stands in `content`, its timestamp delta raised by `shift`.
    fileprivate mutating func copy(_ shape: RecordShape, of content: ByteSlice, shift: Int64) {
        let end = shape.headers.upperBound
        guard shift != 0 else {
            writeVarint(Int32(end - shape.start))
            return write(content[shape.start..<end])
        }
        let delta = shape.timestampDelta &+ shift
        writeVarint(Int32(1 + sizeOfVarlong(delta) + end - shape.offsetStart))
        write(content[shape.start..<shape.start + 1])
        writeVarlong(delta)
        write(content[shape.offsetStart..<end])
    }
}
