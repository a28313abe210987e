// Large receive blocks are reused: fresh memory from the kernel costs a page fault per 4 KiB, more than the CRC of
// the bytes that it will hold.

internal import Synchronization

/// A bounded store of free blocks in power-of-two sizes.
///
/// Any thread may take, and the last reference to a block may end on any thread.
/// Limit: `idleBytesMax` bytes are kept; what comes back beyond that is freed.
@safe
package final class BufferPool: Sendable {
    /// Blocks smaller than this are not worth keeping.
    package static let smallestBlock = 16 * 1024
    /// Blocks larger than this are never kept.
    package static let largestBlock = 4 * 1024 * 1024

    private struct Free {
        // Safety: each address is a block of its class's size that nobody refers to.
        var blocks: [[UInt]] = Array(repeating: [], count: 9)
        var bytes = 0
    }

    private let free = Mutex(Free())
    private let idleBytesMax: Int

    package init(idleBytesMax: Int) { self.idleBytesMax = idleBytesMax }

    deinit {
        free.withLock { free in
            for address in free.blocks.joined() {
                unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
            }
        }
    }

    private static func classIndex(_ capacity: Int) -> Int? {
        guard capacity <= largestBlock else { return nil }
        let units = (max(capacity, smallestBlock) - 1) / smallestBlock
        return units == 0 ? 0 : Int.bitWidth - units.leadingZeroBitCount
    }

    /// A block of at least `capacity` bytes, reused when there is one; its content is undefined.
    package func take(capacity: Int) -> Memory {
        guard let index = BufferPool.classIndex(capacity) else { return Memory(capacity: capacity) }
        let size = BufferPool.smallestBlock << index
        let reused = free.withLock { free in
            let address = free.blocks[index].popLast()
            if address != nil { free.bytes -= size }
            return address
        }
        if let reused, let base = unsafe UnsafeMutableRawPointer(bitPattern: reused) {
            return unsafe Memory(taking: base, capacity: size, returningTo: self)
        }
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        return unsafe Memory(taking: fresh, capacity: size, returningTo: self)
    }

    func giveBack(_ base: UnsafeMutableRawPointer, capacity: Int) {
        guard let index = BufferPool.classIndex(capacity) else { return unsafe base.deallocate() }
        let address = UInt(bitPattern: base)
        let kept = free.withLock { free in
            guard free.bytes + capacity <= idleBytesMax else { return false }
            free.blocks[index].append(address)
            free.bytes += capacity
            return true
        }
        if !kept { unsafe base.deallocate() }
    }
}
