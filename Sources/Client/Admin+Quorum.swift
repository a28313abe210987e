// The metadata quorum as its leader describes it (KIP-595, KIP-836).

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// Who leads the quorum, and how far its replicas have come.
package struct QuorumDescription: Hashable, Sendable {
    package struct Replica: Hashable, Sendable {
        package var node: NodeId
        package var directory: Uuid
        package var isVoter: Bool
        /// The end of its log; none if it is not known.
        package var end: Offset
        /// When it last fetched, by the leader's clock; nil if it has not.
        package var lastFetch: Timestamp?
    }

    package var leader: NodeId
    package var epoch: LeaderEpoch
    package var highWatermark: Offset
    /// Voters first, each part by node.
    package var replicas: [Replica]

    /// What a replica lacks of the leader's log.
    package func lag(_ replica: Replica) -> Int64 {
        guard let own = replicas.first(where: { $0.node == leader }), replica.end >= .zero else { return -1 }
        return max(0, own.end - replica.end)
    }

    /// How long ago a replica fetched, when the leader was asked; nil if it has not.
    package func silence(_ replica: Replica) -> Duration? {
        guard replica.node != leader else { return .zero }
        guard let now = replicas.first(where: { $0.node == leader })?.lastFetch, let last = replica.lastFetch else { return nil }
        return .milliseconds(now.milliseconds - last.milliseconds)
    }
}

extension Admin {
    /// Asks any broker, which asks the leader of the quorum.
    package func describeQuorum(
        deadline: Instant, completion: @escaping (Result<QuorumDescription, ClientError>) -> Void
    ) {
        let request = DescribeQuorumRequest {
            $0.topics = [
                DescribeQuorumRequest.TopicData {
                    $0.topicName = "__cluster_metadata"
                    $0.partitions = [DescribeQuorumRequest.PartitionData()]
                }
            ]
        }
        client.request(request, to: .any, deadline: deadline) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let response):
                let data = response.topics.first?.partitions.first
                let code = response.errorCode.isError ? response.errorCode : data?.errorCode ?? .unknownServerError
                guard let data, !code.isError else {
                    return completion(.failure(.refused(code, "describing the quorum", response.errorMessage)))
                }
                completion(.success(QuorumDescription(data)))
            }
        }
    }
}

extension QuorumDescription {
    fileprivate init(_ data: DescribeQuorumResponse.PartitionData) {
        func replicas(_ states: [DescribeQuorumResponse.ReplicaState], _ isVoter: Bool) -> [Replica] {
            states.sorted { $0.replicaId < $1.replicaId }.map {
                Replica(
                    node: NodeId($0.replicaId), directory: $0.replicaDirectoryId, isVoter: isVoter,
                    end: Offset($0.logEndOffset),
                    lastFetch: $0.lastFetchTimestamp < 0 ? nil : Timestamp(milliseconds: $0.lastFetchTimestamp))
            }
        }
        self.init(
            leader: NodeId(data.leaderId), epoch: LeaderEpoch(data.leaderEpoch),
            highWatermark: Offset(data.highWatermark),
            replicas: replicas(data.currentVoters, true) + replicas(data.observers, false))
    }
}
