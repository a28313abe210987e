// Whoever else is at work in a world of groups: the producer, ghosts of members that are gone, and the operator.

import Basics
import Bytes
import Client
import Environment
import Records
import WireProtocol

/// Makes the topic and fills its partitions, a batch at a time, again until it is acknowledged.
final class GroupProducer {
    private let world: World
    private let peer: Peer
    private let partitions: Int
    /// The segments of the offsets topic.
    private let segmentBytes: String
    private(set) var hasTopic = false
    /// No more than what is under way is produced.
    var isEnding = false
    private(set) var isDone = false

    init(_ world: World, _ internet: VirtualInternet, partitions: Int) {
        self.world = world
        self.partitions = partitions
        segmentBytes = ["1500", "6000", "1073741824"][world.number(in: 0...2)]
        peer = Peer("producer", world, internet)
    }

    func start() { connect() }

    private func again() { peer.loop.enter(after: 50_000_000 + world.delay(upTo: 50_000)) { self.connect() } }

    private func connect() {
        guard !peer.isConnected else { return hasTopic ? send() : create() }
        peer.connect { isThere in
            guard isThere else { return self.again() }
            if self.hasTopic { self.send() } else { self.create() }
        }
    }

    private func create() {
        // Small segments and an eager compaction, so that a short history has many of both.
        let offsets = [
            ("cleanup.policy", "compact"), ("internal.segment.bytes", segmentBytes),
            ("min.cleanable.dirty.ratio", "0.1"), ("file.delete.delay.ms", "100"),
        ]
        let creation = CreateTopicsRequest {
            $0.topics = [
                topic(GroupMember.topic, partitions, []),
                topic("__consumer_offsets", world.number(in: 1...3), offsets),
            ]
        }
        peer.call(creation, version: 7) { response in
            let codes = response?.topics.map(\.errorCode) ?? []
            self.hasTopic = codes.count == 2 && codes.allSatisfy { $0 == .none || $0 == .topicAlreadyExists }
            if self.hasTopic { self.send() } else { self.again() }
        }
    }

    private func topic(
        _ name: String, _ partitions: Int, _ settings: [(String, String)]
    ) -> CreateTopicsRequest.CreatableTopic {
        CreateTopicsRequest.CreatableTopic {
            $0.name = name
            $0.numPartitions = Int32(partitions)
            $0.replicationFactor = 1
            $0.configs = settings.map { key, value in
                CreateTopicsRequest.CreatableTopicConfig {
                    $0.name = key
                    $0.value = value
                }
            }
        }
    }

    private func send() {
        if isEnding {
            isDone = true
            return
        }
        let records = (0..<world.number(in: 1...4)).map { PlainRecord(key: nil, value: Array("v\($0)".utf8)) }
        let batch = RecordBatch(
            plain: records, at: .zero, epoch: .none, timestamp: VirtualClock(world: world).wallClock, isControl: false)
        let partition = Int32(world.number(in: 0...partitions - 1))
        let request = ProduceRequest {
            $0.acks = -1
            $0.timeoutMs = 5000
            $0.topicData = [
                ProduceRequest.TopicProduceData {
                    $0.name = GroupMember.topic
                    $0.partitionData = [
                        ProduceRequest.PartitionProduceData {
                            $0.index = partition
                            $0.records = .bytes(batch.bytes)
                        }
                    ]
                }
            ]
        }
        peer.call(request, version: 9) { response in
            let code = response?.responses.first?.partitionResponses.first?.errorCode
            guard code == ErrorCode.none else { return self.again() }
            self.peer.loop.enter(after: self.world.delay(upTo: 1_200_000)) { self.send() }
        }
    }
}

/// Says again what members said that are gone, or in another generation by now; each must be refused.
final class Ghost {
    private let world: World
    private let peer: Peer
    private let oracle: GroupOracle
    /// What it may say, the group and a member in it.
    var known: () -> [(group: String, identity: MemberIdentity, isClassic: Bool)] = { [] }
    var isEnding = false
    private let partitions: Int

    init(_ world: World, _ internet: VirtualInternet, _ oracle: GroupOracle, partitions: Int) {
        self.world = world
        self.oracle = oracle
        self.partitions = partitions
        peer = Peer("ghost", world, internet)
    }

    func start() { peer.loop.enter(after: world.delay(upTo: 1_500_000)) { self.speak() } }

    private func speak() {
        guard !isEnding else { return }
        start()
        guard peer.isConnected else { return peer.connect { _ in } }
        let said = known().filter { !$0.identity.memberId.isEmpty && $0.identity.generation >= 0 }
        guard !said.isEmpty else { return }
        // Lately gone ones more often than those of long ago.
        let (group, identity, isClassic) = said[said.count - 1 - world.number(in: 0...min(said.count - 1, 7))]
        if world.chance(50) { return commit(group, identity) }
        if isClassic { heartbeat(group, identity) } else { beat(group, identity) }
    }

    private func heard(_ code: ErrorCode?, _ what: String, _ group: String, _ identity: MemberIdentity) {
        // Meanwhile it may be a member again, in the same epoch.
        guard let code, !code.isError, oracle.log[group].refusesHeartbeat(identity.memberId, identity.generation) else { return }
        oracle.violate("a stale \(what) of \(identity.memberId) in \(identity.generation) of \(group) was taken")
    }

    private func commit(_ group: String, _ identity: MemberIdentity) {
        let partition = Int32(world.number(in: 0...partitions - 1))
        let view = oracle.log[group]
        guard view.refusesCommit(identity.memberId, identity.generation, partition) else { return }
        let request = OffsetCommitRequest {
            $0.groupId = group
            $0.memberId = identity.memberId
            $0.generationIdOrMemberEpoch = identity.generation
            $0.groupInstanceId = identity.instanceId
            $0.topics = [
                OffsetCommitRequest.OffsetCommitRequestTopic {
                    $0.name = GroupMember.topic
                    $0.partitions = [
                        OffsetCommitRequest.OffsetCommitRequestPartition {
                            $0.partitionIndex = partition
                            $0.committedOffset = view.offsets[partition] ?? 0
                            $0.committedMetadata = GroupOracle.ghost(identity.memberId, identity.generation)
                        }
                    ]
                }
            ]
        }
        // The log tells whether it was taken.
        peer.call(request, version: 9) { _ in }
    }

    private func heartbeat(_ group: String, _ identity: MemberIdentity) {
        let view = oracle.log[group]
        guard view.refusesHeartbeat(identity.memberId, identity.generation) else { return }
        guard !mayBeLoading else { return }
        let request = HeartbeatRequest {
            $0.groupId = group
            $0.generationId = identity.generation
            $0.memberId = identity.memberId
            $0.groupInstanceId = identity.instanceId
        }
        peer.call(request, version: 4) { response in
            // It may have waited for a broker that was down.
            guard !self.mayBeLoading else { return }
            self.heard(response?.errorCode, "heartbeat", group, identity)
        }
    }

    /// While a coordinator loads, heartbeats of classic members are answered that all is well, as in Kafka.
    private var mayBeLoading: Bool { world.now - oracle.servesSince <= 3_000_000_000 }

    private func beat(_ group: String, _ identity: MemberIdentity) {
        guard identity.generation > 0 else { return }
        guard oracle.log[group].refusesHeartbeat(identity.memberId, identity.generation) else { return }
        let request = ConsumerGroupHeartbeatRequest {
            $0.groupId = group
            $0.memberId = identity.memberId
            $0.memberEpoch = identity.generation
            $0.instanceId = identity.instanceId
        }
        peer.call(request, version: 1) { response in
            self.heard(response?.errorCode, "heartbeat", group, identity)
        }
    }
}

/// Sets the offsets of groups that nobody is in.
final class Operator {
    private let world: World
    private let client: ClusterClient
    private let oracle: GroupOracle

    init(_ world: World, _ internet: VirtualInternet, _ oracle: GroupOracle) {
        self.world = world
        self.oracle = oracle
        let environment = Environment.process(world, internet, Life("operator"))
        client = ClusterClient(environment, on: environment.loops[0], ClientSettings(bootstrap: [Machine.address]))
    }

    /// Resets the offsets of a group to earlier ones. Nothing comes of it while the group has members.
    func reset(_ group: String, completion: @escaping () -> Void) {
        var offsets: [OffsetToCommit] = []
        for (partition, offset) in oracle.log[group].offsets.sorted(by: { $0.key < $1.key }) {
            let target = Offset(Int64(world.number(in: 0...Int(offset))))
            let place = TopicPartition(GroupMember.topic, partition)
            offsets.append(OffsetToCommit(place, target, metadata: GroupOracle.reset))
        }
        guard !offsets.isEmpty, let loop = client.loop as? VirtualLoop else { return completion() }
        world.note("RESET \(group) \(offsets.map { "\($0.partition.partition)@\($0.offset)" })")
        loop.enter(after: 0) { [self] in
            let link = CoordinatorLink(client, group: group)
            Admin(client).commitOffsets(link, offsets, deadline: loop.now + .seconds(15)) { [self] result in
                world.note("reset: \((try? result.get())?.map(\.code).description ?? "failed")")
                link.close()
                completion()
            }
        }
    }
}
