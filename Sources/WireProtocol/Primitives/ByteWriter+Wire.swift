// Writing the protocol's strings, bytes, structs and arrays. `nullable: false` is a version that has no null: there nil
// is written as an empty value, so that a frame is never malformed; `unsupportedField` finds such values beforehand.

import Bytes

extension ByteWriter {
    @inline(never)
    mutating func writeBool(_ value: Bool) { writeInteger(value ? UInt8(1) : 0) }

    /// `writeInteger` as a call, for messages that are not on the hot path.
    @inline(never)
    mutating func writeCalled(_ value: some FixedWidthInteger & BitwiseCopyable) { writeInteger(value) }

    /// A length of 4 bytes, or as a varint plus one in flexible versions; -1 for null.
    @inline(never)
    private mutating func writeLength(_ length: Int, _ flexible: Bool) {
        if flexible {
            writeUnsignedVarint(UInt32(length + 1))
        } else {
            writeInteger(Int32(truncatingIfNeeded: length))
        }
    }

    @inline(never)
    mutating func writeString(_ value: String, _ flexible: Bool) {
        let text = WireSize.bounded(value)
        let length = text.utf8.count
        if flexible {
            writeUnsignedVarint(UInt32(length + 1))
        } else {
            writeInteger(Int16(length))
        }
        write(utf8: text)
    }

    @inline(never)
    mutating func writeNullableString(_ value: String?, _ flexible: Bool, nullable: Bool = true) {
        if let value { return writeString(value, flexible) }
        guard nullable else { return writeString("", flexible) }
        if flexible {
            writeInteger(UInt8(0))
        } else {
            writeInteger(Int16(-1))
        }
    }

    @inline(never)
    mutating func writeBytes(_ value: ByteSlice, _ flexible: Bool) {
        writeLength(value.count, flexible)
        splice(value)
    }

    @inline(never)
    mutating func writeNullableBytes(_ value: ByteSlice?, _ flexible: Bool, nullable: Bool = true) {
        if let value { return writeBytes(value, flexible) }
        writeLength(nullable ? -1 : 0, flexible)
    }

    @inline(never)
    mutating func writeRecords(_ value: RecordsField, _ flexible: Bool) {
        switch value {
        case .none: writeLength(-1, flexible)
        case .bytes(let slice):
            writeLength(slice.count, flexible)
            splice(slice)
        case .pieces(let pieces):
            writeLength(value.count, flexible)
            for piece in pieces {
                switch piece {
                case .bytes(let slice): splice(slice)
                case .file(let region): splice(region)
                }
            }
        }
    }

    mutating func writeArray<Element: WireElement>(_ elements: [Element], _ flexible: Bool) {
        writeLength(elements.count, flexible)
        for element in elements { element.write(&self, flexible) }
    }

    mutating func writeNullableArray<Element: WireElement>(
        _ elements: [Element]?, _ flexible: Bool, nullable: Bool = true
    ) {
        if let elements { return writeArray(elements, flexible) }
        writeLength(nullable ? -1 : 0, flexible)
    }

    mutating func writeStructs<Element: WireStruct>(_ elements: [Element], _ version: Int16, _ flexible: Bool) {
        writeLength(elements.count, flexible)
        for element in elements { element.write(to: &self, version: version) }
    }

    mutating func writeNullableStructs<Element: WireStruct>(
        _ elements: [Element]?, _ version: Int16, _ flexible: Bool, nullable: Bool = true
    ) {
        if let elements { return writeStructs(elements, version, flexible) }
        writeLength(nullable ? -1 : 0, flexible)
    }

    /// A struct behind a byte that tells whether it is null: -1, and in a tagged field 0 (KIP-893).
    mutating func writeNullableStruct<Value: WireStruct>(
        _ value: Value?, _ version: Int16, nullable: Bool = true, isTagged: Bool = false
    ) {
        if nullable { writeInteger(Int8(value != nil ? 1 : isTagged ? 0 : -1)) }
        if let value {
            value.write(to: &self, version: version)
        } else if !nullable {
            Value().write(to: &self, version: version)
        }
    }
}
