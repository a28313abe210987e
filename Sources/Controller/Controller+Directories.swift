// Log folders of brokers, as the controller knows them (KIP-858): which replica is in which, and those that failed.

package import Basics
package import ClusterImage
package import WireProtocol

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

    /// Decides an AssignReplicasToDirs request (KIP-858). A replica in a folder that failed leaves the
    /// in-sync set; one that is in a sound folder again may lead.
    package func assignReplicas(
        _ request: AssignReplicasToDirsRequest
    ) -> Decision<AssignReplicasToDirsResponse> {
        var decision = Decision(reply: AssignReplicasToDirsResponse())
        let broker = NodeId(request.brokerId)
        guard let registered = image.brokers[broker], registered.epoch == request.brokerEpoch else {
            decision.reply.errorCode = .staleBrokerEpoch
            return decision
        }
        guard image.recordVersions.partition >= 1 else {
            decision.reply.errorCode = .unsupportedVersion
            return decision
        }
        for folder in request.directories {
            var answer = AssignReplicasToDirsResponse.DirectoryData { $0.id = folder.id }
            for topic in folder.topics {
                answer.topics.append(
                    AssignReplicasToDirsResponse.TopicData {
                        $0.topicId = topic.topicId
                        for asked in topic.partitions {
                            let code = assign(
                                asked.partitionIndex, of: topic.topicId, to: folder.id, registered, &decision.records)
                            $0.partitions.append(
                                AssignReplicasToDirsResponse.PartitionData {
                                    $0.partitionIndex = asked.partitionIndex
                                    $0.errorCode = code
                                })
                        }
                    })
            }
            decision.reply.directories.append(answer)
        }
        return decision
    }

    private func assign(
        _ index: Int32, of topicId: Uuid, to folder: Uuid, _ broker: BrokerImage, _ records: inout [VersionedRecord]
    ) -> ErrorCode {
        guard let topic = image.topics[topicId] else { return .unknownTopicId }
        guard let partition = topic.partitions[index] else { return .unknownTopicOrPartition }
        guard partition.replicas.contains(broker.id) else { return .notLeaderOrFollower }
        let isLost = !broker.isOnline(folder)
        let moved = (broker: broker.id, folder: folder)
        var change = change(of: partition, topic, BrokerChange(removed: isLost ? broker.id : nil, moved: moved))
        change.directories[broker.id] = folder
        if isLost { change.inSync.removeAll { $0 == broker.id } }
        if let record = record(of: change, topic, index) { records.append(record) }
        return .none
    }

    /// Takes folders of `broker` out of its registration; the partitions in them lose it as leader and in-sync replica.
    package func directoriesOffline(_ offline: [Uuid], of broker: NodeId) -> [VersionedRecord] {
        guard let registered = image.brokers[broker] else { return [] }
        let gone = registered.directories.filter { offline.contains($0) }
        let left = registered.directories.filter { !offline.contains($0) }
        guard !gone.isEmpty, !left.isEmpty else { return [] }
        let records = changes(BrokerChange(removed: broker)) { partition in
            guard partition.leader == broker || partition.inSync.contains(broker) else { return false }
            return partition.directory(of: broker).map(gone.contains) ?? false
        }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
            $0.logDirs = left
        }
        return records + [VersionedRecord(.brokerRegistrationChange(change), 2)]
    }
}
