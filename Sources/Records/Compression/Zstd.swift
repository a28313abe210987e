// Zstandard (RFC 8878) by libzstd. Frames that follow one another are one stream. The window of a frame is limited by
// the library's default (128 MiB), of which only what is used takes memory.

internal import Bytes
internal import CZstd

/// A zstd stream while it is decompressed.
@safe
final class Zstd: DecompressionStream {
    private static let idleDecompressors = ContextStore()
    private static let idleCompressors = ContextStore()
    private static let defaultLevel = 3

    private let input: ByteSlice
    private var consumed = 0
    /// What the last call asked for: 0 at the end of a frame.
    private var wanted = 0
    // Safety: a context owned by this object from init to deinit.
    private let context: OpaquePointer

    init(_ bytes: ByteSlice) throws(CompressionError) {
        input = bytes
        let kept = unsafe OpaquePointer(bitPattern: Zstd.idleDecompressors.take())
        guard let context = unsafe kept ?? ZSTD_createDCtx() else { throw .failed(.zstd, "no memory for a context") }
        unsafe self.context = context
    }

    deinit {
        // Safety: the context is given away or freed here and nowhere else.
        _ = unsafe ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        if !Zstd.idleDecompressors.keep(unsafe UInt(bitPattern: context)) { _ = unsafe ZSTD_freeDCtx(context) }
    }

    func read(into memory: Memory, at offset: Int) throws(CompressionError) -> Int {
        // Safety: both buffers describe ranges that live during the call, and the library keeps to them.
        try unsafe memory.withMutableBytes(in: offset..<memory.capacity) { target throws(CompressionError) in
            try unsafe input.withUnsafeBytes { source throws(CompressionError) in
                var output = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                var rest = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: consumed)
                while unsafe output.pos == 0 {
                    let before = consumed
                    if before == source.count, wanted == 0 { return 0 }
                    let result = unsafe ZSTD_decompressStream(context, &output, &rest)
                    if ZSTD_isError(result) != 0 { throw .malformed(.zstd, Zstd.name(result)) }
                    wanted = result
                    consumed = unsafe rest.pos
                    if unsafe output.pos == 0, consumed == before, wanted != 0 { throw .truncated(.zstd) }
                }
                return unsafe output.pos
            }
        }
    }

    private static func name(_ code: Int) -> String { unsafe String(cString: ZSTD_getErrorName(code)) }

    static func compress(_ bytes: ByteSlice, level: Int?) throws(CompressionError) -> ByteSlice {
        let kept = unsafe OpaquePointer(bitPattern: idleCompressors.take())
        guard let context = unsafe kept ?? ZSTD_createCCtx() else { throw .failed(.zstd, "no memory for a context") }
        defer {
            // Safety: the context is ours; it is given away or freed here.
            if !idleCompressors.keep(UInt(bitPattern: context)) { _ = unsafe ZSTD_freeCCtx(context) }
        }
        let memory = Memory(capacity: ZSTD_compressBound(bytes.count))
        // Safety: both ranges live during the call.
        let result = unsafe memory.withMutableBytes(in: 0..<memory.capacity) { target in
            unsafe bytes.withUnsafeBytes { source in
                unsafe ZSTD_compressCCtx(
                    context, target.baseAddress, target.count, source.baseAddress, source.count,
                    Int32(level ?? defaultLevel))
            }
        }
        if ZSTD_isError(result) != 0 { throw .failed(.zstd, name(result)) }
        return ByteSlice(memory, offset: 0, count: result)
    }
}
