// Changing and describing configurations: which keys there are, which values they take, and where a value is from.

internal import Basics
package import ClusterImage
package import Configuration
package import WireProtocol

/// One change of one key.
package struct ConfigurationChange: Sendable {
    package enum Operation: Int8, Sendable {
        case set = 0
        case delete = 1
        case append = 2
        case subtract = 3
    }

    package var key: String
    /// Nil: the request named one that there is not.
    package var operation: Operation?
    package var value: String?

    package init(key: String, operation: Operation?, value: String?) {
        self.key = key
        self.operation = operation
        self.value = value
    }
}

/// What to change of one resource, or why the request makes no sense.
package struct ResourceChange: Sendable {
    package var type: Int8
    package var name: String
    package var changes: [ConfigurationChange]
    /// Keys that are not named lose their value (AlterConfigs, the older call).
    package var replacesAll: Bool

    package init(type: Int8, name: String, changes: [ConfigurationChange], replacesAll: Bool) {
        self.type = type
        self.name = name
        self.changes = changes
        self.replacesAll = replacesAll
    }
}

/// The answer for one resource.
package struct ResourceResult: Sendable {
    package var type: Int8
    package var name: String
    package var code: ErrorCode
    package var message: String?

    package init(type: Int8, name: String, code: ErrorCode, message: String?) {
        self.type = type
        self.name = name
        self.code = code
        self.message = message
    }
}

extension Controller {
    static func configRecord(
        _ kind: ConfigurationResource.Kind, _ name: String, _ key: String, _ value: String?
    ) -> VersionedRecord {
        let record = ConfigRecord {
            $0.resourceType = kind.rawValue
            $0.resourceName = name
            $0.name = key
            $0.value = value
        }
        return VersionedRecord(.config(record), 0)
    }

    /// Decides changes of several resources; each succeeds or fails by itself.
    package func alterConfigurations(
        _ resources: [ResourceChange], validateOnly: Bool
    ) -> Decision<[ResourceResult]> {
        var decision = Decision<[ResourceResult]>(reply: [])
        var counts: [ConfigurationResource?: Int] = [:]
        for resource in resources { counts[Controller.identity(resource), default: 0] += 1 }
        for resource in resources {
            var result = ResourceResult(type: resource.type, name: resource.name, code: .none, message: nil)
            do throws(Refusal) {
                if Controller.identity(resource).map({ counts[$0, default: 0] > 1 }) ?? false {
                    throw Refusal(.invalidRequest, "Each resource must appear at most once.")
                }
                let records = try change(resource)
                if !validateOnly { decision.records += records + clearingEligible(records) }
            } catch {
                result.code = error.code
                result.message = error.message
            }
            decision.reply.append(result)
        }
        return decision
    }

    /// Who may be elected was judged by the old `min.insync.replicas`: with another, it is judged anew (KIP-966). A partition
    /// without any replica in sync keeps its eligible ones: nothing is committed there meanwhile, and without them it would
    /// have no leader ever again. Kafka forgets them there, too.
    private func clearingEligible(_ records: [VersionedRecord]) -> [VersionedRecord] {
        guard hasEligibleLeaders else { return [] }
        return records.flatMap { entry -> [VersionedRecord] in
            guard case .config(let config) = entry.record, config.name == Controller.minimumInSync else { return [] }
            let isTopic = config.resourceType == ConfigurationResource.Kind.topic.rawValue
            let concerned = image.topics.values.filter { !isTopic || $0.name == config.resourceName }.sorted { $0.id < $1.id }
            guard concerned.contains(where: { $0.partitions.values.contains { $0.inSync.isEmpty } }) else {
                let record = ClearElrRecord { $0.topicName = isTopic ? config.resourceName : "" }
                return [VersionedRecord(.clearElr(record), 0)]
            }
            return concerned.flatMap(clearingEligible)
        }
    }

    private func clearingEligible(_ topic: TopicImage) -> [VersionedRecord] {
        topic.sortedPartitions.compactMap { index, partition in
            let hasSome = !partition.eligibleLeaders.isEmpty || !partition.lastKnownEligible.isEmpty
            guard hasSome, !partition.inSync.isEmpty else { return nil }
            let change = PartitionChangeRecord {
                $0.topicId = topic.id
                $0.partitionId = index
                $0.eligibleLeaderReplicas = []
                $0.lastKnownElr = []
            }
            return VersionedRecord(.partitionChange(change), image.recordVersions.partition)
        }
    }

    private static let minimumInSync = "min.insync.replicas"

    /// Leaders and the controller must mean the same minimum (KIP-966).
    private func checkMinimum(_ kind: ConfigurationResource.Kind, _ name: String, _ value: String?) throws(Refusal) {
        guard kind == .broker, hasEligibleLeaders else { return }
        if !name.isEmpty {
            throw Refusal(.invalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
        }
        if value == nil {
            throw Refusal(.invalidConfig, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
        }
    }

    private static func identity(_ resource: ResourceChange) -> ConfigurationResource? {
        ConfigurationResource.Kind(rawValue: resource.type).map { ConfigurationResource($0, resource.name) }
    }

    private func change(_ resource: ResourceChange) throws(Refusal) -> [VersionedRecord] {
        let kind = try checkResource(resource)
        guard Set(resource.changes.map(\.key)).count == resource.changes.count else {
            throw Refusal(.invalidRequest, "Error due to duplicate config keys")
        }
        let before = image.configuration(kind, resource.name)
        var after = resource.replacesAll ? [:] : before
        for change in resource.changes {
            after[change.key] = try value(of: change, kind, before: before)
        }
        let minimum = Controller.minimumInSync
        if before[minimum] != after[minimum] { try checkMinimum(kind, resource.name, after[minimum]) }
        for (key, value) in after.sorted(by: { $0.key < $1.key }) where before[key] != value {
            try checkValue(kind, resource.name, key, value)
        }
        if kind == .topic, image.topicIds[resource.name] == nil {
            throw Refusal(.unknownTopicOrPartition, "The topic '\(resource.name)' does not exist.")
        }
        var records: [VersionedRecord] = []
        for key in Set(before.keys).union(after.keys).sorted() where before[key] != after[key] {
            records.append(Controller.configRecord(kind, resource.name, key, after[key]))
        }
        return records
    }

    private func checkResource(_ resource: ResourceChange) throws(Refusal) -> ConfigurationResource.Kind {
        guard let kind = ConfigurationResource.Kind(rawValue: resource.type), kind != .brokerLogger else {
            throw Refusal(.invalidRequest, "Unsupported resource type \(resource.type)")
        }
        switch kind {
        case .topic where TopicName.objection(to: resource.name) != nil:
            throw Refusal(.invalidTopicException, "Topic name is invalid")
        case .broker where !resource.name.isEmpty:
            guard let id = Int32(resource.name), id >= 0 else {
                throw Refusal(.invalidRequest, "Invalid broker name '\(resource.name)'")
            }
            // A broker passes on what it was asked, whoever decides.
            guard id == node.nodeId || image.brokers[NodeId(id)] != nil else {
                throw Refusal(
                    .invalidRequest, "Unexpected broker id, expected \(node.nodeId), but received \(resource.name)")
            }
        case .group where resource.name.isEmpty, .clientMetrics where resource.name.isEmpty:
            throw Refusal(.invalidRequest, "Default resources are not allowed.")
        default: break
        }
        return kind
    }

    private func value(
        of change: ConfigurationChange, _ kind: ConfigurationResource.Kind, before: [String: String]
    ) throws(Refusal) -> String? {
        guard let table = Controller.table(kind) else { throw Refusal(.invalidRequest) }
        guard let operation = change.operation else { throw Refusal(.unknownServerError) }
        if operation == .delete { return nil }
        guard let value = change.value else {
            throw Refusal(.invalidRequest, "Null value not supported for : \(change.key)")
        }
        if operation == .set { return value }
        guard let key = table[change.key], key.kind == .list else {
            throw Refusal(.invalidConfig, "Can't \(operation == .append ? "APPEND" : "SUBTRACT") to key"
                + " \(change.key) because its type is not LIST.")
        }
        var items = splitList(before[change.key] ?? effectiveDefault(kind, change.key) ?? "")
        for item in splitList(value) {
            items.removeAll { $0 == item }
            if operation == .append { items.append(item) }
        }
        return items.joined(separator: ",")
    }

    private func effectiveDefault(_ kind: ConfigurationResource.Kind, _ key: String) -> String? {
        kind == .topic ? layers(topic: [:])[key] : Controller.table(kind)?[key]?.defaultValue
    }

    package static func table(_ kind: ConfigurationResource.Kind) -> KeyTable? {
        switch kind {
        case .topic: .topic
        case .broker: .broker
        case .group: .group
        case .clientMetrics: .clientMetrics
        case .brokerLogger: nil
        }
    }

    /// Keys that Kafka changes while a broker runs, and this one only at its next start: to take them without effect
    /// would be a lie.
    private static let notWhileRunning: Set<String> = ["listeners", "listener.security.protocol.map"]

    private func checkValue(
        _ kind: ConfigurationResource.Kind, _ name: String, _ key: String, _ value: String
    ) throws(Refusal) {
        switch kind {
        case .topic: try checkTopicValue(key, value)
        case .broker:
            try check(key, value, in: .broker, as: "broker")
            let mode = KeyTable.broker[key]?.mode
            if mode == .readOnly || Controller.notWhileRunning.contains(key) {
                throw Refusal(.invalidRequest, "Cannot update these configs dynamically: \(key)")
            }
            if mode == .perBroker, name.isEmpty, KeyTable.broker[key]?.kind == .password || key.hasPrefix("ssl.") {
                throw Refusal(.invalidRequest, "Cannot update these configs at default cluster level: \(key)")
            }
        case .group: try check(key, value, in: .group, as: "group")
        case .clientMetrics: try check(key, value, in: .clientMetrics, as: "client metrics")
        case .brokerLogger: break
        }
    }

    func checkTopicValue(_ key: String, _ value: String) throws(Refusal) {
        try check(key, value, in: .topic, as: "topic")
    }

    private func check(_ name: String, _ value: String, in table: KeyTable, as what: String) throws(Refusal) {
        guard let key = table[name] else {
            let hint = table.suggestion(for: name).map { ", did you mean \($0)?" } ?? ""
            throw Refusal(.invalidConfig, "Unknown \(what) config name: \(name)\(hint)")
        }
        guard value.utf8.count <= Int(Int16.max) else {
            throw Refusal(.invalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of"
                + " \(Int16.max) bytes.")
        }
        if let objection = key.objection(to: value) {
            throw Refusal(.invalidConfig, "Invalid value \(value) for configuration \(name): \(objection)")
        }
        if key.support == .refused, value != key.defaultValue {
            throw Refusal(.invalidConfig, "\(name) is not built yet, and to ignore it could weaken durability.")
        }
    }

    // MARK: Layers

    /// The layers that a topic's values come from.
    package func layers(topic: [String: String]) -> TopicLayers {
        TopicLayers(
            topic: topic, brokerDynamic: image.configuration(.broker, String(node.nodeId)),
            clusterDynamic: image.configuration(.broker, ""), node: node)
    }

    /// All settings of a topic with `configuration`, as the answer to its creation lists them.
    func describeTopic(_ configuration: [String: String]) -> [CreateTopicsResponse.CreatableTopicConfigs] {
        let layers = layers(topic: configuration)
        return KeyTable.topic.keys.filter { !$0.name.hasPrefix("internal.") || configuration[$0.name] != nil }.map { key in
            let found = layers.all(key.name).first
            return CreateTopicsResponse.CreatableTopicConfigs {
                $0.name = key.name
                $0.value = found?.value
                $0.configSource = found?.source.rawValue ?? TopicLayers.Source.defaultValue.rawValue
            }
        }
    }
}
