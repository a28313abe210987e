// DescribeProducers: what the leader of a partition remembers of its producers, open transactions among it (KIP-664).

internal import Basics
internal import ClusterImage
internal import Log
internal import Replication
internal import WireProtocol

enum DescribeProducersHandler {
    private typealias Answer = DescribeProducersResponse.PartitionResponse

    static func handle(_ request: DescribeProducersRequest, _ call: Call) {
        call.answer(
            DescribeProducersResponse {
                $0.topics = request.topics.map { topic in
                    let view = call.shard.view.topic(topic.name)
                    return DescribeProducersResponse.TopicResponse {
                        $0.name = topic.name
                        $0.partitions = topic.partitionIndexes.map { answer($0, view) }
                    }
                }
            })
    }

    private static func answer(_ index: Int32, _ topic: TopicView?) -> Answer {
        guard let topic, topic.image.partitions[index] != nil else {
            return Answer {
                $0.partitionIndex = index
                $0.errorCode = .unknownTopicOrPartition
                if topic == nil { $0.errorMessage = "This server does not host this topic-partition." }
            }
        }
        guard let replica = topic.replicas[index], replica.leader != nil else {
            return Answer {
                $0.partitionIndex = index
                $0.errorCode = .notLeaderOrFollower
            }
        }
        return Answer {
            $0.partitionIndex = index
            $0.activeProducers = replica.log.producers.producers.sorted { $0.key < $1.key }.map { id, producer in
                DescribeProducersResponse.ProducerState {
                    $0.producerId = id
                    $0.producerEpoch = Int32(producer.epoch)
                    $0.lastSequence = producer.batches.last?.lastSequence ?? -1
                    $0.lastTimestamp = producer.lastTimestamp.milliseconds
                    $0.coordinatorEpoch = producer.coordinatorEpoch
                    $0.currentTxnStartOffset = producer.transactionStart.rawValue
                }
            }
        }
    }
}
