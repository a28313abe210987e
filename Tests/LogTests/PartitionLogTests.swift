import Basics
import Environment
import Foundation
import Log
import Reactor
import Records
import Synchronization
import Testing

@Suite struct PartitionLogTests {
    @Test func `what was appended is read, across segments, restarts and any limits`() throws {
        var random = SeededRandom(seed: 5)
        for round in 0..<30 {
            let folder = Folder()
            var configuration = LogConfiguration()
            configuration.segmentBytes = Int.random(in: 200...2000, using: &random)
            configuration.indexIntervalBytes = Int.random(in: 0...500, using: &random)
            var log = try openLog(folder.path, configuration).log
            var model: [String] = []
            for _ in 0..<40 {
                let batches = try (0..<Int.random(in: 1...3, using: &random)).map { _ in
                    let values = (0..<Int.random(in: 1...4, using: &random)).map { "r\(round)-\(model.count + $0)" }
                    model += values
                    return try makeBatch(values, timestamp: Int64(model.count))
                }
                _ = try log.append(batches)
                guard Int.random(in: 0..<8, using: &random) == 0 else { continue }
                let isClean = Bool.random(using: &random)
                if isClean { try log.close() }
                log = try openLog(folder.path, configuration, isClean: isClean).log
                #expect(log.endOffset == Offset(Int64(model.count)))
            }
            #expect(try readAll(log, countMax: Int.random(in: 1...900, using: &random)) == model)
            let middle = Int.random(in: 0..<model.count, using: &random)
            #expect(try readAll(log, from: Offset(Int64(middle))) == Array(model[middle...]))
            let time = try #require(try log.firstOffset(atOrAfter: Timestamp(milliseconds: 10), limit: log.endOffset))
            #expect(time.timestamp >= Timestamp(milliseconds: 10))
        }
    }

    @Test func `what stands in one file is one segment, however far apart its times are`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentAge = .milliseconds(Int64.max)
        let log = try openLog(folder.path, configuration).log
        _ = try log.append([try makeBatch(["a"], timestamp: 0)])
        var later = try makeBatch(["b"], timestamp: Int64.max)
        later.place(at: Offset(1), epoch: LeaderEpoch(0))
        // No log of ours would put it there: a file that came from elsewhere may.
        let file = try log.view.active.file()
        try file.write([later.bytes], at: try file.size())
        let opened = try openLog(folder.path, isClean: false).log
        #expect(try opened.view.segments.count == 1 && readAll(opened) == ["a", "b"])
    }

    @Test func `an offset that cannot be is the end of what can be read, not of the process`() throws {
        for base in [Int64.max, .max - 1, .min, -1] {
            let folder = Folder()
            let log = try openLog(folder.path).log
            _ = try log.append([try makeBatch(["a"])])
            var later = try makeBatch(["b", "c"])
            // Not covered by the checksum.
            later.place(at: Offset(base), epoch: LeaderEpoch(0))
            let file = try log.view.active.file()
            try file.write([later.bytes], at: try file.size())
            let opened = try openLog(folder.path, isClean: false)
            #expect(opened.recovery.fault == .badOffset(Offset(base)))
            #expect(try readAll(opened.log) == ["a"])
            #expect(throws: RecordError.impossibleOffset(Offset(base))) { try later.plainRecords() }
        }
    }

    @Test func `an identity with line ends of another system is the same`() throws {
        let folder = Folder()
        let identity = MetaProperties(clusterId: "c", nodeId: NodeId(1), directoryId: Uuid(high: 1, low: 2))
        try identity.write(to: folder.path, RealFileSystem())
        let path = folder.path + "/" + MetaProperties.fileName
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for end in ["\r\n", "\r"] {
            try text.replacing("\n", with: end).write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try MetaProperties(reading: folder.path, RealFileSystem()) == identity)
        }
    }

    @Test func `a torn end is cut, whatever byte it tears at`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeBatch(["a", "b"])])
        let whole = try log.view.active.file().size()
        _ = try log.append([try makeBatch(["c"])])
        let size = try log.view.active.file().size()
        let path = try log.view.active.file().path
        let content = try Data(contentsOf: URL(fileURLWithPath: path))
        for cut in whole..<size {
            try content.prefix(cut).write(to: URL(fileURLWithPath: path))
            let opened = try openLog(folder.path, isClean: false)
            #expect(opened.log.endOffset == Offset(2))
            #expect(opened.recovery.truncatedBytes == cut - whole)
            #expect(try readAll(opened.log) == ["a", "b"])
        }
        var damaged = content
        damaged[size - 3] ^= 0x10
        try damaged.write(to: URL(fileURLWithPath: path))
        let opened = try openLog(folder.path, isClean: false)
        #expect(opened.recovery.fault == .badChecksum)
        #expect(opened.log.endOffset == Offset(2))
    }

    @Test func `what is cut off the end is kept beside the log`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeBatch(["a", "b"])])
        let whole = try log.view.active.file().size()
        _ = try log.append([try makeBatch(["c"])])
        _ = try log.append([try makeBatch(["d"])])
        let path = try log.view.active.file().path
        var content = try Data(contentsOf: URL(fileURLWithPath: path))
        content[whole + 30] ^= 0x10
        for number in 1...2 {
            try content.write(to: URL(fileURLWithPath: path))
            let opened = try openLog(folder.path, isClean: false)
            #expect(opened.log.endOffset == Offset(2))
            let kept = number == 1 ? "\(path).\(whole).damaged" : "\(path).\(whole)-\(number).damaged"
            #expect(opened.recovery.kept == [kept])
            #expect(try Data(contentsOf: URL(fileURLWithPath: kept)) == content.dropFirst(whole))
        }
    }

    @Test func `segments behind a tear are kept beside the log`() throws {
        let folder = Folder()
        var small = LogConfiguration()
        small.segmentBytes = 100
        let log = try openLog(folder.path, small).log
        for text in ["a", "b", "c"] { _ = try log.append([try makeBatch([text])]) }
        let paths = try log.view.segments.map { try $0.file().path }
        #expect(paths.count == 3)
        let contents = try paths.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
        try contents[1].dropLast(2).write(to: URL(fileURLWithPath: paths[1]))
        let opened = try openLog(folder.path, small, isClean: false)
        #expect(opened.log.endOffset == Offset(1))
        #expect(opened.recovery.kept.sorted() == ["\(paths[1]).0.damaged", "\(paths[2]).0.damaged"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(paths[2]).0.damaged")) == contents[2])
        #expect(opened.recovery.truncatedBytes == contents[1].count - 2 + contents[2].count)
    }

    @Test func `a bad batch below the recovery point is corruption and never the end`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeBatch(["a"])])
        _ = try log.append([try makeBatch(["b"])])
        let path = try log.view.active.file().path
        var content = try Data(contentsOf: URL(fileURLWithPath: path))
        content[65] ^= 1
        try content.write(to: URL(fileURLWithPath: path))
        #expect(throws: StorageError.self) {
            try openLog(folder.path, isClean: false, recoveryPoint: Offset(2))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == content.count)
    }

    @Test func `a duplicate is recognised, also after a restart, and a gap refused`() throws {
        let folder = Folder()
        var log = try openLog(folder.path).log
        let first = try makeBatch(["a", "b"], producer: (7, 0, 0))
        let second = try makeBatch(["c"], producer: (7, 0, 2))
        let gap = try makeBatch(["x"], producer: (7, 0, 9))
        _ = try log.append([first, second])
        for isClean in [true, false] {
            if isClean { try log.close() }
            log = try openLog(folder.path, isClean: isClean).log
            let again = try makeBatch(["c"], producer: (7, 0, 2))
            let outcomes = try log.append([again, gap, try makeBatch(["y"], producer: (7, -1, 0))])
            #expect(outcomes[0].baseOffset == Offset(2))
            guard case .duplicate = outcomes[0].verdict else {
                Issue.record("\(outcomes[0])")
                continue
            }
            #expect(outcomes[1].verdict == .outOfOrder)
            #expect(outcomes[2].verdict == .fencedEpoch)
            #expect(log.endOffset == Offset(3))
        }
    }

    @Test func `a failed write is cut back, and its producers are as before`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeBatch(["a"], producer: (1, 0, 0))])
        var plan = log.plan(
            [try makeBatch(["b"], producer: (1, 0, 1))], epoch: LeaderEpoch(0), at: Instant(nanoseconds: 0))
        try log.write(&plan)
        log.abandon(plan)
        #expect(try log.view.active.file().size() == log.view.activeSize)
        let outcomes = try log.append([try makeBatch(["b"], producer: (1, 0, 1))])
        #expect(outcomes.map(\.verdict) == [.append])
        #expect(outcomes.map(\.baseOffset) == [Offset(1)])
        #expect(try readAll(log) == ["a", "b"])
    }

    @Test func `the greatest timestamp and the first record at a time are found`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 300
        configuration.indexIntervalBytes = 0
        let log = try openLog(folder.path, configuration).log
        for time in [10, 50, 30, 90, 20, 90, 60] {
            _ = try log.append([try makeBatch(["t\(time)"], timestamp: Int64(time))])
        }
        let end = log.endOffset
        #expect(try log.maxTimestamp(limit: end)?.offset == Offset(3))
        #expect(try log.firstOffset(atOrAfter: Timestamp(milliseconds: 40), limit: end)?.offset == Offset(1))
        #expect(try log.firstOffset(atOrAfter: Timestamp(milliseconds: 60), limit: end)?.offset == Offset(3))
        #expect(try log.firstOffset(atOrAfter: Timestamp(milliseconds: 91), limit: end) == nil)
    }

    @Test func `a scan stays in its segment, whatever the index limits are by now`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        let values = (0..<50).map { "v\($0)" }
        for value in values { _ = try log.append([try makeBatch([value], timestamp: Int64(value.count))]) }
        var narrow = LogConfiguration()
        narrow.indexIntervalBytes = 0
        narrow.segmentIndexBytes = 2 * OffsetIndex.entrySize
        let opened = try openLog(folder.path, narrow, isClean: false).log
        #expect(try readAll(opened) == values)
        _ = try opened.append([try makeBatch(["more"])])
        #expect(try readAll(opened) == values + ["more"])
    }

    @Test func `a segment is sealed as it was planned, though the settings change meanwhile`() throws {
        let folder = Folder()
        var configuration = LogConfiguration()
        configuration.segmentBytes = 500
        let log = try openLog(folder.path, configuration).log
        let values = (0..<12).map { "v\($0)" }
        var plan = log.plan(
            try values.map { try makeBatch([$0]) }, epoch: LeaderEpoch(0), at: Instant(nanoseconds: 0))
        try log.write(&plan)
        configuration.segmentBytes = 100
        log.configuration = configuration
        log.publish(plan)
        #expect(try readAll(log) == values)
        log.configuration = LogConfiguration()
        #expect(try readAll(try openLog(folder.path, isClean: false).log) == values)
    }
}

@Suite struct TruncationTests {
    @Test func `a cut log is as if what is gone had never been appended`() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<40 {
            var configuration = LogConfiguration()
            configuration.segmentBytes = Int.random(in: 150...900, using: &random)
            configuration.indexIntervalBytes = Int.random(in: 0...200, using: &random)
            let folders = (cut: Folder(), short: Folder())
            let log = try openLog(folders.cut.path, configuration).log
            var batches: [[String]] = []
            for number in 0..<30 {
                batches.append((0..<Int.random(in: 1...3, using: &random)).map { "v\(number)-\($0)" })
                _ = try log.append([try batch(number, batches)], epoch: Int32(number / 7))
                if Int.random(in: 0..<6, using: &random) == 0 { try log.sync() }
            }
            let kept = Int.random(in: 0..<30, using: &random)
            let end = Int64(batches[..<kept].reduce(0) { $0 + $1.count })
            let inside = Int64.random(in: 0..<Int64(batches[kept].count), using: &random)
            #expect(try log.truncate(to: Offset(end + inside)) == Offset(end))
            let short = try openLog(folders.short.path, configuration).log
            for number in 0..<kept {
                _ = try short.append([try batch(number, batches)], epoch: Int32(number / 7))
            }
            #expect(try readAll(log) == batches[..<kept].flatMap(\.self))
            #expect(log.epochs == short.epochs)
            #expect(log.producers.producers[7]?.batches.last == short.producers.producers[7]?.batches.last)
            // A segment that is cut at its first batch stays, empty.
            let bases = log.view.segments.map(\.base).filter { $0 < Offset(end) || end == 0 }
            #expect(bases == short.view.segments.map(\.base))
            #expect(log.recoveryPoint.load(ordering: .relaxed) <= end)
            let next = try log.append([try makeBatch(["next"], producer: (7, 0, sequence(of: kept, batches)))])
            #expect(next.map(\.baseOffset) == [Offset(end)])
            let again = try openLog(folders.cut.path, configuration, isClean: false).log
            #expect(try readAll(again) == batches[..<kept].flatMap(\.self) + ["next"])
        }
    }

    private func batch(_ number: Int, _ batches: [[String]]) throws -> RecordBatch {
        try makeBatch(batches[number], producer: (7, 0, sequence(of: number, batches)))
    }

    private func sequence(of number: Int, _ batches: [[String]]) -> Int32 {
        Int32(batches[..<number].reduce(0) { $0 + $1.count })
    }

    @Test func `an aborted transaction that is cut off is forgotten, an open one is open again`() throws {
        let folder = Folder()
        let log = try openLog(folder.path).log
        _ = try log.append([try makeTransactional(["a"], (1, 0, 0)), try makeTransactional(["b"], (2, 0, 0))])
        _ = try log.append([try makeMarker((1, 0), isCommit: false), try makeMarker((2, 0), isCommit: true)])
        #expect(try log.truncate(to: Offset(3)) == Offset(3))
        #expect(try log.abortedTransactions(in: Offset(0)..<Offset(3)).map(\.producerId) == [1])
        #expect(log.producers.producers[2]?.transactionStart == Offset(1))
        #expect(try log.truncate(to: Offset(2)) == Offset(2))
        #expect(try log.abortedTransactions(in: Offset(0)..<Offset(2)).isEmpty)
        #expect(log.firstUnstableOffset == Offset(0))
    }
}
