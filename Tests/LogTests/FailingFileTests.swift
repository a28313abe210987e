// A log on a disk that refuses: what a failed write left is cut back before the next one, however often that fails, and a
// failed sync is the end of the folder.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Synchronization
import Testing

final class Told: Sendable {
    private let reasons = Mutex<[StorageError]>([])

    var all: [StorageError] { reasons.withLock { $0 } }

    func add(_ reason: StorageError) { reasons.withLock { $0.append(reason) } }
}

/// How many of the next calls fail, by operation.
private final class Failures: Sendable {
    private let left = Mutex<[String: (count: Int, kind: FileError.Kind)]>([:])

    func fail(_ operation: String, _ kind: FileError.Kind, count: Int = 1) {
        left.withLock { $0[operation] = (count, kind) }
    }

    func meet(_ operation: String, _ path: String) throws(FileError) {
        let kind = left.withLock { left -> FileError.Kind? in
            guard let entry = left[operation], entry.count > 0 else { return nil }
            left[operation]?.count -= 1
            return entry.kind
        }
        if let kind { throw FileError(kind, operation, path: path) }
    }
}

private struct FailingFileSystem: FileSystem {
    private let real = RealFileSystem()
    let failures: Failures

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        if mode != .read { try failures.meet("open", path) }
        return FailingFile(try real.open(path, mode), failures)
    }
    func createDirectory(_ path: String) throws(FileError) { try real.createDirectory(path) }
    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] { try real.entries(path) }
    func attributes(_ path: String) throws(FileError) -> FileAttributes? { try real.attributes(path) }
    func rename(_ source: String, to target: String) throws(FileError) { try real.rename(source, to: target) }
    func remove(_ path: String) throws(FileError) {
        try failures.meet("remove", path)
        try real.remove(path)
    }
    func syncDirectory(_ path: String) throws(FileError) {
        try failures.meet("syncDirectory", path)
        try real.syncDirectory(path)
    }
    func disk(_ path: String) throws(FileError) -> (any Disk)? { nil }
    func lock(_ path: String) throws(FileError) -> any FileLock { try real.lock(path) }
    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { try real.space(path) }
}

private final class FailingFile: File {
    private let real: any File
    private let failures: Failures

    init(_ real: any File, _ failures: Failures) {
        self.real = real
        self.failures = failures
    }

    var path: String { real.path }
    var source: any FileSource { real.source }
    func size() throws(FileError) -> Int { try real.size() }
    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice { try real.read(at: position, count: count) }
    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) {
        do throws(FileError) {
            try failures.meet("write", path)
        } catch {
            // What had room is written.
            try real.write(slices.prefix(1).map { $0.prefix($0.count - 1) }, at: position)
            throw error
        }
        try real.write(slices, at: position)
    }
    func sync() throws(FileError) {
        try failures.meet("sync", path)
        try real.sync()
    }
    func truncate(to size: Int) throws(FileError) {
        try failures.meet("truncate", path)
        try real.truncate(to: size)
    }
    func window(count: Int) throws(FileError) -> any ReadWindow { try real.window(count: count) }
    func willNeed(_ range: Range<Int>) {}
}

@Suite struct FailingFileTests {
    private let folder = Folder()
    private let failures = Failures()

    private func open() throws -> PartitionLog {
        var configuration = LogConfiguration()
        configuration.segmentBytes = 300
        var loader = LogLoader(
            partition: TopicPartition("t", 0), directory: folder.path,
            fileSystem: FailingFileSystem(failures: failures), configuration: configuration, isClean: false,
            recoveryPoint: .zero)
        return try loader.load()
    }

    /// Appends as the lane does; answers whether it could.
    private func append(_ values: [[String]], to log: PartitionLog) throws -> Bool {
        var plan = log.plan(try values.map { try makeBatch($0) }, epoch: LeaderEpoch(0), at: Instant(nanoseconds: 0))
        do {
            try log.write(&plan)
        } catch {
            log.abandon(plan)
            return false
        }
        log.publish(plan)
        return true
    }

    @Test func `what could not be cut back is cut back before the next write, and nothing is written until it is`() throws {
        let log = try open()
        #expect(try append([["a"]], to: log))
        failures.fail("write", .noSpace)
        failures.fail("truncate", .noSpace, count: 2)
        #expect(try !append([["b"]], to: log))
        #expect(try log.view.active.file().size() > log.view.activeSize)
        #expect(try !append([["c"]], to: log))
        #expect(log.endOffset == Offset(1))
        #expect(try append([["d"]], to: log))
        #expect(try log.view.active.file().size() == log.view.activeSize)
        #expect(try readAll(log) == ["a", "d"])
    }

    @Test(arguments: ["open", "write", "remove"])
    func `a roll that fails leaves the log as it was, and the next one succeeds`(operation: String) throws {
        let log = try open()
        let long = String(repeating: "x", count: 200)
        #expect(try append([[long]], to: log))
        failures.fail(operation == "remove" ? "write" : operation, .noSpace)
        if operation == "remove" { failures.fail("remove", .noSpace) }
        #expect(try !append([["b" + long], ["c" + long]], to: log))
        #expect(log.endOffset == Offset(1) && log.view.segments.count == 1)
        #expect(try append([["d" + long], ["e" + long]], to: log))
        #expect(log.view.segments.count == 3)
        #expect(try readAll(log) == [long, "d" + long, "e" + long])
        #expect(try readAll(try open()) == [long, "d" + long, "e" + long])
    }

    @Test func `a log with remains of a failed write is not closed as if it were whole`() throws {
        let log = try open()
        #expect(try append([["a"]], to: log))
        failures.fail("write", .noSpace)
        failures.fail("truncate", .inputOutput, count: 2)
        #expect(try !append([["b"]], to: log))
        #expect(throws: StorageError.self) { try log.close() }
        try log.close()
        #expect(try log.view.active.file().size() == log.view.activeSize)
    }

    @Test func `a snapshot that cannot be written fails the sync, and the next sync succeeds`() throws {
        let log = try open()
        let long = String(repeating: "x", count: 200)
        #expect(try append([[long], [long]], to: log))
        failures.fail("open", .noSpace)
        #expect(throws: StorageError.self) { try log.sync() }
        #expect(log.recoveryPoint.load(ordering: .relaxed) == 0)
        try log.sync()
        #expect(log.recoveryPoint.load(ordering: .relaxed) == 2)
    }

    @Test(arguments: ["sync", "syncDirectory"])
    func `the first failed sync takes the folder offline, and nothing is tried in it any more`(operation: String) throws {
        let told = Told()
        let logs = try LogFolder(folder.path, FailingFileSystem(failures: failures))
        logs.standing.onFailure { told.add($0) }
        let id = TopicPartition("t", 0)
        try logs.createPartitions([id], topicId: Uuid(high: 0, low: 9))
        var loader = LogLoader(
            partition: id, directory: logs.directory(of: id), fileSystem: logs.fileSystem,
            configuration: LogConfiguration(), isClean: false, recoveryPoint: .zero)
        let log = try loader.load()
        #expect(try append([["a"]], to: log))
        failures.fail(operation, .notSynced)
        #expect(throws: StorageError.self) { try log.sync() }
        #expect(logs.standing.isOffline && told.all.count == 1)
        #expect(throws: StorageError.self) { try log.sync() }
        #expect(try !append([["b"]], to: log))
        #expect(throws: StorageError.self) { try logs.write { LogFolder.Checkpoints() } }
        #expect(log.recoveryPoint.load(ordering: .relaxed) == 0)
    }
}
