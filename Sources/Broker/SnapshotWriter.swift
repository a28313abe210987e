// Writes snapshots of the metadata when they are due, and removes what they make needless.
//
// Owner: the controller's loop. Files are written on the pool, one snapshot at a time. A snapshot that cannot be
// written is told of and costs nothing else: the log is whole without it.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Environment
internal import Log
internal import Raft
internal import WireProtocol

final class SnapshotWriter {
    private struct Committed: Sendable {
        var image: ClusterImage
        var epoch: LeaderEpoch
        /// Nil where the configuration names them.
        var voters: VotersRecord?
        var timestamp: Timestamp
    }

    private let loop: any EventLoop
    private let environment: Environment
    private let store: MetadataStore
    private let log: PartitionLog
    private let retention: SnapshotRetention
    private let logger: Logger
    private var schedule: SnapshotSchedule
    private var newest: Committed?
    private var timer: TimerToken?
    private var isWriting = false
    /// Where the newest snapshot ends.
    private var lastEnd: Offset
    private var isClosed = false
    /// Called when a snapshot is written: where the log begins now, and the epoch that wrote last below that.
    var onWritten: ((SnapshotId, _ start: Offset, _ startEpoch: LeaderEpoch) -> Void)?

    init(
        loop: any EventLoop, environment: Environment, loaded: LoadedMetadata, node: NodeConfiguration, logger: Logger
    ) {
        self.loop = loop
        self.environment = environment
        store = loaded.store
        lastEnd = loaded.quorum.log.snapshot?.end ?? .none
        log = loaded.log
        self.logger = logger
        let interval = node.int("metadata.log.max.snapshot.interval.ms")
        schedule = SnapshotSchedule(
            bytesMax: node.int("metadata.log.max.record.bytes.between.snapshots"),
            intervalMax: interval > 0 ? .milliseconds(interval) : nil, bytes: loaded.bytesBehindSnapshot, now: loop.now)
        let bytes = node.int("metadata.max.retention.bytes")
        let age = node.int("metadata.max.retention.ms")
        retention = SnapshotRetention(bytesMax: bytes < 0 ? nil : bytes, ageMax: age < 0 ? nil : .milliseconds(age))
    }

    func appended(_ byteCount: Int) { schedule.appended(byteCount) }

    /// Everything in `image` is committed; `timestamp` is that of its last record.
    func committed(_ image: ClusterImage, epoch: LeaderEpoch, voters: VotersRecord?, timestamp: Timestamp) {
        // One that the leader sent holds it already.
        guard image.endOffset > lastEnd else { return }
        newest = Committed(image: image, epoch: epoch, voters: voters, timestamp: timestamp)
        schedule.committed()
        writeIfDue()
    }

    /// A snapshot of the leader took the place of the log.
    func installed(_ id: SnapshotId) { lastEnd = max(lastEnd, id.end) }

    func close() {
        isClosed = true
        if let timer { loop.cancel(timer) }
    }

    private func writeIfDue() {
        guard !isWriting, !isClosed, let newest, !newest.image.isInTransaction else { return }
        guard schedule.isDue(at: loop.now) else { return wait() }
        schedule.began(at: loop.now)
        isWriting = true
        self.newest = nil
        let (store, log, retention, clock) = (store, log, retention, environment.clock)
        let writer = Confined(self, to: loop)
        environment.pool.run {
            let failure: StorageError?
            var first: MetadataStore.SnapshotFile?
            do throws(StorageError) {
                try store.write(
                    MetadataSnapshot(
                        end: newest.image.endOffset, epoch: newest.epoch, voters: newest.voters, records: newest.image.records,
                        timestamp: newest.timestamp), at: clock.wallClock)
                try store.clean(log, retention, now: clock.wallClock)
                first = try store.snapshots().first { $0.end == log.startOffset }
                failure = nil
            } catch {
                failure = error
            }
            let (id, startEpoch) = (SnapshotId(end: newest.image.endOffset, epoch: newest.epoch), first?.epoch)
            writer.confinement.post { writer.value.written(id, startEpoch, failure) }
        }
    }

    /// Comes back when time alone makes a snapshot due.
    private func wait() {
        guard timer == nil, let due = schedule.dueAt else { return }
        timer = loop.schedule(at: due) {
            self.timer = nil
            self.writeIfDue()
        }
    }

    private func written(_ id: SnapshotId, _ startEpoch: LeaderEpoch?, _ failure: StorageError?) {
        isWriting = false
        if let failure {
            logger.error("metadata", "cannot write a snapshot", [("end", "\(id.end)"), ("reason", "\(failure)")])
        } else {
            lastEnd = max(lastEnd, id.end)
            logger.info("metadata", "wrote a snapshot", [("end", "\(id.end)")])
            onWritten?(id, startEpoch == nil ? .zero : log.startOffset, startEpoch ?? id.epoch)
        }
        writeIfDue()
    }
}
