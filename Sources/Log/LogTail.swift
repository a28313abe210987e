// Where the log ends and what the next batch means for its segments and indexes: the decisions of appending, as a
// plain value without files.
//
// The rules are Kafka's, so that its tools find in our folders what they would have written themselves: a segment ends
// by size, by the time that its records span, by a full index, or when a relative offset would not fit in 31 bits; an
// index entry is made before a batch when more than `index.interval.bytes` lie behind the last one.

package import Basics
internal import Bytes
internal import Environment
package import Records

/// The writer's view of the end of a log. Copied, advanced by `admit`, and kept only if the write succeeded.
package struct LogTail: Hashable, Sendable {
    /// The offset that the next record gets.
    package var endOffset: Offset
    /// The active segment's base offset and size in bytes.
    package var segmentBase: Offset
    package var segmentSize = 0
    /// Timestamp of the first batch in the active segment; nil while it is empty.
    package var firstTimestamp: Timestamp?
    /// When this process first appended to the active segment: its age, if its records have no timestamps.
    var begun: Instant?
    /// Greatest timestamp in the active segment and the last offset of the batch that holds it.
    package var maxTimestamp: Timestamp = .none
    package var maxTimestampOffset: Offset
    package var bytesSinceIndexEntry = 0
    package var offsetEntryCount = 0
    package var timeEntryCount = 0
    package var lastTimeEntry: Timestamp = .none

    /// The tail of an empty log, or of one whose last segment is empty.
    package init(at offset: Offset) {
        endOffset = offset
        segmentBase = offset
        maxTimestampOffset = offset
    }

    /// What one batch adds.
    package struct Admission: Hashable, Sendable {
        /// The batch begins a new segment.
        package var rolls: Bool
        /// Where the batch begins in its segment.
        package var position: Int
        package var offsetEntry: OffsetIndex.Entry?
        package var timeEntry: TimeIndex.Entry?
    }

    private func mustRoll(before batch: BatchHeader, _ configuration: LogConfiguration, _ now: Instant?) -> Bool {
        guard segmentSize > 0 else { return false }
        if segmentSize + batch.byteCount > configuration.segmentBytes { return true }
        if batch.lastOffset - segmentBase > Int64(Int32.max) { return true }
        if offsetEntryCount >= configuration.offsetIndexEntriesMax { return true }
        if timeEntryCount >= configuration.timeIndexEntriesMax - 1 { return true }
        return age(with: batch, now) > configuration.segmentAge - configuration.jitter(at: segmentBase)
    }

    /// The time that the segment spans with `batch`: by its records, or by the clock if the first of them has no timestamp.
    private func age(with batch: BatchHeader, _ now: Instant?) -> Duration {
        guard let firstTimestamp, firstTimestamp.milliseconds >= 0 else {
            guard let now, let begun else { return .zero }
            return now - begun
        }
        return .milliseconds(max(0, batch.maxTimestamp.milliseconds - firstTimestamp.milliseconds))
    }

    /// Advances over `batch`, which begins at `endOffset` or behind it. `mayRoll` is false for what stands in one file:
    /// that is one segment, whatever the settings are. `now` is nil where what stands in the log is written again.
    package mutating func admit(
        _ batch: BatchHeader, _ configuration: LogConfiguration, mayRoll: Bool = true, at now: Instant? = nil
    ) -> Admission {
        precondition(batch.baseOffset >= endOffset, "offsets never go back")
        let rolls = mayRoll && mustRoll(before: batch, configuration, now)
        if rolls { beginSegment(at: batch.baseOffset) }
        if begun == nil { begun = now }
        var admission = Admission(rolls: rolls, position: segmentSize)
        if batch.maxTimestamp > maxTimestamp {
            maxTimestamp = batch.maxTimestamp
            maxTimestampOffset = batch.lastOffset
        }
        if firstTimestamp == nil { firstTimestamp = batch.maxTimestamp }
        if bytesSinceIndexEntry > configuration.indexIntervalBytes {
            admission.offsetEntry = OffsetIndex.Entry(
                relativeOffset: Int32(batch.lastOffset - segmentBase), position: Int32(segmentSize))
            admission.timeEntry = nextTimeEntry()
            offsetEntryCount += 1
            if let entry = admission.timeEntry {
                timeEntryCount += 1
                lastTimeEntry = entry.timestamp
            }
            bytesSinceIndexEntry = 0
        }
        segmentSize += batch.byteCount
        bytesSinceIndexEntry += batch.byteCount
        endOffset = batch.nextOffset
        return admission
    }

    /// The time entry that is due: the greatest timestamp so far, if the index does not end with it already.
    package func nextTimeEntry() -> TimeIndex.Entry? {
        guard maxTimestamp > lastTimeEntry, maxTimestamp.milliseconds >= 0 else { return nil }
        return TimeIndex.Entry(timestamp: maxTimestamp, relativeOffset: Int32(maxTimestampOffset - segmentBase))
    }

    /// Makes an empty segment at `base` the active one.
    package mutating func beginSegment(at base: Offset) {
        let end = endOffset
        self = LogTail(at: base)
        endOffset = max(end, base)
    }

    /// Takes up the tail of a segment whose indexes are believed: at the batch that the last entry points to.
    mutating func resume(
        behind offsets: OffsetIndex, _ times: TimeIndex, file: any File, fileSize: Int
    ) throws(StorageError) {
        offsetEntryCount = offsets.count
        timeEntryCount = times.count
        let (lastOffset, lastTime, first) = try storage {
            () throws(FileError) -> (OffsetIndex.Entry?, TimeIndex.Entry?, BatchHeader?) in
            let head = fileSize >= BatchHeader.size ? try file.read(at: 0, count: BatchHeader.size) : .empty
            return (try offsets.last(), try times.last(), BatchHeader(head))
        }
        if let lastTime {
            maxTimestamp = lastTime.timestamp
            maxTimestampOffset = segmentBase + Int64(lastTime.relativeOffset)
            lastTimeEntry = lastTime.timestamp
        }
        guard let lastOffset, let first, Int(lastOffset.position) + BatchHeader.size <= fileSize else { return }
        let head = try storage { () throws(FileError) in
            try file.read(at: Int(lastOffset.position), count: BatchHeader.size)
        }
        guard let header = BatchHeader(head), header.isPlausible else { return }
        firstTimestamp = first.maxTimestamp
        segmentSize = Int(lastOffset.position)
        endOffset = header.baseOffset
    }
}
