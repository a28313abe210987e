// What DescribeConfigs says of a resource: the keys of its table, each with the layers that give it a value.

internal import ClusterImage
internal import Configuration
internal import Controller
internal import WireProtocol

struct ConfigurationDescription {
    typealias Entry = DescribeConfigsResponse.DescribeConfigsResourceResult

    let image: ClusterImage
    let node: NodeConfiguration
    let includesSynonyms: Bool
    let includesDocumentation: Bool

    /// All keys in the order of the table. An empty broker name stands for all brokers, of which only the values in
    /// the metadata are told. Loggers have no levels here.
    func entries(_ kind: ConfigurationResource.Kind, _ name: String) -> [Entry] {
        let own = image.configuration(kind, name)
        switch kind {
        case .topic:
            let layers = TopicLayers(
                topic: own, brokerDynamic: image.configuration(.broker, String(node.nodeId)),
                clusterDynamic: image.configuration(.broker, ""), node: node)
            // Keys for tests stand in no list unless they have a value, as in Kafka.
            return KeyTable.topic.keys.filter { !$0.name.hasPrefix("internal.") || own[$0.name] != nil }
                .map { key in
                    let found = layers.all(key.name)
                    // A default by another name (hours for milliseconds) or without a broker's key is no synonym.
                    let synonym = topicSynonyms[key.name]?.first
                    return entry(
                        key, found.filter { $0.source != .defaultValue || $0.name == synonym }, isReadOnly: false,
                        value: found.first?.value)
                }
        case .broker where name.isEmpty:
            return KeyTable.broker.keys.compactMap { key in
                guard let value = own[key.name] else { return nil }
                let found = TopicLayers.Found(name: key.name, value: value, source: .dynamicCluster)
                return entry(key, [found], isReadOnly: key.mode == .readOnly)
            }
        case .broker:
            return KeyTable.broker.keys.map { entry($0, brokerLayers($0.name), isReadOnly: $0.mode == .readOnly) }
        case .group:
            return KeyTable.group.keys.filter { !$0.name.hasPrefix("martlet.") || own[$0.name] != nil }.map { entry($0, layers($0, own, .group), isReadOnly: false) }
        case .clientMetrics:
            return KeyTable.clientMetrics.keys.map { entry($0, layers($0, own, .clientMetrics), isReadOnly: false) }
        case .brokerLogger: return []
        }
    }

    private func entry(
        _ key: ConfigurationKey, _ found: [TopicLayers.Found], isReadOnly: Bool, value: String? = nil
    ) -> Entry {
        let isSensitive = key.kind == .password
        return Entry {
            $0.name = key.name
            $0.value = isSensitive ? nil : value ?? found.first?.value ?? key.defaultValue
            $0.readOnly = isReadOnly
            $0.configSource = (found.first?.source ?? .defaultValue).rawValue
            $0.isSensitive = isSensitive
            $0.configType = key.kind.wireType
            $0.documentation = includesDocumentation ? key.summary : nil
            if includesSynonyms {
                $0.synonyms = found.map { layer in
                    DescribeConfigsResponse.DescribeConfigsSynonym {
                        $0.name = layer.name
                        $0.value = isSensitive ? nil : layer.value
                        $0.source = layer.source.rawValue
                    }
                }
            }
        }
    }

    private func brokerLayers(_ key: String) -> [TopicLayers.Found] {
        var found: [TopicLayers.Found] = []
        func add(_ value: String?, _ source: TopicLayers.Source) {
            if let value { found.append(TopicLayers.Found(name: key, value: value, source: source)) }
        }
        add(image.configuration(.broker, String(node.nodeId))[key], .dynamicBroker)
        add(image.configuration(.broker, "")[key], .dynamicCluster)
        add(node.given[key]?.value, .node)
        add(KeyTable.broker[key]?.defaultValue, .defaultValue)
        return found
    }

    /// Of a group or a subscription: its own value, then that of the broker's key beside it, then the default.
    private func layers(
        _ key: ConfigurationKey, _ own: [String: String], _ source: TopicLayers.Source
    ) -> [TopicLayers.Found] {
        var found: [TopicLayers.Found] = []
        if let value = own[key.name] { found.append(TopicLayers.Found(name: key.name, value: value, source: source)) }
        if source == .group, let synonym = groupSynonym(of: key.name) { return found + brokerLayers(synonym) }
        if let value = key.defaultValue {
            found.append(TopicLayers.Found(name: key.name, value: value, source: .defaultValue))
        }
        return found
    }
}

extension ConfigurationKey.Kind {
    /// The type's number in the protocol (KIP-569).
    fileprivate var wireType: Int8 {
        switch self {
        case .bool: 1
        case .string: 2
        case .int: 3
        case .long: 5
        case .double: 6
        case .list: 7
        case .password: 9
        }
    }
}
