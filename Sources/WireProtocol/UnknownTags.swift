// Tagged fields (KIP-482): at the end of every flexible struct stand a count and, in ascending order of tags, a tag, a
// size and that many bytes for each. Tags that this release does not know are kept and written back in their places.

package import Bytes

/// The tagged fields of a struct that have no schema here, in ascending order of tags.
package struct UnknownTags: Sendable, Equatable {
    /// One tagged field with its undecoded bytes.
    package struct Entry: Sendable, Equatable {
        package var tag: UInt32
        package var bytes: ByteSlice
    }

    /// Ascending, no tag twice.
    package private(set) var entries: [Entry] = []

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    /// Adds a field whose tag is above all others.
    mutating func append(_ tag: UInt32, _ bytes: ByteSlice) { entries.append(Entry(tag: tag, bytes: bytes)) }

    /// Bytes of the section's count and of the fields kept here, when `known` others are written beside them.
    func sectionSize(known: Int) -> Int {
        if entries.isEmpty { return sizeOfUnsignedVarint(UInt32(known)) }
        var size = sizeOfUnsignedVarint(UInt32(known + entries.count))
        for entry in entries { size += WireSize.tag(entry.tag, entry.bytes.count) }
        return size
    }
}

/// Reads a tag section field by field.
struct TagReader {
    private var left: UInt32
    private var previous: Int64 = -1
    private var tag: UInt32 = 0
    private var size = 0
    private var start = 0

    @inline(never)
    init(_ reader: inout ByteReader) throws(DecodeError) {
        left = try reader.readUnsignedVarint("tags")
        if Int64(left) * 2 > Int64(reader.remaining) { throw reader.failure(.lengthTooLarge(Int(left)), "tags") }
    }

    /// The next tag; nil at the end. After it either `end` or `keep` is called.
    @inline(never)
    mutating func next(_ reader: inout ByteReader) throws(DecodeError) -> UInt32? {
        if left == 0 { return nil }
        left -= 1
        tag = try reader.readUnsignedVarint("tag")
        guard Int64(tag) > previous else { throw reader.failure(.tagOutOfOrder(tag), "tag") }
        previous = Int64(tag)
        size = Int(try reader.readUnsignedVarint("tag size"))
        guard size <= reader.remaining else { throw reader.failure(.lengthTooLarge(size), "tag size") }
        start = reader.position
        return tag
    }

    /// Checks that a known field took the bytes that its size says.
    @inline(never)
    func end(_ reader: inout ByteReader, _ field: StaticString) throws(DecodeError) {
        guard reader.position == start + size else {
            throw reader.failure(.invalidValue("tag \(tag) of \(size) bytes took \(reader.position - start)"), field)
        }
    }

    /// Keeps the bytes of an unknown field.
    @inline(never)
    func keep(_ reader: inout ByteReader, in tags: inout UnknownTags) throws(DecodeError) {
        try reader.charge(MemoryLayout<UnknownTags.Entry>.stride, "tags")
        tags.append(tag, try reader.readSlice(size, "tag"))
    }
}

/// Writes a tag section: known fields in ascending order, unknown ones between them.
struct TagWriter {
    private var unknown: ArraySlice<UnknownTags.Entry>

    init(_ writer: inout ByteWriter, _ tags: UnknownTags, known: Int) {
        unknown = tags.entries[...]
        writer.writeUnsignedVarint(UInt32(known + tags.entries.count))
    }

    /// Writes what comes before the known field `tag`, then its tag and size.
    mutating func begin(_ writer: inout ByteWriter, tag: UInt32, size: Int) {
        while let entry = unknown.first, entry.tag < tag {
            TagWriter.write(entry, to: &writer)
            unknown.removeFirst()
        }
        writer.writeUnsignedVarint(tag)
        writer.writeUnsignedVarint(UInt32(size))
    }

    func finish(_ writer: inout ByteWriter) {
        for entry in unknown { TagWriter.write(entry, to: &writer) }
    }

    static func write(_ entry: UnknownTags.Entry, to writer: inout ByteWriter) {
        writer.writeUnsignedVarint(entry.tag)
        writer.writeUnsignedVarint(UInt32(entry.bytes.count))
        writer.write(entry.bytes)
    }
}

extension ByteReader {
    /// A tag section of which no tag is known.
    mutating func readUnknownTags() throws(DecodeError) -> UnknownTags {
        var kept = UnknownTags()
        var tags = try TagReader(&self)
        while try tags.next(&self) != nil { try tags.keep(&self, in: &kept) }
        return kept
    }
}

extension ByteWriter {
    /// A tag section of unknown tags only.
    mutating func writeTags(_ tags: UnknownTags) {
        writeUnsignedVarint(UInt32(tags.entries.count))
        for entry in tags.entries { TagWriter.write(entry, to: &self) }
    }
}
