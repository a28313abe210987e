// Reading integers, varints and slices from received bytes. Every read checks what is left before it looks.

public import Basics

/// A cursor over a slice; it moves only over bytes that were read whole.
///
/// Integers are big-endian. Errors carry the position of the field's first byte. `field` names what is read.
@frozen
@safe
@usableFromInline
package struct ByteReader {
    @usableFromInline package let bytes: ByteSlice
    // Safety: the start of `bytes`, which this value keeps alive.
    @usableFromInline let start: UnsafeRawPointer
    @usableFromInline let end: Int
    @usableFromInline var cursor = 0
    @usableFromInline var budget: Int

    /// The memory that arrays read from one frame may take unless the maker of the reader says otherwise.
    @usableFromInline package static let decodedBytesMax = 64 * 1024 * 1024

    /// A reader of `bytes`; `decodedBytesMax` bounds what `charge` accepts.
    @inlinable
    package init(_ bytes: ByteSlice, decodedBytesMax: Int = ByteReader.decodedBytesMax) {
        self.bytes = bytes
        unsafe start = unsafe bytes.start
        end = bytes.count
        budget = decodedBytesMax
    }

    /// Bytes read so far.
    @inlinable package var position: Int { cursor }
    @inlinable package var remaining: Int { end - cursor }

    /// Takes `size` bytes off the memory that may still be allocated for what is read; throws `lengthTooLarge`.
    @inlinable
    package mutating func charge(_ size: Int, _ field: StaticString) throws(DecodeError) {
        guard size <= budget else { throw failure(.lengthTooLarge(size), field) }
        budget -= size
    }

    @usableFromInline
    @inline(never)
    func truncated(_ needed: Int, _ field: StaticString) -> DecodeError {
        DecodeError(.truncated(needed: needed, remaining: remaining), position: position, path: "\(field)")
    }

    /// An error at the cursor.
    @usableFromInline
    @inline(never)
    package func failure(_ reason: DecodeError.Reason, _ field: StaticString) -> DecodeError {
        DecodeError(reason, position: position, path: "\(field)")
    }

    @inlinable
    package mutating func readInteger<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, _ field: StaticString
    ) throws(DecodeError) -> Value {
        guard remaining >= MemoryLayout<Value>.size else { throw truncated(MemoryLayout<Value>.size, field) }
        // Safety: the size was checked just above.
        let value = unsafe Value(bigEndian: start.loadUnaligned(fromByteOffset: position, as: Value.self))
        advance(MemoryLayout<Value>.size)
        return value
    }

    @inlinable
    mutating func advance(_ count: Int) { cursor += count }

    /// An IEEE 754 double, big-endian.
    @inlinable
    package mutating func readDouble(_ field: StaticString) throws(DecodeError) -> Double {
        Double(bitPattern: try readInteger(UInt64.self, field))
    }

    /// An unsigned LEB128 integer of at most 32 bits (KIP-482).
    @inlinable
    package mutating func readUnsignedVarint(_ field: StaticString) throws(DecodeError) -> UInt32 {
        let wide = try readUnsignedVarlong(field)
        guard let value = UInt32(exactly: wide) else { throw failure(.varintTooLong, field) }
        return value
    }

    /// An unsigned LEB128 integer of at most 64 bits.
    @inlinable
    package mutating func readUnsignedVarlong(_ field: StaticString) throws(DecodeError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var index = position
        while true {
            guard index < end else { throw truncated(index - position + 1, field) }
            // Safety: the index was checked just above.
            let byte = unsafe start.load(fromByteOffset: index, as: UInt8.self)
            index += 1
            if shift == 63, byte > 1 { throw failure(.varintTooLong, field) }
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { break }
            shift += 7
            if shift > 63 { throw failure(.varintTooLong, field) }
        }
        advance(index - position)
        return value
    }

    /// A zigzag-encoded integer of at most 32 bits, as record fields use them.
    @inlinable
    package mutating func readVarint(_ field: StaticString) throws(DecodeError) -> Int32 {
        let raw = try readUnsignedVarint(field)
        return Int32(bitPattern: raw >> 1) ^ -Int32(bitPattern: raw & 1)
    }

    /// A zigzag-encoded integer of at most 64 bits.
    @inlinable
    package mutating func readVarlong(_ field: StaticString) throws(DecodeError) -> Int64 {
        let raw = try readUnsignedVarlong(field)
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    @inlinable
    package mutating func readUuid(_ field: StaticString) throws(DecodeError) -> Uuid {
        guard remaining >= 16 else { throw truncated(16, field) }
        let high = try readInteger(UInt64.self, field)
        return Uuid(high: high, low: try readInteger(UInt64.self, field))
    }

    /// Moves over the next `count` bytes.
    @inlinable
    package mutating func skip(_ count: Int, _ field: StaticString) throws(DecodeError) {
        guard count >= 0 else { throw failure(.negativeLength(count), field) }
        guard count <= remaining else { throw truncated(count, field) }
        advance(count)
    }

    /// The next `count` bytes as a view.
    @inlinable
    package mutating func readSlice(_ count: Int, _ field: StaticString) throws(DecodeError) -> ByteSlice {
        guard count >= 0 else { throw failure(.negativeLength(count), field) }
        guard count <= remaining else { throw truncated(count, field) }
        let slice = bytes[position..<position + count]
        advance(count)
        return slice
    }

    /// The next `count` bytes as text, which must be UTF-8.
    package mutating func readText(_ count: Int, _ field: StaticString) throws(DecodeError) -> String {
        guard count >= 0 else { throw failure(.negativeLength(count), field) }
        guard count <= remaining else { throw truncated(count, field) }
        // Safety: the count was checked just above, and the text is copied before the span ends.
        let bytes = unsafe Span<UInt8>(_unsafeStart: (start + position).assumingMemoryBound(to: UInt8.self), count: count)
        guard let text = try? UTF8Span(validating: bytes) else { throw failure(.invalidText, field) }
        advance(count)
        return String(copying: text)
    }
}
