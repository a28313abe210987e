// A view of received, built or read bytes. Copying a view copies two words and a reference, never the bytes.

/// Some consecutive bytes of a `Memory` block, kept alive by the view.
///
/// Invariant: `offset >= 0`, `count >= 0`, `offset + count <= memory.capacity`.
@frozen
@safe
@usableFromInline
package struct ByteSlice: Sendable {
    @usableFromInline package let memory: Memory
    @usableFromInline package let offset: Int
    @usableFromInline package let count: Int

    /// The first `count` bytes from `offset` of a block.
    @inlinable
    package init(_ memory: Memory, offset: Int, count: Int) {
        precondition(offset >= 0 && count >= 0 && count <= memory.capacity - offset, "slice outside of the block")
        self.memory = memory
        self.offset = offset
        self.count = count
    }

    /// A copy of `bytes` in a block of its own.
    package init(_ bytes: some Collection<UInt8>) {
        let memory = Memory(capacity: bytes.count)
        unsafe memory.withMutableBytes(in: 0..<bytes.count) { target in
            unsafe target.copyBytes(from: bytes)
        }
        self.init(memory, offset: 0, count: bytes.count)
    }

    private static let emptyMemory = Memory(capacity: 0)
    package static let empty = ByteSlice(emptyMemory, offset: 0, count: 0)

    // Safety: valid for `count` bytes as long as `memory` lives; callers in this module keep it alive.
    @inlinable
    var start: UnsafeRawPointer { unsafe UnsafeRawPointer(memory.base + offset) }

    @inlinable package var isEmpty: Bool { count == 0 }

    @inlinable
    package subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "index outside of the slice")
        // Safety: the index was checked just above.
        return unsafe start.load(fromByteOffset: index, as: UInt8.self)
    }

    /// The bytes of `range`, counted from the start of this slice, without a copy.
    @inlinable
    package subscript(range: Range<Int>) -> ByteSlice {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside of the slice")
        return ByteSlice(memory, offset: offset + range.lowerBound, count: range.count)
    }

    @inlinable package func prefix(_ length: Int) -> ByteSlice { self[0..<Swift.min(length, count)] }
    @inlinable package func dropFirst(_ length: Int) -> ByteSlice { self[Swift.min(length, count)..<count] }

    /// The big-endian integer at `position`.
    @inlinable
    package func load<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type, at position: Int) -> Value {
        precondition(position >= 0 && position <= count - MemoryLayout<Value>.size, "load outside of the slice")
        // Safety: the position was checked just above.
        return unsafe Value(bigEndian: start.loadUnaligned(fromByteOffset: position, as: Value.self))
    }

    /// Overwrites the big-endian integer at `position`. The caller must be the only one that reads these bytes now:
    /// the writer of a partition, between validation and append, for fields that the CRC does not cover.
    @inlinable
    package func patch<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at position: Int) {
        precondition(position >= 0 && position <= count - MemoryLayout<Value>.size, "patch outside of the slice")
        // Safety: the position was checked just above; exclusiveness is the caller's promise.
        unsafe (memory.base + offset).storeBytes(of: value.bigEndian, toByteOffset: position, as: Value.self)
    }

    /// Runs `body` with the bytes; the pointer must not escape it.
    @inlinable
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safety: the invariant of the type; `self` keeps the block alive during the call.
        unsafe try body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// A copy as an array.
    package var array: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }

    /// The text that the bytes spell, or nil if they are no valid UTF-8.
    package var validString: String? {
        unsafe withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
    }

    /// The text that the bytes spell, ill-formed sequences replaced by U+FFFD.
    package var string: String {
        unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// CRC-32C of the bytes, continuing from `seed`.
    package func crc32c(continuing seed: UInt32 = 0) -> UInt32 {
        unsafe withUnsafeBytes { unsafe Bytes.crc32c($0, continuing: seed) }
    }
}

extension ByteSlice: Equatable {
    @usableFromInline package static func == (left: ByteSlice, right: ByteSlice) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe left.withUnsafeBytes { l in unsafe right.withUnsafeBytes { r in unsafe l.elementsEqual(r) } }
    }
}

extension ByteSlice: CustomStringConvertible {
    @usableFromInline package var description: String { "\(count) bytes" }
}
