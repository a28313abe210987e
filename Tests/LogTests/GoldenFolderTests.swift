import Basics
import Foundation
import Log
import Reactor
import Records
import Testing

@Suite struct GoldenFolderTests {
    @Test func `indexes rebuilt from a log of Kafka are those that Kafka wrote`() throws {
        let folder = Folder()
        let data = try folder.unpack("data-clean.tar.zst")
        let logs = try LogFolder(data, RealFileSystem())
        var compared = 0
        for partition in try logs.partitions()
        where !partition.topic.hasPrefix("compact") && partition.topic != "__cluster_metadata" {
            let directory = logs.directory(of: partition)
            let written = try Self.takeIndexes(directory)
            var configuration = LogConfiguration()
            if partition.topic == "seg-bytes" { configuration.indexIntervalBytes = 1024 }
            var loader = LogLoader(
                partition: partition, directory: directory, fileSystem: RealFileSystem(),
                configuration: configuration, isClean: true, recoveryPoint: .zero)
            let log = try loader.load()
            try log.close()
            let active = SegmentFiles.name(log.view.active.base, .timeIndex)
            for (name, bytes) in written.sorted(by: { $0.key < $1.key }) {
                let rebuilt = try Data(contentsOf: URL(fileURLWithPath: directory + "/" + name))
                if name == active {
                    // Kafka adds an entry at each stop; the last one is the same.
                    #expect(rebuilt.suffix(TimeIndex.entrySize) == bytes.suffix(TimeIndex.entrySize))
                    #expect(Self.entries(rebuilt).isSubset(of: Self.entries(bytes)), "\(partition) \(name)")
                } else {
                    #expect(rebuilt == bytes, "\(partition) \(name)")
                }
                compared += 1
            }
        }
        #expect(compared > 100)
    }

    @Test func `a check finds no fault in a folder that Kafka left`() throws {
        let folder = Folder()
        let data = try folder.unpack("data-clean.tar.zst")
        let check = try FolderCheck(data, RealFileSystem(), isOnline: false)
        #expect(check.findings == [] && check.isClean)
        for partition in try check.partitions() {
            let report = try check.check(partition)
            #expect(report.findings.map(\.text) == [], "\(partition)")
        }
    }

    /// Reads and removes the index files of a partition.
    private static func takeIndexes(_ directory: String) throws -> [String: Data] {
        var taken: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: directory)
        where name.hasSuffix(".index") || name.hasSuffix(".timeindex") {
            let path = directory + "/" + name
            taken[name] = try Data(contentsOf: URL(fileURLWithPath: path))
            try FileManager.default.removeItem(atPath: path)
        }
        return taken
    }

    private static func entries(_ index: Data) -> Set<Data> {
        Set(stride(from: 0, to: index.count, by: TimeIndex.entrySize).map { index[$0..<$0 + TimeIndex.entrySize] })
    }

    @Test func `a folder that Kafka left opens as it says itself`() throws {
        let folder = Folder()
        let data = try folder.unpack("data-clean.tar.zst")
        let logs = try LogFolder(data, RealFileSystem())
        #expect(logs.isClean)
        #expect(logs.previousBrokerEpoch == 385)
        let identity = try #require(try MetaProperties(reading: data, RealFileSystem()))
        #expect(identity.clusterId == "GoldenDataAAAAAAAAAAAA")
        let checkpoints = try logs.readCheckpoints()
        #expect(checkpoints.highWatermarks.count == 44)
        for (partition, end) in checkpoints.highWatermarks.sorted(by: { $0.key < $1.key }) {
            var loader = LogLoader(
                partition: partition, directory: logs.directory(of: partition), fileSystem: RealFileSystem(),
                configuration: LogConfiguration(), isClean: true, recoveryPoint: .zero)
            #expect(try loader.load().endOffset == end, "\(partition)")
        }
    }

    @Test func `a folder in use by another opens not`() throws {
        let folder = Folder()
        let first = try LogFolder(folder.path, RealFileSystem())
        #expect(throws: StorageError.self) { try LogFolder(folder.path, RealFileSystem()) }
        #expect(try first.holdsOnly([], []))
    }
}
