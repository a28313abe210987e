// The two ends of a migration at the side of the classic group: how it is described before it becomes a consumer group, and
// how it begins when it follows one. What lies between is in `ConsumerGroup+Migration`.
//
// Rule: a member keeps its id, its place, all protocols that it knows, and what it was given. The record of a classic group
// has only the protocol that was chosen, so the others are put in from the description.

internal import Basics
internal import Bytes
internal import Coordination
internal import WireProtocol

extension ClassicMembers {
    /// A classic group with its members, in the order of their joining.
    package init(_ group: ClassicGroup) {
        self.init(
            generation: group.generation, protocolType: group.protocolType, protocolName: group.protocolName,
            members: group.sortedMembers.map { member in
                Member(
                    id: member.id, instanceId: member.instanceId, clientId: member.clientId,
                    clientHost: member.clientHost, rebalanceTimeoutMs: member.rebalanceTimeout,
                    sessionTimeoutMs: member.sessionTimeout,
                    protocols: member.protocols.map { .init(name: $0.name, metadata: $0.metadata) },
                    assignment: member.assignment)
            })
    }
}

extension ClassicGroup {
    /// The group that a consumer group has become. Its record is written to `step`, behind those that ended the other;
    /// its members are watched, and a rebalance begins if they need one.
    package static func following(
        _ groupId: String, _ classic: ClassicMembers, _ context: GroupContext, _ step: inout GroupStep
    ) -> ClassicGroup? {
        let record = classic.record(groupId, context.moment)
        guard case .classicGroup(_, let value?) = record else { return nil }
        step.records.append(record)
        var group = ClassicGroup(id: groupId, value)
        for described in classic.members {
            guard let member = group.members[described.id] else { continue }
            var complete = member
            complete.protocols = described.protocols.map { ClassicMember.Named(name: $0.name, metadata: $0.metadata) }
            group.replace(member, with: complete)
        }
        group.loaded(context, &step)
        if classic.needsRebalance, group.state == .stable { group.prepareRebalance(context, &step) }
        return group
    }

    /// Answers those who wait for a generation that will not come, since the group becomes a consumer group.
    package func dismissWaiting(_ step: inout GroupStep) {
        for member in sortedMembers {
            if let joining = member.joining {
                step.answer(joining.token, .joinGroup(.refused(member.id, .rebalanceInProgress)))
            }
            if let syncing = member.syncing {
                step.answer(syncing, .syncGroup(SyncGroupResponse { $0.errorCode = .rebalanceInProgress }))
            }
        }
    }
}
