// Drives a replica of the metadata quorum, and the controller that stands on its log: appends the records of a decision or of
// the leader, makes them durable, replays them, and releases images and replies when they are committed.
//
// Invariant: `controller.image` is the replay of the whole log, committed or not. What the leader of an epoch lost is cut off
// by the quorum; then the image is loaded anew (there is no undo). Loops see committed images only.
//
// Owner: loop 0. Writes happen there; syncs, votes to the disk and cuts on the pool, one at a time. How the quorum's effects
// are carried out: `MetadataDriver+Quorum`; as the active controller: `MetadataDriver+Leading`.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Configuration
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
    /// Another node decides, or nobody as yet.
    case notController
}

/// The metadata log of a node and what is decided on it, live.
final class MetadataDriver {
    /// What a batch of records touches, so that loops rebuild no more than that.
    struct Touched: Sendable {
        var topics: Set<Uuid> = []
        /// Settings of all topics may have changed.
        var everything = false

        mutating func form(_ other: Touched) {
            topics.formUnion(other.topics)
            everything = everything || other.everything
        }
    }

    /// An image that becomes visible when the log is committed up to its end, and who waits for that.
    struct Waiting {
        var committedAt: Offset
        var image: ClusterImage
        var touched: Touched
        var completion: ((MetadataFailure?) -> Void)?
    }

    /// What others are told of.
    struct Outlets {
        /// Makes the image visible on all loops; calls back inside this loop.
        var publish: (ClusterImage, Touched, @escaping () -> Void) -> Void
        /// Another node leads the quorum, or this one has become, or is no more, the active controller.
        var controllerChanged: (_ leader: NodeId, _ isActive: Bool) -> Void
        /// The log takes no more.
        var failed: (MetadataFailure) -> Void
        /// Writes the checkpoints of the log folders. On the pool.
        var checkpoint: @Sendable () throws(StorageError) -> Void
        /// Answers a request that another node passed on.
        var openEnvelope: ((ByteSlice, @escaping (EnvelopeResponse) -> Void) -> Void)?
    }

    let loop: any EventLoop
    let environment: Environment
    let node: NodeConfiguration
    let log: PartitionLog
    let store: MetadataStore
    let loader: MetadataLoader
    let snapshots: SnapshotWriter
    let peers: NodePeers
    let speaker: QuorumSpeaker
    /// This process, among all that have been this node.
    let incarnation: Uuid
    let logger: Logger
    let outlets: Outlets
    /// The feature levels that formatting asked for.
    let bootstrap: [VersionedRecord]
    var controller: Controller
    var quorum: Quorum
    var sessions: BrokerSessions
    var waiting: [Waiting] = []
    /// This replica leads and its controller decides.
    var isActive = false
    var failure: StorageError?
    var isClosed = false
    /// When the last record was appended.
    var lastAppend = Timestamp.none
    /// The newest image that is visible, or on its way to be.
    private(set) var released: ClusterImage

    // Of `MetadataDriver+Quorum`
    var jobs: [QuorumJob] = []
    /// How many effects are being carried out, one inside of the other.
    var depth = 0
    var isBusy = false
    var unwritten: [RecordBatch] = []
    var replies: [UInt64: (QuorumAnswer, RecordsField) -> Void] = [:]
    var changeReplies: [UInt64: (VoterChangeError?) -> Void] = [:]
    var nextToken: UInt64 = 1
    /// The leader that others were told of.
    var toldLeader = NodeId.none
    var toldActive = false
    var timer: TimerToken?
    var timerAt = Instant.distantFuture
    var sessionTimer: TimerToken?
    /// Waits until the other voters have heard that this replica leads no more.
    var onTold: (() -> Void)?
    /// Addresses of nodes that answers named.
    var learned: [NodeId: SocketAddress] = [:]
    /// Where the node listens that last said it leads.
    var announced: (leader: NodeId, address: SocketAddress)?

    init(
        loop: any EventLoop, environment: Environment, node: NodeConfiguration, loaded: LoadedMetadata,
        snapshots: SnapshotWriter, peers: NodePeers, speaker: QuorumSpeaker, incarnation: Uuid, logger: Logger,
        outlets: Outlets
    ) {
        self.loop = loop
        self.environment = environment
        self.node = node
        log = loaded.log
        store = loaded.store
        loader = loaded.loader
        controller = loaded.controller
        quorum = loaded.quorum
        bootstrap = loaded.bootstrap
        released = ClusterImage(clusterId: loaded.controller.image.clusterId)
        self.snapshots = snapshots
        self.peers = peers
        self.speaker = speaker
        self.incarnation = incarnation
        self.logger = logger
        self.outlets = outlets
        sessions = BrokerSessions(
            timeout: .milliseconds(node.int("broker.session.timeout.ms")), local: quorum.local.id)
    }

    var epoch: LeaderEpoch { quorum.epoch }
    var committedEnd: Offset { quorum.highWatermark }
    /// 1 where the log names the voters, 0 where the configuration does.
    var kraftVersion: Int16 { quorum.voters.isDynamic ? 1 : 0 }
    /// The offset that the next record will have.
    var nextOffset: Offset { log.endOffset }

    // MARK: Decisions

    /// Carries out a decision; `completion` runs inside the loop when it is committed and visible, or cannot be.
    func submit<Reply: Sendable>(
        _ decide: (inout Controller) -> Decision<Reply>, completion: @escaping (Result<Reply, MetadataFailure>) -> Void
    ) {
        loop.assertInside()
        guard isActive else { return completion(.failure(.notController)) }
        let decision = decide(&controller)
        append(decision.records) { failure in
            completion(failure.map { .failure($0) } ?? .success(decision.reply))
        }
    }

    /// Appends records as one batch. Nothing to append still waits for all that the reply may rest on.
    func append(_ records: [VersionedRecord], completion: @escaping (MetadataFailure?) -> Void) {
        guard isActive else { return completion(.notController) }
        let touched = touched(by: records.map(\.record))
        append(records.map(\.plain), isControl: false, touched: touched, completion: completion)
    }

    func append(
        _ records: [PlainRecord], isControl: Bool, touched: Touched, voters: VoterSet? = nil,
        completion: @escaping (MetadataFailure?) -> Void
    ) {
        if let failure { return completion(.storage(failure)) }
        var batch: RecordBatch?
        if !records.isEmpty {
            do {
                batch = try write(records, isControl: isControl)
            } catch {
                // Another that can write is to decide.
                if quorum.voters.voters.count > 1 { loop.proceed { self.resign() } }
                return completion(.storage(error))
            }
        }
        waiting.append(
            Waiting(
                committedAt: log.endOffset, image: controller.image, touched: touched, completion: completion))
        if let batch {
            carryOut(quorum.appended(EntryBatch(batch.header), voters: voters, now: loop.now))
        }
        release(upTo: quorum.highWatermark)
    }

    private func write(_ records: [PlainRecord], isControl: Bool) throws(StorageError) -> RecordBatch {
        let batch = RecordBatch(
            plain: records, at: log.endOffset, epoch: quorum.epoch, timestamp: environment.clock.wallClock,
            isControl: isControl)
        try store(batch)
        do {
            _ = try replay(batch)
        } catch {
            preconditionFailure("a record that was just encoded decodes")
        }
        return batch
    }

    /// Writes a batch at the end of the log.
    func store(_ batch: RecordBatch) throws(StorageError) {
        var plan = log.planReplicated([batch], at: loop.now)
        do {
            // What lies before a segment is durable before there is one: a loss of power leaves no hole between two.
            if plan.rolls { try log.sync() }
            try log.write(&plan)
        } catch {
            log.abandon(plan)
            throw error
        }
        log.publish(plan)
        lastAppend = batch.header.maxTimestamp
        snapshots.appended(batch.bytes.count)
    }

    /// Replays what was written; answers the records.
    @discardableResult
    func replay(_ batch: RecordBatch) throws -> [MetadataRecord] {
        let plain = try batch.plainRecords()
        if batch.header.isControl {
            controller.skip(to: batch.header.nextOffset)
            return []
        }
        var records: [MetadataRecord] = []
        for (offset, record) in plain {
            guard let value = record.value else { continue }
            let decoded = try MetadataRecord(decoding: ByteSlice(value))
            controller.replay(decoded, at: offset)
            records.append(decoded)
        }
        return records
    }

    /// Nothing can be decided any more; all that wait are told.
    func fail(_ error: StorageError) {
        guard failure == nil else { return }
        failure = error
        let dropped = waiting
        waiting = []
        for entry in dropped { entry.completion?(.storage(error)) }
        outlets.failed(.storage(error))
    }

    func touched(by records: [MetadataRecord]) -> Touched {
        var touched = Touched()
        for record in records {
            switch record {
            case .topic(let topic): touched.topics.insert(topic.topicId)
            case .partition(let partition): touched.topics.insert(partition.topicId)
            case .partitionChange(let change): touched.topics.insert(change.topicId)
            case .removeTopic(let topic): touched.topics.insert(topic.topicId)
            case .config(let config) where config.resourceType == ConfigurationResource.Kind.topic.rawValue:
                if let id = controller.image.topicIds[config.resourceName] { touched.topics.insert(id) }
            case .clearElr(let clear) where !clear.topicName.isEmpty:
                if let id = controller.image.topicIds[clear.topicName] { touched.topics.insert(id) }
            case .clearElr, .config, .endTransaction: touched.everything = true
            default: break
            }
        }
        return touched
    }

    // MARK: Commitment

    /// Makes visible what is committed, and lets those go on who wait for it.
    func release(upTo committed: Offset) {
        let count = waiting.prefix { $0.committedAt <= committed }.count
        guard count > 0 else { return }
        let ready = Array(waiting.prefix(count))
        waiting.removeFirst(count)
        var touched = Touched()
        for entry in ready { touched.form(entry.touched) }
        let image = ready[count - 1].image
        let isNews = image.endOffset > released.endOffset || touched.everything
        released = image
        outlets.publish(image, touched) {
            for entry in ready { entry.completion?(nil) }
        }
        guard isNews else { return }
        let voters = quorum.voterHistory.voters(below: image.endOffset)
        snapshots.committed(
            image, epoch: quorum.log.epoch(before: image.endOffset), voters: voters.isDynamic ? voters.record : nil,
            timestamp: lastAppend == .none ? environment.clock.wallClock : lastAppend)
    }

    // MARK: End

    /// Ends what comes back by itself: idle records and snapshots.
    func stopBackground() {
        isClosed = true
        snapshots.close()
        if let timer { loop.cancel(timer) }
        if let sessionTimer { loop.cancel(sessionTimer) }
        timer = nil
        sessionTimer = nil
    }

    /// Writes what an orderly end leaves behind.
    func close() throws(StorageError) { try log.close() }
}
