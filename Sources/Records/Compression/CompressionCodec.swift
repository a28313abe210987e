// The codecs of record batches: their numbers, their levels, and compressing and decompressing with any of them.
//
// Compressing takes whole bytes and gives whole bytes. Decompressing streams: `Decompressor` fills blocks of the
// caller's and counts what comes out, so that a few kilobytes that claim to be gigabytes cost a block and an error.
// Each codec has one file, the only place that touches its library.

package import Bytes

/// How the records of a batch are compressed; the raw value stands in bits 0 to 2 of the batch's attributes.
package enum CompressionType: Int, Hashable, Sendable, CaseIterable {
    case none = 0
    case gzip = 1
    case snappy = 2
    case lz4 = 3
    case zstd = 4

    /// The levels that may be asked for (KIP-390); nil where there are none.
    package var levels: ClosedRange<Int>? {
        switch self {
        case .none, .snappy: nil
        case .gzip: 1...9
        case .lz4: 1...17
        case .zstd: -131_072...22
        }
    }
}

/// Bytes that cannot be decompressed, or a library that failed.
package enum CompressionError: Error, Hashable, Sendable {
    /// No stream of this codec, or one that was changed.
    case malformed(CompressionType, String)
    /// The stream ends before its end.
    case truncated(CompressionType)
    /// More than `limit` bytes come out.
    case tooLarge(limit: Int)
    /// The library could not get memory or did not take its parameters.
    case failed(CompressionType, String)
}

extension CompressionType {
    /// The bytes compressed; `level` is cut to `levels`, nil is the codec's default.
    package func compress(_ bytes: ByteSlice, level: Int? = nil) throws(CompressionError) -> ByteSlice {
        let level = levels.flatMap { levels in level.map { min(max($0, levels.lowerBound), levels.upperBound) } }
        switch self {
        case .none: return bytes
        case .gzip: return try Gzip.compress(bytes, level: level)
        case .snappy: return try Snappy.compress(bytes)
        case .lz4: return try Lz4.compress(bytes, level: level)
        case .zstd: return try Zstd.compress(bytes, level: level)
        }
    }

    /// All that comes out of `bytes`, which must not be more than `limit`.
    package func decompress(_ bytes: ByteSlice, limit: Int) throws(CompressionError) -> ByteSlice {
        if self == .none {
            guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
            return bytes
        }
        let decompressor = try Decompressor(self, bytes, limit: limit)
        var block = Memory(capacity: min(limit, max(4096, bytes.count * 3)) + 1)
        var count = 0
        while true {
            let added = try decompressor.read(into: block, at: count)
            guard added > 0 else { return ByteSlice(block, offset: 0, count: count) }
            count += added
            guard count == block.capacity else { continue }
            let larger = Memory(capacity: min(limit, block.capacity * 2) + 1)
            larger.copy(ByteSlice(block, offset: 0, count: count), to: 0)
            block = larger
        }
    }
}

/// One codec's state while it decompresses.
protocol DecompressionStream: AnyObject {
    /// Writes the next bytes to `memory` from `offset` on: at least one, or 0 at the end of the stream.
    func read(into memory: Memory, at offset: Int) throws(CompressionError) -> Int
}

/// A stream of decompressed bytes. Owned by one thread; after an error it has no meaning any more.
package final class Decompressor {
    private let stream: any DecompressionStream
    private let limit: Int
    /// Bytes that came out so far.
    package private(set) var count = 0

    /// Decompresses `bytes`; fails when more than `limit` bytes come out.
    package init(_ type: CompressionType, _ bytes: ByteSlice, limit: Int) throws(CompressionError) {
        self.limit = limit
        switch type {
        case .none: stream = Uncompressed(bytes)
        case .gzip: stream = try Gzip(bytes)
        case .snappy: stream = Snappy(bytes, limit: limit)
        case .lz4: stream = try Lz4(bytes)
        case .zstd: stream = try Zstd(bytes)
        }
    }

    /// Writes the next bytes to `memory` from `offset` on, as many as come and fit; 0 only at the end.
    package func read(into memory: Memory, at offset: Int) throws(CompressionError) -> Int {
        precondition(offset >= 0 && offset < memory.capacity, "room for at least one byte")
        let added = try stream.read(into: memory, at: offset)
        count += added
        guard count <= limit else { throw .tooLarge(limit: limit) }
        return added
    }
}

/// Bytes that come out as they went in.
private final class Uncompressed: DecompressionStream {
    private var rest: ByteSlice

    init(_ bytes: ByteSlice) { rest = bytes }

    func read(into memory: Memory, at offset: Int) -> Int {
        let part = rest.prefix(memory.capacity - offset)
        memory.copy(part, to: offset)
        rest = rest.dropFirst(part.count)
        return part.count
    }
}
