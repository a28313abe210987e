// A read-only mapping of the first bytes of a file.
//
// Every access copies out through `martlet_copy_mapped`, which turns the SIGBUS of a failing disk or of a file that
// became shorter into an error. The mapping ends with the last reference; it outlives the file's descriptor.
//
// A fault maps the pages around it, too (64 KiB); they would add up to the size of the log in the process's resident
// set, though they are the page cache's. So a window gives its pages back after it has touched some such groups.

package import Bytes
internal import CLinux
package import Environment
internal import Synchronization

/// A window of the real file system.
///
/// Proof of `@unchecked Sendable`: the address is constant and the mapping is only read.
@safe
package final class MappedWindow: ReadWindow, @unchecked Sendable {
    package let count: Int
    private let path: String
    // Safety: the start of a mapping of `count` bytes from init to deinit; nil if that is none.
    private let base: UnsafeMutableRawPointer?
    private let lastGroup = Atomic<Int>(-1)
    private let groupsTouched = Atomic<Int>(0)
    /// Groups of 64 KiB that may be mapped before all are given back.
    private static let groupsMax = 16
    /// Done once, before the first mapping of the process: whoever maps can meet a fault.
    private static let catchesFaults = martlet_install_fault_handler() == 0

    init(_ descriptor: Int32, count: Int, path: String) throws(FileError) {
        precondition(count >= 0, "a count of bytes")
        precondition(MappedWindow.catchesFaults, "a signal handler can be set")
        self.count = count
        self.path = path
        guard count > 0 else {
            unsafe base = nil
            return
        }
        var mapped: UnsafeMutableRawPointer?
        let result = unsafe martlet_map(descriptor, count, &mapped)
        unsafe base = mapped
        guard result == 0 else { throw FileError(errno: -result, "mmap", path: path) }
    }

    deinit { if let base = unsafe base { unsafe martlet_unmap(base, count) } }

    // Safety: `target` has room for `length` bytes, and the range was checked by the caller.
    private func copyOut(_ position: Int, _ length: Int, _ target: UnsafeMutableRawPointer?) throws(FileError) {
        guard length > 0, let base = unsafe base, let target = unsafe target else { return }
        let result = unsafe martlet_copy_mapped(target, base + position, length)
        guard result == 0 else { throw FileError(.inputOutput, "read mapping", path: path, errno: -result) }
        giveBack(after: position >> 16)
    }

    /// Counts groups; a count that is off because of another thread only shifts the moment.
    private func giveBack(after group: Int) {
        guard lastGroup.exchange(group, ordering: .relaxed) != group else { return }
        guard groupsTouched.add(1, ordering: .relaxed).newValue >= MappedWindow.groupsMax else { return }
        groupsTouched.store(0, ordering: .relaxed)
        // Safety: the whole mapping; pages that are given back are read from the file again.
        if let base = unsafe base { unsafe martlet_give_back(base, count) }
    }

    package func copy(at position: Int, count: Int, into memory: Memory) throws(FileError) {
        precondition(position >= 0 && count >= 0 && count <= self.count - position, "a range inside the window")
        // Safety: the range was checked just above, the block checks its own.
        try unsafe memory.withMutableBytes(in: 0..<count) { target throws(FileError) in
            try unsafe copyOut(position, count, target.baseAddress)
        }
    }

    package func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, at position: Int
    ) throws(FileError) -> Value {
        let size = MemoryLayout<Value>.size
        precondition(position >= 0 && size <= count - position, "a range inside the window")
        var value: Value = 0
        // Safety: the variable has `size` bytes, and any bits are a value of an integer type.
        try unsafe withUnsafeMutableBytes(of: &value) { target throws(FileError) in
            try unsafe copyOut(position, size, target.baseAddress)
        }
        return Value(bigEndian: value)
    }

    package func isResident(_ range: Range<Int>) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= count else { return false }
        // Safety: the range lies inside the mapping, whose pages are asked about and not touched.
        guard !range.isEmpty, let base = unsafe base else { return range.isEmpty }
        return unsafe martlet_mapped_is_resident(base, range.lowerBound, range.count) == 1
    }
}
