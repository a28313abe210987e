// The committed offsets of groups: reading, storing and deleting them, by a member or by an operator.

package import Basics
internal import Environment
package import WireProtocol

/// A committed offset of a group.
package struct CommittedOffset: Hashable, Sendable {
    package var partition: TopicPartition
    package var offset: Offset
    /// The leader epoch of the last record that was read; -1 if it was not told.
    package var leaderEpoch: LeaderEpoch
    package var metadata: String
}

/// An offset to be stored.
package struct OffsetToCommit: Hashable, Sendable {
    package var partition: TopicPartition
    package var offset: Offset
    package var metadata: String

    package init(_ partition: TopicPartition, _ offset: Offset, metadata: String = "") {
        self.partition = partition
        self.offset = offset
        self.metadata = metadata
    }
}

/// What became of the commit, or the deletion, of one partition's offset.
package struct CommittedOutcome: Hashable, Sendable {
    package var partition: TopicPartition
    package var code: ErrorCode
}

extension Admin {
    private typealias FetchGroup = OffsetFetchRequest.OffsetFetchRequestGroup
    private typealias FetchTopics = OffsetFetchRequest.OffsetFetchRequestTopics

    /// The committed offsets of `partitions`, or (nil) of all; those without one are left out. A topic that the coordinator
    /// does not know yet is asked for again: that nothing is committed would send a reader elsewhere. `member`: of the new
    /// protocol, whose epoch is checked.
    package func fetchOffsets(
        _ link: CoordinatorLink, partitions: [TopicPartition]?, requireStable: Bool = false,
        member: MemberIdentity? = nil, deadline: Instant,
        completion: @escaping (Result<[CommittedOffset], ClientError>) -> Void
    ) {
        let client = client
        let topics = partitions.map { byTopic($0) }
        let names = topics?.map(\.topic) ?? []
        let ask = { [self] in
            let request = OffsetFetchRequest {
                $0.groupId = link.group
                $0.topics = topics?.map { topic in
                    OffsetFetchRequest.OffsetFetchRequestTopic {
                        $0.name = topic.topic
                        $0.partitionIndexes = topic.numbers
                    }
                }
                $0.requireStable = requireStable
                $0.groups = [
                    FetchGroup {
                        $0.groupId = link.group
                        $0.memberId = member?.memberId
                        $0.memberEpoch = member?.generation ?? -1
                        $0.topics = topics?.map { topic in
                            FetchTopics {
                                $0.name = topic.topic
                                $0.topicId = client.metadata[topic.topic]?.id ?? .zero
                                $0.partitionIndexes = topic.numbers
                            }
                        }
                    }
                ]
            }
            link.send(request, deadline: deadline, code: Self.code) { result in
                switch result {
                case .failure(let error): completion(.failure(error))
                case .success(let response):
                    naming(response, deadline) {
                        self.take(response, link, partitions, requireStable, member, deadline, completion)
                    }
                }
            }
        }
        // Topics are named by their ids in newer versions.
        let unknown = names.filter { client.metadata[$0]?.id ?? .zero == .zero }
        guard !unknown.isEmpty else { return ask() }
        client.refreshMetadata(topics: unknown, deadline: deadline) { _ in ask() }
    }

    /// Asks for the names of topics that the answer names by their ids alone.
    private func naming(_ response: OffsetFetchResponse, _ deadline: Instant, _ done: @escaping () -> Void) {
        let topics = response.groups.flatMap(\.topics)
        guard topics.contains(where: { $0.name.isEmpty && client.metadata[$0.topicId] == nil }) else { return done() }
        client.refreshMetadata(topics: nil, deadline: deadline) { _ in done() }
    }

    private static func code(_ response: OffsetFetchResponse) -> ErrorCode {
        response.groups.first?.errorCode ?? response.errorCode
    }

    private func take(
        _ response: OffsetFetchResponse, _ link: CoordinatorLink, _ partitions: [TopicPartition]?, _ requireStable: Bool,
        _ member: MemberIdentity?, _ deadline: Instant,
        _ completion: @escaping (Result<[CommittedOffset], ClientError>) -> Void
    ) {
        let code = Self.code(response)
        guard !code.isError else { return completion(.failure(.refused(code, "group '\(link.group)'", nil))) }
        let rows = rows(response)
        let missing: Set<ErrorCode> = [.unknownTopicOrPartition, .unknownTopicId]
        let isMissing = partitions != nil && rows.contains { missing.contains($0.code) }
        // A transaction that is not decided yet: its offsets may still come (KIP-447).
        if isMissing || rows.contains(where: { $0.code == .unstableOffsetCommit }) {
            let again = {
                fetchOffsets(
                    link, partitions: partitions, requireStable: requireStable, member: member, deadline: deadline,
                    completion: completion)
            }
            _ = client.loop.schedule(at: client.loop.now + .milliseconds(100)) {
                guard isMissing else { return again() }
                client.refreshMetadata(topics: byTopic(partitions ?? []).map(\.topic), deadline: deadline) { _ in again() }
            }
            return
        }
        if let refused = rows.first(where: { $0.code.isError && !missing.contains($0.code) }) {
            return completion(.failure(.refused(refused.code, "group '\(link.group)', \(refused.found.partition)", nil)))
        }
        completion(
            .success(
                // A topic without a name was deleted.
                rows.filter { !$0.code.isError && $0.found.offset >= .zero && !$0.found.partition.topic.isEmpty }.map(\.found)
                    .sorted { $0.partition < $1.partition }))
    }

    private func rows(_ response: OffsetFetchResponse) -> [(found: CommittedOffset, code: ErrorCode)] {
        let grouped: [(found: CommittedOffset, code: ErrorCode)] = response.groups.flatMap { group in
            group.topics.flatMap { topic in
                let name = topic.name.isEmpty ? client.metadata[topic.topicId]?.name ?? "" : topic.name
                return topic.partitions.map { partition in
                    let found = CommittedOffset(
                        partition: TopicPartition(name, partition.partitionIndex),
                        offset: Offset(partition.committedOffset), leaderEpoch: LeaderEpoch(partition.committedLeaderEpoch),
                        metadata: partition.metadata ?? "")
                    return (found, partition.errorCode)
                }
            }
        }
        let plain: [(found: CommittedOffset, code: ErrorCode)] = response.topics.flatMap { topic in
            topic.partitions.map { partition in
                let found = CommittedOffset(
                    partition: TopicPartition(topic.name, partition.partitionIndex),
                    offset: Offset(partition.committedOffset), leaderEpoch: LeaderEpoch(partition.committedLeaderEpoch),
                    metadata: partition.metadata ?? "")
                return (found, partition.errorCode)
            }
        }
        return grouped + plain
    }

    // MARK: Storing

    /// Stores offsets: those of a member, or without one of a group that has no members.
    package func commitOffsets(
        _ link: CoordinatorLink, _ offsets: [OffsetToCommit], member: MemberIdentity? = nil, deadline: Instant,
        completion: @escaping (Result<[CommittedOutcome], ClientError>) -> Void
    ) {
        let client = client
        let byPartition = Dictionary(offsets.map { ($0.partition, $0) }) { _, last in last }
        let topics = byTopic(Array(byPartition.keys))
        let ask = {
            let request = OffsetCommitRequest {
                $0.groupId = link.group
                $0.memberId = member?.memberId ?? ""
                $0.generationIdOrMemberEpoch = member?.generation ?? -1
                $0.groupInstanceId = member?.instanceId
                $0.topics = topics.map { topic in
                    OffsetCommitRequest.OffsetCommitRequestTopic {
                        $0.name = topic.topic
                        $0.topicId = client.metadata[topic.topic]?.id ?? .zero
                        $0.partitions = topic.numbers.compactMap { byPartition[TopicPartition(topic.topic, $0)] }.map { offset in
                            OffsetCommitRequest.OffsetCommitRequestPartition {
                                $0.partitionIndex = offset.partition.partition
                                $0.committedOffset = offset.offset.rawValue
                                $0.committedMetadata = offset.metadata
                            }
                        }
                    }
                }
            }
            link.send(request, deadline: deadline, code: { Self.code($0) }) { result in
                completion(result.map { Self.outcomes($0, client) })
            }
        }
        let unknown = topics.map(\.topic).filter { client.metadata[$0]?.id ?? .zero == .zero }
        guard !unknown.isEmpty else { return ask() }
        client.refreshMetadata(topics: unknown, deadline: deadline) { _ in ask() }
    }

    /// Errors of the group as a whole stand at each partition.
    private static func code(_ response: OffsetCommitResponse) -> ErrorCode {
        response.topics.first?.partitions.first?.errorCode ?? .none
    }

    private static func outcomes(_ response: OffsetCommitResponse, _ client: ClusterClient) -> [CommittedOutcome] {
        response.topics.flatMap { topic in
            let name = topic.name.isEmpty ? client.metadata[topic.topicId]?.name ?? "" : topic.name
            return topic.partitions.map {
                CommittedOutcome(partition: TopicPartition(name, $0.partitionIndex), code: $0.errorCode)
            }
        }
    }

    /// Deletes committed offsets of partitions that no member reads (KIP-496).
    package func deleteOffsets(
        _ link: CoordinatorLink, _ partitions: [TopicPartition], deadline: Instant,
        completion: @escaping (Result<[CommittedOutcome], ClientError>) -> Void
    ) {
        let request = OffsetDeleteRequest {
            $0.groupId = link.group
            $0.topics = byTopic(partitions).map { topic in
                OffsetDeleteRequest.OffsetDeleteRequestTopic {
                    $0.name = topic.topic
                    $0.partitions = topic.numbers.map { number in
                        OffsetDeleteRequest.OffsetDeleteRequestPartition { $0.partitionIndex = number }
                    }
                }
            }
        }
        link.send(request, deadline: deadline, code: \.errorCode) { result in
            completion(
                result.flatMap { response in
                    guard !response.errorCode.isError else {
                        return .failure(.refused(response.errorCode, "group '\(link.group)'", nil))
                    }
                    return .success(
                        response.topics.flatMap { topic in
                            topic.partitions.map {
                                CommittedOutcome(
                                    partition: TopicPartition(topic.name, $0.partitionIndex), code: $0.errorCode)
                            }
                        })
                })
        }
    }
}
