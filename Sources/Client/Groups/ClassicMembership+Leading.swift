// The leader of a classic group reads what all members subscribe to, and computes who reads what; anew when a topic has got more
// partitions.

internal import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

extension ClassicMembership {
    typealias Assignments = [SyncGroupRequest.SyncGroupRequestAssignment]

    /// Computes the assignment of the generation that `response` tells of.
    func lead(
        _ response: JoinGroupResponse, _ assignor: ClassicAssignor?,
        completion: @escaping (Result<(Assignments, isWhole: Bool), ClientError>) -> Void
    ) {
        guard let assignor else {
            return completion(.failure(.invalid("the group chose '\(response.protocolName ?? "")', which was not offered")))
        }
        let members: [ClassicAssignor.Member]
        do {
            members = try response.members.map { try Self.member($0) }
        } catch {
            return completion(.failure(.invalid("a subscription that does not parse: \(error)")))
        }
        let topics = Set(members.flatMap(\.topics)).sorted()
        client.refreshMetadata(topics: topics, deadline: client.loop.now + settings.sessionTimeout) { [weak self] result in
            completion(
                result.map { metadata in
                    var counts: [String: Int] = [:]
                    for topic in topics { counts[topic] = metadata[topic]?.partitions.count }
                    self?.divided = Dictionary(topics.map { ($0, counts[$0] ?? 0) }) { first, _ in first }
                    return Self.divide(members, assignor, counts)
                })
        }
    }

    /// Partitions that were added belong to nobody before the group is divided anew. A broker that does not know of them yet tells
    /// of fewer, which says nothing.
    func lookForMore() {
        let topics = divided.keys.sorted()
        guard topics.contains(where: client.isOld) else { return }
        let attempt = attempt
        client.refreshMetadata(topics: topics, deadline: loop.now + settings.sessionTimeout) { [weak self] result in
            guard let self, attempt == self.attempt, !hasLeft, !isJoining, !isGivingUp, case .success(let metadata) = result
            else { return }
            let hasMore = topics.contains { metadata[$0]?.partitions.count ?? 0 > self.divided[$0] ?? 0 }
            if hasMore { join(reason: "a topic has got more partitions") }
        }
    }

    /// The assignments, and whether they leave nothing over: a cooperative assignor leaves what has to be given up first.
    private static func divide(
        _ members: [ClassicAssignor.Member], _ assignor: ClassicAssignor, _ counts: [String: Int]
    ) -> (Assignments, isWhole: Bool) {
        let assigned = assignor.assign(members, counts: counts)
        let count = assigned.values.reduce(0) { $0 + $1.count }
        let assignments = members.map { member in
            SyncGroupRequest.SyncGroupRequestAssignment {
                $0.memberId = member.id
                $0.assignment = ConsumerProtocolAssignment(assigned[member.id] ?? []).prefixed(version: 1)
            }
        }
        return (assignments, count == counts.values.reduce(0, +))
    }

    private static func member(
        _ member: JoinGroupResponse.JoinGroupResponseMember
    ) throws(DecodeError) -> ClassicAssignor.Member {
        let subscription = try ConsumerProtocolSubscription(prefixed: member.metadata)
        return ClassicAssignor.Member(
            id: member.memberId, instanceId: member.groupInstanceId, topics: subscription.topics,
            owned: subscription.owned, generation: subscription.generationId)
    }
}
