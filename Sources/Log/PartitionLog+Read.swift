// Reading a log: where an offset lies, and what range of a file answers a fetch.
//
// A fetch is answered with a range of one segment's file that begins with the batch that holds the asked offset.
// The range may end in the middle of a batch (clients drop the rest), but at least the first batch is whole (KIP-74).
// It ends before a damaged place; a read that begins in one is an error that names it.

package import Basics
package import Bytes
internal import Environment
internal import Records

/// What a read of a log found.
package struct LogRead: Sendable {
    /// The bytes, as a range of a segment file; empty if there is nothing below the limit.
    package var region: FileRegion?
    /// The log start offset and the end at the time of the read.
    package var startOffset: Offset
    package var endOffset: Offset
    /// No record of the range lies at this offset or behind it. Close to the end of the range, by an index entry.
    package var deliveredEnd: Offset
    /// What a reader who goes on in order needs next, to be read ahead.
    package var ahead: ReadAhead?

    package var count: Int { region?.count ?? 0 }
}

/// A range of a segment's file to be read ahead.
package struct ReadAhead: Sendable {
    let file: any File
    let range: Range<Int>

    /// Asks the system for it. May block for a moment.
    package func begin() { file.willNeed(range) }
}

/// Why a read cannot be answered.
package enum ReadFailure: Error, Sendable {
    case offsetOutOfRange
    case storage(StorageError)
    /// The asked offset lies where the log is damaged.
    case damaged(Damage, path: String)
}

extension PartitionLog {
    /// A reader in order is given twice this ahead.
    private static let aheadSize = 4 << 20

    /// Batches from the one that holds `offset`, none that begins at `limit` or later, about `countMax` bytes.
    /// `wholeFirst`: the first batch is given whole even if it is larger than that.
    package func read(
        from offset: Offset, limit: Offset, countMax: Int, wholeFirst: Bool, _ wait: DiskWait = .allowed
    ) throws(ReadFailure) -> LogRead {
        let view = view
        guard offset >= view.startOffset, offset <= view.end else { throw .offsetOutOfRange }
        var answer = LogRead(region: nil, startOffset: view.startOffset, endOffset: view.end, deliveredEnd: offset)
        let limit = min(limit, view.end)
        guard offset < limit else { return answer }
        var index = PartitionLog.segmentIndex(holding: offset, in: view)
        while index < view.segments.count, view.segments[index].base < limit {
            var reading = SegmentReading(self, index, in: view, wait)
            do {
                if let found = try locate(offset, &reading) {
                    try fill(&answer, found, &reading, index, view, limit, countMax, wholeFirst)
                    return answer
                }
            } catch {
                throw .storage(error)
            }
            if let damage = reading.passed, damage.offsets.contains(offset) {
                throw .damaged(damage, path: reading.segment.path(.log))
            }
            index += 1
        }
        return answer
    }

    /// The last segment whose base is at or below `offset`.
    static func segmentIndex(holding offset: Offset, in view: Published) -> Int {
        var low = 0
        var high = view.segments.count
        while low < high {
            let middle = (low + high) / 2
            if view.segments[middle].base <= offset { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    func publishedSize(of index: Int, in view: Published) -> Int {
        view.size(of: index)
    }

    /// The first batch of the segment that ends at or behind `offset`; nil if there is none, or if the offset lies in the
    /// damaged place that the reading passed last.
    func locate(
        _ offset: Offset, _ reading: inout SegmentReading
    ) throws(StorageError) -> (position: Int, header: BatchHeader)? {
        var position = try reading.start(for: offset)
        while let found = try reading.next(at: position) {
            if found.header.lastOffset >= offset {
                let isLost = found.header.baseOffset > offset && (reading.passed?.offsets.contains(offset) ?? false)
                return isLost ? nil : found
            }
            position = found.position + found.header.byteCount
        }
        return nil
    }

    private func fill(
        _ answer: inout LogRead, _ first: (position: Int, header: BatchHeader), _ reading: inout SegmentReading,
        _ index: Int, _ view: Published, _ limit: Offset, _ countMax: Int, _ wholeFirst: Bool
    ) throws(StorageError) {
        var end = publishedSize(of: index, in: view)
        let segmentEnd = index + 1 < view.segments.count ? view.segments[index + 1].base : view.end
        if limit < segmentEnd {
            guard first.header.baseOffset < limit else { return }
            if let next = try locate(limit, &reading) { end = next.position }
        }
        var count = min(end - first.position, countMax)
        if wholeFirst { count = max(count, min(first.header.byteCount, end - first.position)) }
        guard count > 0 else { return }
        let sound = try reading.soundEnd(of: first.position..<first.position + count)
        let range = first.position..<min(first.position + count, sound)
        try reading.load(range)
        let file = try reading.segment.file()
        answer.region = FileRegion(source: file.source, position: range.lowerBound, count: range.count)
        let indexed = try reading.segment.offset(atOrBehind: range.upperBound, mayWait: reading.mayWait)
        answer.deliveredEnd = max(answer.deliveredEnd, min(indexed ?? min(segmentEnd, limit), limit))
        answer.ahead = ahead(of: range, end, file, reading)
    }

    /// Whoever enters a stretch of the file gets the next one; who had to wait, this one too.
    private func ahead(
        of range: Range<Int>, _ end: Int, _ file: any File, _ reading: SegmentReading
    ) -> ReadAhead? {
        let size = PartitionLog.aheadSize
        let entered = range.upperBound / size
        guard reading.mayWait || range.lowerBound / size != entered else { return nil }
        let start = reading.mayWait ? range.upperBound : (entered + 1) * size
        let target = min(end, (entered + 2) * size)
        return start < target ? ReadAhead(file: file, range: start..<target) : nil
    }
}
