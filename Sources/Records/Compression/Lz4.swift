// The lz4 frame format by liblz4. What we write is what Java's reader takes: blocks of 64 KiB that do not depend on one
// another, no content size, no checksums but that of the header. What we read may be any frame.

internal import Bytes
internal import CLZ4

/// An lz4 stream while it is decompressed.
@safe
final class Lz4: DecompressionStream {
    private static let idle = ContextStore()

    private let input: ByteSlice
    private var consumed = 0
    /// What the last call asked for: 0 at the end of a frame.
    private var wanted = 1
    // Safety: a context owned by this object from init to deinit.
    private let context: OpaquePointer

    init(_ bytes: ByteSlice) throws(CompressionError) {
        input = bytes
        var made = unsafe OpaquePointer(bitPattern: Lz4.idle.take())
        if unsafe made == nil { _ = unsafe LZ4F_createDecompressionContext(&made, UInt32(LZ4F_VERSION)) }
        guard let context = unsafe made else { throw .failed(.lz4, "no memory for a context") }
        unsafe self.context = context
    }

    deinit {
        // Safety: the context is given away or freed here and nowhere else. One that was left in the middle is not used
        // again: a reset does not take back the length that the frame's head had promised.
        let isAtEnd = consumed == input.count && wanted == 0
        if isAtEnd, Lz4.idle.keep(unsafe UInt(bitPattern: context)) { return }
        _ = unsafe LZ4F_freeDecompressionContext(context)
    }

    func read(into memory: Memory, at offset: Int) throws(CompressionError) -> Int {
        // Safety: both sizes are those of ranges that live during the call, and the library keeps to them.
        try unsafe memory.withMutableBytes(in: offset..<memory.capacity) { target throws(CompressionError) in
            try unsafe input.withUnsafeBytes { source throws(CompressionError) in
                while true {
                    if consumed == source.count, wanted == 0 { return 0 }
                    var written = target.count
                    var taken = source.count - consumed
                    let result = unsafe LZ4F_decompress(
                        context, target.baseAddress, &written, source.baseAddress?.advanced(by: consumed), &taken, nil)
                    if LZ4F_isError(result) != 0 { throw .malformed(.lz4, Lz4.name(result)) }
                    consumed += taken
                    wanted = result
                    if written > 0 { return written }
                    if taken == 0, wanted != 0 { throw .truncated(.lz4) }
                }
            }
        }
    }

    private static func name(_ code: Int) -> String { unsafe String(cString: LZ4F_getErrorName(code)) }

    static func compress(_ bytes: ByteSlice, level: Int?) throws(CompressionError) -> ByteSlice {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        // Kafka's default level, 9, means the fast compressor there.
        preferences.compressionLevel = Int32(level == 9 ? 0 : level ?? 0)
        let memory = Memory(capacity: unsafe LZ4F_compressFrameBound(bytes.count, &preferences))
        // Safety: both ranges live during the call; the output has the room that the library asked for.
        let result = unsafe memory.withMutableBytes(in: 0..<memory.capacity) { target in
            unsafe bytes.withUnsafeBytes { source in
                unsafe LZ4F_compressFrame(
                    target.baseAddress, target.count, source.baseAddress, source.count, &preferences)
            }
        }
        if LZ4F_isError(result) != 0 { throw .failed(.lz4, name(result)) }
        return ByteSlice(memory, offset: 0, count: result)
    }
}
