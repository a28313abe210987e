// A follower's log that departs from its leader's before it begins.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Replication
import Synchronization
import Testing

@Suite struct PartitionCutTests {
    /// What a log that begins at 5 and has two records comes to when it is cut at `target`.
    private static func cut(at target: Int64) throws -> (start: Offset, end: Offset, epochs: LeaderEpoch?)? {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        var loader = LogLoader(
            partition: TopicPartition("t", 0), directory: root, fileSystem: RealFileSystem(),
            configuration: LogConfiguration(), isClean: true, recoveryPoint: .zero)
        let log = try loader.load()
        try log.restart(at: Offset(5))
        for value in [UInt8(1), 2] {
            var builder = RecordBatchBuilder()
            builder.append(timestamp: Timestamp(milliseconds: 1), key: nil, value: ByteSlice([value]))
            var plan = log.plan([try #require(RecordBatch(try builder.finish()))], epoch: LeaderEpoch(3), at: Instant(nanoseconds: 0))
            try log.write(&plan)
            log.publish(plan)
        }
        let partition = Partition(
            id: TopicPartition("t", 0), topicId: .zero, log: log, folder: FolderStanding(root), highWatermark: .zero,
            onRoll: { _ in }, onSyncDue: { _ in })
        let real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
        real.start()
        defer {
            real.stop()
            real.join()
        }
        let (loop, pool) = (real.environment.loops[0], real.environment.pool)
        let point = WaitPoint()
        let result = Mutex<FollowerResult?>(nil)
        loop.post {
            partition.follow(NodeId(2), epoch: LeaderEpoch(7), on: loop)
            partition.cut(to: { _ in Offset(target) }, in: LeaderEpoch(7), pool: pool, on: loop, checkpoint: {}) { outcome in
                result.withLock { $0 = outcome }
                point.locked { point.wakeAll() }
            }
        }
        let deadline = SystemClock().now.nanoseconds + 30_000_000_000
        point.locked {
            while result.withLock({ $0 == nil }), point.wait(untilNanoseconds: deadline) {}
        }
        guard case .done = result.withLock({ $0 }) else { return nil }
        return (log.startOffset, log.endOffset, log.epochs.latest)
    }

    @Test func `a log that is cut below its first segment begins anew there, empty`() throws {
        let left = try #require(try Self.cut(at: 3))
        #expect(left.start == Offset(3) && left.end == Offset(3) && left.epochs == nil)
    }

    @Test func `one that is cut within keeps what lies before`() throws {
        let left = try #require(try Self.cut(at: 6))
        #expect(left.start == Offset(5) && left.end == Offset(6) && left.epochs == LeaderEpoch(3))
    }
}
