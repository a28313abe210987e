// ListOffsets: the offsets that timestamps and special marks mean. A look-up by time reads old segments; what is not in
// memory is read on the pool.

internal import ClusterImage
internal import Basics
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

enum ListOffsetsHandler {
    static func handle(_ request: ListOffsetsRequest, _ call: Call) {
        let search = search(request, call)
        if let response = search.run(.refused) { return call.answer(response) }
        call.aside({ search.run(.allowed) }) { response in call.answer(response ?? ListOffsetsResponse()) }
    }

    /// What is asked of each partition, or what it is answered without looking.
    private static func search(_ request: ListOffsetsRequest, _ call: Call) -> OffsetSearch {
        OffsetSearch(
            topics: request.topics.map { topic in
                let view = call.shard.view.topic(topic.name)
                var seen: Set<Int32> = []
                var twice: Set<Int32> = []
                for partition in topic.partitions where !seen.insert(partition.partitionIndex).inserted {
                    twice.insert(partition.partitionIndex)
                }
                let subjects = topic.partitions.map { partition in
                    twice.contains(partition.partitionIndex)
                        ? failed(partition.partitionIndex, .invalidRequest)
                        : subject(partition, view, call)
                }
                return (topic.name, subjects)
            }, isCommittedOnly: request.isolationLevel == 1, isReplica: request.replicaId >= 0, logger: call.shard.logger)
    }

    private static func failed(_ index: Int32, _ code: ErrorCode) -> OffsetSearch.Subject {
        .settled(OffsetSearch.failed(index, code))
    }

    private static func subject(
        _ asked: ListOffsetsRequest.ListOffsetsPartition, _ topic: TopicView?, _ call: Call
    ) -> OffsetSearch.Subject {
        let index = asked.partitionIndex
        guard let topic, topic.image.partitions[index] != nil else { return failed(index, .unknownTopicOrPartition) }
        guard let replica = topic.replicas[index] else { return failed(index, topic.absence(of: index, at: call.shard.broker.nodeId)) }
        guard let leader = replica.leader else { return failed(index, .notLeaderOrFollower) }
        if asked.currentLeaderEpoch >= 0, asked.currentLeaderEpoch != leader.epoch.rawValue {
            let isOld = asked.currentLeaderEpoch < leader.epoch.rawValue
            return failed(index, isOld ? .fencedLeaderEpoch : .unknownLeaderEpoch)
        }
        if asked.timestamp < 0, OffsetSearch.Mark(rawValue: asked.timestamp).map({ call.version < $0.since }) ?? true {
            return failed(index, .unsupportedVersion)
        }
        // A new leader does not know yet that what it took over is committed: what it could tell would go back (KIP-207).
        let isSettled = replica.highWatermark >= leader.epochStart
        let refusal: ErrorCode? = isSettled ? nil : call.version >= 5 ? .offsetNotAvailable : .leaderNotAvailable
        return .log(index, replica, timestamp: asked.timestamp, unsettled: refusal)
    }
}

/// One look-up in the logs; a value that may run on any thread.
private struct OffsetSearch: Sendable {
    typealias Answer = ListOffsetsResponse.ListOffsetsPartitionResponse

    enum Subject: Sendable {
        case settled(Answer)
        case log(Int32, Partition, timestamp: Int64, unsettled: ErrorCode?)
    }

    /// Marks in place of a timestamp.
    enum Mark: Int64 {
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

    let topics: [(name: String, partitions: [Subject])]
    let isCommittedOnly: Bool
    /// A follower asks, and sees the whole log.
    let isReplica: Bool
    let logger: Logger

    static func failed(_ index: Int32, _ code: ErrorCode) -> Answer {
        Answer {
            $0.partitionIndex = index
            $0.errorCode = code
        }
    }

    /// The whole answer; nil if something is not in memory and the caller may not wait.
    func run(_ wait: DiskWait) -> ListOffsetsResponse? {
        var response = ListOffsetsResponse()
        for topic in topics {
            var answers: [Answer] = []
            for subject in topic.partitions {
                guard let answer = answer(subject, wait) else { return nil }
                answers.append(answer)
            }
            response.topics.append(
                ListOffsetsResponse.ListOffsetsTopicResponse {
                    $0.name = topic.name
                    $0.partitions = answers
                })
        }
        return response
    }

    private func answer(_ subject: Subject, _ wait: DiskWait) -> Answer? {
        guard case .log(let index, let replica, let timestamp, let unsettled) = subject else {
            if case .settled(let answer) = subject { return answer }
            return nil
        }
        do {
            let found = try find(timestamp, replica, wait)
            let isOpen = timestamp == Mark.latest.rawValue || (timestamp >= 0 && found == nil)
            if let unsettled, isOpen, !isReplica { return OffsetSearch.failed(index, unsettled) }
            return Answer {
                $0.partitionIndex = index
                $0.timestamp = found?.timestamp.milliseconds ?? -1
                $0.offset = found?.offset.rawValue ?? -1
                $0.leaderEpoch = found.flatMap { replica.log.epochs.epoch(at: $0.offset)?.rawValue } ?? -1
            }
        } catch .file(let error) where error.kind == .wouldWait {
            return nil
        } catch {
            logger.error("log", "cannot look up", [("partition", "\(replica.id)"), ("reason", "\(error)")])
            if case .corrupt = error { return OffsetSearch.failed(index, .corruptMessage) }
            return OffsetSearch.failed(index, .kafkaStorageError)
        }
    }

    private func find(
        _ timestamp: Int64, _ replica: Partition, _ wait: DiskWait
    ) throws(StorageError) -> TimestampedOffset? {
        let limit = isReplica ? replica.log.endOffset : isCommittedOnly ? replica.lastStableOffset : replica.highWatermark
        let start = replica.log.startOffset
        guard timestamp < 0 else {
            return try replica.log.firstOffset(atOrAfter: Timestamp(milliseconds: timestamp), limit: limit, wait)
        }
        switch Mark(rawValue: timestamp) {
        case .latest: return TimestampedOffset(timestamp: .none, offset: limit)
        case .earliest, .earliestLocal: return TimestampedOffset(timestamp: .none, offset: start)
        case .maxTimestamp: return try replica.log.maxTimestamp(limit: limit, wait)
        case .latestTiered, .earliestPending, nil: return nil
        }
    }
}
