// One record of a batch, as views of the batch's bytes or of a decompressed block.
//
//     length           varint   bytes after this field
//     attributes       int8     none defined
//     timestamp delta  varlong  from the batch's base timestamp
//     offset delta     varint   from the batch's base offset
//     key length       varint   -1 is null;  key
//     value length     varint   -1 is null;  value
//     header count     varint
//     headers          { key length varint, key, value length varint (-1 is null), value } ...

package import Basics
package import Bytes

/// A record that was read.
package struct Record: Sendable {
    package let offset: Offset
    package let offsetDelta: Int32
    /// The record's own time, or the batch's time of appending.
    package let timestamp: Timestamp
    package let key: ByteSlice?
    package let value: ByteSlice?
    package let headerCount: Int
    /// The headers as they stand in the record; their structure was checked.
    package let headerBytes: ByteSlice

    /// The headers in order; a name may occur more than once.
    package var headers: [RecordHeader] {
        var reader = ByteReader(headerBytes)
        var found: [RecordHeader] = []
        found.reserveCapacity(headerCount)
        do throws(DecodeError) {
            for _ in 0..<headerCount {
                let key = try reader.readPart("headerKey") ?? .empty
                found.append(RecordHeader(key: key.string, value: try reader.readPart("headerValue")))
            }
        } catch {
            preconditionFailure("the headers were checked when the record was read")
        }
        return found
    }
}

/// A name and a value that go with a record.
package struct RecordHeader: Equatable, Sendable {
    package var key: String
    package var value: ByteSlice?

    package init(key: String, value: ByteSlice?) {
        self.key = key
        self.value = value
    }
}

extension Record {
    /// Reads the fields after the length from `body`, which must hold them and nothing else.
    init(_ body: ByteSlice, in batch: BatchHeader) throws(DecodeError) {
        var reader = ByteReader(body)
        _ = try reader.readInteger(Int8.self, "attributes")
        let timestampDelta = try reader.readVarlong("timestampDelta")
        offsetDelta = try reader.readVarint("offsetDelta")
        key = try reader.readPart("key")
        value = try reader.readPart("value")
        let count = try reader.readVarint("headerCount")
        guard count >= 0 else { throw reader.failure(.negativeLength(Int(count)), "headerCount") }
        // The shortest header takes two bytes.
        guard Int(count) * 2 <= reader.remaining else {
            throw reader.failure(.lengthTooLarge(Int(count)), "headerCount")
        }
        headerCount = Int(count)
        headerBytes = body.dropFirst(reader.position)
        for _ in 0..<headerCount {
            guard try reader.readPart("headerKey") != nil else { throw reader.failure(.unexpectedNull, "headerKey") }
            _ = try reader.readPart("headerValue")
        }
        guard reader.remaining == 0 else { throw reader.failure(.lengthTooLarge(body.count), "length") }
        offset = batch.baseOffset + Int64(offsetDelta)
        timestamp =
            batch.isLogAppendTime
            ? batch.maxTimestamp
            : Timestamp(milliseconds: batch.baseTimestamp.milliseconds &+ timestampDelta)
    }
}

extension ByteReader {
    /// Bytes behind a varint length; null for any length below zero, as Kafka reads it.
    fileprivate mutating func readPart(_ field: StaticString) throws(DecodeError) -> ByteSlice? {
        let length = try readVarint(field)
        return length < 0 ? nil : try readSlice(Int(length), field)
    }
}
