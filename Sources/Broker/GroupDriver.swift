// The group coordinators of a loop, and the way of a request to the one that has its group.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Coordination
internal import Environment
internal import Groups
internal import Records
internal import WireProtocol

typealias GroupDriver = CoordinatorDriver<GroupCoordinator>

enum GroupTopic {
    static let name = "__consumer_offsets"

    /// The partition that `groupId` belongs to: the magnitude of Java's hash of the text, over its UTF-16; the hash that
    /// has none counts as 0.
    static func partition(of groupId: String, count: Int) -> Int32 {
        var hash: Int32 = 0
        for unit in groupId.utf16 { hash = hash &* 31 &+ Int32(unit) }
        return hash == .min ? 0 : Int32(Int(hash.magnitude) % max(count, 1))
    }

    /// The request that creates the topic, as the configuration says. With the default number of replicas there are no more than
    /// `brokers` that are registered; one that was given is waited for, and so are the brokers that the configuration of a node
    /// of both roles names as controllers, so that the first group of a cluster that comes up does not leave all that follow
    /// with fewer.
    static func creation(_ node: NodeConfiguration, brokers: Int) -> CreateTopicsRequest {
        let settings = [
            ("cleanup.policy", "compact"), ("compression.type", "producer"),
            ("segment.bytes", String(node.int("offsets.topic.segment.bytes"))),
        ]
        return CreateTopicsRequest {
            $0.topics = [
                CreateTopicsRequest.CreatableTopic {
                    $0.name = name
                    $0.numPartitions = Int32(clamping: node.int("offsets.topic.num.partitions"))
                    let key = "offsets.topic.replication.factor"
                    let expected = max(brokers, node.isController ? node.namedControllerCount : 0)
                    let factor = node.origin(of: key) == .defaultValue ? min(node.int(key), expected) : node.int(key)
                    $0.replicationFactor = Int16(clamping: max(factor, 1))
                    $0.configs = settings.map { key, value in
                        CreateTopicsRequest.CreatableTopicConfig {
                            $0.name = key
                            $0.value = value
                        }
                    }
                }
            ]
        }
    }
}

extension GroupSettings {
    /// What the node's configuration says.
    init(_ node: NodeConfiguration) {
        self.init()
        func milliseconds(_ key: String) -> Duration { .milliseconds(Int64(node.int(key))) }
        sessionTimeoutMin = milliseconds("group.min.session.timeout.ms")
        sessionTimeoutMax = milliseconds("group.max.session.timeout.ms")
        initialRebalanceDelay = milliseconds("group.initial.rebalance.delay.ms")
        sizeMax = node.int("group.max.size")
        offsetMetadataBytesMax = node.int("offset.metadata.max.bytes")
        offsetsRetention = .seconds(Int64(node.int("offsets.retention.minutes")) * 60)
        offsetsRetentionCheckInterval = milliseconds("offsets.retention.check.interval.ms")
        recordBytesMax = node.int("message.max.bytes")
        takeConsumerKeys(of: node)
    }
}

extension CoordinatorKind<GroupCoordinator> {
    static func groups(_ node: NodeConfiguration) -> CoordinatorKind {
        let settings = GroupSettings(node)
        return CoordinatorKind(
            topic: GroupTopic.name,
            compression: CompressionType(rawValue: node.int("offsets.topic.compression.codec")) ?? .none,
            batchBytesMax: settings.recordBytesMax,
            commitTimeout: .milliseconds(Int64(node.int("offsets.commit.timeout.ms"))),
            makeCore: { GroupCoordinator(image: $0, settings: settings) },
            takeImage: { core, image, moment in core.take(image, moment) })
    }
}

extension CoordinatorRefusal {
    var code: ErrorCode {
        switch self {
        case .loading: .coordinatorLoadInProgress
        case .notCoordinator: .notCoordinator
        case .notAvailable: .coordinatorNotAvailable
        }
    }
}

extension Call {
    /// Groups that one request may name.
    static let groupsMax = 10_000

    /// Who asks, as a group coordinator is told; with a new id for one who is no member yet.
    func groupClient(isNew: Bool = false) -> GroupClient {
        var client = GroupClient(
            id: context.clientId ?? "", host: context.origin.groupHost, version: version, newMemberId: .zero)
        if isNew {
            var random = RandomSourceGenerator(shard.broker.environment.random)
            client.newMemberId = Uuid.random(using: &random)
        }
        return client
    }

    /// Has the coordinator of `groupId` decide; `then` runs in the call's loop. `waitsForPeers`: the answer depends on
    /// other clients, so that a peer that goes away is forgotten and a node that stops does not wait.
    func coordinate(
        _ groupId: String, waitsForPeers: Bool = false, _ decide: @escaping GroupDriver.Decide,
        then: @escaping (GroupDriver.Outcome) -> Void
    ) {
        guard let topic = shard.view.topic(GroupTopic.name) else { return then(.failure(.notCoordinator)) }
        let partition = GroupTopic.partition(of: groupId, count: topic.image.partitions.count)
        let target = shard.owner(of: partition)
        let ticket = Confined(GroupDriver.Ticket(), to: target.confinement)
        if waitsForPeers {
            park { end in
                target.confinement.post { target.value.groups.forget(ticket.value) }
                if end == .hurried { then(.failure(.notCoordinator)) }
            }
        }
        shard.ask(target, partition, ticket, within: patience, decide, then: then)
    }
}

extension Shard {
    /// The loop that coordinates what belongs to `partition`.
    func owner(of partition: Int32) -> Confined<Shard> {
        let loops = broker.environment.loops
        let owner = loops[Int(partition) % loops.count]
        guard let shard = peers.first(where: { $0.confinement === owner }) else {
            preconditionFailure("requests are taken when all loops have begun")
        }
        return shard
    }

    /// Has a coordinator of `target` decide; `then` runs here. Each way may take so long if the loops differ.
    fileprivate func ask(
        _ target: Confined<Shard>, _ partition: Int32, _ ticket: Confined<GroupDriver.Ticket>,
        within patience: Duration = .zero, _ decide: @escaping GroupDriver.Decide,
        then: @escaping (GroupDriver.Outcome) -> Void
    ) {
        if target.confinement.isInside {
            return target.value.groups.request(partition, ticket.value, decide, completion: then)
        }
        let back = Confined(then, to: loop)
        target.confinement.post(within: patience) {
            target.value.groups.request(partition, ticket.value, decide) { outcome in
                back.confinement.post(within: patience) { back.value(outcome) }
            }
        }
    }

    /// Has all coordinators of all loops decide; `then` runs here with all outcomes.
    func askAll(_ decide: @escaping GroupDriver.Decide, then: @escaping ([GroupDriver.Outcome]) -> Void) {
        let partitions = view.topic(GroupTopic.name)?.replicas.keys.sorted() ?? []
        guard !partitions.isEmpty else { return then([]) }
        var outcomes: [GroupDriver.Outcome] = []
        for partition in partitions {
            let target = owner(of: partition)
            ask(target, partition, Confined(GroupDriver.Ticket(), to: target.confinement), decide) { outcome in
                outcomes.append(outcome)
                if outcomes.count == partitions.count { then(outcomes) }
            }
        }
    }
}
