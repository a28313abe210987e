// Blocks of raw memory with shared ownership; everything that is received, built or read passes through them.
//
// This is one of the few files that hold unsafe pointers. The rules that make it safe to use from outside:
// a block is written only by the one that made it, before any slice of it is handed out (the exceptions are named
// `patch` and say who may call them), every access is checked against the capacity, and the block is freed or given
// back to its pool by the last reference.

/// A block of memory, freed with its last reference.
///
/// Owner: whoever made it may write through `withMutableBytes`; readers hold `ByteSlice`s.
@safe
@usableFromInline
package final class Memory: Sendable {
    // Safety: valid for `capacity` bytes from init to deinit, never reassigned.
    @usableFromInline nonisolated(unsafe) let base: UnsafeMutableRawPointer
    @usableFromInline package let capacity: Int
    private let pool: BufferPool?

    /// Allocates `capacity` bytes, aligned as malloc does; their content is undefined until written.
    package init(capacity: Int) {
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: max(capacity, 1), alignment: 16)
        self.capacity = capacity
        pool = nil
    }

    // Safety: the pool gives away a block of `capacity` bytes that nobody else refers to.
    init(taking base: UnsafeMutableRawPointer, capacity: Int, returningTo pool: BufferPool) {
        unsafe self.base = unsafe base
        self.capacity = capacity
        self.pool = pool
    }

    deinit {
        if let pool {
            unsafe pool.giveBack(base, capacity: capacity)
        } else {
            unsafe base.deallocate()
        }
    }

    /// Runs `body` with the bytes of `range` for writing. Only the maker of the block calls this, and only for bytes
    /// that no slice handed out covers.
    @inlinable
    package func withMutableBytes<Result, Failure: Error>(
        in range: Range<Int>, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(range.lowerBound >= 0 && range.upperBound <= capacity, "range outside of the block")
        // Safety: the range was checked against the capacity just above.
        return unsafe try body(UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// Copies `slice` into the block at `offset`.
    package func copy(_ slice: ByteSlice, to offset: Int) {
        precondition(offset >= 0 && slice.count <= capacity - offset, "copy outside of the block")
        // Safety: both ranges were checked, by the slice's own invariant and just above.
        unsafe (base + offset).copyMemory(from: slice.start, byteCount: slice.count)
    }
}
