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

/// Where the parts of a record lie, without views of them: a walk that only checks costs no reference counting.
/// Positions count from the start of the reader's bytes.
struct RecordShape {
    /// Of the attributes, behind the length.
    var start: Int
    var timestampDelta: Int64
    /// Of the offset delta, behind the timestamp's.
    var offsetStart: Int
    var offsetDelta: Int32
    var key: Part
    var value: Part
    var headerCount: Int
    var headers: Range<Int>

    /// A position and a count of bytes, -1 for null.
    struct Part {
        var position: Int
        var count: Int

        var isNull: Bool { count < 0 }

        func view(of bytes: ByteSlice) -> ByteSlice? { isNull ? nil : bytes[position..<position + count] }
    }

    /// Reads the fields after the length; they must fill the next `length` bytes, which `reader` holds, exactly.
    init(_ reader: inout ByteReader, length: Int) throws(DecodeError) {
        start = reader.position
        let end = start + length
        _ = try reader.readInteger(Int8.self, "attributes")
        timestampDelta = try reader.readVarlong("timestampDelta")
        offsetStart = reader.position
        offsetDelta = try reader.readVarint("offsetDelta")
        key = try reader.passPart(end, "key")
        value = try reader.passPart(end, "value")
        headerCount = Int(try reader.readVarint("headerCount"))
        guard headerCount >= 0 else { throw reader.failure(.negativeLength(headerCount), "headerCount") }
        // The shortest header takes two bytes.
        guard headerCount * 2 <= end - reader.position else {
            throw reader.failure(.lengthTooLarge(headerCount), "headerCount")
        }
        let headersStart = reader.position
        for _ in 0..<headerCount {
            if try reader.passPart(end, "headerKey").isNull { throw reader.failure(.unexpectedNull, "headerKey") }
            _ = try reader.passPart(end, "headerValue")
        }
        // A field that began inside the record may have ended behind it.
        guard reader.position == end else { throw reader.failure(.lengthTooLarge(length), "length") }
        headers = headersStart..<end
    }
}

extension Record {
    /// The record of `shape` in `bytes`.
    init(_ shape: RecordShape, _ bytes: ByteSlice, in batch: BatchHeader) {
        offsetDelta = shape.offsetDelta
        offset = batch.baseOffset + Int64(shape.offsetDelta)
        timestamp = batch.timestamp(shape.timestampDelta)
        key = shape.key.view(of: bytes)
        value = shape.value.view(of: bytes)
        headerCount = shape.headerCount
        headerBytes = bytes[shape.headers]
    }
}

extension BatchHeader {
    /// The time of a record `delta` after the base: the batch's, if that is the time of appending.
    func timestamp(_ delta: Int64) -> Timestamp {
        isLogAppendTime ? maxTimestamp : Timestamp(milliseconds: baseTimestamp.milliseconds &+ delta)
    }
}

extension ByteReader {
    /// Bytes behind a varint length; null for any length below zero, as Kafka reads it.
    fileprivate mutating func readPart(_ field: StaticString) throws(DecodeError) -> ByteSlice? {
        let length = try readVarint(field)
        return length < 0 ? nil : try readSlice(Int(length), field)
    }

    /// Moves over such a part, which must end before `end`.
    fileprivate mutating func passPart(_ end: Int, _ field: StaticString) throws(DecodeError) -> RecordShape.Part {
        let length = Int(try readVarint(field))
        guard length >= 0 else { return RecordShape.Part(position: position, count: -1) }
        guard length <= end - position else {
            throw failure(.truncated(needed: length, remaining: max(0, end - position)), field)
        }
        try skip(length, field)
        return RecordShape.Part(position: position - length, count: length)
    }
}
