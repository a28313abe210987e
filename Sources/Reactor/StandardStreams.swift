// The standard streams of a program as bytes. Calls block, so that only command-line programs use them, outside of loops.

package import Bytes
package import Environment
internal import Glibc

/// Standard input, output and error.
package enum StandardStream: Int32, Sendable {
    case input = 0
    case output = 1
    case error = 2

    /// Whether a person sits at the other end.
    package var isTerminal: Bool { isatty(rawValue) == 1 }

    /// Reads what is there, at least one byte, to `memory` from `offset` on; 0 at the end of the stream.
    package func read(into memory: Memory, at offset: Int) throws(FileError) -> Int {
        while true {
            let count = unsafe memory.withMutableBytes(in: offset..<memory.capacity) { bytes in
                // Safety: the block's own range, which lives during the call.
                unsafe Glibc.read(rawValue, bytes.baseAddress, bytes.count)
            }
            if count >= 0 { return count }
            let number = errno
            guard number == EINTR else { throw FileError(.inputOutput, "read", path: "<stdin>", errno: number) }
        }
    }

    /// Writes all of `slice`. Fails with errno EPIPE when nobody reads any more.
    package func write(_ slice: ByteSlice) throws(FileError) {
        var rest = slice
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                // Safety: the slice lives during the call.
                unsafe Glibc.write(rawValue, bytes.baseAddress, bytes.count)
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
                continue
            }
            let number = errno
            guard number == EINTR else { throw FileError(.inputOutput, "write", path: "<stdout>", errno: number) }
        }
    }

    /// The error number of a stream that nobody reads.
    package static var brokenPipe: Int32 { EPIPE }
}
