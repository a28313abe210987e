// Snappy by libsnappy, in both forms that clients send.
//
//     framed (Java):    82 53 4e 41 50 50 59 00 | version int32 | compatible int32 | { length int32, block } ...
//     raw (librdkafka): one block
//
// All integers are big-endian. A frame header may come again between blocks (joined streams). A block says how long it
// becomes; since three bytes of a block give 64 at most, a longer claim is refused before memory is taken for it.

internal import Bytes
internal import CSnappy

/// A snappy stream while it is decompressed, block by block.
final class Snappy: DecompressionStream {
    private static let magic: [UInt8] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]
    private static let headerSize = 16
    /// The first four bytes of the magic where a block's length would be.
    private static let magicLength: Int32 = -2_108_469_695
    private static let blockSize = 32 * 1024

    private var rest: ByteSlice
    private let isFramed: Bool
    private let limit: Int
    private var block = ByteSlice.empty

    init(_ bytes: ByteSlice, limit: Int) {
        isFramed = bytes.count >= Snappy.headerSize && bytes.prefix(8).array == Snappy.magic
        rest = bytes
        self.limit = limit
    }

    func read(into memory: Memory, at offset: Int) throws(CompressionError) -> Int {
        while block.isEmpty {
            guard !rest.isEmpty else { return 0 }
            block = isFramed ? try nextFramed() : try Snappy.decompress(rest, limit: limit)
            if !isFramed { rest = .empty }
        }
        let part = block.prefix(memory.capacity - offset)
        memory.copy(part, to: offset)
        block = block.dropFirst(part.count)
        return part.count
    }

    private func nextFramed() throws(CompressionError) -> ByteSlice {
        guard rest.count >= 4 else { throw .truncated(.snappy) }
        let length = rest.load(Int32.self, at: 0)
        if length == Snappy.magicLength {
            guard rest.count >= Snappy.headerSize else { throw .truncated(.snappy) }
            guard rest.prefix(8).array == Snappy.magic else { throw .malformed(.snappy, "frame header") }
            rest = rest.dropFirst(Snappy.headerSize)
            return .empty
        }
        guard length >= 0 else { throw .malformed(.snappy, "block length \(length)") }
        guard rest.count - 4 >= Int(length) else { throw .truncated(.snappy) }
        let source = rest[4..<4 + Int(length)]
        rest = rest.dropFirst(4 + Int(length))
        return try Snappy.decompress(source, limit: limit)
    }

    private static func decompress(_ source: ByteSlice, limit: Int) throws(CompressionError) -> ByteSlice {
        // Safety: the ranges live during the calls; the output is as long as the library says that it must be.
        var length = 0
        let known = unsafe source.withUnsafeBytes { bytes in
            unsafe snappy_uncompressed_length(
                bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, &length)
        }
        guard known == SNAPPY_OK else { throw .malformed(.snappy, "block length") }
        guard length <= source.count * 22 else { throw .malformed(.snappy, "a block longer than it can be") }
        guard length <= limit else { throw .tooLarge(limit: limit) }
        let memory = Memory(capacity: length)
        let result = unsafe memory.withMutableBytes(in: 0..<length) { target in
            unsafe source.withUnsafeBytes { bytes in
                unsafe snappy_uncompress(
                    bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count,
                    target.baseAddress?.assumingMemoryBound(to: CChar.self), &length)
            }
        }
        guard result == SNAPPY_OK else { throw .malformed(.snappy, "block") }
        return ByteSlice(memory, offset: 0, count: length)
    }

    /// The framed form, in blocks of 32 KiB.
    static func compress(_ bytes: ByteSlice) throws(CompressionError) -> ByteSlice {
        let blocks = (bytes.count + blockSize - 1) / blockSize
        let bound = blocks * (4 + snappy_max_compressed_length(blockSize))
        var writer = ByteWriter(capacity: headerSize + bound)
        writer.write(magic)
        writer.writeInteger(Int32(1))
        writer.writeInteger(Int32(1))
        var rest = bytes
        while !rest.isEmpty {
            let block = try compressBlock(rest.prefix(blockSize))
            writer.writeInteger(Int32(block.count))
            writer.write(block)
            rest = rest.dropFirst(blockSize)
        }
        return writer.finishSlice()
    }

    /// The raw form.
    static func compressBlock(_ bytes: ByteSlice) throws(CompressionError) -> ByteSlice {
        var length = snappy_max_compressed_length(bytes.count)
        let memory = Memory(capacity: length)
        // Safety: both ranges live during the call; the output has the room that the library asks for.
        let result = unsafe memory.withMutableBytes(in: 0..<length) { target in
            unsafe bytes.withUnsafeBytes { source in
                unsafe snappy_compress(
                    source.baseAddress?.assumingMemoryBound(to: CChar.self), source.count,
                    target.baseAddress?.assumingMemoryBound(to: CChar.self), &length)
            }
        }
        guard result == SNAPPY_OK else { throw .failed(.snappy, "snappy_compress") }
        return ByteSlice(memory, offset: 0, count: length)
    }
}
