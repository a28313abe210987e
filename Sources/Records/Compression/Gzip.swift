// gzip (RFC 1952) by zlib. Members that follow one another are one stream, as for Java's reader.

internal import Bytes
internal import CZlib

/// A gzip stream while it is decompressed.
@safe
final class Gzip: DecompressionStream {
    /// gzip framing with the largest window.
    private static let windowBits: Int32 = 15 + 16
    private static let idle = ContextStore()

    private let input: ByteSlice
    private var consumed = 0
    private var isEnded = false
    // Safety: one initialised inflate stream at a fixed address, owned by this object from init to deinit.
    private let stream: UnsafeMutablePointer<z_stream>

    init(_ bytes: ByteSlice) throws(CompressionError) {
        input = bytes
        if let kept = unsafe UnsafeMutablePointer<z_stream>(bitPattern: Gzip.idle.take()) {
            unsafe stream = kept
            return
        }
        let made = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        unsafe made.initialize(to: z_stream())
        let result = unsafe inflateInit2_(
            made, Gzip.windowBits, zlibVersion(), Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else {
            unsafe made.deallocate()
            throw .failed(.gzip, "inflateInit2 \(result)")
        }
        unsafe stream = made
    }

    deinit {
        // Safety: the stream is given away or freed here and nowhere else.
        let isReset = unsafe inflateReset2(stream, Gzip.windowBits) == Z_OK
        if isReset, Gzip.idle.keep(unsafe UInt(bitPattern: stream)) { return }
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    func read(into memory: Memory, at offset: Int) throws(CompressionError) -> Int {
        let room = min(memory.capacity - offset, Int(Int32.max))
        // Safety: input and output are set to ranges that live during this call, and zlib keeps to them.
        return try unsafe memory.withMutableBytes(in: offset..<offset + room) { target throws(CompressionError) in
            unsafe stream.pointee.next_out = unsafe target.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe stream.pointee.avail_out = UInt32(room)
            while unsafe stream.pointee.avail_out == UInt32(room), !isEnded { try step() }
            return room - Int(unsafe stream.pointee.avail_out)
        }
    }

    /// One call of inflate with all the input that is left.
    private func step() throws(CompressionError) {
        let rest = input.dropFirst(consumed).prefix(Int(Int32.max))
        // Safety: as in `read`; zlib does not write through `next_in`.
        let result = unsafe rest.withUnsafeBytes { source in
            let start = unsafe source.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: start)
            unsafe stream.pointee.avail_in = UInt32(source.count)
            return unsafe inflate(stream, Z_NO_FLUSH)
        }
        consumed += rest.count - Int(unsafe stream.pointee.avail_in)
        switch result {
        case Z_OK: return
        case Z_STREAM_END:
            if consumed == input.count { isEnded = true } else { unsafe inflateReset(stream) }
        case Z_BUF_ERROR: throw .truncated(.gzip)
        case Z_MEM_ERROR: throw .failed(.gzip, "inflate has no memory")
        default: throw .malformed(.gzip, "inflate \(result)")
        }
    }

    static func compress(_ bytes: ByteSlice, level: Int?) throws(CompressionError) -> ByteSlice {
        guard bytes.count < Int(Int32.max) else { throw .tooLarge(limit: Int(Int32.max)) }
        var stream = unsafe z_stream()
        var result = unsafe deflateInit2_(
            &stream, Int32(level ?? -1), Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, zlibVersion(),
            Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else { throw .failed(.gzip, "deflateInit2 \(result)") }
        defer { unsafe deflateEnd(&stream) }
        let memory = Memory(capacity: Int(unsafe deflateBound(&stream, UInt(bytes.count))))
        // Safety: the output has the room that the library asked for; both ranges live during the call.
        unsafe memory.withMutableBytes(in: 0..<memory.capacity) { target in
            unsafe bytes.withUnsafeBytes { source in
                let start = unsafe source.baseAddress?.assumingMemoryBound(to: UInt8.self)
                unsafe stream.next_in = UnsafeMutablePointer(mutating: start)
                unsafe stream.avail_in = UInt32(source.count)
                unsafe stream.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
                unsafe stream.avail_out = UInt32(target.count)
                result = unsafe deflate(&stream, Z_FINISH)
            }
        }
        guard result == Z_STREAM_END else { throw .failed(.gzip, "deflate \(result)") }
        return ByteSlice(memory, offset: 0, count: memory.capacity - Int(unsafe stream.avail_out))
    }
}
