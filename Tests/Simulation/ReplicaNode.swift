// One replica of a world of replicas: the real log and partition on a virtual disk, and beside them just enough of a broker
// to take the image, to fetch as a follower, to answer followers, and to ask for changes of the in-sync set.

import Basics
import Bytes
import ClusterImage
import Environment
import Log
import Records
import Replication
import WireProtocol

/// A machine with one replica; its processes come and go.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class ReplicaNode: @unchecked Sendable {
    static let lagMax: Duration = .milliseconds(150)
    static let id = TopicPartition("t", 0)

    let id: NodeId
    let world: World
    let cluster: ReplicaCluster
    let disk: VirtualDisk
    private let syncPolicy: SyncPolicy
    private(set) var life = Life("none")
    private(set) var loop: VirtualLoop
    private(set) var partition: Partition?
    private(set) var brokerEpoch: Int64 = -1
    private(set) var seen = ReplicaCluster.Told(version: -1, image: ClusterImage(clusterId: "c"))
    /// What is told must be as new before this life acts on it.
    private var actsFrom = Int.max
    /// Nothing that it sends or is sent arrives until then.
    var isolatedUntil: Int64 = 0
    var peers: [NodeId: ReplicaNode] = [:]
    private(set) var violations: [String] = []
    private var isFetching = false
    private var lives = 0

    init(_ id: NodeId, _ world: World, _ cluster: ReplicaCluster, syncPolicy: SyncPolicy) {
        self.id = id
        self.world = world
        self.cluster = cluster
        self.syncPolicy = syncPolicy
        disk = VirtualDisk(world)
        loop = VirtualLoop(index: 0, world: world, life: life)
    }

    var isAlive: Bool { life.isAlive && partition != nil }
    var isIsolated: Bool { world.now < isolatedUntil }
    private var pool: VirtualPool { VirtualPool(world: world, life: life) }

    // MARK: Lives

    /// Starts a process on the disk as it is.
    func start(stoppedInOrder: Bool) throws {
        lives += 1
        life = Life("node-\(id)-\(lives)")
        loop = VirtualLoop(index: 0, world: world, life: life)
        (brokerEpoch, actsFrom, isFetching) = (-1, .max, false)
        let directory = "/data/t-0"
        try disk.createDirectory(directory)
        try disk.syncDirectory("/data")
        try disk.syncDirectory("/")
        var configuration = LogConfiguration()
        configuration.segmentBytes = 2000
        configuration.indexIntervalBytes = 200
        var loader = LogLoader(
            partition: ReplicaNode.id, directory: directory, fileSystem: disk, configuration: configuration,
            isClean: false, recoveryPoint: .zero, handles: nil)
        let log = try loader.load()
        let pool = pool
        let syncs = SyncQueue(pool: pool, disk: nil) { _, _ in }
        let made = Partition(
            id: ReplicaNode.id, topicId: cluster.topic, log: log, folder: FolderStanding("/data"), highWatermark: .zero,
            onRoll: { log in pool.run { try? log.syncSealed() } }, onSyncDue: { syncs.add($0) })
        made.setSyncPolicy(syncPolicy)
        partition = made
        world.note("node \(id) starts with \(log.startOffset)..<\(log.endOffset) \(log.epochs.entries)")
        register(stoppedInOrder)
        every(30_000_000) { node in node.beat() }
        every(Int64(75_000_000)) { node in node.review() }
        every(10_000_000) { node in
            node.look()
            node.fetch()
        }
    }

    /// Ends the process at once; a power cut takes what was not synced, too.
    func kill(power: Bool) {
        world.note("node \(id) \(power ? "POWER CUT" : "KILL")")
        life.isAlive = false
        partition = nil
        disk.releaseLocks()
        if power { disk.cutPower() }
    }

    /// Hands over, and ends with everything on disk.
    func stop() {
        cluster.shutDown(id, epoch: brokerEpoch)
        try? partition?.log.close()
        world.note("node \(id) STOP")
        life.isAlive = false
        partition = nil
        disk.releaseLocks()
    }

    private func every(_ interval: Int64, _ action: @escaping (ReplicaNode) -> Void) {
        loop.enter(after: interval + world.delay(upTo: 2000)) {
            action(self)
            self.every(interval, action)
        }
    }

    // MARK: Links

    /// Runs `action` in the life that `self` has now, after a while, or never.
    private func deliver(_ action: @escaping () -> Void) {
        guard !isIsolated, !world.chance(3) else { return }
        let loop = loop
        loop.enter(after: 200_000 + world.delay(upTo: world.chance(5) ? 60_000 : 2000)) {
            guard !self.isIsolated else { return }
            action()
        }
    }

    /// Asks the controller; the answer may be lost, and what was asked carried out all the same.
    private func ask<Answer>(_ body: @escaping (ReplicaCluster) -> Answer, _ then: @escaping (Answer) -> Void) {
        guard !isIsolated, !world.chance(3) else { return }
        world.after(200_000 + world.delay(upTo: world.chance(5) ? 100_000 : 2000)) {
            let answer = body(self.cluster)
            self.deliver { then(answer) }
        }
    }

    private func register(_ stoppedInOrder: Bool) {
        guard brokerEpoch < 0 else { return }
        let life = life
        ask({ cluster in
            // A life that is over registers no more, or its successor would be taken for dead.
            life.isAlive ? cluster.register(self.id, life, stoppedInOrder: stoppedInOrder) : (-1, .max)
        }) { answer in
            guard answer.epoch > self.brokerEpoch, self.life === life else { return }
            (self.brokerEpoch, self.actsFrom) = (answer.epoch, answer.version)
        }
        loop.enter(after: 100_000_000) { self.register(stoppedInOrder) }
    }

    private func beat() {
        let (epoch, version) = (brokerEpoch, seen.version)
        guard epoch >= 0 else { return }
        ask({ $0.heard(self.id, epoch: epoch, version: version) }) {}
    }

    // MARK: The image

    /// Asks for what has been decided meanwhile.
    private func look() {
        ask({ $0.told }) { told in
            guard told.version > self.seen.version else { return }
            self.seen = told
            self.assume()
        }
        assume()
    }

    /// Takes the role that the image gives, once it holds this life's registration.
    private func assume() {
        guard seen.version >= actsFrom, let replica = partition,
            let image = seen.image.topics[cluster.topic]?.partitions[0]
        else { return }
        if image.leader == id {
            replica.lead(
                as: id, epoch: image.leaderEpoch,
                LeaderState(
                    partitionEpoch: image.partitionEpoch, replicas: image.replicas, inSync: image.inSync,
                    isRecovering: image.isRecovering),
                minimumInSync: min(cluster.minimumInSync, image.replicas.count), at: loop.now, on: loop)
        } else if image.leader != .none, image.replicas.contains(id) {
            replica.follow(image.leader, epoch: image.leaderEpoch, on: loop)
        } else {
            replica.resign()
        }
    }

    private var eligible: [NodeId: Int64] {
        seen.image.brokers.compactMapValues { $0.isFenced || $0.isShuttingDown ? nil : $0.epoch }
    }

    // MARK: In-sync sets

    func review() {
        guard let replica = partition,
            let proposal = replica.proposal(at: loop.now, lagMax: ReplicaNode.lagMax, eligible: eligible)
        else { return }
        propose(proposal, replica)
    }

    private func propose(_ proposal: InSyncProposal, _ replica: Partition) {
        let request = AlterPartitionRequest {
            $0.brokerId = id.rawValue
            $0.brokerEpoch = brokerEpoch
            $0.topics = [
                AlterPartitionRequest.TopicData {
                    $0.topicId = cluster.topic
                    $0.partitions = [AlterPartitionRequest.PartitionData(proposal)]
                }
            ]
        }
        var isAnswered = false
        ask({ $0.alter(request) }) { response in
            isAnswered = true
            let answer = InSyncAnswer(response)
            if case .again(let proposal) = replica.answered(proposal, answer) { self.proposeLater(proposal, replica) }
        }
        loop.enter(after: 120_000_000) {
            guard !isAnswered else { return }
            isAnswered = true
            if case .again(let proposal) = replica.answered(proposal, .unknown) { self.propose(proposal, replica) }
        }
    }

    private func proposeLater(_ proposal: InSyncProposal, _ replica: Partition) {
        loop.enter(after: 30_000_000) { self.propose(proposal, replica) }
    }

    // MARK: Following

    private struct Answer {
        var bytes = ByteSlice.empty
        var isRefused = false
        var isOutOfRange = false
        var diverging: (epoch: LeaderEpoch, end: Offset)?
        var highWatermark = Offset.zero
        var startOffset = Offset.zero
    }

    private func fetch() {
        guard !isFetching, let replica = partition, let follower = replica.follower,
            let position = replica.position(in: follower.epoch), let leader = peers[follower.leader]
        else { return }
        isFetching = true
        let life = life
        var isOver = false
        func end() {
            guard !isOver, self.life === life else { return }
            isOver = true
            isFetching = false
        }
        let epoch = brokerEpoch
        let copies = world.chance(5) ? 2 : 1
        for _ in 0..<copies {
            guard !isIsolated else { break }
            leader.deliver {
                leader.serve(self.id, brokerEpoch: epoch, position) { answer in
                    self.deliver {
                        guard !isOver, self.life === life else { return }
                        self.take(answer, position, replica) {
                            end()
                            self.fetch()
                        }
                    }
                }
            }
        }
        loop.enter(after: 80_000_000) { end() }
    }

    private func take(_ answer: Answer, _ asked: FollowerPosition, _ replica: Partition, _ done: @escaping () -> Void) {
        let finish = Confined(done, to: loop)
        let completion: @Sendable (FollowerResult) -> Void = { _ in finish.value() }
        let committed = replica.highWatermark
        if let diverging = answer.diverging {
            world.note("node \(id) cuts at \(diverging)")
            return replica.cut(
                to: { log in
                    let target = PartitionFollower.cut(log.epochs, end: log.endOffset, diverging: diverging)
                    if target < committed { self.violations.append("node \(self.id) cuts to \(target) below \(committed)") }
                    return target
                }, in: asked.leaderEpoch, pool: pool, on: loop, checkpoint: { () throws(StorageError) in },
                completion: completion)
        }
        guard !answer.isRefused, !answer.isOutOfRange else {
            return loop.enter(after: 20_000_000) { done() }
        }
        let given = ReplicatedBatches(
            batches: Array(RecordBatchSequence(answer.bytes)), epoch: asked.leaderEpoch,
            highWatermark: answer.highWatermark, startOffset: answer.startOffset)
        replica.replicate(given, on: loop, completion: completion)
    }

    // MARK: Leading

    private func serve(
        _ follower: NodeId, brokerEpoch: Int64, _ asked: FollowerPosition, _ reply: @escaping (Answer) -> Void
    ) {
        guard let replica = partition, replica.leaderEpoch == asked.leaderEpoch else {
            return reply(Answer(isRefused: true))
        }
        guard asked.offset >= replica.log.startOffset, asked.offset <= replica.log.endOffset else {
            let diverging = replica.divergence(of: asked.lastEpoch, before: asked.offset)
            return reply(Answer(isOutOfRange: true, diverging: diverging))
        }
        if let diverging = replica.divergence(of: asked.lastEpoch, before: asked.offset) {
            return reply(Answer(diverging: diverging))
        }
        let fetch = ReplicaFetch(
            replica: follower, brokerEpoch: brokerEpoch, offset: asked.offset, startOffset: asked.startOffset,
            isEligible: eligible[follower] == brokerEpoch)
        switch replica.fetched(fetch, in: asked.leaderEpoch, at: loop.now, lagMax: ReplicaNode.lagMax) {
        case .success(let mayJoin): if mayJoin { review() }
        case .failure: return reply(Answer(isRefused: true))
        }
        park(asked, replica, reply)
    }

    /// Answers when there is something to tell, or after a while.
    private func park(_ asked: FollowerPosition, _ replica: Partition, _ reply: @escaping (Answer) -> Void) {
        var isOver = false
        let loop = loop
        let answer = Confined(
            { () -> Void in
                guard !isOver else { return }
                isOver = true
                reply(self.read(asked, replica))
            }, to: loop)
        let token = replica.watchForReplica(at: asked.offset, knowing: asked.highWatermark) {
            loop.post { answer.value() }
        }
        guard token != nil else { return answer.value() }
        loop.enter(after: 40_000_000) { answer.value() }
    }

    private func read(_ asked: FollowerPosition, _ replica: Partition) -> Answer {
        guard replica.leaderEpoch == asked.leaderEpoch else { return Answer(isRefused: true) }
        do {
            let read = try replica.log.read(
                from: asked.offset, limit: replica.log.endOffset, countMax: world.number(in: 60...3000), wholeFirst: true)
            return Answer(
                bytes: try ReplicaNode.bytes(read), highWatermark: replica.highWatermark, startOffset: read.startOffset)
        } catch {
            return Answer(isRefused: true)
        }
    }

    /// What was read, as it would come over a link.
    static func bytes(_ read: LogRead) throws -> ByteSlice {
        guard let region = read.region, let file = region.source as? any File else { return .empty }
        return ByteSlice(try file.read(at: region.position, count: region.count).array)
    }
}

extension AlterPartitionRequest.PartitionData {
    fileprivate init(_ proposal: InSyncProposal) {
        self.init()
        leaderEpoch = proposal.leaderEpoch.rawValue
        partitionEpoch = proposal.partitionEpoch
        newIsrWithEpochs = proposal.members.map { member in
            AlterPartitionRequest.BrokerState {
                $0.brokerId = member.id.rawValue
                $0.brokerEpoch = member.brokerEpoch
            }
        }
    }
}

extension InSyncAnswer {
    fileprivate init(_ response: AlterPartitionResponse) {
        guard !response.errorCode.isError, let data = response.topics.first?.partitions.first else {
            self = .unknown
            return
        }
        switch data.errorCode {
        case .none:
            self = .decided(
                InSyncDecision(
                    leader: NodeId(data.leaderId), leaderEpoch: LeaderEpoch(data.leaderEpoch),
                    partitionEpoch: data.partitionEpoch, inSync: data.isr.map(NodeId.init),
                    isRecovering: data.leaderRecoveryState != 0))
        case .ineligibleReplica: self = .refused
        case .notController: self = .unknown
        default: self = .outdated
        }
    }
}
