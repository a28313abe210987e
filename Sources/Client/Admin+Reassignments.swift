// Moves of partitions to other brokers (KIP-455): beginning, cancelling and listing them.

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// A partition that is on its way to other brokers.
package struct OngoingMove: Hashable, Sendable {
    package var partition: TopicPartition
    package var replicas: [NodeId]
    package var adding: [NodeId]
    package var removing: [NodeId]
}

extension Admin {
    /// Begins moves of partitions to `replicas`, the preferred leader first; nil cancels what is under way.
    package func reassign(
        _ targets: [(partition: TopicPartition, replicas: [NodeId]?)], deadline: Instant,
        completion: @escaping (Result<[PartitionOutcome], ClientError>) -> Void
    ) {
        guard !targets.isEmpty else { return completion(.success([])) }
        let replicas = Dictionary(targets.map { ($0.partition, $0.replicas) }) { _, last in last }
        let request = AlterPartitionReassignmentsRequest {
            $0.timeoutMs = milliseconds(until: deadline)
            $0.topics = byTopic(targets.map(\.partition)).map { topic in
                AlterPartitionReassignmentsRequest.ReassignableTopic {
                    $0.name = topic.topic
                    $0.partitions = topic.numbers.map { number in
                        AlterPartitionReassignmentsRequest.ReassignablePartition {
                            $0.partitionIndex = number
                            $0.replicas = replicas[TopicPartition(topic.topic, number)]?.map { $0.map(\.rawValue) }
                        }
                    }
                }
            }
        }
        retrying(request, to: { _ in .controller }, deadline: deadline, code: \.errorCode) { result in
            completion(
                result.flatMap { response in
                    if let error = Self.error(response.errorCode, "moves", response.errorMessage) { return .failure(error) }
                    return .success(response.responses.flatMap(Self.outcomes))
                })
        }
    }

    private static func outcomes(
        _ topic: AlterPartitionReassignmentsResponse.ReassignableTopicResponse
    ) -> [PartitionOutcome] {
        topic.partitions.map { answer in
            let partition = TopicPartition(topic.name, answer.partitionIndex)
            return PartitionOutcome(
                partition: partition, error: error(answer.errorCode, "\(partition)", answer.errorMessage))
        }
    }

    /// The moves that are under way, by partition.
    package func listReassignments(
        deadline: Instant, completion: @escaping (Result<[OngoingMove], ClientError>) -> Void
    ) {
        let request = ListPartitionReassignmentsRequest {
            $0.timeoutMs = milliseconds(until: deadline)
            $0.topics = nil
        }
        retrying(request, to: { _ in .controller }, deadline: deadline, code: \.errorCode) { result in
            completion(
                result.flatMap { response in
                    if let error = Self.error(response.errorCode, "moves", response.errorMessage) { return .failure(error) }
                    return .success(response.topics.flatMap(Self.moves).sorted { $0.partition < $1.partition })
                })
        }
    }

    private static func moves(_ topic: ListPartitionReassignmentsResponse.OngoingTopicReassignment) -> [OngoingMove] {
        topic.partitions.map { move in
            OngoingMove(
                partition: TopicPartition(topic.name, move.partitionIndex), replicas: move.replicas.map(NodeId.init),
                adding: move.addingReplicas.map(NodeId.init), removing: move.removingReplicas.map(NodeId.init))
        }
    }
}
