import Basics
import Log
import Records
import Testing

@Suite struct LogTailTests {
    private func header(_ offset: Int64, count: Int, maxTimestamp: Int64 = 0, value: Int = 10) throws -> BatchHeader {
        var batch = try makeBatch(
            Array(repeating: String(repeating: "v", count: value), count: count), timestamp: maxTimestamp)
        batch.place(at: Offset(offset), epoch: LeaderEpoch(0))
        return batch.header
    }

    @Test func `a segment ends before it would exceed its size`() throws {
        var configuration = LogConfiguration()
        let one = try header(0, count: 1)
        configuration.segmentBytes = one.byteCount * 2
        var tail = LogTail(at: .zero)
        #expect(!tail.admit(one, configuration).rolls)
        #expect(!tail.admit(try header(1, count: 1), configuration).rolls)
        #expect(tail.admit(try header(2, count: 1), configuration).rolls)
        #expect(tail.segmentBase == Offset(2))
        #expect(tail.segmentSize == one.byteCount)
    }

    @Test func `a segment ends by the time that its records span, not by the clock`() throws {
        var configuration = LogConfiguration()
        configuration.segmentAge = .milliseconds(1000)
        var tail = LogTail(at: .zero)
        #expect(!tail.admit(try header(0, count: 1, maxTimestamp: 5_000), configuration).rolls)
        #expect(!tail.admit(try header(1, count: 1, maxTimestamp: 6_000), configuration).rolls)
        #expect(tail.admit(try header(2, count: 1, maxTimestamp: 6_001), configuration).rolls)
    }

    @Test func `a segment whose records have no timestamps ends by the clock`() throws {
        var configuration = LogConfiguration()
        configuration.segmentAge = .milliseconds(1000)
        var tail = LogTail(at: .zero)
        func rolls(_ offset: Int64, at milliseconds: Int64) throws -> Bool {
            let header = try header(offset, count: 1, maxTimestamp: -1)
            return tail.admit(header, configuration, at: Instant(nanoseconds: milliseconds * 1_000_000)).rolls
        }
        #expect(try !rolls(0, at: 5_000))
        #expect(try !rolls(1, at: 6_000))
        #expect(try rolls(2, at: 6_001))
        #expect(try !rolls(3, at: 7_001))
        #expect(try rolls(4, at: 7_002))
    }

    @Test func `a segment ends when its index is full or a relative offset would not fit`() throws {
        var configuration = LogConfiguration()
        configuration.indexIntervalBytes = 0
        configuration.segmentIndexBytes = 6 * OffsetIndex.entrySize
        var tail = LogTail(at: .zero)
        var rolls: [Bool] = []
        for offset in 0..<9 {
            rolls.append(tail.admit(try header(Int64(offset), count: 1), configuration).rolls)
        }
        #expect(rolls == Array(repeating: false, count: 7) + [true, false])
        var far = LogTail(at: .zero)
        _ = far.admit(try header(0, count: 1), LogConfiguration())
        #expect(far.admit(try header(Int64(Int32.max) + 1, count: 1), LogConfiguration()).rolls)
    }

    @Test func `an index entry comes before the batch that begins more than the interval behind the last one`() throws {
        var configuration = LogConfiguration()
        let size = try header(0, count: 1).byteCount
        configuration.indexIntervalBytes = 2 * size
        var tail = LogTail(at: .zero)
        var entries: [OffsetIndex.Entry] = []
        for offset in 0..<9 {
            let admission = tail.admit(
                try header(Int64(offset), count: 1, maxTimestamp: Int64(offset)), configuration)
            if let entry = admission.offsetEntry { entries.append(entry) }
        }
        #expect(entries.map(\.relativeOffset) == [3, 6])
        #expect(entries.map(\.position) == [Int32(3 * size), Int32(6 * size)])
    }
}
