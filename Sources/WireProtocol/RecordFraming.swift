// What stands before a record of the metadata log and of the coordinators' logs.
//
//   metadata record    frame version (varint, 1) | record type (varint) | version (varint) | fields
//   coordinator key    record type (int16) | fields, always version 0
//   coordinator value  version (int16) | fields

package import Bytes

extension MetadataRecord {
    /// The version of the framing itself.
    static let frameVersion: UInt32 = 1

    /// Reads the value of a record of the metadata log.
    ///
    /// Throws `unsupportedVersion` for a version of the record that has no schema here, `invalidValue` for an unknown type
    /// or framing.
    package init(decoding bytes: ByteSlice) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let frame = try reader.readUnsignedVarint("FrameVersion")
        guard frame == MetadataRecord.frameVersion else {
            throw reader.failure(.invalidValue("frame version \(frame)"), "FrameVersion")
        }
        let type = try reader.readUnsignedVarint("RecordType")
        let version = try reader.readUnsignedVarint("RecordVersion")
        guard let type = Int16(exactly: type), let version = Int16(exactly: version) else {
            throw reader.failure(.invalidValue("record type \(type) version \(version)"), "RecordType")
        }
        try self.init(type: type, from: &reader, version: version)
    }

    /// The record as it stands in the log.
    package func encoded(version: Int16) -> ByteSlice { MetadataRecord.encode(message, version) }

    private static func encode(_ message: some MetadataMessage, _ version: Int16) -> ByteSlice {
        precondition(type(of: message).versions.contains(version), "a record is written in a version that it has")
        let type = UInt32(type(of: message).recordType)
        let size = 1 + sizeOfUnsignedVarint(type) + sizeOfUnsignedVarint(UInt32(version))
        var writer = ByteWriter(capacity: size + message.encodedSize(version: version))
        writer.writeUnsignedVarint(frameVersion)
        writer.writeUnsignedVarint(type)
        writer.writeUnsignedVarint(UInt32(version))
        message.write(to: &writer, version: version)
        return writer.finishSlice()
    }

    /// The version that `bytes` claim to be written in; nil when they are too short to say.
    package static func version(of bytes: ByteSlice) -> Int16? {
        var reader = ByteReader(bytes)
        guard (try? reader.readUnsignedVarint("")) != nil, (try? reader.readUnsignedVarint("")) != nil,
            let version = try? reader.readUnsignedVarint("")
        else { return nil }
        return Int16(exactly: version)
    }
}

extension RecordKeyMessage {
    /// The key with its type in front.
    package func encodedKey() -> ByteSlice {
        let version = Self.versions.upperBound
        var writer = ByteWriter(capacity: 2 + encodedSize(version: version))
        writer.writeInteger(Self.recordType)
        write(to: &writer, version: version)
        return writer.finishSlice()
    }

    /// Reads what follows the type, which the caller took with `RecordKey.type(of:)`.
    package init(decodingKey bytes: ByteSlice) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let type = try reader.readInteger(Int16.self, "RecordType")
        guard type == Self.recordType else { throw reader.failure(.invalidValue("record type \(type)"), "RecordType") }
        try self.init(from: &reader, version: Self.versions.upperBound)
    }
}

extension RecordValueMessage {
    /// The value with its version in front.
    package func encodedValue(version: Int16) -> ByteSlice {
        precondition(Self.versions.contains(version), "a record is written in a version that it has")
        var writer = ByteWriter(capacity: 2 + encodedSize(version: version))
        writer.writeInteger(version)
        write(to: &writer, version: version)
        return writer.finishSlice()
    }

    /// Reads a value with its version in front; throws `unsupportedVersion` for one without a schema.
    package init(decodingValue bytes: ByteSlice) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let version = try reader.readInteger(Int16.self, "Version")
        try self.init(checking: &reader, version: version)
    }
}

/// What can be told of a coordinator's key before its type is known.
package enum RecordKey {
    /// The type of the record, the first two bytes of `key`.
    package static func type(of key: ByteSlice) throws(DecodeError) -> Int16 {
        var reader = ByteReader(key)
        return try reader.readInteger(Int16.self, "RecordType")
    }
}
