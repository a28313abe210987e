// Building outgoing bytes. The size of what is written is known beforehand, so that one block is enough; slices and
// file regions of any size are spliced in without a copy.

public import Basics

/// Appends big-endian integers, varints and slices to a block; splices pieces between them.
@frozen
@safe
@usableFromInline
package struct ByteWriter: ~Copyable {
    /// Slices up to this size are copied when spliced: a copy is cheaper than one more piece to send.
    package static let copiedSpliceMax = 1024

    @usableFromInline var memory: Memory
    // Safety: the start of `memory`, kept alive by this value.
    @usableFromInline var start: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var used = 0
    @usableFromInline var pieceStart = 0
    @usableFromInline var pieces: [Outgoing] = []
    // Bytes before `used`: in earlier blocks, and spliced.
    @usableFromInline var before = 0

    /// Bytes written and spliced so far.
    @inlinable package var count: Int { before + used }

    /// A writer whose first block holds `capacity` bytes; it grows when more is written.
    package init(capacity: Int) {
        memory = Memory(capacity: max(capacity, 16))
        unsafe start = unsafe memory.base
        self.capacity = memory.capacity
    }

    @inlinable
    mutating func reserve(_ length: Int) {
        if used + length > capacity { grow(length) }
    }

    @usableFromInline
    mutating func grow(_ length: Int) {
        let pending = ByteSlice(memory, offset: pieceStart, count: used - pieceStart)
        let next = Memory(capacity: max(memory.capacity * 2, pending.count + length))
        next.copy(pending, to: 0)
        memory = next
        unsafe start = unsafe next.base
        capacity = next.capacity
        before += used - pending.count
        used = pending.count
        pieceStart = 0
    }

    @inlinable
    package mutating func writeInteger<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        reserve(MemoryLayout<Value>.size)
        // Safety: room was made just above.
        unsafe start.storeBytes(of: value.bigEndian, toByteOffset: used, as: Value.self)
        used += MemoryLayout<Value>.size
    }

    @inlinable
    package mutating func writeDouble(_ value: Double) { writeInteger(value.bitPattern) }

    @inlinable
    package mutating func writeUuid(_ value: Uuid) {
        writeInteger(value.high)
        writeInteger(value.low)
    }

    /// An unsigned LEB128 integer.
    @inlinable
    package mutating func writeUnsignedVarlong(_ value: UInt64) {
        reserve(10)
        var rest = value
        // Safety: ten bytes, the longest form, were reserved just above.
        while rest >= 0x80 {
            unsafe start.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: used, as: UInt8.self)
            used += 1
            rest >>= 7
        }
        unsafe start.storeBytes(of: UInt8(rest), toByteOffset: used, as: UInt8.self)
        used += 1
    }

    @inlinable
    package mutating func writeUnsignedVarint(_ value: UInt32) { writeUnsignedVarlong(UInt64(value)) }

    /// A zigzag-encoded integer of 32 bits.
    @inlinable
    package mutating func writeVarint(_ value: Int32) {
        writeUnsignedVarlong(UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)))
    }

    /// A zigzag-encoded integer of 64 bits.
    @inlinable
    package mutating func writeVarlong(_ value: Int64) {
        writeUnsignedVarlong(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    /// Copies the bytes of `slice`.
    package mutating func write(_ slice: ByteSlice) {
        reserve(slice.count)
        memory.copy(slice, to: used)
        used += slice.count
    }

    /// Copies `bytes`.
    package mutating func write(_ bytes: [UInt8]) {
        reserve(bytes.count)
        unsafe memory.withMutableBytes(in: used..<used + bytes.count) { unsafe $0.copyBytes(from: bytes) }
        used += bytes.count
    }

    /// Copies the UTF-8 form of `text`.
    package mutating func write(utf8 text: String) {
        var text = text
        let length = text.utf8.count
        reserve(length)
        text.withUTF8 { source in
            unsafe memory.withMutableBytes(in: used..<used + length) { unsafe $0.copyBytes(from: source) }
        }
        used += length
    }

    /// Appends `slice` without a copy if it is large.
    package mutating func splice(_ slice: ByteSlice) {
        if slice.count <= ByteWriter.copiedSpliceMax { return write(slice) }
        endPiece()
        pieces.append(.bytes(slice))
        before += slice.count
    }

    /// Appends a range of a file.
    package mutating func splice(_ region: FileRegion) {
        guard region.count > 0 else { return }
        endPiece()
        pieces.append(.file(region))
        before += region.count
    }

    private mutating func endPiece() {
        guard used > pieceStart else { return }
        pieces.append(.bytes(ByteSlice(memory, offset: pieceStart, count: used - pieceStart)))
        pieceStart = used
    }

    /// What was written, as pieces in order.
    package consuming func finish() -> [Outgoing] {
        endPiece()
        return pieces
    }

    /// What was written, as one slice; nothing may have been spliced but slices, which are copied here.
    package consuming func finishSlice() -> ByteSlice {
        if pieces.isEmpty { return ByteSlice(memory, offset: 0, count: used) }
        endPiece()
        let joined = Memory(capacity: count)
        var position = 0
        for piece in pieces {
            guard case .bytes(let slice) = piece else { preconditionFailure("a file region has no bytes here") }
            joined.copy(slice, to: position)
            position += slice.count
        }
        return ByteSlice(joined, offset: 0, count: position)
    }
}
