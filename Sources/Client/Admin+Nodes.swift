// The nodes of a cluster with those that are fenced, elections of leaders, and the end of a broker's registration.

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// A broker that is registered.
package struct NodeInfo: Hashable, Sendable {
    package var broker: BrokerInfo
    /// It is not heard of, or has not caught up yet: it leads nothing. False of brokers before DescribeCluster 2.
    package var isFenced: Bool

    package init(broker: BrokerInfo, isFenced: Bool) {
        self.broker = broker
        self.isFenced = isFenced
    }
}

/// How a leader is chosen (KIP-460).
package enum ElectionKind: Int8, Sendable {
    /// The first replica leads, if it is in sync.
    case preferred = 0
    /// Where nobody leads, any live replica does: records may be lost.
    case unclean = 1
}

/// What became of a partition that something was asked for.
package struct PartitionOutcome: Hashable, Sendable {
    package var partition: TopicPartition
    package var error: ClientError?
}

extension Admin {
    /// All registered brokers, fenced ones too, by id.
    package func describeNodes(deadline: Instant, completion: @escaping (Result<[NodeInfo], ClientError>) -> Void) {
        let request = DescribeClusterRequest { $0.includeFencedBrokers = true }
        retrying(request, to: { _ in .any }, deadline: deadline, code: \.errorCode) { result in
            completion(
                result.flatMap { response in
                    if let error = Self.error(response.errorCode, "cluster", response.errorMessage) {
                        return .failure(error)
                    }
                    return .success(response.brokers.map(NodeInfo.init).sorted { $0.broker.id < $1.broker.id })
                })
        }
    }

    /// Elects leaders of `partitions`, or (nil) of all that need it. Where the leader need not change is no error.
    package func electLeaders(
        _ kind: ElectionKind, _ partitions: [TopicPartition]?, deadline: Instant,
        completion: @escaping (Result<[PartitionOutcome], ClientError>) -> Void
    ) {
        let request = ElectLeadersRequest {
            $0.electionType = kind.rawValue
            $0.timeoutMs = milliseconds(until: deadline)
            $0.topicPartitions = partitions.map { partitions in
                byTopic(partitions).map { topic in
                    ElectLeadersRequest.TopicPartitions {
                        $0.topic = topic.topic
                        $0.partitions = topic.numbers
                    }
                }
            }
        }
        retrying(request, to: { _ in .controller }, deadline: deadline, code: \.errorCode) { result in
            completion(
                result.flatMap { response in
                    if let error = Self.error(response.errorCode, "elections", nil) { return .failure(error) }
                    return .success(response.replicaElectionResults.flatMap(Self.outcomes))
                })
        }
    }

    private static func outcomes(_ topic: ElectLeadersResponse.ReplicaElectionResult) -> [PartitionOutcome] {
        topic.partitionResult.map { answer in
            let partition = TopicPartition(topic.topic, answer.partitionId)
            let code = answer.errorCode == .electionNotNeeded ? .none : answer.errorCode
            return PartitionOutcome(
                partition: partition, error: error(code, "\(partition)", answer.errorMessage))
        }
    }

    /// Ends the registration of a broker, which must be stopped, or it registers again.
    package func unregister(
        _ broker: NodeId, deadline: Instant, completion: @escaping (Result<Void, ClientError>) -> Void
    ) {
        let request = UnregisterBrokerRequest { $0.brokerId = broker.rawValue }
        retrying(request, to: { _ in .controller }, deadline: deadline, code: \.errorCode) { result in
            completion(
                result.flatMap { response in
                    let error = Self.error(response.errorCode, "broker \(broker)", response.errorMessage)
                    return error.map { .failure($0) } ?? .success(())
                })
        }
    }
}

extension NodeInfo {
    fileprivate init(_ broker: DescribeClusterResponse.DescribeClusterBroker) {
        self.init(
            broker: BrokerInfo(id: NodeId(broker.brokerId), host: broker.host, port: broker.port, rack: broker.rack),
            isFenced: broker.isFenced)
    }
}
