// What to compact and how to cut it up: decisions as plain values. The rules are Kafka's:
//
//     log:   | cleaned before | dirty, cleanable              | not cleanable: too young, undecided, active |
//            start            first dirty                      end of the cleanable range
//
// The log with the greatest share of cleanable bytes comes first, if the share is above `min.cleanable.dirty.ratio`, or if
// its oldest dirty record is older than `max.compaction.lag.ms`.

package import Basics

/// What compaction looks at in one segment.
package struct CompactionFacts: Hashable, Sendable {
    package var segment: SegmentFacts
    /// Timestamp of the first batch; asked for only where `max.compaction.lag.ms` is set.
    package var firstTimestamp: Timestamp?
    package var offsetIndexBytes = 0
    package var timeIndexBytes = 0

    package init(_ segment: SegmentFacts) { self.segment = segment }
}

/// The part of a log that may be compacted now.
package struct CleanableRange: Hashable, Sendable {
    /// Everything below was compacted before.
    package var firstDirty: Offset
    /// The base of the first segment that must stay as it is.
    package var end: Offset
    package var cleanBytes = 0
    package var dirtyBytes = 0
    /// A record has waited for longer than it may.
    package var isOverdue = false

    package init(firstDirty: Offset, end: Offset) {
        self.firstDirty = firstDirty
        self.end = end
    }

    /// The share of the bytes that were not compacted yet.
    package var dirtyRatio: Double {
        let total = cleanBytes + dirtyBytes
        return total == 0 ? 0 : Double(dirtyBytes) / Double(total)
    }

    /// What may be compacted of a log. `cleaned`: where the last cleaning ended, nil if there was none. `stable`: below
    /// it everything is committed, decided and durable.
    package init(
        _ segments: [CompactionFacts], _ configuration: LogConfiguration, startOffset: Offset, cleaned: Offset?,
        stable: Offset, now: Timestamp
    ) {
        let logEnd = segments.last?.segment.end ?? startOffset
        let known = cleaned ?? startOffset
        // A checkpoint beyond the log is of a log that was cut: nothing of it can be believed.
        firstDirty = known > logEnd ? startOffset : max(known, startOffset)
        let youngest = now.milliseconds - configuration.compactionLagMilliseconds
        let overdue = now.milliseconds.subtractingReportingOverflow(configuration.compactionLagMaxMilliseconds)
        end = segments.first?.segment.base ?? startOffset
        for facts in segments {
            let segment = facts.segment
            guard !segment.isActive, segment.end <= stable else { break }
            let isDirty = segment.end > firstDirty
            if isDirty, configuration.compactionLagMilliseconds > 0,
                segment.largestTimestamp.milliseconds > youngest
            {
                break
            }
            end = segment.end
            if isDirty { dirtyBytes += segment.size } else { cleanBytes += segment.size }
            if isDirty, !overdue.overflow, let first = facts.firstTimestamp, first.milliseconds > 0 {
                isOverdue = isOverdue || first.milliseconds < overdue.partialValue
            }
        }
    }

    /// Whether the range is worth a cleaning.
    package func isDue(_ configuration: LogConfiguration) -> Bool {
        end > firstDirty && dirtyBytes > 0 && (isOverdue || dirtyRatio > configuration.cleanableRatio)
    }

    /// The index of the dirtiest of `ranges`, the first of equals; nil if there is none.
    package static func dirtiest(_ ranges: [CleanableRange]) -> Int? {
        ranges.indices.max { (ranges[$0].dirtyRatio, -$0) < (ranges[$1].dirtyRatio, -$1) }
    }
}

/// Which segments become one.
package enum CompactionGroups {
    /// Runs of neighbours whose sizes before cleaning fit into one segment, with its indexes and relative offsets. A
    /// segment that is too large by itself stays alone.
    package static func of(_ segments: [CompactionFacts], _ configuration: LogConfiguration) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var start = 0
        var sum = (bytes: 0, offsets: 0, times: 0)
        for (index, facts) in segments.enumerated() {
            let grown = (
                bytes: sum.bytes + facts.segment.size, offsets: sum.offsets + facts.offsetIndexBytes,
                times: sum.times + facts.timeIndexBytes
            )
            let fits = grown.bytes <= configuration.segmentBytes && grown.offsets <= configuration.segmentIndexBytes
                && grown.times <= configuration.segmentIndexBytes
                && facts.segment.end - segments[start].segment.base - 1 <= Int64(Int32.max)
            if index > start, !fits {
                groups.append(start..<index)
                start = index
                sum = (facts.segment.size, facts.offsetIndexBytes, facts.timeIndexBytes)
            } else {
                sum = grown
            }
        }
        if start < segments.count { groups.append(start..<segments.count) }
        return groups
    }
}
