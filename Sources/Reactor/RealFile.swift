// An open file: positioned reads and gathered writes that go on after short and interrupted calls.
//
// Any thread may call; the descriptor is closed with the last reference, so that no call finds it closed. What the
// kernel says goes to the caller as it is: a failed sync is not tried again.

package import Bytes
internal import CLinux
package import Environment
internal import Glibc

/// A file of the real file system.
package final class RealFile: File {
    /// Pieces that one pwritev takes (IOV_MAX).
    static let piecesMax = 1024

    package let path: String
    let descriptor: Descriptor
    private let calls: any SystemCalls

    init(_ descriptor: Descriptor, path: String, calls: any SystemCalls) {
        self.descriptor = descriptor
        self.path = path
        self.calls = calls
    }

    private func error(_ result: Int, _ operation: String) -> FileError {
        FileError(errno: Int32(-result), operation, path: path)
    }

    package func size() throws(FileError) -> Int {
        var found = martlet_attributes()
        // Safety: the structure is filled by the call and not kept.
        let result = unsafe martlet_attributes_of_open(descriptor.raw, &found)
        guard result == 0 else { throw error(Int(result), "fstat") }
        return Int(found.size)
    }

    package func read(at position: Int, count: Int) throws(FileError) -> ByteSlice {
        precondition(position >= 0 && count >= 0, "a range of a file")
        guard count > 0 else { return .empty }
        let memory = Memory(capacity: count)
        var done = 0
        while done < count {
            // Safety: the block is ours and the range lies inside it.
            let result = unsafe memory.withMutableBytes(in: done..<count) {
                unsafe calls.read(descriptor.raw, at: position + done, into: $0)
            }
            if result == 0 { break }
            if result > 0 { done += result } else if result != -Int(EINTR) { throw error(result, "pread") }
        }
        return ByteSlice(memory, offset: 0, count: done)
    }

    package func write(_ slices: [ByteSlice], at position: Int) throws(FileError) {
        precondition(position >= 0, "a position in a file")
        var rest = slices[...]
        var skipped = 0
        var position = position
        while let first = rest.first {
            if skipped == first.count {
                rest = rest.dropFirst()
                skipped = 0
                continue
            }
            let result = writeOnce(rest, skipped, at: position)
            if result == -Int(EINTR) { continue }
            guard result > 0 else { throw error(result == 0 ? -Int(EIO) : result, "pwritev") }
            position += result
            skipped += result
            while let head = rest.first, skipped >= head.count {
                skipped -= head.count
                rest = rest.dropFirst()
            }
        }
    }

    /// One gathered write of `slices` without the first `skipped` bytes.
    private func writeOnce(_ slices: ArraySlice<ByteSlice>, _ skipped: Int, at position: Int) -> Int {
        let count = min(slices.count, RealFile.piecesMax)
        // Safety: the slices keep their blocks alive during the call; `count` entries are set.
        return unsafe withUnsafeTemporaryAllocation(of: martlet_piece.self, capacity: count) { pieces in
            var index = 0
            for slice in slices.prefix(count) {
                let rest = index == 0 ? slice.dropFirst(skipped) : slice
                unsafe pieces[index] = unsafe rest.gathered
                index += 1
            }
            return unsafe calls.write(descriptor.raw, at: position, UnsafeBufferPointer(pieces))
        }
    }

    package func sync() throws(FileError) {
        var result = calls.sync(descriptor.raw)
        // An interrupted wait reports nothing of the data; any other failure is final.
        while result == -EINTR { result = calls.sync(descriptor.raw) }
        guard result == 0 else { throw FileError(.notSynced, "fdatasync", path: path, errno: -result) }
    }

    package func truncate(to size: Int) throws(FileError) {
        precondition(size >= 0, "a size of a file")
        var result = calls.truncate(descriptor.raw, to: size)
        while result == -EINTR { result = calls.truncate(descriptor.raw, to: size) }
        guard result == 0 else { throw error(Int(result), "ftruncate") }
    }

    package func window(count: Int) throws(FileError) -> any ReadWindow {
        return try MappedWindow(descriptor.raw, count: count, path: path)
    }

    package func willNeed(_ range: Range<Int>) {
        _ = martlet_will_need(descriptor.raw, Int64(range.lowerBound), Int64(range.count))
    }
}

extension FileError {
    /// The error for an error number of the system.
    init(errno number: Int32, _ operation: String, path: String) {
        precondition(number != EBADF && number != EFAULT, "\(operation) on an open file with memory of ours")
        let kind: Kind =
            switch number {
            case ENOENT, ENOTDIR: .notFound
            case EEXIST: .exists
            case ENOSPC, EDQUOT, EFBIG: .noSpace
            case EIO, EROFS: .inputOutput
            case EACCES, EPERM: .notPermitted
            case EMFILE, ENFILE: .tooManyOpenFiles
            case ENOTEMPTY: .notEmpty
            default: .other
            }
        self.init(kind, operation, path: path, errno: number)
    }
}
