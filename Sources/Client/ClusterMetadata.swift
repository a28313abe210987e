// The client's picture of the cluster: brokers, topics, leaders. A plain value, replaced piece by piece as answers come.

package import Basics
package import Environment
package import WireProtocol

/// A broker that clients may talk to.
package struct BrokerInfo: Hashable, Sendable {
    package var id: NodeId
    package var address: SocketAddress
    package var rack: String?

    package init(id: NodeId, address: SocketAddress, rack: String?) {
        self.id = id
        self.address = address
        self.rack = rack
    }

    /// As answers name it.
    init(id: NodeId, host: String, port: Int32, rack: String?) {
        self.init(id: id, address: SocketAddress(host: host, port: UInt16(clamping: port)), rack: rack)
    }
}

/// A partition of a topic.
package struct PartitionInfo: Hashable, Sendable {
    package var partition: Int32
    /// `NodeId.none` while there is none.
    package var leader: NodeId
    package var leaderEpoch: LeaderEpoch
    package var replicas: [NodeId]
    package var inSync: [NodeId]
    package var offline: [NodeId]

    package init(
        partition: Int32, leader: NodeId, leaderEpoch: LeaderEpoch, replicas: [NodeId], inSync: [NodeId], offline: [NodeId] = []
    ) {
        self.partition = partition
        self.leader = leader
        self.leaderEpoch = leaderEpoch
        self.replicas = replicas
        self.inSync = inSync
        self.offline = offline
    }
}

/// Who leads a partition now, as the answer says that refuses a request because another leads.
struct LeaderHint {
    var leader: NodeId
    var epoch: LeaderEpoch
    /// Where the leader is, if the answer says so.
    var broker: BrokerInfo?
}

/// A topic, or why nothing is known of it.
package struct TopicInfo: Hashable, Sendable {
    package var name: String
    package var id: Uuid
    package var error: ErrorCode
    package var isInternal: Bool
    /// In the order of their numbers, which are 0 up to the count.
    package var partitions: [PartitionInfo]

    package init(name: String, id: Uuid, error: ErrorCode = .none, isInternal: Bool = false, partitions: [PartitionInfo]) {
        self.name = name
        self.id = id
        self.error = error
        self.isInternal = isInternal
        self.partitions = partitions
    }

    package subscript(partition: Int32) -> PartitionInfo? {
        partitions.indices.contains(Int(partition)) ? partitions[Int(partition)] : nil
    }
}

/// What is known of the cluster.
package struct ClusterMetadata: Hashable, Sendable {
    package private(set) var clusterId: String?
    package private(set) var controller = NodeId.none
    /// Sorted by id.
    package private(set) var brokers: [BrokerInfo] = []
    private var topicsByName: [String: TopicInfo] = [:]
    private var namesById: [Uuid: String] = [:]

    package init() {}

    package var topicNames: [String] { topicsByName.keys.sorted() }

    package subscript(topic: String) -> TopicInfo? { topicsByName[topic] }

    /// The topic with this id, if it is known.
    package subscript(id: Uuid) -> TopicInfo? { namesById[id].flatMap { topicsByName[$0] } }

    package func broker(_ id: NodeId) -> BrokerInfo? { brokers.first { $0.id == id } }

    /// The leader, if there is one.
    package func leader(of partition: TopicPartition) -> NodeId? {
        guard let leader = topicsByName[partition.topic]?[partition.partition]?.leader, leader != .none else {
            return nil
        }
        return leader
    }

    /// Takes over an answer. Of a topic that is known already, leaders of older epochs are not believed (KIP-320).
    mutating func update(_ response: MetadataResponse) {
        clusterId = response.clusterId ?? clusterId
        controller = NodeId(response.controllerId)
        brokers = response.brokers.map { broker in
            BrokerInfo(id: NodeId(broker.nodeId), host: broker.host, port: broker.port, rack: broker.rack)
        }.sorted { $0.id < $1.id }
        for topic in response.topics {
            guard let name = topic.name ?? namesById[topic.topicId] else { continue }
            var info = TopicInfo(topic, name: name)
            if let known = topicsByName[name], known.id == info.id { info.keepNewerEpochs(of: known) }
            if info.error.isRetriable, info.partitions.isEmpty, let known = topicsByName[name], !known.error.isError {
                continue
            }
            topicsByName[name] = info
            if info.id != .zero { namesById[info.id] = name }
        }
    }

    /// Takes over what a refusal told of the leader (KIP-951). True if that is news and the leader's address is known.
    mutating func learn(_ hint: LeaderHint, of partition: TopicPartition) -> Bool {
        guard hint.leader >= NodeId(0), var topic = topicsByName[partition.topic], let known = topic[partition.partition],
            hint.epoch > known.leaderEpoch
        else { return false }
        if let told = hint.broker, broker(told.id) != told {
            brokers.removeAll { $0.id == told.id }
            brokers.append(told)
            brokers.sort { $0.id < $1.id }
        }
        guard broker(hint.leader) != nil else { return false }
        topic.partitions[Int(partition.partition)].leader = hint.leader
        topic.partitions[Int(partition.partition)].leaderEpoch = hint.epoch
        topicsByName[partition.topic] = topic
        return true
    }

    /// Forgets a topic.
    mutating func remove(_ topic: String) {
        guard let known = topicsByName.removeValue(forKey: topic) else { return }
        namesById[known.id] = nil
    }
}

extension TopicInfo {
    fileprivate init(_ topic: MetadataResponse.MetadataResponseTopic, name: String) {
        self.name = name
        id = topic.topicId
        error = topic.errorCode
        isInternal = topic.isInternal
        partitions = topic.partitions.map { partition in
            PartitionInfo(
                partition: partition.partitionIndex, leader: NodeId(partition.leaderId),
                leaderEpoch: LeaderEpoch(partition.leaderEpoch), replicas: partition.replicaNodes.map(NodeId.init),
                inSync: partition.isrNodes.map(NodeId.init), offline: partition.offlineReplicas.map(NodeId.init))
        }.sorted { $0.partition < $1.partition }
    }

    fileprivate mutating func keepNewerEpochs(of known: TopicInfo) {
        for index in partitions.indices {
            guard let before = known[partitions[index].partition], partitions[index].leaderEpoch != .none,
                before.leaderEpoch > partitions[index].leaderEpoch
            else { continue }
            partitions[index].leader = before.leader
            partitions[index].leaderEpoch = before.leaderEpoch
        }
    }
}
