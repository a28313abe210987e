// The image as records: what a snapshot of the metadata log holds (KIP-630).
//
// Invariant: an empty image that replays `records` equals this one, but for where in the log it stands. The order is
// Kafka's: features, nodes, topics with their partitions, settings, and what is only kept.

internal import Basics
package import WireProtocol

/// A metadata record and the version that it is written in.
package struct VersionedRecord: Sendable, Equatable {
    package var record: MetadataRecord
    package var version: Int16

    package init(_ record: MetadataRecord, _ version: Int16) {
        self.record = record
        self.version = version
    }
}

/// Versions of the records that differ by the level of `metadata.version`.
package struct RecordVersions: Hashable, Sendable {
    /// Level 8 brought the flag of migration, 17 several log directories, 30 cordoned ones.
    package let registerBroker: Int16
    /// Level 17 brought the directories of replicas, 23 eligible leaders.
    package let partition: Int16

    init(level: Int16) {
        registerBroker = level >= 30 ? 4 : level >= 17 ? 3 : level >= 8 ? 2 : 1
        partition = level >= 23 ? 2 : level >= 17 ? 1 : 0
    }
}

extension ClusterImage {
    package var recordVersions: RecordVersions { RecordVersions(level: level(of: "metadata.version")) }

    /// Everything in the image, each part sorted. Not to be asked for inside of a transaction, whose records are no
    /// part of it.
    package var records: [VersionedRecord] {
        precondition(!isInTransaction, "a transaction has no half")
        return featureRecords + nodeRecords + topicRecords + configurationRecords + keptRecords
    }

    private var featureRecords: [VersionedRecord] {
        // The level that the others' records depend on comes first.
        let first = "metadata.version"
        let names = features.keys.filter { $0 == first } + features.keys.filter { $0 != first }.sorted()
        return names.map { name in
            let record = FeatureLevelRecord {
                $0.name = name
                $0.featureLevel = features[name] ?? 0
            }
            return VersionedRecord(.featureLevel(record), 0)
        }
    }

    private var nodeRecords: [VersionedRecord] {
        let brokers = brokers.values.sorted { $0.id < $1.id }.map {
            VersionedRecord(.registerBroker($0.record), recordVersions.registerBroker)
        }
        let controllers = controllers.sorted { $0.key < $1.key }.map {
            VersionedRecord(.registerController($0.value), 0)
        }
        return brokers + controllers
    }

    private var topicRecords: [VersionedRecord] {
        var records: [VersionedRecord] = []
        for topic in topics.values.sorted(by: { $0.name < $1.name }) {
            let record = TopicRecord {
                $0.name = topic.name
                $0.topicId = topic.id
            }
            records.append(VersionedRecord(.topic(record), 0))
            for (index, partition) in topic.sortedPartitions {
                records.append(
                    VersionedRecord(.partition(partition.record(index, of: topic.id)), recordVersions.partition))
            }
        }
        return records
    }

    private var configurationRecords: [VersionedRecord] {
        var records: [VersionedRecord] = []
        for (resource, values) in configurations.sorted(by: { $0.key < $1.key }) {
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                let record = ConfigRecord {
                    $0.resourceType = resource.kind.rawValue
                    $0.resourceName = resource.name
                    $0.name = name
                    $0.value = value
                }
                records.append(VersionedRecord(.config(record), 0))
            }
        }
        return records
    }

    private var keptRecords: [VersionedRecord] {
        var records: [VersionedRecord] = []
        if nextProducerId != 0 {
            let record = ProducerIdsRecord {
                $0.brokerId = NodeId.none.rawValue
                $0.nextProducerId = nextProducerId
            }
            records.append(VersionedRecord(.producerIds(record), 0))
        }
        return records + kept.sorted { $0.key < $1.key }.map { VersionedRecord($0.value, 0) }
    }
}

extension BrokerImage {
    fileprivate var record: RegisterBrokerRecord {
        RegisterBrokerRecord {
            $0.brokerId = id.rawValue
            $0.incarnationId = incarnation
            $0.brokerEpoch = epoch
            $0.endPoints = endpoints.map { endpoint in
                RegisterBrokerRecord.BrokerEndpoint {
                    $0.name = endpoint.name
                    $0.host = endpoint.host
                    $0.port = endpoint.port
                    $0.securityProtocol = endpoint.securityProtocol
                }
            }
            $0.features = features.sorted { $0.key < $1.key }.map { name, range in
                RegisterBrokerRecord.BrokerFeature {
                    $0.name = name
                    $0.minSupportedVersion = range.lowerBound
                    $0.maxSupportedVersion = range.upperBound
                }
            }
            $0.rack = rack
            $0.fenced = isFenced
            $0.inControlledShutdown = isShuttingDown
            $0.logDirs = directories
            $0.cordonedLogDirs = cordoned
        }
    }
}

extension PartitionImage {
    fileprivate func record(_ index: Int32, of topic: Uuid) -> PartitionRecord {
        PartitionRecord {
            $0.partitionId = index
            $0.topicId = topic
            $0.replicas = replicas.map(\.rawValue)
            $0.isr = inSync.map(\.rawValue)
            $0.removingReplicas = removing.map(\.rawValue)
            $0.addingReplicas = adding.map(\.rawValue)
            $0.leader = leader.rawValue
            $0.leaderRecoveryState = isRecovering ? 1 : 0
            $0.leaderEpoch = leaderEpoch.rawValue
            $0.partitionEpoch = partitionEpoch
            $0.directories = directories
            $0.eligibleLeaderReplicas = eligibleLeaders.isEmpty ? nil : eligibleLeaders.map(\.rawValue)
            $0.lastKnownElr = lastKnownEligible.isEmpty ? nil : lastKnownEligible.map(\.rawValue)
        }
    }
}
