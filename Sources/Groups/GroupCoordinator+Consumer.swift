// Consumer groups in the coordinator (KIP-848): their heartbeats and descriptions, and how a group changes its kind.
//
// Rule: a group is of one kind at a time. A group without members becomes one of the other kind when a member of that
// kind joins; one with members is converted (`ClassicMembers`), and what waits in it is told to join anew.

internal import Basics
internal import Bytes
package import Coordination
package import WireProtocol

extension GroupRecord {
    /// The consumer group that the record is about, and whether it only deletes.
    var consumerGroup: (id: String, isTombstone: Bool)? {
        switch self {
        case .consumerGroup(let key, let value): (key.groupId, value == nil)
        case .partitionMetadata(let key, let value): (key.groupId, value == nil)
        case .member(let key, let value): (key.groupId, value == nil)
        case .target(let key, let value): (key.groupId, value == nil)
        case .memberTarget(let key, let value): (key.groupId, value == nil)
        case .memberCurrent(let key, let value): (key.groupId, value == nil)
        case .pattern(let key, let value): (key.groupId, value == nil)
        case .offset, .classicGroup, .other: nil
        }
    }
}

extension GroupCoordinator {
    // MARK: Replay

    /// Takes over a record of a consumer group. A classic group of that name was one that only stored offsets, or ended.
    mutating func replayConsumer(_ record: GroupRecord) {
        guard let (groupId, isTombstone) = record.consumerGroup else { return }
        if isTombstone, consumer[groupId] == nil { return }
        classic[groupId] = nil
        consumer[groupId, default: ConsumerGroup(id: groupId)].replay(record)
        if consumer[groupId]?.isDeleted ?? false { consumer[groupId] = nil }
    }

    // MARK: Heartbeat

    /// Decides a ConsumerGroupHeartbeat. The first one of a group makes it.
    package mutating func consumerGroupHeartbeat(
        _ request: ConsumerGroupHeartbeatRequest, _ client: GroupClient, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        let groupId = request.groupId
        let context = context(moment)
        if consumer[groupId] != nil {
            let became = consumer[groupId]?.heartbeat(request, client, token, context, &step)
            becomeClassic(groupId, became ?? nil, context, &step)
        } else if let group = classic[groupId], !group.isEmpty {
            upgrade(group, request, client, token, context, &step)
        } else {
            begin(request, client, token, context, &step)
        }
        watch(groupId)
        return step
    }

    /// A consumer group begins with this member, unless its request is refused.
    private mutating func begin(
        _ request: ConsumerGroupHeartbeatRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) {
        let groupId = request.groupId
        if let objection = ConsumerGroup.objection(to: request, version: client.version, context.settings) {
            return step.answer(token, .consumerGroupHeartbeat(objection.heartbeatResponse))
        }
        guard request.memberEpoch == 0, hasRoom || classic[groupId] != nil else {
            let response = ConsumerGroupHeartbeatResponse {
                $0.errorCode = request.memberEpoch == 0 ? .coordinatorNotAvailable : .groupIdNotFound
                $0.errorMessage = request.memberEpoch == 0 ? nil : "Consumer group \(groupId) not found."
            }
            return step.answer(token, .consumerGroupHeartbeat(response))
        }
        var group = ConsumerGroup(id: groupId)
        group.history = history(groupId)
        var trial = GroupStep()
        _ = group.heartbeat(request, client, token, context, &trial)
        step.answers += trial.answers
        guard !group.isNew else { return }
        if classic[groupId] != nil { emit(.classicGroup(GroupMetadataKey { $0.group = groupId }, nil), &step, context.moment) }
        step.records += trial.records
        consumer[groupId] = group
        followPause(groupId, context, &step)
    }

    // MARK: Changing kind

    private mutating func upgrade(
        _ group: ClassicGroup, _ request: ConsumerGroupHeartbeatRequest, _ client: GroupClient, _ token: ReplyToken,
        _ context: GroupContext, _ step: inout GroupStep
    ) {
        let upgraded = ConsumerGroup.upgrading(
            group.id, group.classicMembers, request, client, token, context, after: group.history, &step)
        guard let upgraded else { return }
        classic[group.id]?.refuseWaiting(.rebalanceInProgress, &step)
        classic[group.id] = nil
        consumer[group.id] = upgraded
        followPause(group.id, context, &step)
    }

    /// The consumer group has written its end; a classic one takes its place, if it says so.
    mutating func becomeClassic(
        _ groupId: String, _ members: ClassicMembers?, _ context: GroupContext, _ step: inout GroupStep
    ) {
        guard let members else { return }
        let history = history(groupId)
        consumer[groupId] = nil
        let record = members.record(groupId, context.moment)
        emit(record, &step, context.moment)
        classic[groupId]?.history = history
        classic[groupId]?.history.note(.migrated, "from the new protocol to the classic one", context.moment)
        classic[groupId]?.continues(members, context, &step)
        followPause(groupId, context, isLoading: true, &step)
    }

    /// An empty consumer group gives way to a classic one.
    mutating func removeEmptyConsumerGroup(_ groupId: String, _ step: inout GroupStep) {
        guard consumer[groupId]?.isEmpty ?? false else { return }
        consumer[groupId]?.delete(&step)
        consumer[groupId] = nil
    }

    // MARK: Description

    /// Describes one consumer group.
    package mutating func describeConsumerGroup(
        _ groupId: String, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        var described = ConsumerGroupDescribeResponse.DescribedGroup()
        described.groupId = groupId
        if groupId.isEmpty {
            described.errorCode = .invalidGroupId
        } else if let group = consumer[groupId] {
            described = group.described(context(moment))
        } else {
            described.errorCode = .groupIdNotFound
            described.errorMessage =
                classic[groupId] == nil ? "Group \(groupId) not found." : "Group \(groupId) is not a consumer group."
        }
        step.answer(token, .consumerGroupDescribe(described))
        return step
    }
}

extension ClassicGroup {
    /// The members and what they have, for a group of the other kind.
    var classicMembers: ClassicMembers {
        ClassicMembers(
            generation: generation, protocolType: protocolType, protocolName: protocolName,
            members: sortedMembers.map { member in
                ClassicMembers.Member(
                    id: member.id, instanceId: member.instanceId, clientId: member.clientId,
                    clientHost: member.clientHost, rebalanceTimeoutMs: member.rebalanceTimeout,
                    sessionTimeoutMs: member.sessionTimeout,
                    protocols: member.protocols.map { .init(name: $0.name, metadata: $0.metadata) },
                    assignment: member.assignment)
            })
    }

    /// Answers all that wait; the group ends.
    mutating func refuseWaiting(_ code: ErrorCode, _ step: inout GroupStep) {
        for member in sortedMembers {
            if let joining = member.joining { step.answer(joining.token, .joinGroup(.refused(member.id, code))) }
            if let syncing = member.syncing {
                step.answer(syncing, .syncGroup(SyncGroupResponse { $0.errorCode = code }))
            }
            update(member.id) {
                $0.joining = nil
                $0.syncing = nil
            }
        }
    }

    /// Goes on with members that were in a consumer group: with all protocols that they know, and watched.
    mutating func continues(_ former: ClassicMembers, _ context: GroupContext, _ step: inout GroupStep) {
        for member in former.members { setProtocols(member.id, member.protocols.map { .init(name: $0.name, metadata: $0.metadata) }) }
        for member in sortedMembers { expect(member.id, context.moment) }
        if former.needsRebalance { prepareRebalance(context, &step) }
    }
}
