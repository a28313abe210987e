// Drives the metadata quorum and the controller: appends the records of a decision, makes them durable, replays them,
// and releases replies when they are committed and every loop has taken the image that holds them.
//
// Owner: loop 0. Writes happen there, syncs on the pool. One sync is under way at a time; what is appended meanwhile
// shares the next one.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Controller
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// Why a decision could not be carried out.
enum MetadataFailure: Error, Sendable {
    case storage(StorageError)
    case stopped
}

/// The controller of a node, live.
final class MetadataDriver {
    /// What a batch of records touches, so that loops rebuild no more than that.
    struct Touched: Sendable {
        var topics: Set<Uuid> = []
        /// Settings of all topics may have changed.
        var everything = false
    }

    private struct Waiting {
        var committedAt: Offset
        var image: ClusterImage
        var touched: Touched
        var completion: ((MetadataFailure?) -> Void)
    }

    private let loop: any EventLoop
    private let environment: Environment
    private let log: PartitionLog
    private let store: MetadataStore
    private let snapshots: SnapshotWriter
    private(set) var controller: Controller
    private var quorum: Quorum
    private var waiting: [Waiting] = []
    private var isSyncing = false
    private var failure: StorageError?
    /// When the last record was appended.
    private var lastAppend = Timestamp.none
    private var isClosed = false
    /// Makes the image visible on all loops; calls back inside this loop.
    private let publish: (ClusterImage, Touched, @escaping () -> Void) -> Void

    init(
        loop: any EventLoop, environment: Environment, loaded: LoadedMetadata, snapshots: SnapshotWriter,
        publish: @escaping (ClusterImage, Touched, @escaping () -> Void) -> Void
    ) {
        self.loop = loop
        self.environment = environment
        log = loaded.log
        store = loaded.store
        controller = loaded.controller
        quorum = loaded.quorum
        self.snapshots = snapshots
        self.publish = publish
    }

    var epoch: LeaderEpoch { quorum.state.epoch }
    var committedEnd: Offset { quorum.highWatermark }
    /// The offset that the next record will have.
    var nextOffset: Offset { log.endOffset }

    // MARK: Decisions

    /// Carries out a decision; `completion` runs inside the loop when it is committed and visible, or cannot be.
    func submit<Reply: Sendable>(
        _ decide: (inout Controller) -> Decision<Reply>, completion: @escaping (Result<Reply, MetadataFailure>) -> Void
    ) {
        loop.assertInside()
        let decision = decide(&controller)
        append(decision.records) { failure in
            completion(failure.map { .failure($0) } ?? .success(decision.reply))
        }
    }

    /// Appends records as one batch. Nothing to append still waits for all that the reply may rest on.
    func append(_ records: [VersionedRecord], completion: @escaping (MetadataFailure?) -> Void) {
        append(records.map(\.plain), isControl: false, touched: touched(by: records), completion: completion)
    }

    private func append(
        _ records: [PlainRecord], isControl: Bool, touched: Touched, completion: @escaping (MetadataFailure?) -> Void
    ) {
        if let failure { return completion(.storage(failure)) }
        if !records.isEmpty {
            do {
                try write(records, isControl: isControl)
            } catch {
                return completion(.storage(error))
            }
        }
        waiting.append(
            Waiting(
                committedAt: log.endOffset, image: controller.image, touched: touched, completion: completion))
        if quorum.highWatermark >= log.endOffset { release(upTo: quorum.highWatermark) } else { syncNext() }
    }

    private func write(_ records: [PlainRecord], isControl: Bool) throws(StorageError) {
        let base = log.endOffset
        let time = environment.clock.wallClock
        let batch = RecordBatch(
            plain: records, at: base, epoch: quorum.state.epoch, timestamp: time, isControl: isControl)
        var plan = log.planReplicated([batch])
        do {
            // What lies before a segment is durable before there is one: a loss of power leaves no hole between two.
            if plan.rolls { try log.sync() }
            try log.write(&plan)
        } catch {
            log.abandon(plan)
            throw error
        }
        log.publish(plan)
        lastAppend = time
        snapshots.appended(batch.bytes.count)
        quorum.appended(to: log.endOffset)
        if isControl { return controller.skip(to: log.endOffset) }
        for (index, record) in records.enumerated() {
            guard let value = record.value, let decoded = try? MetadataRecord(decoding: ByteSlice(value)) else {
                preconditionFailure("a record that was just encoded decodes")
            }
            controller.replay(decoded, at: base + Int64(index))
        }
    }

    /// Nothing can be decided any more; all that wait are told.
    private func fail(_ error: StorageError) {
        failure = error
        let dropped = waiting
        waiting = []
        for entry in dropped { entry.completion(.storage(error)) }
    }

    private func touched(by records: [VersionedRecord]) -> Touched {
        var touched = Touched()
        for record in records {
            switch record.record {
            case .topic(let topic): touched.topics.insert(topic.topicId)
            case .partition(let partition): touched.topics.insert(partition.topicId)
            case .partitionChange(let change): touched.topics.insert(change.topicId)
            case .removeTopic(let topic): touched.topics.insert(topic.topicId)
            case .config(let config) where config.resourceType == ConfigurationResource.Kind.topic.rawValue:
                if let id = controller.image.topicIds[config.resourceName] { touched.topics.insert(id) }
            case .config, .endTransaction: touched.everything = true
            default: break
            }
        }
        return touched
    }

    // MARK: Durability

    /// The wait before a sync that had no room is tried again.
    private static let syncPause: Duration = .milliseconds(200)

    private func syncNext() {
        guard !isSyncing, !waiting.isEmpty, failure == nil else { return }
        isSyncing = true
        let end = log.endOffset
        let log = log
        let driver = Confined(self, to: loop)
        environment.pool.run {
            let failure: StorageError?
            do throws(StorageError) {
                try log.sync()
                failure = nil
            } catch {
                failure = error
            }
            driver.confinement.post { driver.value.synced(upTo: end, failure) }
        }
    }

    private func synced(upTo end: Offset, _ failure: StorageError?) {
        isSyncing = false
        if let failure {
            guard failure.isPassing else { return fail(failure) }
            // What was decided cannot be taken back: it waits for room.
            _ = loop.schedule(at: loop.now + MetadataDriver.syncPause) { self.syncNext() }
            return
        }
        for effect in quorum.persisted(upTo: end) { carryOut(effect) }
        syncNext()
    }

    private func release(upTo committed: Offset) {
        let count = waiting.prefix { $0.committedAt <= committed }.count
        guard count > 0 else { return }
        let released = Array(waiting.prefix(count))
        waiting.removeFirst(count)
        var touched = Touched()
        for entry in released {
            touched.topics.formUnion(entry.touched.topics)
            touched.everything = touched.everything || entry.touched.everything
        }
        publish(released[count - 1].image, touched) {
            for entry in released { entry.completion(nil) }
        }
        snapshots.committed(released[count - 1].image, epoch: epoch, timestamp: lastAppend)
    }

    // MARK: Election

    /// Becomes the leader of the quorum of one; `completion` when the first record of the epoch is committed.
    func lead(voters: VotersRecord?, completion: @escaping (MetadataFailure?) -> Void) {
        for effect in quorum.campaign() { carryOut(effect) }
        guard failure == nil else { return completion(failure.map { .storage($0) }) }
        let voter = LeaderChangeMessage.Voter { $0.voterId = quorum.local.id.rawValue }
        let change = LeaderChangeMessage {
            $0.leaderId = quorum.local.id.rawValue
            $0.voters = [voter]
            $0.grantingVoters = [voter]
        }
        var records = [ControlType.leaderChange.record(change)]
        if let voters {
            records.append(ControlType.kraftVersion.record(KRaftVersionRecord { $0.kRaftVersion = 1 }))
            records.append(ControlType.voters.record(voters))
        }
        append(records, isControl: true, touched: Touched(topics: [], everything: true), completion: completion)
    }

    private func carryOut(_ effect: Quorum.Effect) {
        switch effect {
        case .persist(let state):
            do {
                try store.write(state)
            } catch {
                failure = error
                return
            }
            for next in quorum.statePersisted() { carryOut(next) }
        case .lead(let epoch): log.beginEpoch(epoch)
        case .commit(let offset): release(upTo: offset)
        }
    }

    // MARK: Idleness

    /// Appends a record that changes nothing whenever nothing else was appended for `interval`.
    func keepMoving(every interval: Duration) {
        let end = log.endOffset
        _ = loop.schedule(at: loop.now + interval) {
            guard !self.isClosed, self.failure == nil else { return }
            if self.log.endOffset == end { self.append([VersionedRecord(.noOp(NoOpRecord()), 0)]) { _ in } }
            self.keepMoving(every: interval)
        }
    }

    // MARK: End

    /// Nothing more is begun by itself.
    func stopBackground() {
        isClosed = true
        snapshots.close()
    }

    /// Writes what is in memory only, after the last append.
    func close() throws(StorageError) { try log.close() }
}
