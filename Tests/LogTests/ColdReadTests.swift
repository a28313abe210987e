// Reads of what is not in memory: never by one who may not wait, and the same answer for one who may.

import Basics
import Bytes
import Environment
import Log
import Records
import Testing

@Suite struct ColdReadTests {
    private let folder = Folder()
    private let files = ColdFileSystem()

    private func open() throws -> PartitionLog {
        try files.createDirectory(folder.path + "/t-0")
        var configuration = LogConfiguration()
        configuration.segmentBytes = 20_000
        configuration.indexIntervalBytes = 1_000
        var loader = LogLoader(
            partition: TopicPartition("t", 0), directory: folder.path + "/t-0", fileSystem: files,
            configuration: configuration, isClean: true, recoveryPoint: .zero)
        return try loader.load()
    }

    /// A log of several segments that was closed in order and opened again, with nothing in memory.
    private func coldLog() throws -> PartitionLog {
        let log = try open()
        for index in 0..<200 {
            _ = try log.append([try makeBatch([String(repeating: "v", count: 300)], timestamp: Int64(index))])
        }
        try log.close()
        let again = try open()
        files.cache.drop()
        return again
    }

    private func isRefused(_ body: () throws -> Void) throws -> Bool {
        do {
            try body()
            return false
        } catch ReadFailure.storage(.file(let error)) where error.kind == .wouldWait {
            return true
        } catch StorageError.file(let error) where error.kind == .wouldWait {
            return true
        }
    }

    @Test(arguments: [0, 57, 130, 199])
    func `a read that would wait is refused without a touch, and answered where it may wait`(offset: Int64) throws {
        let log = try coldLog()
        let read = { (wait: DiskWait) in
            try log.read(from: Offset(offset), limit: log.endOffset, countMax: 2_000, wholeFirst: true, wait)
        }
        #expect(try isRefused { _ = try read(.refused) })
        if offset < 199 { #expect(try isRefused { _ = try read(.refusedAfterAppend) }, "that is not the fresh end") }
        #expect(files.cache.coldReads == 0)
        let found = try read(.allowed)
        #expect(files.cache.coldReads > 0)
        let again = try read(.refused)
        #expect(again.region?.position == found.region?.position && again.count == found.count)
        #expect(again.deliveredEnd == found.deliveredEnd)
    }

    @Test func `a look-up by time that would wait is refused without a touch`() throws {
        let log = try coldLog()
        let ask = { (wait: DiskWait) in
            try log.firstOffset(atOrAfter: Timestamp(milliseconds: 42), limit: log.endOffset, wait)
        }
        #expect(try isRefused { _ = try ask(.refused) })
        #expect(try isRefused { _ = try log.maxTimestamp(limit: Offset(100), .refused) })
        #expect(files.cache.coldReads == 0)
        #expect(try ask(.allowed)?.offset == Offset(42))
        #expect(try ask(.refused)?.offset == Offset(42))
    }

    @Test func `after an append its end is read without asking`() throws {
        let log = try open()
        _ = try log.append([try makeBatch(["a"])])
        files.cache.drop()
        let read = { (wait: DiskWait) in
            try log.read(from: .zero, limit: log.endOffset, countMax: 2_000, wholeFirst: true, wait)
        }
        #expect(try isRefused { _ = try read(.refused) })
        #expect(try read(.refusedAfterAppend).count > 0)
    }

    @Test func `who reads in order gets what comes next read ahead`() throws {
        let log = try coldLog()
        let found = try log.read(from: .zero, limit: log.endOffset, countMax: 2_000, wholeFirst: true)
        let region = try #require(found.region)
        try #require(found.ahead).begin()
        let end = try #require(log.segmentSizes.first).size
        #expect(files.cache.readAhead.last == region.position + region.count..<end)
    }
}
