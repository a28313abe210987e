// Which offset a timestamp means (KIP-79) and where the greatest timestamp is (KIP-734).

package import Basics
internal import Bytes
internal import Environment
internal import Records

/// A record's timestamp and offset, as ListOffsets answers them.
package struct TimestampedOffset: Hashable, Sendable {
    package var timestamp: Timestamp
    package var offset: Offset

    package init(timestamp: Timestamp, offset: Offset) {
        self.timestamp = timestamp
        self.offset = offset
    }
}

extension PartitionLog {
    /// The first record whose timestamp is at or above `timestamp`, or nil if there is none below `limit`.
    package func firstOffset(
        atOrAfter timestamp: Timestamp, limit: Offset
    ) throws(StorageError) -> TimestampedOffset? {
        let view = view
        let scratch = Memory(capacity: BatchHeader.size)
        for (index, segment) in view.segments.enumerated() {
            if index + 1 < view.segments.count, let last = try segment.lastTimeEntry(), last.timestamp < timestamp {
                continue
            }
            let end = publishedSize(of: index, in: view)
            var position = try segment.scanStart(for: try segment.offset(below: timestamp))
            while let header = try segment.header(at: position, end: end, scratch: scratch) {
                guard header.baseOffset < limit else { return nil }
                if header.maxTimestamp >= timestamp, header.lastOffset >= view.startOffset,
                    let found = try firstRecord(
                        in: segment, at: position, header, atOrAfter: timestamp, from: view.startOffset)
                {
                    return found.offset < limit ? found : nil
                }
                position += header.byteCount
            }
        }
        return nil
    }

    /// The first record of the batch at `position` that is not older than `timestamp` and not below `start`; nil if
    /// there is none. A batch with the broker's time has one time for all records.
    private func firstRecord(
        in segment: Segment, at position: Int, _ header: BatchHeader, atOrAfter timestamp: Timestamp,
        from start: Offset
    ) throws(StorageError) -> TimestampedOffset? {
        // Compaction leaves a batch without records where a producer's sequence must not be lost.
        guard header.recordCount > 0 else { return nil }
        if header.isLogAppendTime {
            return TimestampedOffset(timestamp: header.maxTimestamp, offset: max(header.baseOffset, start))
        }
        let bytes = try storage { () throws(FileError) in
            try segment.file.read(at: position, count: header.byteCount)
        }
        do throws(RecordError) {
            guard let batch = RecordBatch(bytes) else { throw .tooFew(claimed: Int(header.recordCount), found: 0) }
            // Records stream through one block, so that the limit bounds time and not memory.
            var reader = try RecordReader(batch, expansionLimit: .max)
            while let record = try reader.next() {
                if record.timestamp >= timestamp, record.offset >= start {
                    return TimestampedOffset(timestamp: record.timestamp, offset: record.offset)
                }
            }
            return nil
        } catch {
            throw .corrupt(path: segment.path(.log), position: position, reason: "\(error)")
        }
    }

    /// The greatest timestamp below `limit` and the first record that carries it; nil if no record has one. As in Kafka
    /// that may be a record below the log start, as long as its segment stands.
    package func maxTimestamp(limit: Offset) throws(StorageError) -> TimestampedOffset? {
        let view = view
        var best: (index: Int, timestamp: Timestamp, offset: Offset)?
        for (index, segment) in view.segments.enumerated() where segment.base < limit {
            let isActive = index + 1 == view.segments.count
            guard let candidate = isActive ? activeMaximum : try sealedMaximum(segment) else { continue }
            if candidate.timestamp > best?.timestamp ?? .none {
                best = (index, candidate.timestamp, candidate.offset)
            }
        }
        guard let best,
            let found = try locate(
                best.offset, index: best.index, view: view, scratch: Memory(capacity: BatchHeader.size)),
            found.header.baseOffset < limit
        else { return nil }
        return try firstRecord(
            in: view.segments[best.index], at: found.position, found.header, atOrAfter: best.timestamp, from: .zero)
    }

    private func sealedMaximum(_ segment: Segment) throws(StorageError) -> TimestampedOffset? {
        guard let entry = try segment.lastTimeEntry() else { return nil }
        return TimestampedOffset(timestamp: entry.timestamp, offset: segment.base + Int64(entry.relativeOffset))
    }
}
