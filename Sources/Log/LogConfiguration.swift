// The settings of one partition's log, as the topic's configuration gives them.

internal import Basics

/// What decides when segments end, how they are indexed, and when they go. Defaults are Kafka's.
package struct LogConfiguration: Hashable, Sendable {
    /// `segment.bytes`: a segment ends before it would exceed this.
    package var segmentBytes = 1 << 30
    /// `segment.ms`: a segment ends when its records span more than this.
    package var segmentAge: Duration = .seconds(7 * 24 * 3600)
    /// `segment.jitter.ms`: at most so much is taken off the age, so that not all partitions roll together.
    package var segmentJitter: Duration = .zero
    /// `segment.index.bytes`: bounds both indexes of a segment.
    package var segmentIndexBytes = 10 << 20
    /// `index.interval.bytes`: at least so many bytes lie between two index entries.
    package var indexIntervalBytes = 4096

    /// `cleanup.policy` has "delete".
    package var isDeleted = true
    /// `cleanup.policy` has "compact".
    package var isCompacted = false
    /// `retention.ms`; -1 is no limit.
    package var retentionMilliseconds: Int64 = 7 * 24 * 3_600_000
    /// `retention.bytes`; -1 is no limit.
    package var retentionBytes = -1
    /// `delete.retention.ms`: how long a tombstone stays.
    package var deleteRetentionMilliseconds: Int64 = 24 * 3_600_000
    /// `min.cleanable.dirty.ratio`.
    package var cleanableRatio = 0.5
    /// `min.compaction.lag.ms` and `max.compaction.lag.ms`.
    package var compactionLagMilliseconds: Int64 = 0
    package var compactionLagMaxMilliseconds: Int64 = .max
    /// `file.delete.delay.ms`.
    package var fileDeleteDelay: Duration = .seconds(60)
    /// What the jitter of each segment is drawn from; different for each partition.
    package var jitterSeed: UInt64 = 0

    package init() {}

    /// What is taken off the age of the segment at `base`: by chance, but the same whenever it is asked.
    func jitter(at base: Offset) -> Duration {
        guard segmentJitter > .zero else { return .zero }
        let most = min(segmentJitter, segmentAge).wholeMilliseconds
        guard most > 0 else { return .zero }
        var random = SeededRandom(seed: jitterSeed ^ UInt64(bitPattern: base.rawValue))
        return .milliseconds(Int64.random(in: 0..<most, using: &random))
    }

    /// Entries of 8 bytes that an offset index may hold.
    package var offsetIndexEntriesMax: Int { segmentIndexBytes / OffsetIndex.entrySize }
    /// Entries of 12 bytes that a time index may hold.
    package var timeIndexEntriesMax: Int { segmentIndexBytes / TimeIndex.entrySize }
}
