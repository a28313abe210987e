// The effective configuration of a topic, as the data path uses it: plain typed values, no look-ups.

/// A topic's settings after all defaults and overrides.
package struct TopicConfiguration: Hashable, Sendable {
    package enum Compression: String, Sendable {
        case producer, uncompressed, gzip, snappy, lz4, zstd
    }

    package var compression = Compression.producer
    package var gzipLevel = -1
    package var lz4Level = 9
    package var zstdLevel = 3
    package var isCompacted = false
    /// Old records are removed by age and size.
    package var isDeleted = true
    package var messageBytesMax = 1_048_588
    package var usesLogAppendTime = false
    package var timestampBeforeMax: Int64 = .max
    package var timestampAfterMax: Int64 = 3_600_000
    package var minimumInSync = 1
    package var segmentBytes = 1 << 30
    package var segmentMilliseconds: Int64 = 604_800_000
    package var segmentJitterMilliseconds: Int64 = 0
    package var segmentIndexBytes = 10 << 20
    package var indexIntervalBytes = 4096
    package var retentionMilliseconds: Int64 = 604_800_000
    package var retentionBytes = -1
    package var fileDeleteDelayMilliseconds: Int64 = 60_000
    package var deleteRetentionMilliseconds: Int64 = 86_400_000
    package var cleanableRatio = 0.5
    package var compactionLagMilliseconds: Int64 = 0
    package var compactionLagMaxMilliseconds: Int64 = .max
    /// Records that may be unsynced before an append waits for the sync; 1 under `durability=fsync`.
    package var flushRecords: Int64 = .max
    /// How long records may be unsynced; the greatest value is for ever.
    package var flushMilliseconds: Int64 = .max
    /// Replicas that are throttled where they lead, and where they follow.
    package var throttledLeaders = ThrottledReplicas()
    package var throttledFollowers = ThrottledReplicas()

    /// The settings that follow from the topic's own values, the dynamic values of the broker and of the cluster, and
    /// the node's configuration, in this order of precedence.
    package init(
        topic: [String: String], brokerDynamic: [String: String], clusterDynamic: [String: String],
        node: NodeConfiguration
    ) {
        let layers = TopicLayers(
            topic: topic, brokerDynamic: brokerDynamic, clusterDynamic: clusterDynamic, node: node)
        func int(_ key: String) -> Int { layers[key].flatMap(wholeNumber) ?? 0 }
        func long(_ key: String) -> Int64 { Int64(int(key)) }
        func replicas(_ key: String) -> ThrottledReplicas { layers[key].flatMap { ThrottledReplicas($0) } ?? ThrottledReplicas() }
        compression = layers["compression.type"].flatMap(Compression.init(rawValue:)) ?? .producer
        gzipLevel = int("compression.gzip.level")
        lz4Level = int("compression.lz4.level")
        zstdLevel = int("compression.zstd.level")
        let policy = splitList(layers["cleanup.policy"] ?? "")
        isCompacted = policy.contains("compact")
        isDeleted = policy.contains("delete")
        messageBytesMax = int("max.message.bytes")
        usesLogAppendTime = layers["message.timestamp.type"] == "LogAppendTime"
        timestampBeforeMax = long("message.timestamp.before.max.ms")
        timestampAfterMax = long("message.timestamp.after.max.ms")
        minimumInSync = int("min.insync.replicas")
        segmentBytes = layers["internal.segment.bytes"].flatMap(wholeNumber) ?? int("segment.bytes")
        segmentMilliseconds = long("segment.ms")
        segmentJitterMilliseconds = long("segment.jitter.ms")
        segmentIndexBytes = int("segment.index.bytes")
        indexIntervalBytes = int("index.interval.bytes")
        retentionMilliseconds = long("retention.ms")
        retentionBytes = int("retention.bytes")
        fileDeleteDelayMilliseconds = long("file.delete.delay.ms")
        deleteRetentionMilliseconds = long("delete.retention.ms")
        cleanableRatio = layers["min.cleanable.dirty.ratio"].flatMap(realNumber) ?? 0.5
        compactionLagMilliseconds = long("min.compaction.lag.ms")
        compactionLagMaxMilliseconds = long("max.compaction.lag.ms")
        flushRecords = layers["durability"] == "fsync" ? 1 : long("flush.messages")
        flushMilliseconds = long("flush.ms")
        throttledLeaders = replicas("leader.replication.throttled.replicas")
        throttledFollowers = replicas("follower.replication.throttled.replicas")
    }
}

/// Looks topic keys up through all layers.
package struct TopicLayers: Sendable {
    /// Which layer a value is from, as DescribeConfigs names it.
    package enum Source: Int8, Sendable {
        case topic = 1
        case dynamicBroker = 2
        case dynamicCluster = 3
        case node = 4
        case defaultValue = 5
        case clientMetrics = 7
        case group = 8
    }

    package struct Found: Sendable {
        package var name: String
        package var value: String?
        package var source: Source

        package init(name: String, value: String?, source: Source) {
            self.name = name
            self.value = value
            self.source = source
        }
    }

    private let topic: [String: String]
    private let brokerDynamic: [String: String]
    private let clusterDynamic: [String: String]
    private let node: NodeConfiguration

    package init(
        topic: [String: String], brokerDynamic: [String: String], clusterDynamic: [String: String],
        node: NodeConfiguration
    ) {
        self.topic = topic
        self.brokerDynamic = brokerDynamic
        self.clusterDynamic = clusterDynamic
        self.node = node
    }

    package subscript(key: String) -> String? { all(key).first?.value }

    /// Every value that stands for `key`, the effective one first: the synonyms that DescribeConfigs lists.
    package func all(_ key: String) -> [Found] {
        var found: [Found] = []
        if let value = topic[key] { found.append(Found(name: key, value: value, source: .topic)) }
        let synonyms = topicSynonyms[key] ?? []
        for (index, synonym) in synonyms.enumerated() {
            if let value = brokerDynamic[synonym] {
                found.append(Found(name: synonym, value: value, source: .dynamicBroker))
            }
            if let value = clusterDynamic[synonym] {
                found.append(Found(name: synonym, value: value, source: .dynamicCluster))
            }
            if let value = node.given[synonym]?.value {
                found.append(Found(name: synonym, value: scaled(value, synonym), source: .node))
            }
            if index == synonyms.count - 1, let value = KeyTable.broker[synonym]?.defaultValue {
                found.append(Found(name: synonym, value: scaled(value, synonym), source: .defaultValue))
            }
        }
        if synonyms.isEmpty, let value = KeyTable.topic[key]?.defaultValue {
            found.append(Found(name: key, value: value, source: .defaultValue))
        }
        return found
    }

    /// Hours and minutes in milliseconds, for synonyms of keys in milliseconds.
    private func scaled(_ value: String, _ key: String) -> String {
        let factor: Int64 = key.hasSuffix(".hours") ? 3_600_000 : key.hasSuffix(".minutes") ? 60_000 : 1
        guard factor > 1, let number = wholeNumber(value).map(Int64.init) else { return value }
        return number < 0 ? value : String(number * factor)
    }
}
