// The whole cluster as one value, built by replaying metadata records. Every reactor holds one and reads it without a
// lock; the controller holds the newest and derives the next from it.
//
// Rule: state changes in `replay` only, used alike at start, live, and (later) on every other node.

package import Basics
package import WireProtocol

/// What a configuration belongs to.
package struct ConfigurationResource: Hashable, Comparable, Sendable {
    package enum Kind: Int8, Sendable {
        case topic = 2
        case broker = 4
        case brokerLogger = 8
        case clientMetrics = 16
        case group = 32
    }

    package var kind: Kind
    /// The name of the topic or group, the id of the broker, or empty for all brokers.
    package var name: String

    package init(_ kind: Kind, _ name: String) {
        self.kind = kind
        self.name = name
    }

    package static func < (left: ConfigurationResource, right: ConfigurationResource) -> Bool {
        (left.kind.rawValue, left.name) < (right.kind.rawValue, right.name)
    }
}

/// The cluster after some offset of the metadata log.
package struct ClusterImage: Sendable, Equatable {
    package var clusterId: String
    /// The offset behind the last record that was replayed.
    package private(set) var endOffset: Offset = .zero
    package private(set) var brokers: [NodeId: BrokerImage] = [:]
    package private(set) var controllers: [NodeId: RegisterControllerRecord] = [:]
    package private(set) var topics: [Uuid: TopicImage] = [:]
    package private(set) var topicIds: [String: Uuid] = [:]
    package private(set) var configurations: [ConfigurationResource: [String: String]] = [:]
    package private(set) var features: [String: Int16] = [:]
    /// The first producer id that no block covers yet.
    package private(set) var nextProducerId: Int64 = 0
    /// Records of what is kept but not served yet, by what they concern: rules, credentials, quotas, tokens.
    package private(set) var kept: [String: MetadataRecord] = [:]
    /// Records of a transaction that has neither ended nor been aborted.
    private var openTransaction: [MetadataRecord]?

    package init(clusterId: String) { self.clusterId = clusterId }

    package func topic(named name: String) -> TopicImage? { topicIds[name].flatMap { topics[$0] } }
    package func configuration(_ kind: ConfigurationResource.Kind, _ name: String) -> [String: String] {
        configurations[ConfigurationResource(kind, name)] ?? [:]
    }

    /// Replicas whose broker, or whose folder on it, does not serve.
    package func offlineReplicas(of partition: PartitionImage) -> [NodeId] {
        partition.replicas.filter { id in
            guard let broker = brokers[id], !broker.isFenced else { return true }
            return !broker.isOnline(partition.directory(of: id))
        }
    }

    /// What is replayed waits for the end of a transaction.
    package var isInTransaction: Bool { openTransaction != nil }

    /// The level of a finalized feature; 0 if it is off.
    package func level(of feature: String) -> Int16 { features[feature] ?? 0 }

    /// Applies one record. Records between the begin and the end of a transaction take effect together, or not at all.
    package mutating func replay(_ record: MetadataRecord, at offset: Offset) {
        endOffset = offset + 1
        switch record {
        case .beginTransaction: openTransaction = []
        case .endTransaction:
            let held = openTransaction ?? []
            openTransaction = nil
            for record in held { apply(record) }
        case .abortTransaction: openTransaction = nil
        default:
            if openTransaction == nil { apply(record) } else { openTransaction?.append(record) }
        }
    }

    /// Notes that the log holds control records up to `offset`, which change nothing here.
    package mutating func skip(to offset: Offset) { endOffset = max(endOffset, offset) }

    private mutating func apply(_ record: MetadataRecord) {
        switch record {
        case .registerBroker(let record): brokers[NodeId(record.brokerId)] = BrokerImage(record)
        case .unregisterBroker(let record): brokers[NodeId(record.brokerId)] = nil
        case .fenceBroker(let record): brokers[NodeId(record.id)]?.isFenced = true
        case .unfenceBroker(let record): brokers[NodeId(record.id)]?.isFenced = false
        case .brokerRegistrationChange(let record): brokers[NodeId(record.brokerId)]?.apply(record)
        case .registerController(let record): controllers[NodeId(record.controllerId)] = record
        case .unregisterController(let record): controllers[NodeId(record.controllerId)] = nil
        case .topic, .partition, .partitionChange, .removeTopic, .clearElr: applyTopic(record)
        case .config(let record): apply(record)
        case .featureLevel(let record): features[record.name] = record.featureLevel == 0 ? nil : record.featureLevel
        case .producerIds(let record): nextProducerId = record.nextProducerId
        default: keep(record)
        }
    }

    private mutating func applyTopic(_ record: MetadataRecord) {
        switch record {
        case .topic(let record):
            topics[record.topicId] = TopicImage(name: record.name, id: record.topicId)
            topicIds[record.name] = record.topicId
        case .partition(let record):
            topics[record.topicId]?.partitions[record.partitionId] = PartitionImage(record)
        case .partitionChange(let record):
            topics[record.topicId]?.partitions[record.partitionId]?.apply(record)
        case .removeTopic(let record):
            guard let topic = topics.removeValue(forKey: record.topicId) else { return }
            topicIds[topic.name] = nil
            configurations[ConfigurationResource(.topic, topic.name)] = nil
        case .clearElr(let record): clearEligible(topicNamed: record.topicName)
        default: break
        }
    }

    /// Eligible leaders are forgotten where `min.insync.replicas` changed (KIP-966).
    private mutating func clearEligible(topicNamed name: String) {
        let ids = name.isEmpty ? Array(topics.keys) : topicIds[name].map { [$0] } ?? []
        for id in ids {
            for index in topics[id]?.partitions.keys.sorted() ?? [] {
                topics[id]?.partitions[index]?.clearEligible()
            }
        }
    }

    private mutating func apply(_ record: ConfigRecord) {
        guard let kind = ConfigurationResource.Kind(rawValue: record.resourceType) else { return }
        let resource = ConfigurationResource(kind, record.resourceName)
        configurations[resource, default: [:]][record.name] = record.value
        if configurations[resource]?.isEmpty ?? false { configurations[resource] = nil }
    }

    private mutating func keep(_ record: MetadataRecord) {
        switch record {
        case .accessControlEntry(let entry): kept["acl \(entry.id)"] = record
        case .removeAccessControlEntry(let entry): kept["acl \(entry.id)"] = nil
        case .userScramCredential(let entry): kept["scram \(entry.mechanism) \(entry.name)"] = record
        case .removeUserScramCredential(let entry): kept["scram \(entry.mechanism) \(entry.name)"] = nil
        case .delegationToken(let entry): kept["token \(entry.tokenId)"] = record
        case .removeDelegationToken(let entry): kept["token \(entry.tokenId)"] = nil
        case .clientQuota(let quota):
            let entity = quota.entity.map { "\($0.entityType)=\($0.entityName ?? "")" }.sorted()
            kept["quota \(entity.joined(separator: ",")) \(quota.key)"] = quota.remove ? nil : record
        default: break
        }
    }
}
