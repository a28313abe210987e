// The seam between this room and the kernel: reading and writing sockets and files goes through these functions, so
// that tests can play the kernel (a full socket, an interrupted call, a short write, a disk that fails).
//
// Rule: a result below 0 is a negated errno; nothing here retries. `LinuxCalls` has no size and the calls go through a
// witness table, so that the seam costs no allocation. Any thread may call.

package import CLinux

/// What the kernel does for sockets and open files.
package protocol SystemCalls: Sendable {
    /// recv: the count, 0 at the end of the stream.
    func receive(_ socket: Int32, into target: UnsafeMutableRawBufferPointer) -> Int
    /// sendmsg of `pieces`; `more` says that further data follows at once.
    func send(_ socket: Int32, _ pieces: UnsafeBufferPointer<martlet_piece>, more: Bool) -> Int
    /// sendfile: the count, 0 where the file ends.
    func sendFile(_ socket: Int32, from file: Int32, at position: Int, count: Int) -> Int
    /// accept4: a nonblocking socket and its peer.
    func accept(_ socket: Int32, peer: inout PeerAddress) -> Int32
    /// pread: the count, 0 at the end of the file.
    func read(_ file: Int32, at position: Int, into target: UnsafeMutableRawBufferPointer) -> Int
    /// pwritev of at most 1024 pieces.
    func write(_ file: Int32, at position: Int, _ pieces: UnsafeBufferPointer<martlet_piece>) -> Int
    /// fdatasync.
    func sync(_ file: Int32) -> Int32
    /// fsync of an open folder.
    func syncFolder(_ folder: Int32) -> Int32
    /// syncfs of the disk that holds an open folder.
    func syncDisk(_ folder: Int32) -> Int32
    /// ftruncate.
    func truncate(_ file: Int32, to size: Int) -> Int32
}

/// The real kernel.
package struct LinuxCalls: SystemCalls {
    package init() {}

    // Safety of all: the buffers' own bounds are passed on, and the kernel keeps no pointer.

    package func receive(_ socket: Int32, into target: UnsafeMutableRawBufferPointer) -> Int {
        unsafe martlet_receive(socket, target.baseAddress, target.count)
    }

    package func send(_ socket: Int32, _ pieces: UnsafeBufferPointer<martlet_piece>, more: Bool) -> Int {
        unsafe martlet_send(socket, pieces.baseAddress, pieces.count, more ? 1 : 0)
    }

    package func sendFile(_ socket: Int32, from file: Int32, at position: Int, count: Int) -> Int {
        martlet_send_file(socket, file, Int64(position), count)
    }

    package func accept(_ socket: Int32, peer: inout PeerAddress) -> Int32 {
        unsafe martlet_accept(socket, &peer.system)
    }

    package func read(_ file: Int32, at position: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        unsafe martlet_read_at(file, target.baseAddress, target.count, Int64(position))
    }

    package func write(_ file: Int32, at position: Int, _ pieces: UnsafeBufferPointer<martlet_piece>) -> Int {
        unsafe martlet_write_at(file, pieces.baseAddress, Int32(pieces.count), Int64(position))
    }

    package func sync(_ file: Int32) -> Int32 { martlet_sync_data(file) }

    package func syncFolder(_ folder: Int32) -> Int32 { martlet_sync_all(folder) }

    package func syncDisk(_ folder: Int32) -> Int32 { martlet_sync_disk(folder) }

    package func truncate(_ file: Int32, to size: Int) -> Int32 { martlet_truncate(file, Int64(size)) }
}
