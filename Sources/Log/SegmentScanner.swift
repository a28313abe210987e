// Reading a segment from a position to its end, batch by batch, with every check that the format allows: used by
// recovery, by verification and by the dump.

package import Basics
internal import Bytes
package import Environment
package import Records

/// Walks over the batches of a .log file. Reads ahead in blocks, so that a scan costs one system call per block.
package struct SegmentScanner {
    /// Bytes that are read at once, unless a batch is larger.
    package static let blockSize = 1 << 20

    /// Why the bytes at `position` are no batch.
    package enum Fault: Hashable, Sendable, CustomStringConvertible {
        /// The file ends inside of the batch.
        case cutShort
        case badLength(Int)
        case badMagic(Int8)
        case badChecksum
        /// The offsets do not rise, or lie below the base of the segment.
        case badOffset(Offset)
        /// No leader of this epoch wrote here.
        case badEpoch(LeaderEpoch)

        package var description: String {
            switch self {
            case .cutShort: "the file ends inside of a batch"
            case .badLength(let length): "a batch cannot be \(length) bytes long"
            case .badMagic(let magic): "format \(magic) is not known"
            case .badChecksum: "the checksum does not match"
            case .badOffset(let offset): "offset \(offset) is out of order"
            case .badEpoch(let epoch): "leader epoch \(epoch) did not write here"
            }
        }
    }

    private let file: any File
    private let fileSize: Int
    private var block = ByteSlice.empty
    private var blockStart = 0
    private var nextOffset: Offset

    /// Where the next batch begins; after a fault, where the faulty bytes begin.
    package private(set) var position: Int
    /// Set when the scan ended before the end of the file.
    package private(set) var fault: Fault?

    /// A scan of `file` from `position`, where a batch of at least `offset` is expected.
    package init(_ file: any File, from position: Int = 0, offset: Offset, fileSize: Int) {
        self.file = file
        self.fileSize = fileSize
        self.position = position
        nextOffset = offset
        blockStart = position
    }

    private mutating func bytes(_ count: Int) throws(StorageError) -> ByteSlice {
        let start = position - blockStart
        if start + count <= block.count { return block[start..<start + count] }
        let wanted = max(count, SegmentScanner.blockSize)
        block = try storage { () throws(FileError) in
            try file.read(at: position, count: min(wanted, fileSize - position))
        }
        blockStart = position
        return block.prefix(count)
    }

    /// The next good batch; nil at the end of the file or at a fault.
    package mutating func next() throws(StorageError) -> RecordBatch? {
        guard fault == nil, position < fileSize else { return nil }
        guard let header = BatchHeader(try bytes(BatchHeader.size)) else { return fail(.cutShort) }
        guard header.byteCount >= BatchHeader.size else { return fail(.badLength(header.byteCount)) }
        guard header.magic == BatchHeader.currentMagic else { return fail(.badMagic(header.magic)) }
        guard header.byteCount <= fileSize - position else { return fail(.cutShort) }
        guard let batch = RecordBatch(try bytes(header.byteCount)) else { return fail(.cutShort) }
        guard batch.hasValidChecksum else { return fail(.badChecksum) }
        guard header.hasPossibleOffsets, header.baseOffset >= nextOffset else {
            return fail(.badOffset(header.baseOffset))
        }
        position += header.byteCount
        nextOffset = header.nextOffset
        return batch
    }

    private mutating func fail(_ fault: Fault) -> RecordBatch? {
        self.fault = fault
        return nil
    }
}
