// AlterReplicaLogDirs (KIP-113): has replicas of this broker moved to other log folders. The answer says whether the moves have
// begun; how far they are shows in DescribeLogDirs. The same request with the folder that a replica is in ends its move.

internal import Basics
internal import ClusterImage
internal import Environment
internal import WireProtocol

enum AlterReplicaLogDirsHandler {
    private typealias Topic = AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult
    private typealias Partition = AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult

    static func handle(_ request: AlterReplicaLogDirsRequest, _ call: Call) {
        let broker = call.shard.broker
        let image = call.shard.view.image
        call.aside({ begin(request, broker.replicas, image) }) { response in
            broker.lookAtMoves()
            call.answer(response)
        }
    }

    private static func begin(
        _ request: AlterReplicaLogDirsRequest, _ replicas: ReplicaFolders, _ image: ClusterImage
    ) -> AlterReplicaLogDirsResponse {
        var response = AlterReplicaLogDirsResponse()
        for folder in request.dirs {
            for topic in folder.topics {
                let results = topic.partitions.map { index in
                    let code = replicas.beginMove(of: TopicPartition(topic.name, index), to: folder.path)
                    let isKnown = image.topic(named: topic.name)?.partitions[index] != nil
                    return Partition {
                        $0.partitionIndex = index
                        $0.errorCode = code == .replicaNotAvailable && !isKnown ? .unknownTopicOrPartition : code
                    }
                }
                // A topic has one entry, whatever folders its partitions go to.
                if let known = response.results.firstIndex(where: { $0.topicName == topic.name }) {
                    response.results[known].partitions += results
                } else {
                    response.results.append(
                        Topic {
                            $0.topicName = topic.name
                            $0.partitions = results
                        })
                }
            }
        }
        return response
    }
}
