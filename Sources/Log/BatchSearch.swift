// Finding where good batches go on behind bytes that are none.

internal import Basics
internal import Bytes
internal import Environment
internal import Records

enum BatchSearch {
    /// The first position in `range` where a whole batch with a right checksum begins whose offsets lie in `offsets`.
    static func goodBatch(
        in file: any File, _ range: Range<Int>, offsets: Range<Offset>
    ) throws(StorageError) -> Int? {
        var start = range.lowerBound
        while start + BatchHeader.size <= range.upperBound {
            let block = try storage { () throws(FileError) in
                try file.read(at: start, count: min(SegmentScanner.blockSize, range.upperBound - start))
            }
            let candidates = max(0, block.count - BatchHeader.size + 1)
            for index in 0..<candidates where Int8(bitPattern: block[index + 16]) == BatchHeader.currentMagic {
                guard let header = BatchHeader(block, at: index), header.isPlausible,
                    header.baseOffset >= offsets.lowerBound, header.lastOffset < offsets.upperBound,
                    header.byteCount <= range.upperBound - start - index
                else { continue }
                let bytes = try storage { () throws(FileError) in
                    try file.read(at: start + index, count: header.byteCount)
                }
                if RecordBatch(bytes)?.hasValidChecksum ?? false { return start + index }
            }
            guard candidates > 0 else { return nil }
            start += candidates
        }
        return nil
    }
}
