// Groups as their coordinators describe them: listing over all brokers, members with what they read, deleting.

package import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

/// A group as a broker lists it.
package struct ListedGroup: Hashable, Sendable {
    package var id: String
    /// "classic" or "consumer", or another that a broker knows; empty of brokers before KIP-848.
    package var type: String
    package var protocolType: String
    package var state: String
    package var coordinator: NodeId
}

/// A member of a group.
package struct DescribedMember: Hashable, Sendable {
    package var id: String
    package var instanceId: String?
    package var clientId: String
    package var host: String
    package var rack: String?
    /// -1 for members of classic groups.
    package var epoch: Int32 = -1
    package var subscription: [String] = []
    package var pattern: String?
    package var assigned: [TopicPartition] = []
    /// What it is to have in the end; nil for members of classic groups.
    package var target: [TopicPartition]?
    /// Speaks the classic protocol.
    package var isClassic = true
}

/// A group with its members.
package struct DescribedGroup: Hashable, Sendable {
    package var id: String
    package var type: String
    package var state: String
    package var protocolType: String
    /// The assignor.
    package var assignor: String
    package var epoch: Int32 = -1
    package var assignmentEpoch: Int32 = -1
    package var members: [DescribedMember] = []

    /// Who reads a partition.
    package func reader(of partition: TopicPartition) -> DescribedMember? {
        members.first { $0.assigned.contains(partition) }
    }
}

extension Admin {
    /// All groups of the cluster, sorted by id; of these states and types alone, if any are named.
    package func listGroups(
        states: [String] = [], types: [String] = [], deadline: Instant,
        completion: @escaping (Result<[ListedGroup], ClientError>) -> Void
    ) {
        let client = client
        client.refreshMetadata(topics: [], deadline: deadline) { result in
            guard case .success(let metadata) = result else { return completion(result.map { _ in [] }) }
            let request = ListGroupsRequest {
                $0.statesFilter = states
                $0.typesFilter = types
            }
            var missing = metadata.brokers.count
            var groups: [ListedGroup] = []
            var failure: ClientError?
            if missing == 0 { return completion(.success([])) }
            for broker in metadata.brokers {
                retrying(request, to: { _ in .node(broker.id) }, deadline: deadline, code: \.errorCode) { result in
                    switch result {
                    case .failure(let error): failure = failure ?? error
                    case .success(let response) where response.errorCode.isError:
                        failure = failure ?? .refused(response.errorCode, "broker \(broker.id)", nil)
                    case .success(let response): groups += response.groups.map { ListedGroup($0, broker.id) }
                    }
                    missing -= 1
                    guard missing == 0 else { return }
                    if let failure { return completion(.failure(failure)) }
                    completion(.success(groups.sorted { $0.id < $1.id }))
                }
            }
        }
    }

    /// The group with its members, whichever protocol it speaks.
    package func describeGroup(
        _ link: CoordinatorLink, deadline: Instant, completion: @escaping (Result<DescribedGroup, ClientError>) -> Void
    ) {
        let request = ConsumerGroupDescribeRequest { $0.groupIds = [link.group] }
        let code: (ConsumerGroupDescribeResponse) -> ErrorCode = { $0.groups.first?.errorCode ?? .none }
        link.send(request, deadline: deadline, code: code) { result in
            if case .success(let response) = result, let group = response.groups.first, !group.errorCode.isError {
                return completion(.success(DescribedGroup(group)))
            }
            // Not one of the new protocol, or a broker that has none.
            describeClassicGroup(link, deadline: deadline, completion: completion)
        }
    }

    private func describeClassicGroup(
        _ link: CoordinatorLink, deadline: Instant, completion: @escaping (Result<DescribedGroup, ClientError>) -> Void
    ) {
        let request = DescribeGroupsRequest { $0.groups = [link.group] }
        let code: (DescribeGroupsResponse) -> ErrorCode = { $0.groups.first?.errorCode ?? .none }
        link.send(request, deadline: deadline, code: code) { result in
            completion(
                result.flatMap { response in
                    guard let group = response.groups.first else {
                        return .failure(.refused(.groupIdNotFound, "group '\(link.group)'", nil))
                    }
                    guard !group.errorCode.isError else {
                        return .failure(.refused(group.errorCode, "group '\(link.group)'", group.errorMessage))
                    }
                    return .success(DescribedGroup(group))
                })
        }
    }

    /// Deletes a group without members, with its offsets.
    package func deleteGroup(
        _ link: CoordinatorLink, deadline: Instant, completion: @escaping (Result<Void, ClientError>) -> Void
    ) {
        let request = DeleteGroupsRequest { $0.groupsNames = [link.group] }
        let code: (DeleteGroupsResponse) -> ErrorCode = { $0.results.first?.errorCode ?? .none }
        link.send(request, deadline: deadline, code: code) { result in
            completion(
                result.flatMap { response in
                    guard let answer = response.results.first, answer.errorCode.isError else { return .success(()) }
                    return .failure(.refused(answer.errorCode, "group '\(link.group)'", answer.errorMessage))
                })
        }
    }
}

extension ListedGroup {
    fileprivate init(_ group: ListGroupsResponse.ListedGroup, _ coordinator: NodeId) {
        self.init(
            id: group.groupId, type: group.groupType, protocolType: group.protocolType, state: group.groupState,
            coordinator: coordinator)
    }
}

extension DescribedGroup {
    fileprivate init(_ group: ConsumerGroupDescribeResponse.DescribedGroup) {
        self.init(
            id: group.groupId, type: "consumer", state: group.groupState, protocolType: "consumer",
            assignor: group.assignorName, epoch: group.groupEpoch, assignmentEpoch: group.assignmentEpoch)
        members = group.members.map { member in
            DescribedMember(
                id: member.memberId, instanceId: member.instanceId, clientId: member.clientId, host: member.clientHost,
                rack: member.rackId, epoch: member.memberEpoch, subscription: member.subscribedTopicNames,
                pattern: member.subscribedTopicRegex, assigned: member.assignment.flat,
                target: member.targetAssignment.flat, isClassic: member.memberType == 0)
        }
    }

    fileprivate init(_ group: DescribeGroupsResponse.DescribedGroup) {
        self.init(
            id: group.groupId, type: "classic", state: group.groupState, protocolType: group.protocolType,
            assignor: group.protocolData)
        members = group.members.map { member in
            let subscription = try? ConsumerProtocolSubscription(prefixed: member.memberMetadata)
            let assignment = try? ConsumerProtocolAssignment(prefixed: member.memberAssignment)
            return DescribedMember(
                id: member.memberId, instanceId: member.groupInstanceId, clientId: member.clientId,
                host: member.clientHost, subscription: subscription?.topics ?? [], assigned: assignment?.flat.sorted() ?? [])
        }
    }
}

extension ConsumerGroupDescribeResponse.Assignment {
    fileprivate var flat: [TopicPartition] {
        topicPartitions.flatMap { topic in topic.partitions.map { TopicPartition(topic.topicName, $0) } }.sorted()
    }
}
