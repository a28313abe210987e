// Log folders of brokers, as the controller knows them (KIP-858): which replica is in which, and those that failed.

package import Basics
package import ClusterImage
internal import Configuration
internal import WireProtocol

/// A replica and the folder that it is in.
package struct DirectoryAssignment: Hashable, Sendable {
    package var topicId: Uuid
    package var partition: Int32
    package var directory: Uuid

    package init(topicId: Uuid, partition: Int32, directory: Uuid) {
        self.topicId = topicId
        self.partition = partition
        self.directory = directory
    }
}

extension Controller {
    /// Notes where replicas of `broker` are. Nothing at levels of `metadata.version` that know no folders.
    package func assign(_ assignments: [DirectoryAssignment], of broker: NodeId) -> [VersionedRecord] {
        let version = image.recordVersions.partition
        guard version >= 1 else { return [] }
        var records: [VersionedRecord] = []
        for assignment in assignments {
            guard let partition = image.topics[assignment.topicId]?.partitions[assignment.partition],
                let position = partition.replicas.firstIndex(of: broker),
                partition.directory(of: broker) != assignment.directory
            else { continue }
            let change = PartitionChangeRecord {
                $0.topicId = assignment.topicId
                $0.partitionId = assignment.partition
                var directories = partition.replicas.map { partition.directory(of: $0) ?? .zero }
                directories[position] = assignment.directory
                $0.directories = directories
            }
            records.append(VersionedRecord(.partitionChange(change), version))
        }
        return records
    }

    /// Takes folders of `broker` out of its registration; the partitions in them lose it as leader and in-sync replica.
    package func directoriesOffline(_ offline: [Uuid], of broker: NodeId) -> [VersionedRecord] {
        guard let registered = image.brokers[broker] else { return [] }
        let gone = registered.directories.filter { offline.contains($0) }
        let left = registered.directories.filter { !offline.contains($0) }
        guard !gone.isEmpty, !left.isEmpty else { return [] }
        var records: [VersionedRecord] = []
        for topic in image.topics.values.sorted(by: { $0.id < $1.id }) {
            for (index, partition) in topic.sortedPartitions {
                guard let directory = partition.directory(of: broker), gone.contains(directory) else { continue }
                guard let change = withdrawal(of: broker, from: partition, topic, index) else { continue }
                records.append(VersionedRecord(.partitionChange(change), image.recordVersions.partition))
            }
        }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
            $0.logDirs = left
        }
        return records + [VersionedRecord(.brokerRegistrationChange(change), 2)]
    }

    /// What changes in a partition when `broker` serves it no more; nil if nothing does. Another in-sync replica leads, or
    /// nobody. Where eligible leaders are on, the last in-sync replica becomes one (KIP-966), else it stays in sync.
    private func withdrawal(
        of broker: NodeId, from partition: PartitionImage, _ topic: TopicImage, _ index: Int32
    ) -> PartitionChangeRecord? {
        guard partition.leader == broker || partition.inSync.contains(broker) else { return nil }
        let left = partition.inSync.filter { $0 != broker }
        let hasEligible = image.level(of: "eligible.leader.replicas.version") > 0
        let minimum = min(minimumInSync(of: topic), partition.replicas.count)
        return PartitionChangeRecord {
            $0.topicId = topic.id
            $0.partitionId = index
            if partition.leader == broker {
                $0.leader = (partition.replicas.first { left.contains($0) && isServing(partition, on: $0) } ?? .none).rawValue
            }
            if !left.isEmpty || hasEligible, left != partition.inSync { $0.isr = left.map(\.rawValue) }
            guard hasEligible, left.count < minimum else { return }
            let eligible = Set(partition.eligibleLeaders).union(partition.inSync).subtracting(left).sorted()
            if eligible != partition.eligibleLeaders { $0.eligibleLeaderReplicas = eligible.map(\.rawValue) }
        }
    }

    private func minimumInSync(of topic: TopicImage) -> Int {
        let layers = layers(topic: image.configuration(.topic, topic.name))
        return layers["min.insync.replicas"].flatMap { Int($0) } ?? 1
    }

    /// Whether the replica on `broker` can lead: the broker lives and the folder is one that it serves.
    func isServing(_ partition: PartitionImage, on broker: NodeId) -> Bool {
        guard let registered = image.brokers[broker], !registered.isFenced else { return false }
        return registered.isOnline(partition.directory(of: broker))
    }
}
