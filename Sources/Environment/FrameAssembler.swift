// Cutting a byte stream into frames of `length (int32, big-endian), bytes`.
//
//     +----------------+----------------------+----------------+-----
//     | length (4)     | length bytes         | length (4)     | ...
//     +----------------+----------------------+----------------+-----
//
// Frames that arrive whole in one block are views of it. A frame that is still incomplete moves to a block of its own,
// which then is where the connection reads to, so that a large frame is copied once at most in its first part.
// Memory follows what has arrived, not what the length claims: beyond `trustedLength` the block doubles as it fills.

package import Bytes

/// Turns received chunks into frames.
package struct FrameAssembler {
    package enum Failure: Error, Equatable, Sendable {
        case negativeLength(Int32)
        case tooLong(Int32)
    }

    /// A frame up to this length gets its whole block at once.
    package static let trustedLength = 1 << 20

    private let lengthMax: Int
    private let buffers: BufferPool
    private var partial: Memory?
    private var partialCount = 0
    private var head: [UInt8] = []
    /// Bytes of the frame under way, the length included; 0 when none is.
    private var frameCount = 0

    /// An assembler that refuses frames longer than `lengthMax`.
    package init(lengthMax: Int, buffers: BufferPool) {
        self.lengthMax = lengthMax
        self.buffers = buffers
    }

    /// Bytes held for a frame that is not complete.
    package var heldCount: Int { partial?.capacity ?? head.count }

    /// Where the rest of the frame under way belongs.
    package var receiveTarget: ReceiveTarget? {
        guard let partial, partialCount < partial.capacity else { return nil }
        let limit = Swift.min(partial.capacity, frameCount)
        return ReceiveTarget(partial, offset: partialCount, capacity: limit - partialCount)
    }

    /// Takes the next bytes of the stream and hands each complete frame, without its length, to `deliver`.
    /// After a failure the stream has no meaning any more.
    package mutating func receive(_ bytes: ByteSlice, deliver: (ByteSlice) -> Void) throws(Failure) {
        var rest = bytes
        while !rest.isEmpty {
            if partial != nil {
                rest = try continuePartial(rest, deliver)
            } else if !head.isEmpty {
                rest = try continueHead(rest, deliver)
            } else {
                rest = try takeWhole(rest, deliver)
            }
        }
    }

    private mutating func takeWhole(
        _ bytes: ByteSlice, _ deliver: (ByteSlice) -> Void
    ) throws(Failure) -> ByteSlice {
        guard bytes.count >= 4 else {
            head = bytes.array
            return .empty
        }
        let length = try check(bytes.load(Int32.self, at: 0))
        guard bytes.count >= 4 + length else {
            begin(length: length, with: bytes)
            return .empty
        }
        deliver(bytes[4..<4 + length])
        return bytes.dropFirst(4 + length)
    }

    private func check(_ length: Int32) throws(Failure) -> Int {
        guard length >= 0 else { throw .negativeLength(length) }
        guard Int(length) <= lengthMax else { throw .tooLong(length) }
        return Int(length)
    }

    private mutating func continueHead(
        _ bytes: ByteSlice, _ deliver: (ByteSlice) -> Void
    ) throws(Failure) -> ByteSlice {
        let missing = Swift.min(4 - head.count, bytes.count)
        head.append(contentsOf: bytes.prefix(missing).array)
        guard head.count == 4 else { return .empty }
        let whole = ByteSlice(head)
        let length = try check(whole.load(Int32.self, at: 0))
        head = []
        if length == 0 { deliver(.empty) } else { begin(length: length, with: whole) }
        return bytes.dropFirst(missing)
    }

    private mutating func begin(length: Int, with bytes: ByteSlice) {
        frameCount = 4 + length
        let capacity = Swift.min(frameCount, Swift.max(FrameAssembler.trustedLength, bytes.count * 2))
        let memory = buffers.take(capacity: Swift.max(capacity, 4))
        memory.copy(bytes, to: 0)
        partial = memory
        partialCount = bytes.count
    }

    private mutating func continuePartial(
        _ bytes: ByteSlice, _ deliver: (ByteSlice) -> Void
    ) throws(Failure) -> ByteSlice {
        guard var memory = partial else { return bytes }
        let count = Swift.min(bytes.count, frameCount - partialCount)
        if partialCount + count > memory.capacity { memory = grow(memory, toHold: partialCount + count) }
        if bytes.memory !== memory || bytes.offset != partialCount {
            memory.copy(bytes[0..<count], to: partialCount)
        }
        partialCount += count
        if partialCount == frameCount {
            partial = nil
            deliver(ByteSlice(memory, offset: 4, count: frameCount - 4))
        } else if partialCount == memory.capacity {
            partial = grow(memory, toHold: partialCount + 1)
        }
        return bytes.dropFirst(count)
    }

    private mutating func grow(_ memory: Memory, toHold count: Int) -> Memory {
        let larger = buffers.take(capacity: Swift.min(frameCount, Swift.max(count, memory.capacity * 2)))
        larger.copy(ByteSlice(memory, offset: 0, count: partialCount), to: 0)
        partial = larger
        return larger
    }
}
