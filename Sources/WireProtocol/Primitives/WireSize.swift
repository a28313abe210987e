// Exact sizes of what `ByteWriter+Wire` writes, function by function.

import Bytes

enum WireSize {
    /// A tagged field with `size` bytes of content.
    @inline(never)
    static func tag(_ tag: UInt32, _ size: Int) -> Int {
        sizeOfUnsignedVarint(tag) + sizeOfUnsignedVarint(UInt32(size)) + size
    }

    @inline(__always)
    private static func length(_ length: Int, _ flexible: Bool) -> Int {
        flexible ? sizeOfUnsignedVarint(UInt32(length + 1)) : 4
    }

    /// `text`, cut at a character to what the protocol's strings can hold.
    @inline(__always)
    static func bounded(_ text: String) -> String {
        text.utf8.count <= stringBytesMax ? text : cut(text)
    }

    @inline(never)
    private static func cut(_ text: String) -> String {
        var size = 0
        let kept = text.unicodeScalars.prefix { scalar in
            size += UTF8.width(scalar)
            return size <= stringBytesMax
        }
        return String(kept)
    }

    @inline(never)
    static func string(_ value: String, _ flexible: Bool) -> Int {
        let count = bounded(value).utf8.count
        return count + (flexible ? sizeOfUnsignedVarint(UInt32(count + 1)) : 2)
    }

    @inline(never)
    static func nullableString(_ value: String?, _ flexible: Bool, nullable: Bool = true) -> Int {
        if let value { return string(value, flexible) }
        return flexible ? 1 : 2
    }

    @inline(never)
    static func bytes(_ value: ByteSlice, _ flexible: Bool) -> Int { length(value.count, flexible) + value.count }

    @inline(never)
    static func nullableBytes(_ value: ByteSlice?, _ flexible: Bool, nullable: Bool = true) -> Int {
        if let value { return bytes(value, flexible) }
        return flexible ? 1 : 4
    }

    static func records(_ value: RecordsField, _ flexible: Bool) -> Int {
        if value.isNone { return flexible ? 1 : 4 }
        let count = value.count
        return length(count, flexible) + count
    }

    static func array<Element: WireElement>(_ elements: [Element], _ flexible: Bool) -> Int {
        var size = length(elements.count, flexible)
        for element in elements { size += element.size(flexible) }
        return size
    }

    static func nullableArray<Element: WireElement>(
        _ elements: [Element]?, _ flexible: Bool, nullable: Bool = true
    ) -> Int {
        if let elements { return array(elements, flexible) }
        return flexible ? 1 : 4
    }

    static func structs<Element: WireStruct>(_ elements: [Element], _ version: Int16, _ flexible: Bool) -> Int {
        var size = length(elements.count, flexible)
        for element in elements { size += element.encodedSize(version: version) }
        return size
    }

    static func nullableStructs<Element: WireStruct>(
        _ elements: [Element]?, _ version: Int16, _ flexible: Bool, nullable: Bool = true
    ) -> Int {
        if let elements { return structs(elements, version, flexible) }
        return flexible ? 1 : 4
    }

    static func nullableStruct<Value: WireStruct>(_ value: Value?, _ version: Int16, nullable: Bool = true) -> Int {
        if let value { return (nullable ? 1 : 0) + value.encodedSize(version: version) }
        return nullable ? 1 : Value().encodedSize(version: version)
    }
}
