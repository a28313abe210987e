// ListOffsets: the offsets that timestamps and special marks mean.

internal import ClusterImage
internal import Basics
internal import Log
internal import Replication
internal import WireProtocol

enum ListOffsetsHandler {
    /// Marks in place of a timestamp.
    private enum Mark: Int64 {
        case latest = -1
        case earliest = -2
        /// The record with the greatest timestamp (KIP-734).
        case maxTimestamp = -3
        /// The first offset that is kept locally (KIP-405).
        case earliestLocal = -4
        /// The last offset in remote storage (KIP-1005).
        case latestTiered = -5
        /// The first offset that waits to be copied there (KIP-1023).
        case earliestPending = -6

        /// The first version of the request that may carry it.
        var since: Int16 {
            switch self {
            case .latest, .earliest: 1
            case .maxTimestamp: 7
            case .earliestLocal: 8
            case .latestTiered: 9
            case .earliestPending: 11
            }
        }
    }

    static func handle(_ request: ListOffsetsRequest, _ call: Call) {
        var response = ListOffsetsResponse()
        for topic in request.topics {
            let view = call.shard.view.topic(topic.name)
            var seen: Set<Int32> = []
            var twice: Set<Int32> = []
            for partition in topic.partitions where !seen.insert(partition.partitionIndex).inserted {
                twice.insert(partition.partitionIndex)
            }
            let answers = topic.partitions.map { partition in
                twice.contains(partition.partitionIndex)
                    ? failed(partition.partitionIndex, .invalidRequest)
                    : answer(partition, view, request, call)
            }
            response.topics.append(
                ListOffsetsResponse.ListOffsetsTopicResponse {
                    $0.name = topic.name
                    $0.partitions = answers
                })
        }
        call.answer(response)
    }

    private static func failed(
        _ index: Int32, _ code: ErrorCode
    ) -> ListOffsetsResponse.ListOffsetsPartitionResponse {
        ListOffsetsResponse.ListOffsetsPartitionResponse {
            $0.partitionIndex = index
            $0.errorCode = code
        }
    }

    private static func answer(
        _ asked: ListOffsetsRequest.ListOffsetsPartition, _ topic: TopicView?, _ request: ListOffsetsRequest,
        _ call: Call
    ) -> ListOffsetsResponse.ListOffsetsPartitionResponse {
        let index = asked.partitionIndex
        guard let topic, topic.image.partitions[index] != nil else { return failed(index, .unknownTopicOrPartition) }
        guard let replica = topic.replicas[index], let leader = replica.leader else {
            return failed(index, .notLeaderOrFollower)
        }
        if asked.currentLeaderEpoch >= 0, asked.currentLeaderEpoch != leader.epoch.rawValue {
            let isOld = asked.currentLeaderEpoch < leader.epoch.rawValue
            return failed(index, isOld ? .fencedLeaderEpoch : .unknownLeaderEpoch)
        }
        if asked.timestamp < 0, Mark(rawValue: asked.timestamp).map({ call.version < $0.since }) ?? true {
            return failed(index, .unsupportedVersion)
        }
        do {
            let found = try find(asked.timestamp, replica, isCommittedOnly: request.isolationLevel == 1)
            return ListOffsetsResponse.ListOffsetsPartitionResponse {
                $0.partitionIndex = index
                $0.timestamp = found?.timestamp.milliseconds ?? -1
                $0.offset = found?.offset.rawValue ?? -1
                $0.leaderEpoch = found.flatMap { replica.log.epochs.epoch(at: $0.offset)?.rawValue } ?? -1
            }
        } catch {
            call.shard.logger.error("log", "cannot look up", [("partition", "\(replica.id)"), ("reason", "\(error)")])
            return failed(index, .kafkaStorageError)
        }
    }

    private static func find(
        _ timestamp: Int64, _ replica: Partition, isCommittedOnly: Bool
    ) throws(StorageError) -> TimestampedOffset? {
        let limit = isCommittedOnly ? replica.lastStableOffset : replica.highWatermark
        let start = replica.log.startOffset
        guard timestamp < 0 else {
            return try replica.log.firstOffset(atOrAfter: Timestamp(milliseconds: timestamp), limit: limit)
        }
        switch Mark(rawValue: timestamp) {
        case .latest: return TimestampedOffset(timestamp: .none, offset: limit)
        case .earliest, .earliestLocal: return TimestampedOffset(timestamp: .none, offset: start)
        case .maxTimestamp: return try replica.log.maxTimestamp(limit: limit)
        case .latestTiered, .earliestPending, nil: return nil
        }
    }
}
