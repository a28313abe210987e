// Whole messages to and from bytes, with the check of the version that the generated code leaves out.

package import Bytes

extension Message {
    /// Reads a message of `version`; bytes after its last field stay unread, as some clients send too many.
    ///
    /// Throws `unsupportedVersion` for a version outside of `versions`.
    package init(checking reader: inout ByteReader, version: Int16) throws(DecodeError) {
        guard Self.versions.contains(version) else {
            throw DecodeError(.unsupportedVersion(version), position: reader.position, path: Self.messageName)
        }
        try self.init(from: &reader, version: version)
    }

    /// Reads a message of `version` from the start of `bytes`.
    package init(decoding bytes: ByteSlice, version: Int16) throws(DecodeError) {
        var reader = ByteReader(bytes)
        try self.init(checking: &reader, version: version)
    }

    /// The encoded message in one slice; its records must not be regions of files.
    package func encoded(version: Int16) -> ByteSlice {
        var writer = ByteWriter(capacity: Self.firstBlock(encodedSize(version: version)))
        write(to: &writer, version: version)
        return writer.finishSlice()
    }

    /// The size of a writer's first block for a message of `size` bytes: spliced records need no room.
    static func firstBlock(_ size: Int) -> Int { carriesRecords ? min(size, 4096) : size }
}

extension RequestMessage {
    /// A request frame with its four-byte length, as pieces to send.
    package func frame(version: Int16, correlationId: Int32, clientId: String?) -> [Outgoing] {
        let header = RequestHeader {
            $0.requestApiKey = Self.apiKey.rawValue
            $0.requestApiVersion = version
            $0.correlationId = correlationId
            $0.clientId = clientId
        }
        return Frame.encode(
            header, version: Self.apiKey.requestHeaderVersion(version), self, version: version,
            carriesRecords: Self.carriesRecords)
    }
}

extension ResponseMessage {
    /// A response frame with its four-byte length, as pieces to send; file regions in it leave by sendfile.
    package func frame(version: Int16, correlationId: Int32) -> [Outgoing] {
        let header = ResponseHeader { $0.correlationId = correlationId }
        return Frame.encode(
            header, version: Self.apiKey.responseHeaderVersion(version), self, version: version,
            carriesRecords: Self.carriesRecords)
    }
}

/// Frames: a four-byte length, a header, a message.
package enum Frame {
    static func encode(
        _ header: some WireStruct, version headerVersion: Int16, _ body: some WireStruct, version: Int16,
        carriesRecords: Bool
    ) -> [Outgoing] {
        let size = header.encodedSize(version: headerVersion) + body.encodedSize(version: version)
        var writer = ByteWriter(capacity: carriesRecords ? min(size, 4096) : size + 4)
        writer.writeInteger(Int32(clamping: size))
        header.write(to: &writer, version: headerVersion)
        body.write(to: &writer, version: version)
        return writer.finish()
    }
}
