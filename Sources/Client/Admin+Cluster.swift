// The cluster itself: its nodes, and the log folders of each with the sizes of what is in them.

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// The nodes of a cluster.
package struct ClusterDescription: Hashable, Sendable {
    package var clusterId: String
    package var controller: NodeId
    package var brokers: [BrokerInfo]
}

/// A replica in a log folder of a broker.
package struct ReplicaSize: Hashable, Sendable {
    package var broker: NodeId
    package var folder: String
    package var partition: TopicPartition
    package var bytes: Int64
    /// Offsets that a replica on its way to another folder still lacks, or that this one lacks behind the leader.
    package var lag: Int64
}

extension Admin {
    /// The cluster's id, controller and brokers, from the metadata.
    package func describeCluster(
        deadline: Instant, completion: @escaping (Result<ClusterDescription, ClientError>) -> Void
    ) {
        client.refreshMetadata(topics: [], deadline: deadline) { result in
            completion(
                result.map {
                    ClusterDescription(
                        clusterId: $0.clusterId ?? "", controller: $0.controller, brokers: $0.brokers)
                })
        }
    }

    /// The sizes of the replicas on every broker; of `topic` alone if one is named.
    package func describeLogDirs(
        topic: TopicInfo?, deadline: Instant, completion: @escaping (Result<[ReplicaSize], ClientError>) -> Void
    ) {
        let client = client
        client.refreshMetadata(topics: [], deadline: deadline) { result in
            guard case .success(let metadata) = result else { return completion(result.map { _ in [] }) }
            let request = DescribeLogDirsRequest {
                $0.topics = topic.map { topic in
                    [
                        DescribeLogDirsRequest.DescribableLogDirTopic {
                            $0.topic = topic.name
                            $0.partitions = topic.partitions.map(\.partition)
                        }
                    ]
                }
            }
            var missing = metadata.brokers.count
            var sizes: [ReplicaSize] = []
            if missing == 0 { return completion(.success([])) }
            for broker in metadata.brokers {
                client.request(request, to: .node(broker.id), deadline: deadline) { result in
                    guard missing > 0 else { return }
                    switch result {
                    case .failure(let error):
                        missing = 0
                        completion(.failure(error))
                    case .success(let response):
                        sizes += Self.sizes(response, broker.id)
                        missing -= 1
                        if missing == 0 { completion(.success(sizes)) }
                    }
                }
            }
        }
    }

    private static func sizes(_ response: DescribeLogDirsResponse, _ broker: NodeId) -> [ReplicaSize] {
        response.results.flatMap { folder in
            folder.topics.flatMap { topic in
                topic.partitions.map { partition in
                    ReplicaSize(
                        broker: broker, folder: folder.logDir,
                        partition: TopicPartition(topic.name, partition.partitionIndex),
                        bytes: partition.partitionSize, lag: partition.offsetLag)
                }
            }
        }
    }
}
