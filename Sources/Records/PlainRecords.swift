// Uncompressed batches of a few small records with key and value: what the metadata log and the coordinators' logs are
// made of.
//
//     record:  length varint | attributes int8 | timestamp delta varlong | offset delta varint
//              | key length varint, key | value length varint, value | header count varint, headers

package import Basics
package import Bytes

/// A key and a value; null is nil.
package struct PlainRecord: Hashable, Sendable {
    package var key: [UInt8]?
    package var value: [UInt8]?

    package init(key: [UInt8]?, value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}

package enum PlainRecords {
    /// A batch of `records`, at least one, that begins at `baseOffset`.
    package static func batch(
        _ records: [PlainRecord], at baseOffset: Offset, epoch: LeaderEpoch, timestamp: Timestamp, isControl: Bool
    ) -> RecordBatch {
        precondition(!records.isEmpty, "a batch has at least one record")
        var body = ByteWriter(capacity: records.reduce(0) { $0 + 32 + ($1.key?.count ?? 0) + ($1.value?.count ?? 0) })
        for (index, record) in records.enumerated() { append(record, index, &body) }
        let content = body.finishSlice()
        var writer = ByteWriter(capacity: BatchHeader.size + content.count)
        writer.writeInteger(baseOffset.rawValue)
        writer.writeInteger(Int32(BatchHeader.size - BatchHeader.logOverhead + content.count))
        writer.writeInteger(epoch.rawValue)
        writer.writeInteger(BatchHeader.currentMagic)
        writer.writeInteger(UInt32(0))
        writer.writeInteger(Int16(isControl ? 32 : 0))
        writer.writeInteger(Int32(records.count - 1))
        writer.writeInteger(timestamp.milliseconds)
        writer.writeInteger(timestamp.milliseconds)
        writer.writeInteger(Int64(-1))
        writer.writeInteger(Int16(-1))
        writer.writeInteger(Int32(-1))
        writer.writeInteger(Int32(records.count))
        writer.write(content)
        let bytes = writer.finishSlice()
        bytes.patch(bytes.dropFirst(21).crc32c(), at: 17)
        guard let batch = RecordBatch(bytes) else { preconditionFailure("a batch that was just built is one") }
        return batch
    }

    private static func append(_ record: PlainRecord, _ index: Int, _ writer: inout ByteWriter) {
        let keySize = record.key?.count ?? 0
        let valueSize = record.value?.count ?? 0
        let length =
            1 + 1 + sizeOfVarint(Int32(index)) + sizeOfVarint(record.key == nil ? -1 : Int32(keySize)) + keySize
            + sizeOfVarint(record.value == nil ? -1 : Int32(valueSize)) + valueSize + 1
        writer.writeVarint(Int32(length))
        writer.writeInteger(Int8(0))
        writer.writeVarlong(0)
        writer.writeVarint(Int32(index))
        for field in [record.key, record.value] {
            writer.writeVarint(field.map { Int32($0.count) } ?? -1)
            if let field { writer.write(field) }
        }
        writer.writeVarint(0)
    }

    /// The records of an uncompressed batch, with their offsets.
    package static func decode(_ batch: RecordBatch) throws(DecodeError) -> [(offset: Offset, record: PlainRecord)] {
        guard batch.header.compressionId == 0 else {
            throw DecodeError(.invalidValue("compression"), position: 21, path: "attributes")
        }
        var reader = ByteReader(batch.payload)
        var records: [(offset: Offset, record: PlainRecord)] = []
        for _ in 0..<batch.header.recordCount {
            let length = try reader.readVarint("length")
            var body = ByteReader(try reader.readSlice(Int(length), "record"))
            _ = try body.readInteger(Int8.self, "attributes")
            _ = try body.readVarlong("timestampDelta")
            let delta = try body.readVarint("offsetDelta")
            let key = try field(&body)
            let value = try field(&body)
            records.append((batch.header.baseOffset + Int64(delta), PlainRecord(key: key, value: value)))
        }
        return records
    }

    private static func field(_ reader: inout ByteReader) throws(DecodeError) -> [UInt8]? {
        let length = try reader.readVarint("length")
        return length < 0 ? nil : try reader.readSlice(Int(length), "field").array
    }
}
