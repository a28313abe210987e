// Moving partitions to other brokers (KIP-455): the new replicas are added first; when all that stay are in sync, those
// that go are removed, which `PartitionChange` notices. While it lasts, `adding` and `removing` say so.

internal import Basics
internal import ClusterImage
package import WireProtocol

extension Controller {
    private typealias Answer = AlterPartitionReassignmentsResponse.ReassignablePartitionResponse

    /// Decides an AlterPartitionReassignments request. Each partition succeeds or fails by itself.
    package func alterReassignments(
        _ request: AlterPartitionReassignmentsRequest
    ) -> Decision<AlterPartitionReassignmentsResponse> {
        var decision = Decision(reply: AlterPartitionReassignmentsResponse())
        decision.reply.errorMessage = nil
        decision.reply.allowReplicationFactorChange = request.allowReplicationFactorChange
        for topic in request.topics {
            decision.reply.responses.append(
                AlterPartitionReassignmentsResponse.ReassignableTopicResponse {
                    $0.name = topic.name
                    for asked in topic.partitions {
                        let refusal = reassign(
                            asked, topic.name, mayChangeFactor: request.allowReplicationFactorChange, &decision.records)
                        $0.partitions.append(
                            Answer {
                                $0.partitionIndex = asked.partitionIndex
                                $0.errorCode = refusal?.code ?? .none
                                $0.errorMessage = refusal?.message
                            })
                    }
                })
        }
        return decision
    }

    private func reassign(
        _ asked: AlterPartitionReassignmentsRequest.ReassignablePartition, _ name: String, mayChangeFactor: Bool,
        _ records: inout [VersionedRecord]
    ) -> Refusal? {
        do throws(Refusal) {
            guard let topic = image.topic(named: name) else {
                throw Refusal(.unknownTopicOrPartition, "Unable to find a topic named \(name).")
            }
            guard let partition = topic.partitions[asked.partitionIndex] else {
                throw Refusal(.unknownTopicOrPartition, "Unable to find partition \(name):\(asked.partitionIndex).")
            }
            let change = if let target = asked.replicas?.map(NodeId.init) {
                try reassignment(of: partition, topic, to: target, mayChangeFactor: mayChangeFactor)
            } else {
                try cancellation(of: partition, topic, asked.partitionIndex)
            }
            if let record = record(of: change, topic, asked.partitionIndex) { records.append(record) }
            return nil
        } catch {
            return error
        }
    }

    private func reassignment(
        of partition: PartitionImage, _ topic: TopicImage, to target: [NodeId], mayChangeFactor: Bool
    ) throws(Refusal) -> PartitionChange {
        try checkManual([target], factor: nil)
        // Of a move under way, what it leads to counts.
        let factor = Set(partition.replicas).union(partition.adding).subtracting(partition.removing).count
        guard mayChangeFactor || factor == target.count else {
            throw Refusal(
                .invalidReplicationFactor, "The replication factor is changed from \(factor) to \(target.count)")
        }
        var change = change(of: partition, topic)
        // Kafka makes no unclean election here: a move can wait.
        change.election = .online
        let removing = partition.replicas.filter { !target.contains($0) }.sorted()
        change.replicas = target + removing
        change.removing = removing
        change.adding = target.filter { !partition.replicas.contains($0) }.sorted()
        return change
    }

    private func cancellation(
        of partition: PartitionImage, _ topic: TopicImage, _ index: Int32
    ) throws(Refusal) -> PartitionChange {
        guard !partition.adding.isEmpty || !partition.removing.isEmpty else {
            throw Refusal(.noReassignmentInProgress, "No partition reassignment is in progress.")
        }
        var change = change(of: partition, topic)
        change.replicas = partition.replicas.filter { !partition.adding.contains($0) }
        change.inSync = partition.inSync.filter { !partition.adding.contains($0) }
        if change.inSync.isEmpty {
            // None of the former replicas is in sync any more: one of them would have to lead all the same.
            guard change.election == .unclean, let first = change.replicas.first else {
                throw Refusal(
                    .invalidReplicaAssignment, "Unable to revert partition assignment for \(topic.name):\(index) because it"
                        + " would require an unclean leader election.")
            }
            change.inSync = hasEligibleLeaders ? [] : [first]
        }
        change.removing = []
        change.adding = []
        return change
    }

    /// The moves that are under way.
    package func listReassignments(_ request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
        let asked = request.topics?.map { ($0.name, $0.partitionIndexes) }
            ?? image.topics.values.sorted { $0.name < $1.name }.map { ($0.name, $0.partitions.keys.sorted()) }
        return ListPartitionReassignmentsResponse {
            $0.errorMessage = nil
            for (name, indexes) in asked {
                let moves = indexes.compactMap { move(name, $0) }
                guard !moves.isEmpty else { continue }
                $0.topics.append(
                    ListPartitionReassignmentsResponse.OngoingTopicReassignment {
                        $0.name = name
                        $0.partitions = moves
                    })
            }
        }
    }

    private func move(
        _ name: String, _ index: Int32
    ) -> ListPartitionReassignmentsResponse.OngoingPartitionReassignment? {
        guard let partition = image.topic(named: name)?.partitions[index],
            !partition.adding.isEmpty || !partition.removing.isEmpty
        else { return nil }
        return ListPartitionReassignmentsResponse.OngoingPartitionReassignment {
            $0.partitionIndex = index
            $0.replicas = partition.replicas.map(\.rawValue)
            $0.addingReplicas = partition.adding.map(\.rawValue)
            $0.removingReplicas = partition.removing.map(\.rawValue)
        }
    }
}
