// Walks over the records of one batch, compressed or not.
//
// Uncompressed records are views of the batch. Compressed ones are views of a block that the stream is decompressed
// into; as long as none of them is held the block is used again, so that a walk takes `blockCapacity` bytes however
// large the batch becomes. Only a record larger than the block makes it grow, and only as its bytes really come.

package import Basics
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
    /// No offset can be so large.
    case impossibleOffset(Offset)
    /// The header claims `claimed` records, after `found` the bytes end.
    case tooFew(claimed: Int, found: Int)
    /// Bytes follow the last record that the header claims.
    case tooMany(claimed: Int)
}

/// A cursor over the records of a batch.
package struct RecordReader {
    /// Bytes that are decompressed at a time.
    package static let blockCapacity = 64 * 1024

    let header: BatchHeader
    private let decompressor: Decompressor?
    /// What the stream is decompressed into; nil for uncompressed records.
    private var block: Memory?
    /// Over what is in the block, or over the whole payload.
    private var cursor: ByteReader
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
        guard header.baseOffset >= .zero, header.baseOffset.rawValue < .max - Int64(Int32.max) else {
            throw .impossibleOffset(header.baseOffset)
        }
        isDrained = type == .none
        guard type != .none else {
            decompressor = nil
            cursor = ByteReader(batch.payload)
            return
        }
        do throws(CompressionError) {
            decompressor = try Decompressor(type, batch.payload, limit: expansionLimit)
        } catch {
            throw .compression(error)
        }
        cursor = ByteReader(.empty)
    }

    /// The next record, nil behind the last one. Bytes that are missing or left over are errors.
    package mutating func next() throws(RecordError) -> Record? {
        guard let shape = try nextShape() else { return nil }
        return Record(shape, cursor.bytes, in: header)
    }

    /// What the last shape's positions count in.
    var content: ByteSlice { cursor.bytes }

    /// The next record's shape in the present content of the cursor.
    mutating func nextShape() throws(RecordError) -> RecordShape? {
        guard index < Int(header.recordCount) else {
            if try fill(1) { throw .tooMany(claimed: Int(header.recordCount)) }
            return nil
        }
        guard try fill(1) else { throw .tooFew(claimed: Int(header.recordCount), found: index) }
        _ = try fill(5)
        let length = try readLength()
        guard try fill(length) else {
            throw malformed(cursor.failure(.truncated(needed: length, remaining: cursor.remaining), "record"))
        }
        let shape: RecordShape
        do throws(DecodeError) {
            shape = try RecordShape(&cursor, length: length)
        } catch {
            throw malformed(error)
        }
        index += 1
        return shape
    }

    private mutating func readLength() throws(RecordError) -> Int {
        let length: Int32
        do throws(DecodeError) {
            length = try cursor.readVarint("length")
        } catch {
            throw malformed(error)
        }
        guard length >= 0 else { throw malformed(cursor.failure(.negativeLength(Int(length)), "length")) }
        return Int(length)
    }

    private func malformed(_ error: DecodeError) -> RecordError { .malformed(index: index, error) }

    /// Brings at least `needed` bytes under the cursor; false if fewer are left.
    private mutating func fill(_ needed: Int) throws(RecordError) -> Bool {
        if cursor.remaining >= needed { return true }
        while cursor.remaining < needed {
            guard !isDrained, let decompressor else { return false }
            var held = cursor.bytes.offset + cursor.position..<cursor.bytes.offset + cursor.bytes.count
            cursor = ByteReader(.empty)
            let target = makeRoom(&held, needed)
            block = target
            do throws(CompressionError) {
                let added = try decompressor.read(into: target, at: held.upperBound)
                isDrained = added == 0
                cursor = ByteReader(ByteSlice(target, offset: held.lowerBound, count: held.count + added))
            } catch {
                throw .compression(error)
            }
        }
        return true
    }

    /// A block with room behind `held`, the bytes of the present block that are still to be read: the same one if
    /// there is room, or if nobody holds a part of it and `held` can move to its front; else a new one.
    private mutating func makeRoom(_ held: inout Range<Int>, _ needed: Int) -> Memory {
        let isOurs = isKnownUniquelyReferenced(&block)
        if isOurs, held.isEmpty { held = 0..<0 }
        if let block, held.upperBound < block.capacity { return block }
        let target: Memory
        if let block, isOurs, held.lowerBound > 0 {
            target = block
        } else {
            target = Memory(capacity: max(RecordReader.blockCapacity, min(needed, held.count * 2)))
        }
        if let block { target.copy(ByteSlice(block, offset: held.lowerBound, count: held.count), to: 0) }
        held = 0..<held.count
        return target
    }
}
