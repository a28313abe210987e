// When a snapshot is due, and what goes when there is a newer one.

import Basics
import Raft
import Testing

@Suite struct SnapshotScheduleTests {
    private static func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func `bytes since the last snapshot make one due, but only when something is committed`() {
        var schedule = SnapshotSchedule(bytesMax: 100, intervalMax: nil, bytes: 40, now: Self.at(0))
        schedule.appended(60)
        #expect(!schedule.isDue(at: Self.at(0)))
        schedule.committed()
        #expect(schedule.isDue(at: Self.at(0)))
        schedule.began(at: Self.at(0))
        schedule.appended(99)
        schedule.committed()
        #expect(!schedule.isDue(at: Self.at(1_000_000)) && schedule.dueAt == nil)
    }

    @Test func `time makes one due if anything was committed since the last`() {
        var schedule = SnapshotSchedule(bytesMax: 100, intervalMax: .seconds(10), bytes: 0, now: Self.at(5))
        #expect(schedule.dueAt == nil && !schedule.isDue(at: Self.at(100)))
        schedule.committed()
        #expect(schedule.dueAt == Self.at(15))
        #expect(!schedule.isDue(at: Self.at(14)) && schedule.isDue(at: Self.at(15)))
        schedule.began(at: Self.at(15))
        #expect(schedule.dueAt == nil && !schedule.isDue(at: Self.at(100)))
    }

    private static let snapshots = [(0, 0), (10, 1000), (20, 2000), (30, 3000)].map {
        SnapshotDescription(end: Offset($0), byteCount: 10, timestamp: Timestamp(milliseconds: $1))
    }
    private static let segments = [
        (base: Offset(0), size: 100), (base: Offset(10), size: 100), (base: Offset(25), size: 50),
    ]

    private func start(bytes: Int?, age: Duration?, now: Int64 = 3000) -> Offset {
        SnapshotRetention(bytesMax: bytes, ageMax: age).start(
            Self.snapshots, Self.segments, start: .zero, now: Timestamp(milliseconds: now))
    }

    @Test func `the oldest snapshots go until log and snapshots are small enough, but never the newest`() {
        #expect(start(bytes: nil, age: nil) == .zero)
        #expect(start(bytes: 290, age: nil) == .zero)
        #expect(start(bytes: 289, age: nil) == Offset(10))
        // The segment from 10 on reaches beyond 20: it goes with the next snapshot.
        #expect(start(bytes: 175, age: nil) == Offset(20))
        #expect(start(bytes: 0, age: nil) == Offset(30))
    }

    @Test func `snapshots that are too old go, but never the newest`() {
        #expect(start(bytes: nil, age: .milliseconds(1500)) == Offset(20))
        #expect(start(bytes: nil, age: .milliseconds(1), now: 100_000) == Offset(30))
    }
}
