import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Synchronization
import Testing

/// A record of a keyed log as a test remembers it.
private struct Entry: Hashable {
    var offset: Int64
    var key: String
    var value: String?
}

private func keyedBatch(
    _ records: [(key: String, value: String?)], timestamp: Int64, _ type: CompressionType = .none,
    producer: (id: Int64, sequence: Int32)? = nil
) throws -> RecordBatch {
    var builder = RecordBatchBuilder()
    if let producer {
        builder.producerId = producer.id
        builder.producerEpoch = 0
        builder.baseSequence = producer.sequence
    }
    for record in records {
        builder.append(
            timestamp: Timestamp(milliseconds: timestamp), key: ByteSlice(Array(record.key.utf8)),
            value: record.value.map { ByteSlice(Array($0.utf8)) })
    }
    return try #require(RecordBatch(try builder.finish(type)))
}

/// All records from `offset` on, as fetches give them.
private func entries(_ log: PartitionLog, from offset: Int64, countMax: Int) throws -> [Entry] {
    var found: [Entry] = []
    var next = Offset(offset)
    while next < log.endOffset {
        let read = try log.read(from: next, limit: log.endOffset, countMax: countMax, wholeFirst: true)
        let region = try #require(read.region, "nothing from \(next) to \(log.endOffset)")
        let file = try #require(region.source as? any File)
        let before = next
        for batch in RecordBatchSequence(try file.read(at: region.position, count: region.count)) {
            #expect(batch.hasValidChecksum)
            for (at, record) in try batch.plainRecords() where at >= next {
                found.append(
                    Entry(
                        offset: at.rawValue, key: String(decoding: record.key ?? [], as: UTF8.self),
                        value: record.value.map { String(decoding: $0, as: UTF8.self) }))
            }
            next = max(next, batch.header.nextOffset)
        }
        try #require(next > before, "a fetch makes progress")
    }
    return found
}

/// Cleans as much as may be cleaned; answers the offset below which the log is clean, or nil if there was nothing to do.
@discardableResult
private func clean(_ log: PartitionLog, now: Int64, tableBytes: Int = 1 << 20) throws -> Offset? {
    try log.syncSealed()
    let now = Timestamp(milliseconds: now)
    let range = try log.cleanableRange(stable: log.endOffset, now: now)
    guard range.end > range.firstDirty else { return nil }
    let run = try CompactionRun(
        log, range, CompactionRun.Table(bytes: tableBytes, loadFactor: 0.9, seed: (3, 4)), now: now)
    while true {
        let step = try run.step()
        for path in step.removed { try FileManager.default.removeItem(atPath: path) }
        guard let cleaned = step.cleaned else { continue }
        log.compaction.cleaned = cleaned
        return cleaned
    }
}

@Suite struct CompactionTests {
    private func configuration(_ random: inout SeededRandom) -> LogConfiguration {
        var configuration = LogConfiguration()
        configuration.isDeleted = false
        configuration.isCompacted = true
        configuration.segmentBytes = Int.random(in: 300...3000, using: &random)
        configuration.indexIntervalBytes = Int.random(in: 0...400, using: &random)
        configuration.deleteRetentionMilliseconds = 100
        return configuration
    }

    @Test func `the last record of every key stays where it was, whatever is cleaned when`() throws {
        for seed in UInt64(1)...25 {
            var random = SeededRandom(seed: seed)
            let folder = Folder()
            let configuration = configuration(&random)
            var log = try openLog(folder.path, configuration).log
            var history: [Entry] = []
            var now = Int64(10_000)
            for _ in 0..<60 {
                now += Int64.random(in: 0...60, using: &random)
                let records = (0..<Int.random(in: 1...6, using: &random)).map { index in
                    (
                        key: "k\(Int.random(in: 0..<12, using: &random))",
                        value: Int.random(in: 0..<5, using: &random) == 0
                            ? nil : "v\(history.count + index)-" + String(repeating: "x", count: index * 20)
                    )
                }
                for record in records {
                    history.append(Entry(offset: Int64(history.count), key: record.key, value: record.value))
                }
                let type = CompressionType.allCases.randomElement(using: &random) ?? .none
                _ = try log.append([try keyedBatch(records, timestamp: now, type)])
                guard Int.random(in: 0..<6, using: &random) == 0 else { continue }
                let table = [24 * 10, 24 * 20, 1 << 16].randomElement(using: &random) ?? 0
                let activeBase = log.view.active.base.rawValue
                let cleaned = try clean(log, now: now, tableBytes: table)
                try check(log, history, cleaned: log.compaction.cleaned?.rawValue ?? 0)
                if cleaned != nil { #expect(log.compaction.cleaned?.rawValue ?? 0 <= activeBase) }
                guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
                let standing = log.compaction
                let point = Offset(log.recoveryPoint.load(ordering: .acquiring))
                let isClean = Bool.random(using: &random)
                if isClean { try log.close() }
                log = try openLog(folder.path, configuration, isClean: isClean, recoveryPoint: point).log
                log.compaction = standing
                try check(log, history, cleaned: standing.cleaned?.rawValue ?? 0)
            }
        }
    }

    /// Holds the log against all that was ever written to it.
    private func check(_ log: PartitionLog, _ history: [Entry], cleaned: Int64, isPartial: Bool = false) throws {
        #expect(log.endOffset.rawValue == Int64(history.count))
        let found = try entries(log, from: 0, countMax: 700)
        #expect(found.map(\.offset) == found.map(\.offset).sorted())
        #expect(found.allSatisfy { history[Int($0.offset)] == $0 }, "every record is what was written there")
        var last: [String: Entry] = [:]
        for entry in history { last[entry.key] = entry }
        let offsets = Set(found.map(\.offset))
        for entry in last.values.sorted(by: { $0.offset < $1.offset }) where entry.value != nil {
            #expect(offsets.contains(entry.offset), "the last of \(entry.key) at \(entry.offset)")
        }
        #expect(history[Int(cleaned)...].allSatisfy { offsets.contains($0.offset) }, "behind \(cleaned) all stays")
        for entry in found where entry.offset < cleaned && !isPartial {
            let newer = history[..<Int(cleaned)].last { $0.key == entry.key }
            #expect(newer?.offset == entry.offset, "\(entry) is superseded and clean")
        }
        // A read from any offset goes on with the next record that is left.
        for offset in stride(from: Int64(0), to: Int64(history.count), by: 7) {
            #expect(try entries(log, from: offset, countMax: 200) == found.filter { $0.offset >= offset })
        }
    }

    @Test func `a tombstone stays for its time, and then goes`() throws {
        let folder = Folder()
        var random = SeededRandom(seed: 1)
        var configuration = configuration(&random)
        configuration.segmentBytes = 200
        let log = try openLog(folder.path, configuration).log
        _ = try log.append([try keyedBatch([("a", "1"), ("b", "1")], timestamp: 1)])
        _ = try log.append([try keyedBatch([("a", nil)], timestamp: 2)])
        for index in 0..<6 { _ = try log.append([try keyedBatch([("c", "\(index)")], timestamp: 3)]) }
        func first() throws -> [Entry] { try entries(log, from: 0, countMax: 1000).filter { $0.key != "c" } }
        let both = [Entry(offset: 1, key: "b", value: "1"), Entry(offset: 2, key: "a", value: nil)]
        try clean(log, now: 1000)
        #expect(try first() == both)
        for now in [Int64(1099), 1100] {
            for index in 0..<4 { _ = try log.append([try keyedBatch([("c", "\(index)")], timestamp: now)]) }
            try clean(log, now: now)
            #expect(try first() == (now < 1100 ? both : [both[0]]))
        }
    }

    @Test func `a producer's last sequence is known after its records went`() throws {
        let folder = Folder()
        var random = SeededRandom(seed: 1)
        var configuration = configuration(&random)
        configuration.segmentBytes = 150
        var log = try openLog(folder.path, configuration).log
        let sent = try keyedBatch([("a", "1")], timestamp: 1, producer: (7, 0))
        _ = try log.append([sent])
        for index in 0..<5 { _ = try log.append([try keyedBatch([("a", "\(index)")], timestamp: 2)]) }
        try clean(log, now: 10)
        #expect(try entries(log, from: 0, countMax: 1000).allSatisfy { $0.offset > 0 })
        let point = Offset(log.recoveryPoint.load(ordering: .acquiring))
        log = try openLog(folder.path, configuration, isClean: false, recoveryPoint: point).log
        let again = try keyedBatch([("a", "1")], timestamp: 1, producer: (7, 0))
        let outcome = try log.append([again])[0]
        #expect(outcome.baseOffset == .zero)
        if case .duplicate = outcome.verdict { return }
        Issue.record("appended again: \(outcome)")
    }

    @Test func `a reader that looked before a swap reads on in what it saw`() throws {
        let folder = Folder()
        var random = SeededRandom(seed: 1)
        var configuration = configuration(&random)
        configuration.segmentBytes = 400
        configuration.indexIntervalBytes = 0
        let log = try openLog(folder.path, configuration).log
        for index in 0..<30 { _ = try log.append([try keyedBatch([("a", "\(index)")], timestamp: 1)]) }
        let before = log.view
        let sizes = before.segments.map(\.sealedSize)
        try clean(log, now: 10)
        #expect(log.size < sizes.reduce(0, +) && log.view.segments[0] !== before.segments[0])
        for (index, segment) in before.segments.dropLast().enumerated() {
            #expect(segment.sealedSize == sizes[index])
            #expect(try segment.file().read(at: 0, count: sizes[index]).count == sizes[index])
            #expect(try segment.scanStart(for: segment.base + 2) > 0)
        }
    }

    @Test func `a cleaning that ends at any of its steps leaves a log that opens whole`() throws {
        var random = SeededRandom(seed: 3)
        var configuration = configuration(&random)
        configuration.indexIntervalBytes = 100
        var left = 0
        var isDone = false
        while !isDone {
            let folder = Folder()
            let files = CuttingFileSystem()
            var loader = LogLoader(
                partition: TopicPartition("t", 0), directory: folder.path, fileSystem: files,
                configuration: configuration, isClean: true, recoveryPoint: .zero)
            configuration.segmentBytes = 400
            let log = try loader.load()
            log.configuration = configuration
            var history: [Entry] = []
            for index in 0..<30 {
                history.append(Entry(offset: Int64(index), key: "k\(index % 4)", value: "\(index)"))
                _ = try log.append([try keyedBatch([("k\(index % 4)", "\(index)")], timestamp: 1)])
            }
            try log.sync()
            // Several old segments become one.
            configuration.segmentBytes = 1000
            log.configuration = configuration
            let activeBase = log.view.active.base.rawValue
            files.cut(after: left)
            do throws(Error) {
                try clean(log, now: 10)
                isDone = true
            } catch {
                #expect(try entries(log, from: 0, countMax: 500).map(\.offset).suffix(4) == [26, 27, 28, 29])
            }
            let again = try openLog(folder.path, configuration, isClean: false, recoveryPoint: Offset(30)).log
            try check(again, history, cleaned: activeBase, isPartial: !isDone)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(names.allSatisfy { !$0.hasSuffix(".cleaned") && !$0.hasSuffix(".swap") })
            left += 1
        }
        #expect(left > 40, "the cleaning has as many steps")
    }

    @Test func `a bad batch ends the cleaning and not the log`() throws {
        let folder = Folder()
        var random = SeededRandom(seed: 1)
        var configuration = configuration(&random)
        configuration.segmentBytes = 400
        let log = try openLog(folder.path, configuration).log
        for index in 0..<30 { _ = try log.append([try keyedBatch([("a", "\(index)")], timestamp: 1)]) }
        let path = log.view.segments[1].path(.log)
        var content = try Data(contentsOf: URL(fileURLWithPath: path))
        content[70] ^= 1
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.write(contentsOf: content)
        try handle.close()
        try log.syncSealed()
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        let bases = log.view.segments.map(\.base)
        #expect(throws: StorageError.self) { try clean(log, now: 10) }
        #expect(log.view.segments.map(\.base) == bases && log.endOffset == Offset(30))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == names)
    }

    @Test func `segments that retention took meanwhile do not come back`() throws {
        let folder = Folder()
        var random = SeededRandom(seed: 1)
        var configuration = configuration(&random)
        configuration.segmentBytes = 400
        let log = try openLog(folder.path, configuration).log
        for index in 0..<30 { _ = try log.append([try keyedBatch([("k\(index % 4)", "\(index)")], timestamp: 1)]) }
        try log.sync()
        let range = try log.cleanableRange(stable: log.endOffset, now: Timestamp(milliseconds: 10))
        let run = try CompactionRun(
            log, range, CompactionRun.Table(bytes: 1 << 16, loadFactor: 0.9, seed: (1, 2)),
            now: Timestamp(milliseconds: 10))
        log.advanceStart(to: log.view.segments[2].base)
        _ = try log.removeBelowStart()
        let bases = log.view.segments.map(\.base)
        #expect(throws: StorageError.closed) { try run.step() }
        run.giveUp()
        #expect(log.view.segments.map(\.base) == bases)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.hasSuffix(".cleaned") })
    }
}
