// Temporary folders with real files, batches to fill them with, and the golden data folders.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Testing

/// A folder that is removed when the test ends.
final class Folder {
    let path: String

    init() {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)").path
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Unpacks one of the golden archives here; answers where its data folder is.
    func unpack(_ archive: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let golden = ProcessInfo.processInfo.environment["MARTLET_GOLDEN"].map { URL(fileURLWithPath: $0) }
            ?? root.deletingLastPathComponent().appendingPathComponent("shared/golden")
        let process = Foundation.Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["tar", "--zstd", "-xf", golden.appendingPathComponent(archive).path, "-C", path]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw GoldenMissing(archive: archive) }
        return path + "/data"
    }
}

struct GoldenMissing: Error {
    var archive: String
}

func makeBatch(
    _ values: [String], timestamp: Int64 = 1_000, producer: (id: Int64, epoch: Int16, sequence: Int32)? = nil
) throws -> RecordBatch {
    var builder = RecordBatchBuilder()
    if let producer {
        builder.producerId = producer.id
        builder.producerEpoch = producer.epoch
        builder.baseSequence = producer.sequence
    }
    for value in values {
        builder.append(
            timestamp: Timestamp(milliseconds: timestamp), key: nil, value: ByteSlice(Array(value.utf8)))
    }
    return try #require(RecordBatch(try builder.finish()))
}

func openLog(
    _ directory: String, _ configuration: LogConfiguration = LogConfiguration(), isClean: Bool = true,
    recoveryPoint: Offset = .zero, handles: SegmentHandles? = nil
) throws -> (log: PartitionLog, recovery: LogRecovery) {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    var loader = LogLoader(
        partition: TopicPartition("t", 0), directory: directory, fileSystem: RealFileSystem(),
        configuration: configuration, isClean: isClean, recoveryPoint: recoveryPoint, handles: handles)
    let log = try loader.load()
    return (log, loader.recovery)
}

extension PartitionLog {
    /// Appends as the lane does: plan, write, publish.
    func append(_ batches: [RecordBatch], epoch: Int32 = 0) throws -> [Outcome] {
        var plan = plan(batches, epoch: LeaderEpoch(epoch), at: Instant(nanoseconds: 0))
        try write(&plan)
        publish(plan)
        return plan.outcomes
    }
}

/// Values of a whole log from `offset` on, read as fetches do, at most `countMax` bytes at a time.
func readAll(_ log: PartitionLog, from offset: Offset = .zero, countMax: Int = 1 << 20) throws -> [String] {
    var values: [String] = []
    var next = offset
    while next < log.endOffset {
        let read = try log.read(from: next, limit: log.endOffset, countMax: countMax, wholeFirst: true)
        let region = try #require(read.region)
        let file = try #require(region.source as? any File)
        let bytes = try file.read(at: region.position, count: region.count)
        for batch in RecordBatchSequence(bytes) {
            #expect(batch.hasValidChecksum)
            for (at, record) in try batch.plainRecords() where at >= next {
                #expect(at == next)
                values.append(String(decoding: record.value ?? [], as: UTF8.self))
                next = at + 1
            }
        }
    }
    return values
}
