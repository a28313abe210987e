// Creating and deleting topics, adding partitions, listing and describing.

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// A topic to be created.
package struct NewTopic: Sendable {
    package var name: String
    /// -1 leaves it to the broker.
    package var partitions: Int32 = -1
    /// -1 leaves it to the broker.
    package var replicationFactor: Int16 = -1
    /// Replicas of each partition, the preferred leader first; takes the place of the two counts.
    package var assignment: [[NodeId]] = []
    package var configs: [(name: String, value: String?)] = []

    package init(_ name: String) { self.name = name }
}

extension Admin {
    /// Creates topics on the controller; the outcomes name those that were refused.
    package func createTopics(
        _ topics: [NewTopic], validateOnly: Bool = false, deadline: Instant,
        completion: @escaping (Result<[Outcome], ClientError>) -> Void
    ) {
        let request = CreateTopicsRequest {
            $0.timeoutMs = milliseconds(until: deadline)
            $0.validateOnly = validateOnly
            $0.topics = topics.map(Self.creatable)
        }
        retrying(request, to: { _ in .controller }, deadline: deadline) { response in
            response.topics.map(\.errorCode).first(where: \.isRetriable)
        } completion: { result in
            completion(
                result.map { response in
                    response.topics.map { topic in
                        Outcome(name: topic.name, error: Self.error(topic.errorCode, topic.name, topic.errorMessage))
                    }
                })
        }
    }

    private static func creatable(_ topic: NewTopic) -> CreateTopicsRequest.CreatableTopic {
        CreateTopicsRequest.CreatableTopic {
            $0.name = topic.name
            $0.numPartitions = topic.assignment.isEmpty ? topic.partitions : -1
            $0.replicationFactor = topic.assignment.isEmpty ? topic.replicationFactor : -1
            $0.assignments = topic.assignment.enumerated().map { index, nodes in
                CreateTopicsRequest.CreatableReplicaAssignment {
                    $0.partitionIndex = Int32(index)
                    $0.brokerIds = nodes.map(\.rawValue)
                }
            }
            $0.configs = topic.configs.map { config in
                CreateTopicsRequest.CreatableTopicConfig {
                    $0.name = config.name
                    $0.value = config.value
                }
            }
        }
    }

    /// Deletes topics by name.
    package func deleteTopics(
        _ names: [String], deadline: Instant, completion: @escaping (Result<[Outcome], ClientError>) -> Void
    ) {
        let request = DeleteTopicsRequest {
            $0.topicNames = names
            $0.topics = names.map { name in DeleteTopicsRequest.DeleteTopicState { $0.name = name } }
            $0.timeoutMs = milliseconds(until: deadline)
        }
        retrying(request, to: { _ in .controller }, deadline: deadline) { response in
            response.responses.map(\.errorCode).first { $0.isRetriable && $0 != .unknownTopicOrPartition }
        } completion: { result in
            completion(
                result.map { response in
                    response.responses.map { topic in
                        let name = topic.name ?? topic.topicId.description
                        return Outcome(name: name, error: Self.error(topic.errorCode, name, topic.errorMessage))
                    }
                })
        }
    }

    /// Raises the number of partitions of a topic to `count`.
    package func createPartitions(
        of topic: String, count: Int32, validateOnly: Bool = false, deadline: Instant,
        completion: @escaping (Result<Outcome, ClientError>) -> Void
    ) {
        let request = CreatePartitionsRequest {
            $0.timeoutMs = milliseconds(until: deadline)
            $0.validateOnly = validateOnly
            $0.topics = [
                CreatePartitionsRequest.CreatePartitionsTopic {
                    $0.name = topic
                    $0.count = count
                }
            ]
        }
        retrying(request, to: { _ in .controller }, deadline: deadline) { response in
            response.results.map(\.errorCode).first { $0.isRetriable && $0 != .unknownTopicOrPartition }
        } completion: { result in
            completion(
                result.map { response in
                    let answer = response.results.first
                    return Outcome(
                        name: topic,
                        error: Self.error(answer?.errorCode ?? .unknownServerError, topic, answer?.errorMessage))
                })
        }
    }

    /// All topics with their partitions, sorted by name.
    package func listTopics(
        deadline: Instant, completion: @escaping (Result<[TopicInfo], ClientError>) -> Void
    ) {
        client.refreshMetadata(topics: nil, deadline: deadline) { result in
            completion(result.map { metadata in metadata.topicNames.compactMap { metadata[$0] } })
        }
    }

    /// Topics by name, in the order asked; one that does not exist has an `error`.
    package func describeTopics(
        _ names: [String], deadline: Instant, completion: @escaping (Result<[TopicInfo], ClientError>) -> Void
    ) {
        client.refreshMetadata(topics: names, deadline: deadline) { result in
            completion(result.map { metadata in names.compactMap { metadata[$0] } })
        }
    }

    static func error(_ code: ErrorCode, _ name: String, _ message: String?) -> ClientError? {
        code.isError ? .refused(code, "'\(name)'", message) : nil
    }
}
