// Bootstrapping the metadata log, and the life of a broker in it: registration (fenced), unfencing, fencing.

package import Basics
package import ClusterImage
internal import Configuration
package import WireProtocol

/// The features that this release knows, with the levels it supports, and the level a new cluster begins with.
package enum SupportedFeatures {
    package static let all: [(name: String, range: ClosedRange<Int16>, initial: Int16)] = [
        ("metadata.version", 7...33, 33),
        ("eligible.leader.replicas.version", 0...1, 1),
        ("group.version", 0...1, 1),
        ("share.version", 0...2, 2),
        ("streams.version", 0...1, 1),
        ("transaction.version", 0...2, 2),
        ("kraft.version", 0...1, 1),
    ]

    /// Features that clients are told of: those whose APIs are served.
    package static let announced: Set<String> = [
        "metadata.version", "kraft.version", "eligible.leader.replicas.version", "group.version",
    ]

    /// The same as a broker of this release says it.
    package static var ofBroker: [RegisterBrokerRecord.BrokerFeature] {
        all.map { feature in
            RegisterBrokerRecord.BrokerFeature {
                $0.name = feature.name
                $0.minSupportedVersion = feature.range.lowerBound
                $0.maxSupportedVersion = feature.range.upperBound
            }
        }
    }

    /// The same as a controller says it.
    package static var ofController: [RegisterControllerRecord.ControllerFeature] {
        all.map { feature in
            RegisterControllerRecord.ControllerFeature {
                $0.name = feature.name
                $0.minSupportedVersion = feature.range.lowerBound
                $0.maxSupportedVersion = feature.range.upperBound
            }
        }
    }

    /// Records that a new cluster's feature levels are made of; the quorum's own is kept in a control record.
    package static var bootstrapRecords: [VersionedRecord] {
        all.filter { $0.name != "kraft.version" }.map { feature in
            let record = FeatureLevelRecord {
                $0.name = feature.name
                $0.featureLevel = feature.initial
            }
            return VersionedRecord(.featureLevel(record), 0)
        }
    }
}

/// What a broker says of itself when it registers.
package struct BrokerDescription: Sendable {
    package var id: NodeId
    package var incarnation: Uuid
    package var endpoints: [RegisterBrokerRecord.BrokerEndpoint]
    package var rack: String?
    package var directories: [Uuid]
    /// The levels that it supports.
    package var features: [RegisterBrokerRecord.BrokerFeature]

    package init(
        id: NodeId, incarnation: Uuid, endpoints: [RegisterBrokerRecord.BrokerEndpoint], rack: String?,
        directories: [Uuid], features: [RegisterBrokerRecord.BrokerFeature] = SupportedFeatures.ofBroker
    ) {
        self.id = id
        self.incarnation = incarnation
        self.endpoints = endpoints
        self.rack = rack
        self.directories = directories
        self.features = features
    }
}

extension Controller {
    /// The first records of a new cluster, as one transaction. `snapshot`: what formatting wrote.
    package func bootstrap(_ formatted: [VersionedRecord]) -> [VersionedRecord] {
        var records: [VersionedRecord] = []
        records.append(VersionedRecord(.beginTransaction(BeginTransactionRecord { $0.name = "Bootstrap records" }), 0))
        records += formatted
        let minimum = ConfigRecord {
            $0.resourceType = ConfigurationResource.Kind.broker.rawValue
            $0.resourceName = ""
            $0.name = "min.insync.replicas"
            $0.value = node["min.insync.replicas"] ?? "1"
        }
        records.append(VersionedRecord(.config(minimum), 0))
        records.append(VersionedRecord(.endTransaction(EndTransactionRecord()), 0))
        return records
    }

    /// Makes void what a former controller began and did not end: all that follows would wait for its end.
    package func abandonTransaction() -> [VersionedRecord] {
        guard image.isInTransaction else { return [] }
        let abort = AbortTransactionRecord { $0.reason = "the controller that began it is gone" }
        return [VersionedRecord(.abortTransaction(abort), 0)]
    }

    /// Registers a controller.
    package func registerController(
        id: NodeId, incarnation: Uuid, endpoints: [RegisterControllerRecord.ControllerEndpoint],
        features: [RegisterControllerRecord.ControllerFeature] = SupportedFeatures.ofController
    ) -> [VersionedRecord] {
        let record = RegisterControllerRecord {
            $0.controllerId = id.rawValue
            $0.incarnationId = incarnation
            $0.endPoints = endpoints
            $0.features = features
        }
        return [VersionedRecord(.registerController(record), 0)]
    }

    /// Why a broker cannot be registered: it would not understand the records of the levels in force (KIP-584), or its
    /// folders are not to be told apart.
    package func objection(to broker: BrokerDescription) -> ErrorCode? {
        for (name, level) in image.features where level > 0 {
            let known = broker.features.first { $0.name == name }
            guard let known else {
                if name == "metadata.version" { return .unsupportedVersion }
                continue
            }
            if level < known.minSupportedVersion || level > known.maxSupportedVersion { return .unsupportedVersion }
        }
        let directories = Set(broker.directories)
        let others = image.brokers.values.filter { $0.id != broker.id }.flatMap(\.directories)
        let isDistinct = directories.count == broker.directories.count && directories.isDisjoint(with: others)
        return isDistinct && !directories.contains(.zero) ? nil : .invalidRegistration
    }

    /// Registers a broker, fenced; what a former incarnation led is led by others. `epoch` is the offset that the
    /// registration will have. The caller knows that the former incarnation is dead; `stoppedInOrder`: and that it has lost
    /// nothing.
    package func register(_ broker: BrokerDescription, epoch: Offset, stoppedInOrder: Bool = true) -> [VersionedRecord] {
        let record = RegisterBrokerRecord {
            $0.brokerId = broker.id.rawValue
            $0.incarnationId = broker.incarnation
            $0.brokerEpoch = epoch.rawValue
            $0.endPoints = broker.endpoints
            $0.rack = broker.rack
            $0.fenced = true
            $0.logDirs = broker.directories
            $0.features = broker.features
        }
        return [VersionedRecord(.registerBroker(record), image.recordVersions.registerBroker)]
            + partitionsOfFormer(broker.id, stoppedInOrder: stoppedInOrder)
    }

    /// Lets a registered broker lead again: partitions without a leader look for one anew.
    package func unfence(_ broker: NodeId) -> [VersionedRecord] {
        guard let registered = image.brokers[broker], registered.isFenced else { return [] }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
            $0.fenced = -1
        }
        return [VersionedRecord(.brokerRegistrationChange(change), 0)] + partitionsUnfenced(for: broker)
    }

    /// Fences a broker that stops in order.
    package func fence(_ broker: NodeId) -> [VersionedRecord] {
        guard let registered = image.brokers[broker], !registered.isFenced else { return [] }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
            $0.fenced = 1
            $0.inControlledShutdown = 1
        }
        // A lone broker has nobody to tell that what it leads is led no more.
        let left = image.brokers.count > 1 ? partitionsFenced(from: broker) : []
        return left + [VersionedRecord(.brokerRegistrationChange(change), 1)]
    }
}
