// Each kind of damage to a data folder: found with its place, repaired in either way, and opened again.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Testing

@Suite struct LogRepairTests {
    private let folder = Folder()
    private let files = RealFileSystem()
    private let partition = TopicPartition("t", 0)
    private var directory: String { folder.path + "/t-0" }

    private func configuration() -> LogConfiguration {
        var configuration = LogConfiguration()
        configuration.segmentBytes = 6_000
        configuration.indexIntervalBytes = 1_000
        return configuration
    }

    /// 40 records in as many batches and several segments, some of a producer, with everything that an orderly stop leaves.
    private func write() throws -> PartitionLog {
        let log = try openLog(directory, configuration()).log
        log.beginEpoch(LeaderEpoch(0))
        for index in 0..<40 {
            let value = "\(index) " + String(repeating: "v", count: 300)
            let batch = try makeBatch([value], timestamp: Int64(index + 1), producer: (id: 5, epoch: 0, sequence: Int32(index)))
            _ = try log.append([batch])
        }
        try log.close()
        let logs = try LogFolder(folder.path, files)
        var checkpoints = LogFolder.Checkpoints()
        checkpoints.recoveryPoints[partition] = log.endOffset
        checkpoints.highWatermarks[partition] = log.endOffset
        try logs.write { checkpoints }
        try logs.endRun(brokerEpoch: 1)
        return log
    }

    private func check() throws -> LogReport {
        try FolderCheck(folder.path, files, isOnline: false).check(partition)
    }

    private func flip(_ path: String, _ position: Int) throws {
        let file = try files.open(path, .update)
        try file.write([ByteSlice([try file.read(at: position, count: 1)[0] ^ 1])], at: position)
    }

    @discardableResult
    private func repair(_ mode: LogRepair.Mode?, _ fileSystem: any FileSystem = RealFileSystem()) throws -> Offset {
        try LogRepair.finishInterrupted(directory, fileSystem)
        let checked = try FolderCheck(folder.path, fileSystem, isOnline: false)
        let report = try checked.check(partition)
        var repair = LogRepair(directory, fileSystem, report, configuration: configuration())
        let isDamaged = report.findings.contains { $0.damage != nil }
        let end = try repair.run(isDamaged ? mode : nil)
        try checked.writeCheckpoints([partition: end])
        return end
    }

    /// The numbers of the records that a reader meets.
    private func numbers(_ log: PartitionLog) throws -> [Int] {
        var found: [Int] = []
        var next = log.startOffset
        while next < log.endOffset {
            let read = try log.read(from: next, limit: log.endOffset, countMax: 2_000, wholeFirst: true)
            let region = try #require(read.region)
            let file = try #require(region.source as? any File)
            for batch in RecordBatchSequence(try file.read(at: region.position, count: region.count)) {
                for (at, record) in try batch.plainRecords() {
                    let text = String(decoding: record.value ?? [], as: UTF8.self)
                    found.append(try #require(Int(text.prefix { $0.isNumber })))
                    #expect(Int64(found[found.count - 1]) == at.rawValue)
                }
                next = batch.header.nextOffset
            }
        }
        return found
    }

    /// The log as a start finds it, after an orderly stop and after a crash.
    private func expectOpens(_ wanted: [Int], end: Offset) throws {
        #expect(try check().findings == [])
        for isClean in [true, false] {
            let points = try LogFolder(folder.path, files).readCheckpoints().recoveryPoints
            let log = try openLog(
                directory, configuration(), isClean: isClean, recoveryPoint: points[partition] ?? .zero).log
            #expect(log.endOffset == end)
            #expect(try numbers(log) == wanted)
        }
    }

    @Test func `a whole folder has no fault`() throws {
        _ = try write()
        let report = try check()
        #expect(report.findings == [])
        #expect(report.records == 40 && report.end == Offset(40))
    }

    @Test(arguments: [0, 1, 7, 20])
    func `a damaged batch is named with what is good behind it, and taken out`(number: Int) throws {
        let log = try write()
        let found = try #require(try log.read(from: Offset(Int64(number)), limit: Offset(40), countMax: 1, wholeFirst: true).region)
        let path = try #require(found.source as? any File).path
        let damaged = try #require(found.source as? any File).read(at: found.position, count: found.count)
        try flip(path, found.position + 80)
        let finding = try #require(try check().findings.first)
        #expect(finding.kind == .damagedBatch && finding.path == path && finding.position == found.position)
        #expect(finding.offset == Offset(Int64(number)) && finding.recordsBehind == 39 - number)
        try repair(.dropDamaged)
        let kept = try files.open("\(path).\(found.position).damaged", .read)
        #expect(try kept.size() == damaged.count)
        try expectOpens((0..<40).filter { $0 != number }, end: Offset(40))
    }

    @Test(arguments: [0, 7, 20])
    func `a damaged log is cut before the damage, and what was cut is kept`(number: Int) throws {
        let log = try write()
        let found = try #require(try log.read(from: Offset(Int64(number)), limit: Offset(40), countMax: 1, wholeFirst: true).region)
        let path = try #require(found.source as? any File).path
        let sizes = log.segmentSizes.reduce(0) { $0 + $1.size }
        try flip(path, found.position + 80)
        #expect(try repair(.truncate) == Offset(Int64(number)))
        let names = try files.entries(directory).map(\.name)
        let saved = try names.filter { $0.hasSuffix(LogRepair.savedSuffix) || $0.hasSuffix(".log") }
            .reduce(0) { $0 + (try files.attributes(directory + "/" + $1)?.size ?? 0) }
        #expect(saved == sizes, "no byte is lost")
        try expectOpens(Array(0..<number), end: Offset(Int64(number)))
        #expect(try LogFolder(folder.path, files).readCheckpoints().highWatermarks[partition] == Offset(Int64(number)))
    }

    @Test(arguments: [SegmentFileKind.offsetIndex, .timeIndex])
    func `a wrong index is named and made anew`(kind: SegmentFileKind) throws {
        let log = try write()
        let path = log.view.segments[1].path(kind)
        let whole = try CheckpointFile.content(path, files)?.array
        try flip(path, 7)
        let finding = try #require(try check().findings.first)
        #expect(finding.path == path && !finding.isLoss)
        try repair(nil)
        #expect(try CheckpointFile.content(path, files)?.array == whole)
        try expectOpens(Array(0..<40), end: Offset(40))
    }

    @Test func `a missing index, a broken snapshot and broken checkpoints are named and made anew`() throws {
        let log = try write()
        try files.remove(log.view.segments[0].path(.timeIndex))
        let snapshot = try #require(try files.entries(directory).map(\.name).last { $0.hasSuffix(".snapshot") })
        try flip(directory + "/" + snapshot, 8)
        let epochs = directory + "/" + LeaderEpochs.fileName
        try files.open(epochs, .replace).write([ByteSlice(Array("0\n7\n".utf8))], at: 0)
        let points = folder.path + "/recovery-point-offset-checkpoint"
        try files.open(points, .replace).write([ByteSlice(Array("0\n1\nt 0".utf8))], at: 0)
        let kinds = try check().findings.map(\.kind)
        #expect(Set(kinds) == [.timeIndex, .producerSnapshot, .leaderEpochs])
        #expect(try FolderCheck(folder.path, files, isOnline: false).findings.map(\.path) == [points])
        try repair(nil)
        #expect(try FolderCheck(folder.path, files, isOnline: false).findings == [])
        try expectOpens(Array(0..<40), end: Offset(40))
        let again = try openLog(directory, configuration()).log
        #expect(again.producers.producers[5]?.batches.last?.lastSequence == 39)
        #expect(again.epochs.entries.map(\.start) == [.zero])
    }

    @Test func `a checkpoint that is ahead of its log is named and set back`() throws {
        _ = try write()
        try CheckpointFile.writeOffsets(
            [partition: Offset(77)], to: "replication-offset-checkpoint", in: folder.path, files)
        let finding = try #require(try check().findings.first)
        #expect(finding.kind == .checkpoint && finding.offset == Offset(77))
        try repair(nil)
        try expectOpens(Array(0..<40), end: Offset(40))
    }

    @Test(arguments: [LogRepair.Mode.dropDamaged, .truncate])
    func `a repair that is cut off anywhere loses no good record, and a second run ends it`(mode: LogRepair.Mode) throws {
        let log = try write()
        let found = try #require(try log.read(from: Offset(20), limit: Offset(40), countMax: 1, wholeFirst: true).region)
        let path = try #require(found.source as? any File).path
        try flip(path, found.position + 80)
        let original = folder.path + "-original"
        defer { try? FileManager.default.removeItem(atPath: original) }
        try FileManager.default.copyItem(atPath: folder.path, toPath: original)
        for count in 0..<200 {
            let cutting = CuttingFileSystem()
            cutting.cut(after: count)
            let isDone = (try? repair(mode, cutting)) != nil
            try repair(mode)
            let wanted = mode == .truncate ? Array(0..<20) : (0..<40).filter { $0 != 20 }
            try expectOpens(wanted, end: Offset(mode == .truncate ? 20 : 40))
            try FileManager.default.removeItem(atPath: folder.path)
            try FileManager.default.copyItem(atPath: original, toPath: folder.path)
            if isDone { return }
        }
        Issue.record("the repair never came to its end")
    }
}
