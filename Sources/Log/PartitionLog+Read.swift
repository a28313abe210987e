// Reading a log: where an offset lies, and what range of a file answers a fetch.
//
// A fetch is answered with a range of one segment's file that begins with the batch that holds the asked offset.
// The range may end in the middle of a batch (clients drop the rest), but at least the first batch is whole (KIP-74).

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

    package var count: Int { region?.count ?? 0 }
}

/// Why a read cannot be answered.
package enum ReadFailure: Error, Sendable {
    case offsetOutOfRange
    case storage(StorageError)
}

extension PartitionLog {
    /// Batches from the one that holds `offset`, none that begins at `limit` or later, about `countMax` bytes.
    /// `wholeFirst`: the first batch is given whole even if it is larger than that.
    package func read(
        from offset: Offset, limit: Offset, countMax: Int, wholeFirst: Bool
    ) throws(ReadFailure) -> LogRead {
        let view = view
        guard offset >= view.startOffset, offset <= view.end else { throw .offsetOutOfRange }
        var answer = LogRead(region: nil, startOffset: view.startOffset, endOffset: view.end, deliveredEnd: offset)
        let limit = min(limit, view.end)
        guard offset < limit else { return answer }
        do {
            let scratch = Memory(capacity: BatchHeader.size)
            var index = PartitionLog.segmentIndex(holding: offset, in: view)
            while index < view.segments.count {
                let segment = view.segments[index]
                guard segment.base < limit else { break }
                if let found = try locate(offset, index: index, view: view, scratch: scratch) {
                    answer.region = try region(
                        found, index: index, view: view, limit: limit, countMax: countMax, wholeFirst: wholeFirst,
                        scratch: scratch)
                    answer.deliveredEnd = try deliveredEnd(
                        answer.region, from: offset, index: index, view: view, limit: limit)
                    break
                }
                index += 1
            }
            return answer
        } catch {
            throw .storage(error)
        }
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

    /// The first batch of the segment that ends at or behind `offset`.
    func locate(
        _ offset: Offset, index: Int, view: Published, scratch: Memory
    ) throws(StorageError) -> (position: Int, header: BatchHeader)? {
        let segment = view.segments[index]
        let end = publishedSize(of: index, in: view)
        var position = try segment.scanStart(for: offset)
        while let header = try segment.header(at: position, end: end, scratch: scratch) {
            if header.lastOffset >= offset { return (position, header) }
            position += header.byteCount
        }
        return nil
    }

    private func deliveredEnd(
        _ region: FileRegion?, from offset: Offset, index: Int, view: Published, limit: Offset
    ) throws(StorageError) -> Offset {
        guard let region else { return offset }
        let segmentEnd = index + 1 < view.segments.count ? view.segments[index + 1].base : limit
        let indexed = try view.segments[index].offset(atOrBehind: region.position + region.count)
        return max(offset, min(indexed ?? segmentEnd, limit))
    }

    private func region(
        _ first: (position: Int, header: BatchHeader), index: Int, view: Published, limit: Offset, countMax: Int,
        wholeFirst: Bool, scratch: Memory
    ) throws(StorageError) -> FileRegion? {
        let segment = view.segments[index]
        var end = publishedSize(of: index, in: view)
        let isBounded = index + 1 < view.segments.count ? limit >= view.segments[index + 1].base : limit >= view.end
        if !isBounded {
            guard first.header.baseOffset < limit else { return nil }
            if let next = try locate(limit, index: index, view: view, scratch: scratch) { end = next.position }
        }
        var count = min(end - first.position, countMax)
        if wholeFirst { count = max(count, min(first.header.byteCount, end - first.position)) }
        guard count > 0 else { return nil }
        return FileRegion(source: segment.file, position: first.position, count: count)
    }
}
