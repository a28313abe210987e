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
    /// The first record whose timestamp is at or above `timestamp`, or nil if there is none below `limit`. A damaged place
    /// that may hold it is an error.
    package func firstOffset(
        atOrAfter timestamp: Timestamp, limit: Offset, _ wait: DiskWait = .allowed
    ) throws(StorageError) -> TimestampedOffset? {
        let view = view
        for (index, segment) in view.segments.enumerated() {
            var reading = SegmentReading(self, index, in: view, wait)
            if index + 1 < view.segments.count, let last = try segment.lastTimeEntry(mayWait: reading.mayWait),
                last.timestamp < timestamp
            {
                continue
            }
            var position = try reading.start(
                for: try segment.offset(below: timestamp, mayWait: reading.mayWait))
            while let found = try reading.next(at: position) {
                guard found.header.baseOffset < limit else { return nil }
                try refuse(reading.passed, below: found.header.baseOffset, segment, view)
                if found.header.maxTimestamp >= timestamp, found.header.lastOffset >= view.startOffset,
                    let record = try firstRecord(&reading, found, atOrAfter: timestamp, from: view.startOffset)
                {
                    return record.offset < limit ? record : nil
                }
                position = found.position + found.header.byteCount
            }
            try refuse(reading.passed, below: limit, segment, view)
        }
        return nil
    }

    /// Fails if a damaged place was passed that readers are not past anyway.
    private func refuse(
        _ damage: Damage?, below end: Offset, _ segment: Segment, _ view: Published
    ) throws(StorageError) {
        guard let damage, damage.offsets.lowerBound < end, damage.offsets.upperBound > view.startOffset else { return }
        throw damage.error(in: segment.path(.log))
    }

    /// The first record of a batch that is not older than `timestamp` and not below `start`; nil if there is none. A batch
    /// with the broker's time has one time for all records.
    private func firstRecord(
        _ reading: inout SegmentReading, _ found: (position: Int, header: BatchHeader),
        atOrAfter timestamp: Timestamp, from start: Offset
    ) throws(StorageError) -> TimestampedOffset? {
        let header = found.header
        // Compaction leaves a batch without records where a producer's sequence must not be lost.
        guard header.recordCount > 0 else { return nil }
        if header.isLogAppendTime {
            return TimestampedOffset(timestamp: header.maxTimestamp, offset: max(header.baseOffset, start))
        }
        let batch = try reading.batch(at: found.position, header)
        do throws(RecordError) {
            // Records stream through one block, so that the limit bounds time and not memory.
            var reader = try RecordReader(batch, expansionLimit: .max)
            while let record = try reader.next() {
                if record.timestamp >= timestamp, record.offset >= start {
                    return TimestampedOffset(timestamp: record.timestamp, offset: record.offset)
                }
            }
            return nil
        } catch {
            throw .corrupt(path: reading.segment.path(.log), position: found.position, reason: "\(error)")
        }
    }

    /// The greatest timestamp below `limit` and the first record that carries it; nil if no record has one. As in Kafka
    /// that may be a record below the log start, as long as its segment stands.
    package func maxTimestamp(limit: Offset, _ wait: DiskWait = .allowed) throws(StorageError) -> TimestampedOffset? {
        let view = view
        var best: (index: Int, timestamp: Timestamp, offset: Offset)?
        for (index, segment) in view.segments.enumerated() where segment.base < limit {
            let isActive = index + 1 == view.segments.count
            guard let candidate = isActive ? activeMaximum : try sealedMaximum(segment, wait) else { continue }
            if candidate.timestamp > best?.timestamp ?? .none {
                best = (index, candidate.timestamp, candidate.offset)
            }
        }
        guard let best else { return nil }
        var reading = SegmentReading(self, best.index, in: view, wait)
        guard let found = try locate(best.offset, &reading) else {
            if let damage = reading.passed { throw damage.error(in: reading.segment.path(.log)) }
            return nil
        }
        guard found.header.baseOffset < limit else { return nil }
        return try firstRecord(&reading, found, atOrAfter: best.timestamp, from: .zero)
    }

    private func sealedMaximum(_ segment: Segment, _ wait: DiskWait) throws(StorageError) -> TimestampedOffset? {
        guard let entry = try segment.lastTimeEntry(mayWait: wait == .allowed) else { return nil }
        return TimestampedOffset(timestamp: entry.timestamp, offset: segment.base + Int64(entry.relativeOffset))
    }
}
