// The image as records: nothing that a snapshot must hold is lost on the way, for images made at random and for those
// that Kafka wrote.

import Basics
import Bytes
import ClusterImage
import Environment
import Foundation
import Log
import Reactor
import Records
import Testing
import WireProtocol

@Suite struct SnapshotRecordsTests {
    @Test func `an image that replays the records of another equals it`() throws {
        for seed in UInt64(1)...300 {
            var records = RandomRecords(seed: seed)
            var image = ClusterImage(clusterId: "c")
            // The level at which no record loses a field.
            let level = FeatureLevelRecord {
                $0.name = "metadata.version"
                $0.featureLevel = 33
            }
            image.replay(.featureLevel(level), at: .none)
            for offset in 0..<Int64(60) { image.replay(records.next(), at: Offset(offset)) }
            #expect(try rebuilt(image) == image, "seed \(seed)")
        }
    }

    @Test func `records of a transaction that has not ended are no part of the image`() {
        var image = ClusterImage(clusterId: "c")
        image.replay(.beginTransaction(BeginTransactionRecord()), at: .zero)
        image.replay(.topic(TopicRecord { $0.name = "t" }), at: Offset(1))
        #expect(image.isInTransaction && image.topic(named: "t") == nil)
        image.replay(.abortTransaction(AbortTransactionRecord()), at: Offset(2))
        #expect(image.records.isEmpty)
    }

    @Test(arguments: ["data-clean", "data-crashed", "metadata-cluster"])
    func `snapshots of Kafka come out with the records that went in`(_ archive: String) throws {
        let folder = try GoldenFolder(archive)
        let formatted = "/00000000000000000000-0000000000.checkpoint"
        let snapshots = try folder.files(".checkpoint").filter { !$0.hasSuffix(formatted) }
        #expect(snapshots.count >= 2)
        for path in snapshots {
            var image = ClusterImage(clusterId: "c")
            let records = try folder.records(in: path)
            for record in records { image.replay(record.record, at: .none) }
            #expect(try rebuilt(image) == image, "\(path)")
            let written = image.records.map(sorted)
            let read = records.map(sorted)
            #expect(written.count == read.count && written.allSatisfy(read.contains), "\(path)")
        }
    }

    @Test func `a snapshot of Kafka and the log behind it give the image that the whole log gives`() throws {
        let folder = try GoldenFolder("metadata-cluster")
        let log = try folder.batches(in: try #require(try folder.files(".log").first))
        var whole = ClusterImage(clusterId: "c")
        var compared = 0
        let snapshots = try folder.files(".checkpoint").map { path in
            (end: try #require(Int64(path.split(separator: "/").last?.prefix(20) ?? "")), path: path)
        }.filter { $0.end > 0 }
        for batch in log where !batch.header.isControl {
            let passed = whole.endOffset.rawValue...max(whole.endOffset.rawValue, batch.header.baseOffset.rawValue)
            for (end, path) in snapshots where passed.contains(end) {
                var image = ClusterImage(clusterId: "c")
                for record in try folder.records(in: path) { image.replay(record.record, at: .none) }
                let isSame = image.records.map(sorted) == whole.records.map(sorted)
                #expect(isSame, "\(path)")
                compared += 1
            }
            for (offset, record) in try batch.plainRecords() {
                whole.replay(try MetadataRecord(decoding: ByteSlice(record.value ?? [])), at: offset)
            }
        }
        #expect(compared == snapshots.count)
    }
}

/// An image made anew of what would be written, with all bytes encoded and decoded.
private func rebuilt(_ image: ClusterImage) throws -> ClusterImage {
    var copy = ClusterImage(clusterId: image.clusterId)
    for record in image.records {
        let bytes = record.record.encoded(version: record.version)
        copy.replay(try MetadataRecord(decoding: bytes), at: .none)
    }
    copy.skip(to: image.endOffset)
    return copy
}

/// A record with the lists sorted whose order means nothing.
private func sorted(_ record: VersionedRecord) -> VersionedRecord {
    guard case .registerBroker(var broker) = record.record else { return record }
    broker.features.sort { $0.name < $1.name }
    broker.endPoints.sort { $0.name < $1.name }
    return VersionedRecord(.registerBroker(broker), record.version)
}

/// Metadata files that Kafka left, unpacked.
private struct GoldenFolder {
    let path: String

    init(_ archive: String) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let golden = ProcessInfo.processInfo.environment["MARTLET_GOLDEN"].map { URL(fileURLWithPath: $0) }
            ?? root.deletingLastPathComponent().appendingPathComponent("shared/golden")
        path = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let process = Foundation.Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "tar", "--zstd", "-xf", golden.appendingPathComponent("\(archive).tar.zst").path, "-C", path, "--wildcards",
            "*__cluster_metadata-0*",
        ]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(archive) is missing")
    }

    func files(_ suffix: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).filter { $0.hasSuffix(suffix) }.sorted()
            .map { path + "/" + $0 }
    }

    func batches(in path: String) throws -> [RecordBatch] {
        let file = try RealFileSystem().open(path, .read)
        var scanner = SegmentScanner(file, offset: .zero, fileSize: try file.size())
        var batches: [RecordBatch] = []
        while let batch = try scanner.next() { batches.append(batch) }
        #expect(scanner.fault == nil)
        return batches
    }

    func records(in path: String) throws -> [VersionedRecord] {
        try batches(in: path).filter { !$0.header.isControl }.flatMap { try $0.plainRecords() }.map { _, record in
            let bytes = ByteSlice(record.value ?? [])
            return VersionedRecord(try MetadataRecord(decoding: bytes), MetadataRecord.version(of: bytes) ?? -1)
        }
    }
}
