// What a loop sees of the cluster: the committed image, and the replicas of this node, topic by topic. Immutable; a
// change makes a new view that shares all topics which did not change, and every loop takes it by mailbox.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Replication
internal import WireProtocol

/// A topic as the data path uses it.
final class TopicView: Sendable {
    let image: TopicImage
    let configuration: TopicConfiguration
    /// Replicas on this node, by partition number.
    let replicas: [Int32: Partition]

    init(image: TopicImage, configuration: TopicConfiguration, replicas: [Int32: Partition]) {
        self.image = image
        self.configuration = configuration
        self.replicas = replicas
    }

    var name: String { image.name }
    var id: Uuid { image.id }

    /// Why `node` cannot serve a partition that it has no replica of: the replica's log failed, or is somewhere else.
    func absence(of index: Int32, at node: NodeId) -> ErrorCode {
        image.partitions[index]?.replicas.contains(node) ?? false ? .kafkaStorageError : .notLeaderOrFollower
    }
}

/// The cluster as of one committed offset.
final class ClusterView: Sendable {
    let image: ClusterImage
    let byId: [Uuid: TopicView]
    /// Topics that may differ from the view before. Every loop takes every view, in order.
    let changed: Set<Uuid>

    init(image: ClusterImage, byId: [Uuid: TopicView] = [:], changed: Set<Uuid> = []) {
        self.image = image
        self.byId = byId
        self.changed = changed
    }

    func topic(_ name: String) -> TopicView? { image.topicIds[name].flatMap { byId[$0] } }
    func topic(_ id: Uuid) -> TopicView? { byId[id] }

    /// All replicas on this node, in no order.
    var replicas: [Partition] { byId.values.flatMap(\.replicas.values) }

    /// The registration of a broker that may be in sync: it lives, and does not shut down (KIP-841).
    func eligibleEpoch(of broker: NodeId) -> Int64? {
        guard let registered = image.brokers[broker], !registered.isFenced, !registered.isShuttingDown else { return nil }
        return registered.epoch
    }

    /// The registrations of all brokers that may be in sync.
    var eligibleEpochs: [NodeId: Int64] {
        image.brokers.compactMapValues { $0.isFenced || $0.isShuttingDown ? nil : $0.epoch }
    }

    /// The broker that clients are told to ask for what the controller decides: any of them passes it on, so the asked one.
    func contact(for broker: NodeId) -> NodeId {
        let live = liveBrokers
        return live.contains { $0.id == broker } ? broker : live.first?.id ?? .none
    }

    /// Live brokers, by id.
    var liveBrokers: [BrokerImage] {
        image.brokers.values.filter { !$0.isFenced }.sorted { $0.id < $1.id }
    }
}
