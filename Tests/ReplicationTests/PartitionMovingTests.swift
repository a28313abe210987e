// A copy of a replica's log goes on where the log does, whatever became of the log meanwhile.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Replication
import Testing

@Suite struct PartitionMovingTests {
    private static func log(_ directory: String) throws -> PartitionLog {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var loader = LogLoader(
            partition: TopicPartition("t", 0), directory: directory, fileSystem: RealFileSystem(),
            configuration: LogConfiguration(), isClean: true, recoveryPoint: .zero)
        return try loader.load()
    }

    /// Appends a record for each epoch.
    private static func append(_ epochs: [Int32], to log: PartitionLog) throws {
        for epoch in epochs {
            var builder = RecordBatchBuilder()
            builder.append(timestamp: Timestamp(milliseconds: 1), key: nil, value: ByteSlice([UInt8(epoch)]))
            let batch = try #require(RecordBatch(try builder.finish()))
            var plan = log.plan([batch], epoch: LeaderEpoch(epoch), at: Instant(nanoseconds: 0))
            try log.write(&plan)
            log.publish(plan)
        }
    }

    /// A replica whose log has records of `epochs`, and a copy that has records of `copied`.
    private static func with(
        _ epochs: [Int32], copied: [Int32], _ body: (Partition, PartitionLog) throws -> Void
    ) throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        let (log, copy) = (try log(root + "/log"), try log(root + "/copy"))
        try append(epochs, to: log)
        try append(copied, to: copy)
        let partition = Partition(
            id: TopicPartition("t", 0), topicId: .zero, log: log, folder: FolderStanding(root), highWatermark: .zero,
            onRoll: { _ in }, onSyncDue: { _ in })
        try body(partition, copy)
    }

    @Test func `a copy that has less of the same is left as it is`() throws {
        for copied in [[], [0], [0, 0, 2]] as [[Int32]] {
            try Self.with([0, 0, 2, 2], copied: copied) { partition, copy in
                let isChanged = try partition.align(copy)
                #expect(!isChanged && copy.endOffset == Offset(Int64(copied.count)))
            }
        }
    }

    @Test func `a copy that departs is cut until it does not`() throws {
        try Self.with([0, 0, 3, 3], copied: [0, 0, 1, 1, 2]) { partition, copy in
            var steps = 0
            while try partition.align(copy) { steps += 1 }
            #expect(copy.endOffset == Offset(2) && steps > 0)
        }
    }

    @Test func `a copy that is longer than its log is cut to it`() throws {
        try Self.with([0, 0], copied: [0, 0, 0, 0]) { partition, copy in
            let isChanged = try partition.align(copy)
            #expect(isChanged && copy.endOffset == Offset(2))
        }
    }

    @Test func `a copy of what was deleted begins anew`() throws {
        try Self.with([0, 0, 0, 0, 0], copied: [0, 0]) { partition, copy in
            partition.log.advanceStart(to: Offset(4))
            let isChanged = try partition.align(copy)
            #expect(isChanged && copy.startOffset == Offset(4) && copy.endOffset == Offset(4))
        }
    }
}
