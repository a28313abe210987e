// A log that goes on in another folder with a copy of itself.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Records
import Synchronization
import Testing

@Suite struct LogMoveTests {
    /// Small segments, so that a copy has several.
    private static var settings: LogConfiguration {
        var settings = LogConfiguration()
        settings.segmentBytes = 400
        settings.indexIntervalBytes = 64
        return settings
    }

    /// Copies what `copy` lacks of `log`, in steps of about `countMax` bytes.
    private static func copy(_ log: PartitionLog, to copy: PartitionLog, countMax: Int = 150) throws {
        while true {
            let batches = try log.batches(from: copy.endOffset, countMax: countMax)
            guard !batches.isEmpty else { return }
            var plan = copy.planReplicated(batches, at: Instant(nanoseconds: 0))
            try copy.write(&plan)
            copy.publish(plan)
        }
    }

    private static func numbers(_ range: Range<Int>) -> [String] { range.map { "value \($0)" } }

    @Test func `reads and appends go on where the copy is, and a restart finds the same there`() throws {
        let folder = Folder()
        let log = try openLog(folder.path + "/a", Self.settings).log
        for start in stride(from: 0, to: 60, by: 3) { _ = try log.append([makeBatch(Self.numbers(start..<start + 3))], epoch: 2) }
        let (from, to) = (folder.path + "/b-future", folder.path + "/b")
        let copy = try openLog(from, Self.settings).log
        try Self.copy(log, to: copy)
        #expect(copy.view.segments.count > 2 && copy.endOffset == log.endOffset)
        let reader = log.view
        try copy.close()
        try log.move { () throws(StorageError) in
            try? FileManager.default.moveItem(atPath: folder.path + "/a", toPath: folder.path + "/a-delete")
            try? FileManager.default.moveItem(atPath: from, toPath: to)
            return try Self.open(to)
        }
        #expect(log.directory == to && log.recoveryPoint.load(ordering: .relaxed) == 60)
        #expect(try readAll(log) == Self.numbers(0..<60))
        // Whoever read the former files has them open.
        for segment in reader.segments { #expect(try segment.file().size() > 0) }
        for start in stride(from: 60, to: 90, by: 3) { _ = try log.append([makeBatch(Self.numbers(start..<start + 3))], epoch: 3) }
        #expect(try readAll(log) == Self.numbers(0..<90))
        #expect(log.epochs.entries.map(\.start) == [Offset(0), Offset(60)])
        try log.close()
        let next = try openLog(to, Self.settings)
        #expect(try readAll(next.log) == Self.numbers(0..<90) && next.recovery.truncatedBytes == 0)
        #expect(next.log.epochs == log.epochs)
    }

    private static func open(_ directory: String) throws(StorageError) -> PartitionLog {
        do {
            return try openLog(directory, settings).log
        } catch let error as StorageError {
            throw error
        } catch {
            throw .malformed(path: directory, reason: "\(error)")
        }
    }

    @Test func `what is known of producers and of deletions stays, and compaction begins anew`() throws {
        let folder = Folder()
        let log = try openLog(folder.path + "/a", Self.settings).log
        for sequence in Int32(0)..<30 { _ = try log.append([makeBatch(["v"], producer: (7, 0, sequence))]) }
        let copy = try openLog(folder.path + "/b", Self.settings).log
        try Self.copy(log, to: copy)
        try copy.close()
        log.compaction.cleaned = Offset(10)
        log.pauseCompaction(true)
        log.advanceStart(to: Offset(12))
        try log.move { () throws(StorageError) in try Self.open(folder.path + "/b") }
        #expect(log.startOffset == Offset(12) && log.compaction.cleaned == nil && !log.compaction.isPaused)
        guard case .duplicate = try log.append([makeBatch(["v"], producer: (7, 0, 29))])[0].verdict else {
            Issue.record("the batch was not known any more")
            return
        }
        guard case .append = try log.append([makeBatch(["v"], producer: (7, 0, 30))])[0].verdict else {
            Issue.record("the next batch was refused")
            return
        }
    }

    @Test func `a move that fails leaves the log as it was, and one that is on its way out is not moved`() throws {
        let folder = Folder()
        let log = try openLog(folder.path + "/a", Self.settings).log
        _ = try log.append([makeBatch(Self.numbers(0..<5))])
        let failure = StorageError.malformed(path: "copy", reason: "is none")
        #expect(throws: failure) { try log.move { () throws(StorageError) in throw failure } }
        _ = try log.append([makeBatch(Self.numbers(5..<9))])
        #expect(try readAll(log) == Self.numbers(0..<9) && log.directory == folder.path + "/a")
        log.endMaintenance()
        #expect(throws: StorageError.closed) {
            try log.move { () throws(StorageError) in
                Issue.record("it was moved")
                throw failure
            }
        }
    }

    @Test func `pieces of a log are whole batches, from any offset on`() throws {
        let folder = Folder()
        let log = try openLog(folder.path + "/a", Self.settings).log
        for start in stride(from: 0, to: 60, by: 3) { _ = try log.append([makeBatch(Self.numbers(start..<start + 3))]) }
        for offset in Int64(0)..<60 {
            let first = try #require(try log.batches(from: Offset(offset), countMax: 1).first)
            #expect(first.header.baseOffset <= Offset(offset) && first.header.lastOffset >= Offset(offset))
        }
        #expect(try log.batches(from: Offset(60), countMax: 1000).isEmpty)
    }
}
