// Walks over the records of one batch, compressed or not.
//
// Uncompressed records are views of the batch. Compressed ones are views of a block that the stream is decompressed
// into; as long as none of them is held the block is used again, so that a walk takes `blockCapacity` bytes however
// large the batch becomes. Only a record larger than the block makes it grow, and only as its bytes really come.

package import Bytes

/// What is wrong with the records of a batch.
package enum RecordError: Error, Equatable, Sendable {
    /// No codec has this number.
    case unknownCompression(Int)
    case compression(CompressionError)
    /// The record with this index, counted from 0, does not decode.
    case malformed(index: Int, DecodeError)
    /// The header claims a number of records below zero.
    case negativeCount(Int32)
    /// The header claims `claimed` records, after `found` the bytes end.
    case tooFew(claimed: Int, found: Int)
    /// Bytes follow the last record that the header claims.
    case tooMany(claimed: Int)
}

/// A cursor over the records of a batch.
package struct RecordReader {
    /// Bytes that are decompressed at a time.
    package static let blockCapacity = 64 * 1024

    private let header: BatchHeader
    private let decompressor: Decompressor?
    private var block: Memory
    private var start: Int
    private var end: Int
    private var isDrained: Bool
    /// Records read so far.
    package private(set) var index = 0

    /// Bytes that came out of the codec so far; all bytes of an uncompressed batch.
    package var expandedCount: Int { decompressor?.count ?? header.byteCount - BatchHeader.size }

    /// Reads the records of `batch`; a compressed batch may become `expansionLimit` bytes at most.
    package init(_ batch: RecordBatch, expansionLimit: Int) throws(RecordError) {
        header = batch.header
        guard let type = CompressionType(rawValue: header.compressionId) else {
            throw .unknownCompression(header.compressionId)
        }
        guard header.recordCount >= 0 else { throw .negativeCount(header.recordCount) }
        guard type != .none else {
            decompressor = nil
            let payload = batch.payload
            block = payload.memory
            start = payload.offset
            end = payload.offset + payload.count
            isDrained = true
            return
        }
        do throws(CompressionError) {
            decompressor = try Decompressor(type, batch.payload, limit: expansionLimit)
        } catch {
            throw .compression(error)
        }
        block = Memory(capacity: min(RecordReader.blockCapacity, max(1024, batch.payload.count * 4)))
        start = 0
        end = 0
        isDrained = false
    }

    /// The next record, nil behind the last one. Bytes that are missing or left over are errors.
    package mutating func next() throws(RecordError) -> Record? {
        guard index < Int(header.recordCount) else {
            if try fill(1) { throw .tooMany(claimed: Int(header.recordCount)) }
            return nil
        }
        guard try fill(1) else { throw .tooFew(claimed: Int(header.recordCount), found: index) }
        let length = try readLength()
        guard try fill(length) else {
            throw malformed(.truncated(needed: length, remaining: end - start), "record")
        }
        let record: Record
        do throws(DecodeError) {
            record = try Record(ByteSlice(block, offset: start, count: length), in: header)
        } catch {
            throw .malformed(index: index, error)
        }
        start += length
        index += 1
        return record
    }

    private func malformed(_ reason: DecodeError.Reason, _ field: String) -> RecordError {
        .malformed(index: index, DecodeError(reason, position: 0, path: field))
    }

    private mutating func readLength() throws(RecordError) -> Int {
        _ = try fill(5)
        var reader = ByteReader(ByteSlice(block, offset: start, count: min(5, end - start)))
        let length: Int32
        do throws(DecodeError) {
            length = try reader.readVarint("length")
        } catch {
            throw .malformed(index: index, error)
        }
        guard length >= 0 else { throw malformed(.negativeLength(Int(length)), "length") }
        start += reader.position
        return Int(length)
    }

    /// Brings at least `needed` bytes from `start` on into the block; false if fewer are left.
    private mutating func fill(_ needed: Int) throws(RecordError) -> Bool {
        while end - start < needed {
            guard !isDrained, let decompressor else { return false }
            makeRoom(for: needed)
            do throws(CompressionError) {
                let added = try decompressor.read(into: block, at: end)
                if added == 0 { isDrained = true } else { end += added }
            } catch {
                throw .compression(error)
            }
        }
        return true
    }

    /// Makes room behind `end`: at the front of the block if nobody holds a part of it, else in a new one.
    private mutating func makeRoom(for needed: Int) {
        let isOurs = isKnownUniquelyReferenced(&block)
        if isOurs, start == end {
            start = 0
            end = 0
        }
        guard end == block.capacity else { return }
        let rest = ByteSlice(block, offset: start, count: end - start)
        if !isOurs || start == 0 {
            block = Memory(capacity: max(RecordReader.blockCapacity, min(needed, rest.count * 2)))
        }
        block.copy(rest, to: 0)
        start = 0
        end = rest.count
    }
}
