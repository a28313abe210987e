// Memory that one loop uses again and again: the block that it receives into, and the list of pieces for sendmsg.

internal import Bytes
internal import CLinux

/// Where a loop receives when the handler has no place of its own.
///
/// Bytes are handed out as slices of the block. As long as none is held the block is filled from its start again; as
/// long as some are held the next bytes go behind them, so that many small requests share one block.
struct ReceiveBlock {
    static let capacity = 128 * 1024
    /// With less room than this behind held slices a new block is taken.
    static let roomMin = 16 * 1024

    private var block: Memory?
    private var used = 0

    /// A block and the first free byte of it.
    mutating func room(from buffers: BufferPool) -> (memory: Memory, offset: Int) {
        if block != nil, isKnownUniquelyReferenced(&block) { used = 0 }
        if let block, block.capacity - used >= ReceiveBlock.roomMin { return (block, used) }
        let fresh = buffers.take(capacity: ReceiveBlock.capacity)
        block = fresh
        used = 0
        return (fresh, 0)
    }

    /// `count` bytes were received at the place that `room` gave.
    mutating func advance(_ count: Int) { used += count }
}

/// Room for the pieces of one gathered send. Owned by the loop's thread.
@safe
final class GatherScratch {
    static let capacity = 64
    // Safety: `capacity` entries from init to deinit.
    private let pieces: UnsafeMutablePointer<martlet_piece>
    private var count = 0
    private(set) var byteCount = 0

    init() { unsafe pieces = .allocate(capacity: GatherScratch.capacity) }

    deinit { unsafe pieces.deallocate() }

    var isFull: Bool { count == GatherScratch.capacity }

    func clear() {
        count = 0
        byteCount = 0
    }

    /// Appends the address of `slice`, which the caller keeps alive until the send has been made.
    func append(_ slice: ByteSlice) {
        precondition(!isFull, "room for one more piece")
        unsafe pieces[count] = unsafe slice.gathered
        count += 1
        byteCount += slice.count
    }

    // Safety: the first `count` entries were set by `append`.
    var buffer: UnsafeBufferPointer<martlet_piece> { unsafe UnsafeBufferPointer(start: pieces, count: count) }
}

extension ByteSlice {
    /// Address and length for a gathered call.
    /// Safety: blocks do not move; the caller keeps the slice, and so the block, alive until the call is over.
    var gathered: martlet_piece {
        unsafe withUnsafeBytes { bytes in
            unsafe martlet_piece(base: bytes.baseAddress, count: bytes.count)
        }
    }
}
