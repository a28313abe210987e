// Reading the protocol's strings, bytes, structs and arrays. A length is checked against what is left before anything
// is allocated, and the storage of arrays is charged to the reader's budget, so that a frame cannot grow into much more
// memory than its own size.

import Bytes

/// The longest string that the protocol has, in UTF-8 bytes.
let stringBytesMax = Int(Int16.max)

extension ByteReader {
    @inline(never)
    mutating func readBool(_ field: StaticString) throws(DecodeError) -> Bool {
        try readInteger(UInt8.self, field) != 0
    }

    /// `readInteger` as a call, for messages that are not on the hot path.
    @inline(never)
    mutating func readCalled<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, _ field: StaticString
    ) throws(DecodeError) -> Value {
        try readInteger(type, field)
    }

    /// A length of 4 bytes, or as a varint plus one in flexible versions; nil for null.
    @inline(never)
    private mutating func readLength(_ flexible: Bool, _ field: StaticString) throws(DecodeError) -> Int? {
        if flexible {
            let raw = try readUnsignedVarint(field)
            return raw == 0 ? nil : Int(raw) - 1
        }
        let length = Int(try readInteger(Int32.self, field))
        if length >= 0 { return length }
        guard length == -1 else { throw failure(.negativeLength(length), field) }
        return nil
    }

    /// The length of a string: 2 bytes where not flexible.
    @inline(never)
    private mutating func readTextLength(_ flexible: Bool, _ field: StaticString) throws(DecodeError) -> Int? {
        if flexible {
            guard let length = try readLength(true, field) else { return nil }
            guard length <= stringBytesMax else { throw failure(.lengthTooLarge(length), field) }
            return length
        }
        let length = Int(try readInteger(Int16.self, field))
        if length >= 0 { return length }
        guard length == -1 else { throw failure(.negativeLength(length), field) }
        return nil
    }

    @inline(never)
    private func refuseNull(_ field: StaticString) -> DecodeError { failure(.unexpectedNull, field) }

    @inline(never)
    mutating func readNullableString(
        _ flexible: Bool, _ field: StaticString, nullable: Bool = true
    ) throws(DecodeError) -> String? {
        if let length = try readTextLength(flexible, field) { return try readText(length, field) }
        guard nullable else { throw refuseNull(field) }
        return nil
    }

    @inline(never)
    mutating func readString(_ flexible: Bool, _ field: StaticString) throws(DecodeError) -> String {
        guard let length = try readTextLength(flexible, field) else { throw refuseNull(field) }
        return try readText(length, field)
    }

    @inline(never)
    mutating func readNullableBytes(
        _ flexible: Bool, _ field: StaticString, nullable: Bool = true
    ) throws(DecodeError) -> ByteSlice? {
        if let length = try readLength(flexible, field) { return try readSlice(length, field) }
        guard nullable else { throw refuseNull(field) }
        return nil
    }

    @inline(never)
    mutating func readBytes(_ flexible: Bool, _ field: StaticString) throws(DecodeError) -> ByteSlice {
        guard let length = try readLength(flexible, field) else { throw refuseNull(field) }
        return try readSlice(length, field)
    }

    @inline(never)
    mutating func readRecords(_ flexible: Bool, _ field: StaticString) throws(DecodeError) -> RecordsField {
        guard let length = try readLength(flexible, field) else { return .none }
        return .bytes(try readSlice(length, field))
    }

    /// The count of an array whose elements take at least `minimum` bytes here and `stride` bytes in memory.
    @inline(never)
    private mutating func readCount(
        _ flexible: Bool, minimum: Int, stride: Int, _ field: StaticString
    ) throws(DecodeError) -> Int? {
        guard let count = try readLength(flexible, field) else { return nil }
        guard count <= remaining / minimum else { throw failure(.lengthTooLarge(count), field) }
        try charge(count * stride, field)
        return count
    }

    mutating func readNullableArray<Element: WireElement>(
        _ type: Element.Type, _ flexible: Bool, _ field: StaticString, nullable: Bool = true
    ) throws(DecodeError) -> [Element]? {
        let stride = MemoryLayout<Element>.stride
        guard let count = try readCount(flexible, minimum: Element.minimumSize, stride: stride, field) else {
            guard nullable else { throw refuseNull(field) }
            return nil
        }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for index in 0..<count {
            do throws(DecodeError) {
                elements.append(try Element.read(&self, flexible, field))
            } catch {
                throw error.at(index)
            }
        }
        return elements
    }

    mutating func readArray<Element: WireElement>(
        _ type: Element.Type, _ flexible: Bool, _ field: StaticString
    ) throws(DecodeError) -> [Element] {
        guard let elements = try readNullableArray(type, flexible, field) else { throw refuseNull(field) }
        return elements
    }

    mutating func readNullableStructs<Element: WireStruct>(
        _ type: Element.Type, _ version: Int16, _ flexible: Bool, minimum: Int, _ field: StaticString,
        nullable: Bool = true
    ) throws(DecodeError) -> [Element]? {
        let stride = MemoryLayout<Element>.stride
        guard let count = try readCount(flexible, minimum: minimum, stride: stride, field) else {
            guard nullable else { throw refuseNull(field) }
            return nil
        }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for index in 0..<count {
            do throws(DecodeError) {
                elements.append(try Element(from: &self, version: version))
            } catch {
                throw error.within(field, index)
            }
        }
        return elements
    }

    mutating func readStructs<Element: WireStruct>(
        _ type: Element.Type, _ version: Int16, _ flexible: Bool, minimum: Int, _ field: StaticString
    ) throws(DecodeError) -> [Element] {
        let elements = try readNullableStructs(type, version, flexible, minimum: minimum, field)
        guard let elements else { throw refuseNull(field) }
        return elements
    }

    mutating func readStruct<Value: WireStruct>(
        _ type: Value.Type, _ version: Int16, _ field: StaticString
    ) throws(DecodeError) -> Value {
        do throws(DecodeError) {
            return try Value(from: &self, version: version)
        } catch {
            throw error.within(field, nil)
        }
    }

    /// A struct behind a byte that is below zero for null, and zero in a tagged field (KIP-893).
    mutating func readNullableStruct<Value: WireStruct>(
        _ type: Value.Type, _ version: Int16, _ field: StaticString, nullable: Bool = true, isTagged: Bool = false
    ) throws(DecodeError) -> Value? {
        // Where null is not allowed, no byte tells it.
        guard nullable else { return try readStruct(type, version, field) }
        if try readInteger(Int8.self, field) < (isTagged ? 1 : 0) { return nil }
        return try readStruct(type, version, field)
    }
}

extension DecodeError {
    /// The same error, of the element at `index` of the array that `path` names.
    @inline(never)
    func at(_ index: Int) -> DecodeError { DecodeError(reason, position: position, path: "\(path)[\(index)]") }

    /// The same error, of a field in the struct `field`, or in its element at `index`. Out of line: it is never the fast way.
    @inline(never)
    func within(_ field: StaticString, _ index: Int?) -> DecodeError {
        within(index.map { "\(field)[\($0)]" } ?? "\(field)")
    }
}
