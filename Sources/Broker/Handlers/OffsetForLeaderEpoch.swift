// OffsetForLeaderEpoch (KIP-320): where an epoch ends in the leader's log, so that a consumer finds out whether the log
// was cut behind its back.

internal import Basics
internal import ClusterImage
internal import Log
internal import Replication
internal import WireProtocol

enum OffsetForLeaderEpochHandler {
    private typealias Answer = OffsetForLeaderEpochResponse.EpochEndOffset

    static func handle(_ request: OffsetForLeaderEpochRequest, _ call: Call) {
        call.answer(
            OffsetForLeaderEpochResponse {
                $0.topics = request.topics.map { topic in
                    let view = call.shard.view.topic(topic.topic)
                    return OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult {
                        $0.topic = topic.topic
                        $0.partitions = topic.partitions.map { answer($0, view, call.shard.broker.nodeId) }
                    }
                }
            })
    }

    private static func failed(_ partition: Int32, _ code: ErrorCode) -> Answer {
        Answer {
            $0.partition = partition
            $0.errorCode = code
        }
    }

    private static func answer(
        _ asked: OffsetForLeaderEpochRequest.OffsetForLeaderPartition, _ topic: TopicView?, _ node: NodeId
    ) -> Answer {
        let index = asked.partition
        guard let topic, topic.image.partitions[index] != nil else { return failed(index, .unknownTopicOrPartition) }
        guard let replica = topic.replicas[index] else { return failed(index, topic.absence(of: index, at: node)) }
        guard let leader = replica.leader else { return failed(index, .notLeaderOrFollower) }
        if asked.currentLeaderEpoch >= 0, asked.currentLeaderEpoch != leader.epoch.rawValue {
            let isOld = asked.currentLeaderEpoch < leader.epoch.rawValue
            return failed(index, isOld ? .fencedLeaderEpoch : .unknownLeaderEpoch)
        }
        // An epoch that this log has not seen yet has no end.
        let epochs = replica.log.epochs
        let epoch = LeaderEpoch(asked.leaderEpoch)
        guard let latest = epochs.latest, epoch <= latest, epoch.rawValue >= 0,
            let found = epochs.endOffset(forReader: epoch, end: replica.log.endOffset)
        else { return Answer { $0.partition = index } }
        return Answer {
            $0.partition = index
            $0.leaderEpoch = found.epoch.rawValue
            $0.endOffset = found.end.rawValue
        }
    }
}
