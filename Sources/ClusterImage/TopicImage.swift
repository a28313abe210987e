// Topics, partitions and brokers as the metadata records describe them.

package import Basics
package import WireProtocol

/// A partition: where its replicas are and who leads.
package struct PartitionImage: Hashable, Sendable {
    package var replicas: [NodeId]
    package var inSync: [NodeId]
    package var removing: [NodeId]
    package var adding: [NodeId]
    package var leader: NodeId
    package var leaderEpoch: LeaderEpoch
    package var partitionEpoch: Int32
    package var isRecovering: Bool
    /// The folder of each replica, in the order of `replicas`.
    package var directories: [Uuid]
    package var eligibleLeaders: [NodeId]
    package var lastKnownEligible: [NodeId]

    package init(_ record: PartitionRecord) {
        replicas = record.replicas.map(NodeId.init)
        inSync = record.isr.map(NodeId.init)
        removing = record.removingReplicas.map(NodeId.init)
        adding = record.addingReplicas.map(NodeId.init)
        leader = NodeId(record.leader)
        leaderEpoch = LeaderEpoch(record.leaderEpoch)
        partitionEpoch = record.partitionEpoch
        isRecovering = record.leaderRecoveryState != 0
        directories = record.directories
        eligibleLeaders = (record.eligibleLeaderReplicas ?? []).map(NodeId.init)
        lastKnownEligible = (record.lastKnownElr ?? []).map(NodeId.init)
    }

    /// Applies a change. Naming a leader, even the same, begins a new leader epoch; every change a new partition epoch.
    package mutating func apply(_ change: PartitionChangeRecord) {
        if let ids = change.isr { inSync = ids.map(NodeId.init) }
        if let ids = change.replicas { replicas = ids.map(NodeId.init) }
        if let ids = change.removingReplicas { removing = ids.map(NodeId.init) }
        if let ids = change.addingReplicas { adding = ids.map(NodeId.init) }
        if let ids = change.directories { directories = ids }
        if let ids = change.eligibleLeaderReplicas { eligibleLeaders = ids.map(NodeId.init) }
        if let ids = change.lastKnownElr { lastKnownEligible = ids.map(NodeId.init) }
        if change.leaderRecoveryState >= 0 { isRecovering = change.leaderRecoveryState != 0 }
        if change.leader != PartitionImage.unchangedLeader {
            leader = NodeId(change.leader)
            leaderEpoch.rawValue += 1
        }
        partitionEpoch += 1
    }

    /// Forgets who may be elected out of sync (KIP-966): a change like any other, with a partition epoch of its own.
    mutating func clearEligible() {
        guard !eligibleLeaders.isEmpty || !lastKnownEligible.isEmpty else { return }
        (eligibleLeaders, lastKnownEligible) = ([], [])
        partitionEpoch += 1
    }

    /// The folder of the replica on `broker`; nil if it is not assigned, as far as the records say.
    package func directory(of broker: NodeId) -> Uuid? {
        guard let position = replicas.firstIndex(of: broker), position < directories.count else { return nil }
        return directories[position] == .zero ? nil : directories[position]
    }

    /// What a change record's leader field holds when the leader stays.
    package static let unchangedLeader: Int32 = -2
}

/// A topic and its partitions by number.
package struct TopicImage: Hashable, Sendable {
    package var name: String
    package var id: Uuid
    package var partitions: [Int32: PartitionImage] = [:]

    package init(name: String, id: Uuid) {
        self.name = name
        self.id = id
    }

    package var sortedPartitions: [(index: Int32, image: PartitionImage)] {
        partitions.sorted { $0.key < $1.key }.map { (index: $0.key, image: $0.value) }
    }
}

/// A broker's registration.
package struct BrokerImage: Hashable, Sendable {
    package struct Endpoint: Hashable, Sendable {
        package var name: String
        package var host: String
        package var port: UInt16
        package var securityProtocol: Int16
    }

    package var id: NodeId
    package var epoch: Int64
    package var incarnation: Uuid
    package var endpoints: [Endpoint]
    package var rack: String?
    package var isFenced: Bool
    package var isShuttingDown: Bool
    package var directories: [Uuid]
    /// Directories that take no new replicas; nil when the broker did not say (KIP-1066).
    package var cordoned: [Uuid]?
    package var features: [String: ClosedRange<Int16>]

    package init(_ record: RegisterBrokerRecord) {
        id = NodeId(record.brokerId)
        epoch = record.brokerEpoch
        incarnation = record.incarnationId
        endpoints = record.endPoints.map {
            Endpoint(name: $0.name, host: $0.host, port: $0.port, securityProtocol: $0.securityProtocol)
        }
        rack = record.rack
        isFenced = record.fenced
        isShuttingDown = record.inControlledShutdown
        directories = record.logDirs
        cordoned = record.cordonedLogDirs
        features = [:]
        for feature in record.features where feature.minSupportedVersion <= feature.maxSupportedVersion {
            features[feature.name] = feature.minSupportedVersion...feature.maxSupportedVersion
        }
    }

    package mutating func apply(_ change: BrokerRegistrationChangeRecord) {
        if change.fenced != 0 { isFenced = change.fenced > 0 }
        if change.inControlledShutdown != 0 { isShuttingDown = change.inControlledShutdown > 0 }
        if !change.logDirs.isEmpty { directories = change.logDirs }
        if let ids = change.cordonedLogDirs { cordoned = ids }
    }

    /// None of its folders takes new replicas.
    package var isCordoned: Bool { cordoned.map { !directories.isEmpty && directories.allSatisfy($0.contains) } ?? false }

    /// Reserved ids of folders (KIP-858): of a replica that is in one that is lost, or in any while a cluster migrates.
    package static let lostDirectory = Uuid(high: 0, low: 1)
    private static let migratingDirectory = Uuid(high: 0, low: 2)

    /// Whether a replica in the folder `directory` can serve; one that is not assigned can.
    package func isOnline(_ directory: Uuid?) -> Bool {
        guard let directory, directory != BrokerImage.migratingDirectory else { return true }
        guard directory != BrokerImage.lostDirectory else { return false }
        // A broker that registered before there were ids of folders names none.
        return directories.isEmpty || directories.contains(directory)
    }

    /// The endpoint of a listener.
    package func endpoint(_ listener: String) -> Endpoint? { endpoints.first { $0.name == listener } }
}
