// Which segments have served their time: the decisions of retention, as plain values without clock and files.
//
// The rules are Kafka's. The oldest segments go, one after the other, as long as one of these holds:
//   - the segment lies wholly below the log start offset (whatever `cleanup.policy` says);
//   - `retention.ms`: its greatest timestamp is older than that; where no record has a timestamp, the last change of
//     its file counts;
//   - `retention.bytes`: the log without it is still no smaller than that.
// A segment with records at or behind the high watermark stays. The active segment goes only when it expires itself:
// it is rolled first, and an empty one stays. So a segment with a timestamp in the future stays until that time.

package import Basics

/// What retention looks at in one segment.
package struct SegmentFacts: Hashable, Sendable {
    package var base: Offset
    /// The base of the next segment, or the end of the log.
    package var end: Offset
    package var size: Int
    /// The greatest timestamp of its records, or the last change of its file if none has one.
    package var largestTimestamp: Timestamp
    package var isActive: Bool

    package init(base: Offset, end: Offset, size: Int, largestTimestamp: Timestamp, isActive: Bool) {
        self.base = base
        self.end = end
        self.size = size
        self.largestTimestamp = largestTimestamp
        self.isActive = isActive
    }
}

/// One look at a log, segment by segment from the oldest on.
package struct Retention: Sendable {
    private let now: Timestamp
    private let highWatermark: Offset
    private let startOffset: Offset
    /// Nil: no limit.
    private let age: Int64?
    private let bytes: Int?
    private var sizeLeft: Int

    /// `now`: a time that `RetentionClock` gave. `size`: bytes of the whole log.
    package init(
        _ configuration: LogConfiguration, now: Timestamp, highWatermark: Offset, startOffset: Offset, size: Int
    ) {
        self.now = now
        self.highWatermark = highWatermark
        self.startOffset = startOffset
        age = configuration.isDeleted && configuration.retentionMilliseconds >= 0
            ? configuration.retentionMilliseconds : nil
        bytes = configuration.isDeleted && configuration.retentionBytes >= 0 ? configuration.retentionBytes : nil
        sizeLeft = size
    }

    /// Whether `segment` goes. To be asked in order; behind the first that stays, all stay.
    package mutating func releases(_ segment: SegmentFacts) -> Bool {
        guard segment.end <= highWatermark else { return false }
        guard !(segment.isActive && segment.size == 0) else { return false }
        guard isBelowStart(segment) || isTooOld(segment) || isTooMuch(segment) else { return false }
        sizeLeft -= segment.size
        return true
    }

    private func isBelowStart(_ segment: SegmentFacts) -> Bool { !segment.isActive && segment.end <= startOffset }

    private func isTooOld(_ segment: SegmentFacts) -> Bool {
        guard let age else { return false }
        // Timestamps are a client's: the difference of two may be too large for its type.
        let (elapsed, overflow) = now.milliseconds.subtractingReportingOverflow(segment.largestTimestamp.milliseconds)
        return overflow ? segment.largestTimestamp < now : elapsed > age
    }

    private func isTooMuch(_ segment: SegmentFacts) -> Bool {
        guard let bytes else { return false }
        return sizeLeft - segment.size >= bytes
    }
}

/// The wall clock as retention and compaction believe it, so that one jump of it deletes nothing early.
///
/// Between two looks the monotonic clock tells how much time has really passed. A wall clock that ran ahead of that by
/// more than `tolerance` is not believed until it has stayed ahead for `probation`; meanwhile the time is what was
/// believed last plus what has passed. A clock that was set back is believed at once: it only delays. At the first look
/// there is nothing to compare with, and the wall clock is believed.
package struct RetentionClock: Sendable {
    package static let tolerance: Duration = .seconds(60)
    package static let probation: Duration = .seconds(3600)

    private var believed: (time: Timestamp, at: Instant)?
    /// Since when the wall clock has been ahead.
    private var aheadSince: Instant?

    package init() {}

    /// The wall clock is ahead and not believed.
    package var isDoubted: Bool { aheadSince != nil }

    /// The time to decide by. Instants must not go back.
    package mutating func read(wall: Timestamp, monotonic: Instant) -> Timestamp {
        let time = judge(wall, monotonic)
        believed = (time, monotonic)
        return time
    }

    private mutating func judge(_ wall: Timestamp, _ monotonic: Instant) -> Timestamp {
        guard let believed else { return wall }
        let expected = believed.time.milliseconds + (monotonic - believed.at).wholeMilliseconds
        guard wall.milliseconds - expected > RetentionClock.tolerance.wholeMilliseconds else {
            aheadSince = nil
            return wall
        }
        let since = aheadSince ?? monotonic
        aheadSince = since
        guard monotonic - since >= RetentionClock.probation else { return Timestamp(milliseconds: expected) }
        aheadSince = nil
        return wall
    }
}
