// DescribeTopicPartitions (KIP-966): topics by name with their eligible leaders, a page at a time. A page holds a
// bounded number of partitions and ends with a cursor, the place where the next one begins.

internal import Basics
internal import ClusterImage
internal import Controller
internal import WireProtocol

enum DescribeTopicPartitionsHandler {
    private typealias Response = DescribeTopicPartitionsResponse

    static func handle(_ request: DescribeTopicPartitionsRequest, _ call: Call) {
        let isAll = request.topics.isEmpty
        if let cursor = request.cursor, cursor.partitionIndex < 0 {
            return call.answer(
                Response { $0.topics = request.topics.map { failed($0.name, .invalidRequest) } })
        }
        let names = isAll ? Array(call.shard.view.image.topicIds.keys) : Array(Set(request.topics.map(\.name)))
        let first = request.cursor?.topicName ?? ""
        let wanted = names.filter { $0 >= first }.sorted()
        var left = max(1, min(call.shard.limits.describedPartitionsMax, Int(request.responsePartitionLimit)))
        var response = Response()
        for name in wanted {
            let start = name == first ? request.cursor?.partitionIndex ?? 0 : 0
            guard left > 0 else {
                response.nextCursor = Response.Cursor { $0.topicName = name }
                break
            }
            guard let topic = call.shard.view.topic(name) else {
                let isLegal = TopicName.objection(to: name) == nil
                var entry = failed(name, isLegal ? .unknownTopicOrPartition : .invalidTopicException)
                entry.topicAuthorizedOperations = AuthorizedOperations.topic
                response.topics.append(entry)
                continue
            }
            let partitions = topic.image.sortedPartitions.filter { $0.index >= start }
            response.topics.append(describe(topic, partitions.prefix(left), call.shard.view.image))
            if partitions.count > left {
                response.nextCursor = Response.Cursor {
                    $0.topicName = name
                    $0.partitionIndex = partitions[left].index
                }
                break
            }
            left -= partitions.count
        }
        call.answer(response)
    }

    private static func failed(_ name: String, _ code: ErrorCode) -> Response.DescribeTopicPartitionsResponseTopic {
        Response.DescribeTopicPartitionsResponseTopic {
            $0.name = name
            $0.errorCode = code
            $0.isInternal = TopicName.isInternal(name)
        }
    }

    private static func describe(
        _ topic: TopicView, _ partitions: ArraySlice<(index: Int32, image: PartitionImage)>, _ image: ClusterImage
    ) -> Response.DescribeTopicPartitionsResponseTopic {
        Response.DescribeTopicPartitionsResponseTopic {
            $0.name = topic.name
            $0.topicId = topic.id
            $0.isInternal = TopicName.isInternal(topic.name)
            $0.topicAuthorizedOperations = AuthorizedOperations.topic
            $0.partitions = partitions.map { index, partition in
                let leaderLives = image.brokers[partition.leader].map { !$0.isFenced } ?? false
                return Response.DescribeTopicPartitionsResponsePartition {
                    $0.errorCode = leaderLives ? .none : .leaderNotAvailable
                    $0.partitionIndex = index
                    $0.leaderId = leaderLives ? partition.leader.rawValue : -1
                    $0.leaderEpoch = partition.leaderEpoch.rawValue
                    $0.replicaNodes = partition.replicas.map(\.rawValue)
                    $0.isrNodes = partition.inSync.map(\.rawValue)
                    $0.eligibleLeaderReplicas = partition.eligibleLeaders.map(\.rawValue)
                    $0.lastKnownElr = partition.lastKnownEligible.map(\.rawValue)
                    $0.offlineReplicas = image.offlineReplicas(of: partition).map(\.rawValue)
                }
            }
        }
    }
}
