// AlterPartition: a leader asks for another in-sync set (KIP-497). The partition epoch is the lock: what is asked for on
// older knowledge is refused, so that an election and a leader never overwrite each other.

internal import Basics
internal import ClusterImage
package import WireProtocol

extension Controller {
    private typealias Asked = AlterPartitionRequest.PartitionData
    private typealias Answer = AlterPartitionResponse.PartitionData

    /// Decides an AlterPartition request. Each partition succeeds or fails by itself.
    package func alterPartition(_ request: AlterPartitionRequest) -> Decision<AlterPartitionResponse> {
        var decision = Decision(reply: AlterPartitionResponse())
        let broker = NodeId(request.brokerId)
        guard image.brokers[broker]?.epoch == request.brokerEpoch else {
            decision.reply.errorCode = .staleBrokerEpoch
            return decision
        }
        var seen: Set<TopicPartition> = []
        for topic in request.topics {
            decision.reply.topics.append(
                AlterPartitionResponse.TopicData {
                    $0.topicId = topic.topicId
                    for asked in topic.partitions {
                        let isFirst = seen.insert(TopicPartition("\(topic.topicId)", asked.partitionIndex)).inserted
                        var answer = isFirst
                            ? alter(asked, image.topics[topic.topicId], of: broker, &decision.records)
                            : Controller.refused(.invalidRequest)
                        answer.partitionIndex = asked.partitionIndex
                        $0.partitions.append(answer)
                    }
                })
        }
        return decision
    }

    private static func refused(_ code: ErrorCode) -> Answer { Answer { $0.errorCode = code } }

    private func alter(
        _ asked: Asked, _ topic: TopicImage?, of broker: NodeId, _ records: inout [VersionedRecord]
    ) -> Answer {
        guard let topic else { return Controller.refused(.unknownTopicId) }
        guard let partition = topic.partitions[asked.partitionIndex] else {
            return Controller.refused(.unknownTopicOrPartition)
        }
        // Versions before 3 carry no broker epochs.
        let members = asked.newIsrWithEpochs.isEmpty
            ? asked.newIsr.map { (id: NodeId($0), epoch: -1) }
            : asked.newIsrWithEpochs.map { (id: NodeId($0.brokerId), epoch: $0.brokerEpoch) }
        if let code = objection(to: asked, members, partition, broker) { return Controller.refused(code) }
        var change = change(of: partition, topic)
        change.inSync = members.map(\.id)
        change.isRecovering = asked.leaderRecoveryState != 0
        var after = partition
        if let record = change.record(topic.id, asked.partitionIndex) {
            records.append(VersionedRecord(.partitionChange(record), image.recordVersions.partition))
            after.apply(record)
            // The end of a reassignment may take the leadership from the one who asked; the image will tell it.
            if after.leader != broker { return Controller.refused(.newLeaderElected) }
        }
        return Answer {
            $0.leaderId = after.leader.rawValue
            $0.leaderEpoch = after.leaderEpoch.rawValue
            $0.isr = after.inSync.map(\.rawValue)
            $0.leaderRecoveryState = after.isRecovering ? 1 : 0
            $0.partitionEpoch = after.partitionEpoch
        }
    }

    private func objection(
        to asked: Asked, _ members: [(id: NodeId, epoch: Int64)], _ partition: PartitionImage, _ broker: NodeId
    ) -> ErrorCode? {
        // A leader that knows more than this controller has heard of a newer one.
        if asked.leaderEpoch > partition.leaderEpoch.rawValue { return .notController }
        if asked.partitionEpoch > partition.partitionEpoch { return .notController }
        if asked.leaderEpoch < partition.leaderEpoch.rawValue { return .fencedLeaderEpoch }
        guard broker == partition.leader else { return .invalidRequest }
        if asked.partitionEpoch < partition.partitionEpoch { return .invalidUpdateVersion }
        let ids = members.map(\.id)
        guard Set(ids).count == ids.count, ids.contains(partition.leader), ids.allSatisfy(partition.replicas.contains) else {
            return .invalidRequest
        }
        guard (0...1).contains(asked.leaderRecoveryState) else { return .invalidRequest }
        let recovers = asked.leaderRecoveryState == 1
        if recovers, ids.count > 1 || !partition.isRecovering { return .invalidRequest }
        return members.contains { !mayBeInSync($0.id, epoch: $0.epoch) } ? .ineligibleReplica : nil
    }

    /// KIP-841: not what is fenced or shuts down; KIP-903: not a former life of the broker.
    private func mayBeInSync(_ id: NodeId, epoch: Int64) -> Bool {
        guard isActive(id) else { return false }
        return epoch == -1 || epoch == image.brokers[id]?.epoch
    }
}
