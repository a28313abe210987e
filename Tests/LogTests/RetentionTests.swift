import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Testing

@Suite struct RetentionTests {
    /// How many of `segments` go.
    private func released(
        _ segments: [SegmentFacts], now: Int64, highWatermark: Int64 = .max, start: Int64 = 0,
        _ change: (inout LogConfiguration) -> Void
    ) -> Int {
        var configuration = LogConfiguration()
        configuration.retentionMilliseconds = -1
        change(&configuration)
        var retention = Retention(
            configuration, now: Timestamp(milliseconds: now), highWatermark: Offset(highWatermark),
            startOffset: Offset(start), size: segments.reduce(0) { $0 + $1.size })
        return segments.prefix { retention.releases($0) }.count
    }

    /// Segments of ten records and 100 bytes with the timestamps given, the last of them active.
    private func segments(_ timestamps: Int64...) -> [SegmentFacts] {
        timestamps.enumerated().map { index, timestamp in
            SegmentFacts(
                base: Offset(Int64(index * 10)), end: Offset(Int64(index * 10 + 10)), size: 100,
                largestTimestamp: Timestamp(milliseconds: timestamp), isActive: index == timestamps.count - 1)
        }
    }

    @Test func `segments go by the age of their newest record, oldest first, and none behind one that stays`() {
        #expect(released(segments(10, 20, 30), now: 130) { $0.retentionMilliseconds = 100 } == 2)
        #expect(released(segments(10, 40, 20), now: 130) { $0.retentionMilliseconds = 100 } == 1)
        #expect(released(segments(10, 20, 30), now: 110) { $0.retentionMilliseconds = 100 } == 0)
        #expect(released(segments(10, 20, 30), now: 131) { $0.retentionMilliseconds = 100 } == 3)
    }

    @Test func `records of the future and of no possible time are kept`() {
        #expect(released(segments(500, 20), now: 130) { $0.retentionMilliseconds = 100 } == 0)
        #expect(released(segments(.max, 20), now: 130) { $0.retentionMilliseconds = 0 } == 0)
        #expect(released(segments(.min, .max), now: 130) { $0.retentionMilliseconds = .max } == 1)
    }

    @Test func `segments go by size only as long as enough is left`() {
        #expect(released(segments(1, 1, 1, 1), now: 2) { $0.retentionBytes = 250 } == 1)
        #expect(released(segments(1, 1, 1, 1), now: 2) { $0.retentionBytes = 200 } == 2)
        #expect(released(segments(1, 1, 1, 1), now: 2) { $0.retentionBytes = 400 } == 0)
    }

    @Test func `nothing at or behind the high watermark goes`() {
        #expect(released(segments(1, 1, 1), now: 1000, highWatermark: 19) { $0.retentionMilliseconds = 1 } == 1)
        #expect(released(segments(1, 1, 1), now: 1000, highWatermark: 29) { $0.retentionMilliseconds = 1 } == 2)
    }

    @Test func `without the delete policy only what lies below the start goes`() {
        let change: (inout LogConfiguration) -> Void = {
            $0.isDeleted = false
            $0.retentionMilliseconds = 1
            $0.retentionBytes = 1
        }
        #expect(released(segments(1, 1, 1), now: 1000, change) == 0)
        #expect(released(segments(1, 1, 1), now: 1000, start: 15, change) == 1)
        #expect(released(segments(1, 1, 1), now: 1000, start: 30, change) == 2)
    }

    @Test func `an empty active segment stays`() {
        let empty = SegmentFacts(
            base: .zero, end: .zero, size: 0, largestTimestamp: Timestamp(milliseconds: 1), isActive: true)
        #expect(released([empty], now: 1000) { $0.retentionMilliseconds = 1 } == 0)
    }

    @Test func `a wall clock that jumps ahead is believed only after its probation`() {
        var clock = RetentionClock()
        func read(_ wall: Int64, _ seconds: Int64) -> Int64 {
            clock.read(
                wall: Timestamp(milliseconds: wall), monotonic: Instant(nanoseconds: seconds * 1_000_000_000)
            ).milliseconds
        }
        #expect(read(1_000_000, 0) == 1_000_000)
        #expect(read(1_300_000, 300) == 1_300_000)
        #expect(read(1_330_000, 310) == 1_330_000, "a small step is an adjustment")
        #expect(read(99_000_000, 610) == 1_630_000)
        #expect(clock.isDoubted)
        #expect(read(102_000_000, 610 + 3599) == 1_630_000 + 3_599_000)
        #expect(read(102_001_000, 610 + 3600) == 102_001_000)
        #expect(!clock.isDoubted)
        #expect(read(5_000, 5000) == 5_000, "set back: it only delays")
        #expect(read(90_000_000, 5010) == 15_000)
        #expect(read(30_000, 5020) == 30_000, "the jump is over")
    }

    @Test func `removed segments are read to their end by who holds them, and stay away after a restart`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 200
        configuration.indexIntervalBytes = 0
        configuration.retentionMilliseconds = 50
        let log = try openLog(folder.path, configuration).log
        for index in 0..<20 { _ = try log.append([try makeBatch(["v\(index)"], timestamp: Int64(index * 10))]) }
        let before = log.view
        let expiry = try #require(
            try log.expiry(now: Timestamp(milliseconds: 160), highWatermark: log.endOffset))
        #expect(!expiry.includesActive)
        try log.sync()
        log.advanceStart(to: expiry.startOffset)
        let read = try log.read(from: expiry.startOffset, limit: log.endOffset, countMax: 100, wholeFirst: true)
        let paths = try log.removeBelowStart()
        #expect(!paths.isEmpty && paths.allSatisfy { $0.hasSuffix(".deleted") })
        #expect(log.view.segments[0].base == expiry.startOffset)
        #expect(throws: ReadFailure.self) { try log.read(from: .zero, limit: log.endOffset, countMax: 1, wholeFirst: true) }
        #expect(read.count > 0)
        // A reader that looked before still finds its way, by indexes that have other names now.
        let old = before.segments[0]
        #expect(try old.scanStart(for: Offset(1)) > 0)
        #expect(try old.file().read(at: 0, count: old.sealedSize).count == old.sealedSize)
        let again = try openLog(folder.path, configuration, isClean: false, recoveryPoint: log.endOffset).log
        #expect(again.startOffset == expiry.startOffset)
        #expect(try readAll(again, from: again.startOffset) == (expiry.startOffset.rawValue..<20).map { "v\($0)" })
        #expect(paths.allSatisfy { !FileManager.default.fileExists(atPath: $0) })
    }

    @Test func `a log that expired as a whole goes on at its end`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.retentionMilliseconds = 50
        let log = try openLog(folder.path, configuration).log
        _ = try log.append([try makeBatch(["a", "b"], timestamp: 10)])
        let expiry = try #require(try log.expiry(now: Timestamp(milliseconds: 100), highWatermark: Offset(2)))
        #expect(expiry.startOffset == Offset(2) && expiry.includesActive)
        try log.rollActive()
        try log.sync()
        log.advanceStart(to: expiry.startOffset)
        _ = try log.removeBelowStart()
        #expect(log.size == 0)
        #expect(try log.expiry(now: Timestamp(milliseconds: 900), highWatermark: Offset(2)) == nil)
        let again = try openLog(folder.path, configuration, isClean: false).log
        #expect(again.startOffset == Offset(2) && again.endOffset == Offset(2))
        #expect(try again.append([try makeBatch(["c"])])[0].baseOffset == Offset(2))
    }

    @Test func `a torn index of a segment that ends at the recovery point makes nothing look old`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 200
        configuration.retentionMilliseconds = 50
        let log = try openLog(folder.path, configuration).log
        for index in 0..<6 { _ = try log.append([try makeBatch(["v\(index)"], timestamp: 1000 + Int64(index))]) }
        let view = log.view
        let path = view.segments[0].path(.timeIndex)
        try Data(count: 24).write(to: URL(fileURLWithPath: path))
        let again = try openLog(folder.path, configuration, isClean: false, recoveryPoint: view.segments[1].base).log
        #expect(try again.expiry(now: Timestamp(milliseconds: 1030), highWatermark: again.endOffset) == nil)
    }

    @Test func `jitter differs from segment to segment, stays below its bound, and rolls earlier`() throws {
        var configuration = LogConfiguration()
        configuration.segmentAge = .milliseconds(1000)
        configuration.segmentJitter = .milliseconds(900)
        var lengths: Set<Int64> = []
        for start in Int64(0)..<20 {
            var tail = LogTail(at: Offset(start))
            for time in Int64(1)... {
                var builder = RecordBatchBuilder(baseOffset: tail.endOffset)
                builder.append(timestamp: Timestamp(milliseconds: time), key: nil, value: nil)
                let batch = try #require(RecordBatch(try builder.finish()))
                guard !tail.admit(batch.header, configuration).rolls else {
                    lengths.insert(time)
                    break
                }
            }
        }
        #expect(lengths.count > 5)
        #expect(lengths.allSatisfy { (102...1002).contains($0) })
    }
}
