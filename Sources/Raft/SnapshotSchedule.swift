// When a snapshot of the metadata is due, and what it makes needless (KIP-630): by bytes of records since the last one,
// or by time, if anything was committed since.

package import Basics

/// Says when the next snapshot is due.
package struct SnapshotSchedule: Sendable {
    private let bytesMax: Int
    /// Nil: time makes none due.
    private let intervalMax: Duration?
    private var bytes: Int
    private var last: Instant
    /// Records were committed that no snapshot holds.
    private var hasNews = false

    /// `bytes`: how much of the log lies behind the last snapshot.
    package init(bytesMax: Int, intervalMax: Duration?, bytes: Int, now: Instant) {
        self.bytesMax = bytesMax
        self.intervalMax = intervalMax
        self.bytes = bytes
        last = now
    }

    package mutating func appended(_ count: Int) { bytes += count }
    package mutating func committed() { hasNews = true }

    package func isDue(at now: Instant) -> Bool {
        guard hasNews else { return false }
        return bytes >= bytesMax || (dueAt.map { $0 <= now } ?? false)
    }

    /// When time will make one due, if there is anything to be held.
    package var dueAt: Instant? { hasNews ? intervalMax.map { last + $0 } : nil }

    /// A snapshot is begun.
    package mutating func began(at now: Instant) {
        bytes = 0
        last = now
        hasNews = false
    }
}

/// A snapshot as it lies on disk.
package struct SnapshotDescription: Hashable, Sendable {
    /// It holds everything below.
    package var end: Offset
    package var byteCount: Int
    /// Of the last record that it holds.
    package var timestamp: Timestamp

    package init(end: Offset, byteCount: Int, timestamp: Timestamp) {
        self.end = end
        self.byteCount = byteCount
        self.timestamp = timestamp
    }
}

/// How much of the metadata log is kept.
package struct SnapshotRetention: Sendable {
    /// Nil: no limit.
    package var bytesMax: Int?
    /// Nil: no limit.
    package var ageMax: Duration?

    package init(bytesMax: Int?, ageMax: Duration?) {
        self.bytesMax = bytesMax
        self.ageMax = ageMax
    }

    /// Where the log should begin: from the oldest on, a snapshot goes, and with it the log below the next one, while
    /// all together are too large or it is too old. The newest stays. `snapshots` and `segments` ascend.
    package func start(
        _ snapshots: [SnapshotDescription], _ segments: [(base: Offset, size: Int)], start: Offset, now: Timestamp
    ) -> Offset {
        var start = start
        var total = snapshots.reduce(0) { $0 + $1.byteCount }
        for (oldest, next) in zip(snapshots, snapshots.dropFirst()) {
            let isTooLarge = bytesMax.map { total + logSize(segments, from: start) > $0 } ?? false
            let age = Duration.milliseconds(now.milliseconds - oldest.timestamp.milliseconds)
            guard isTooLarge || (ageMax.map { age > $0 } ?? false) else { break }
            start = max(start, next.end)
            total -= oldest.byteCount
        }
        return start
    }

    /// Bytes of the segments that do not lie wholly below `start`.
    private func logSize(_ segments: [(base: Offset, size: Int)], from start: Offset) -> Int {
        segments.indices.reduce(0) { sum, index in
            let isNeedless = index + 1 < segments.count && segments[index + 1].base <= start
            return isNeedless ? sum : sum + segments[index].size
        }
    }
}
