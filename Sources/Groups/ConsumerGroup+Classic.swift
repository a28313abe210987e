// Members of the classic protocol in a consumer group (KIP-848, online migration): they go on with JoinGroup,
// SyncGroup, Heartbeat and LeaveGroup, and do not see that the coordinator assigns.
//
// Rule: a generation is the member's epoch. A join takes one step of reconciliation, and brings what the member still
// has; a sync brings what it has now; a heartbeat tells it to join again when there is more to do. Nobody waits for
// others, and no member is the leader.

internal import Basics
internal import Bytes
package import Coordination
package import WireProtocol

extension ConsumerGroup {
    /// Since this version a member joins only with an id that it was given before (KIP-394).
    private static let givesIdsFirst: Int16 = 4

    // MARK: Join

    /// Decides and answers a JoinGroup. Returns the members of the classic group that this one has become, if so: when
    /// a classic member takes the place of the last static one of the new protocol.
    package mutating func joinGroup(
        _ request: JoinGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) -> ClassicMembers? {
        let context = context.forGroup(id)
        do throws(ConsumerGroupRefusal) {
            return try join(request, client, token, context, &step)
        } catch {
            step.answer(token, .joinGroup(.refused(request.memberId, error.code)))
            return nil
        }
    }

    private mutating func join(
        _ request: JoinGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) throws(ConsumerGroupRefusal) -> ClassicMembers? {
        guard context.settings.migrationPolicy != .disabled else {
            throw ConsumerGroupRefusal(.inconsistentGroupProtocol)
        }
        let isUnknown = request.memberId.isEmpty
        let memberId = isUnknown ? client.newMemberId.description : request.memberId
        try checkRoom(for: memberId, instance: request.groupInstanceId, context.settings)
        guard supports(request), let subscription = subscription(of: request) else {
            throw ConsumerGroupRefusal(.inconsistentGroupProtocol)
        }
        if request.groupInstanceId == nil {
            if isUnknown, client.version >= ConsumerGroup.givesIdsFirst {
                try promise(memberId, request, context)
                step.answer(token, .joinGroup(.refused(memberId, .memberIdRequired)))
                return nil
            }
            guard isUnknown || members[memberId] != nil || keepPromise(memberId) else {
                throw .unknownMember(memberId, id)
            }
        }
        let isJoining = request.groupInstanceId == nil || isUnknown
        let (before, replaced) = try member(
            memberId, request.groupInstanceId,
            epoch: isJoining ? ConsumerGroupMember.joining : ConsumerGroupMember.leaving, owned: [:],
            speaksClassic: true)
        // A static member that comes back with its id takes its own place.
        let known = request.groupInstanceId.flatMap { staticMembers[$0] }
        let downgrades = known.map { mayBecomeClassic(replacing: $0, context.settings) } ?? false
        let member = before.updated(by: request, subscription, client)
        update(member, before, replacing: replaced, context, &step)
        if downgrades {
            return becomeClassic(memberId, subscription, request, token, context, &step)
        }
        updateTarget(context, &step)
        hear(memberId)
        _ = reconcile(memberId, owned: owned(subscription, context), context, &step)
        heard(memberId, context)
        timers.cancel(.join, memberId)
        timers.cancel(.rebalance, memberId)
        timers.set(.session, memberId, context.moment.now + .milliseconds(Int64(request.sessionTimeoutMs)))
        timers.set(.sync, memberId, context.moment.now + rebalanceTimeout(of: member))
        answer(memberId, token, &step)
        return nil
    }

    /// Gives a member the id to join with. Any other id is that of a member whose session has ended: Kafka takes it in
    /// again under it, while it still believes to own what others have by now, and may commit that.
    private mutating func promise(
        _ memberId: String, _ request: JoinGroupRequest, _ context: GroupContext
    ) throws(ConsumerGroupRefusal) {
        guard promisedIds.count < ClassicGroup.pendingMax else { throw ConsumerGroupRefusal(.groupMaxSizeReached) }
        promisedIds.insert(memberId)
        timers.set(.firstJoin, memberId, context.moment.now + .milliseconds(Int64(request.sessionTimeoutMs)))
    }

    private mutating func keepPromise(_ memberId: String) -> Bool {
        timers.cancel(.firstJoin, memberId)
        return promisedIds.remove(memberId) != nil
    }

    private mutating func becomeClassic(
        _ memberId: String, _ subscription: ConsumerProtocolSubscription, _ request: JoinGroupRequest,
        _ token: ReplyToken, _ context: GroupContext, _ step: inout GroupStep
    ) -> ClassicMembers? {
        // With the target at hand the classic group can go on with it; else it must assign anew.
        let isStale = targetEpoch < epoch
        if !isStale { _ = reconcile(memberId, owned: owned(subscription, context), context, &step) }
        answer(memberId, token, &step)
        // Who has not come to its target yet would never learn of it in a group that stays as it is.
        let isBehind = members.values.contains { !$0.isReconciled(to: targetEpoch) }
        guard let classic = classicMembers(without: [], needsRebalance: isStale || isBehind, context) else { return nil }
        delete(&step)
        return classic
    }

    private func answer(_ memberId: String, _ token: ReplyToken, _ step: inout GroupStep) {
        let member = members[memberId]
        let response = JoinGroupResponse {
            $0.memberId = memberId
            $0.generationId = member?.epoch ?? -1
            $0.protocolType = ConsumerGroupProtocol.type
            $0.protocolName = member?.classic?.supportedProtocols.first?.name ?? ""
        }
        step.answer(token, .joinGroup(response))
    }

    /// Whether all classic members know one of the protocols.
    private func supports(_ request: JoinGroupRequest) -> Bool {
        guard request.protocolType == ConsumerGroupProtocol.type, !request.protocols.isEmpty else { return false }
        return members.isEmpty || request.protocols.contains { classicProtocolCounts[$0.name] ?? 0 == classicCount }
    }

    /// All protocols of a member bring the same subscription.
    private func subscription(of request: JoinGroupRequest) -> ConsumerProtocolSubscription? {
        request.protocols.first.flatMap { ConsumerGroupProtocol.subscription($0.metadata) }
    }

    private func owned(
        _ subscription: ConsumerProtocolSubscription, _ context: GroupContext
    ) -> [Uuid: Set<Int32>] {
        let named = subscription.ownedPartitions.map { ($0.topic, $0.partitions) }
        return ConsumerGroupProtocol.partitions(named, context.image).mapValues { Set($0) }
    }

    private func rebalanceTimeout(of member: ConsumerGroupMember) -> Duration {
        .milliseconds(Int64(member.rebalanceTimeoutMs))
    }

    // MARK: Sync and heartbeat

    /// Decides and answers a SyncGroup.
    package mutating func syncGroup(
        _ request: SyncGroupRequest, _ token: ReplyToken, _ context: GroupContext, _ step: inout GroupStep
    ) {
        do throws(ConsumerGroupRefusal) {
            let (member, classic) = try classicMember(request.memberId, request.groupInstanceId, request.generationId)
            let name = classic.supportedProtocols.first?.name
            guard request.protocolType ?? ConsumerGroupProtocol.type == ConsumerGroupProtocol.type,
                request.protocolName ?? name == name
            else { throw ConsumerGroupRefusal(.inconsistentGroupProtocol) }
            // One that has to give up does so first, and then joins again.
            if targetEpoch > member.epoch, member.state != .unrevoked {
                expectJoin(of: member, context)
                throw ConsumerGroupRefusal(.rebalanceInProgress)
            }
            timers.cancel(.sync, member.id)
            heard(member.id, context)
            expectHeartbeat(of: member, context)
            let version = classic.supportedProtocols.first.flatMap { ConsumerGroupProtocol.version(of: $0.metadata) }
            let response = SyncGroupResponse {
                $0.protocolType = request.protocolType
                $0.protocolName = request.protocolName
                $0.assignment = ConsumerGroupProtocol.encode(
                    member.assigned.mapValues { $0.keys.sorted() }, version: version ?? 0, context.image)
            }
            step.answer(token, .syncGroup(response))
        } catch {
            step.answer(token, .syncGroup(SyncGroupResponse { $0.errorCode = error.code }))
        }
    }

    /// Decides the Heartbeat of a classic member. Where no member of the new protocol is left, it is what looks at the
    /// topics and has the next target made.
    package mutating func heartbeat(
        _ request: HeartbeatRequest, _ context: GroupContext, _ step: inout GroupStep
    ) -> ErrorCode {
        let context = context.forGroup(id)
        do throws(ConsumerGroupRefusal) {
            let (member, _) = try classicMember(request.memberId, request.groupInstanceId, request.generationId)
            expectHeartbeat(of: member, context)
            heard(member.id, context)
            if isRefreshDue(context) { refreshTopics(bumpsEpoch: false, context, &step) }
            updateTarget(context, &step)
            let canTakeMore = member.state == .unreleased && !isWaiting(member)
            guard member.epoch < targetEpoch || member.state == .unrevoked || canTakeMore else { return .none }
            expectJoin(of: member, context)
            return .rebalanceInProgress
        } catch {
            return error.code
        }
    }

    private func classicMember(
        _ memberId: String, _ instance: String?, _ generation: Int32
    ) throws(ConsumerGroupRefusal) -> (ConsumerGroupMember, ConsumerGroupMemberMetadataValue.ClassicMemberMetadata) {
        if let instance { _ = try staticMember(instance, memberId) }
        guard let member = members[memberId], let classic = member.classic else {
            throw .unknownMember(memberId, id)
        }
        guard generation == member.epoch else { throw ConsumerGroupRefusal(.illegalGeneration) }
        return (member, classic)
    }

    private mutating func expectHeartbeat(of member: ConsumerGroupMember, _ context: GroupContext) {
        timers.set(.session, member.id, context.moment.now + sessionTimeout(of: member, context))
    }

    private mutating func expectJoin(of member: ConsumerGroupMember, _ context: GroupContext) {
        if timers.has(.join, member.id) { return }
        timers.set(.join, member.id, context.moment.now + rebalanceTimeout(of: member))
    }

    /// Whether others still have something of the member's target.
    private func isWaiting(_ member: ConsumerGroupMember) -> Bool {
        (targets[member.id] ?? [:]).contains { topic, partitions in
            partitions.contains { member.assigned[topic]?[$0] == nil && holder(topic, $0, besides: member.id) != nil }
        }
    }

    // MARK: Leave

    /// Takes members out at their own wish, or at that of a tool. Members of either protocol may be named.
    package mutating func leaveGroup(
        _ identities: [LeaveGroupRequest.MemberIdentity], _ context: GroupContext, _ step: inout GroupStep
    ) -> (answers: [LeaveGroupResponse.MemberResponse], classic: ClassicMembers?) {
        let context = context.forGroup(id)
        var leaving: Set<String> = []
        let answers = identities.map { identity in
            let (memberId, code) = memberToLeave(identity)
            if let memberId {
                leaving.insert(memberId)
                history.note(.memberLeft, member: memberId, identity.reason ?? "it left", context.moment)
            }
            return LeaveGroupResponse.MemberResponse {
                $0.memberId = identity.memberId
                $0.groupInstanceId = identity.groupInstanceId
                $0.errorCode = code
            }
        }
        return (answers, remove(leaving, context, &step))
    }

    private func memberToLeave(_ identity: LeaveGroupRequest.MemberIdentity) -> (String?, ErrorCode) {
        guard let instance = identity.groupInstanceId else {
            return members[identity.memberId] == nil ? (nil, .unknownMemberId) : (identity.memberId, .none)
        }
        guard let memberId = staticMembers[instance] else { return (nil, .unknownMemberId) }
        // A tool names the instance alone.
        if !identity.memberId.isEmpty, identity.memberId != memberId { return (nil, .fencedInstanceId) }
        return (memberId, .none)
    }
}

extension ConsumerGroupMember {
    fileprivate func updated(
        by request: JoinGroupRequest, _ subscription: ConsumerProtocolSubscription, _ client: GroupClient
    ) -> ConsumerGroupMember {
        var member = self
        member.instanceId = request.groupInstanceId ?? instanceId
        if let rack = subscription.rackId, !rack.isEmpty { member.rackId = rack }
        // Before version 1 the session timeout served for both.
        member.rebalanceTimeoutMs =
            request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
        member.topics = subscription.topics.sortedUnique()
        member.pattern = ""
        member.clientId = client.id
        member.clientHost = client.host
        member.classic = .init {
            $0.sessionTimeoutMs = request.sessionTimeoutMs
            $0.supportedProtocols = request.protocols.map { entry in
                ConsumerGroupMemberMetadataValue.ClassicProtocol {
                    $0.name = entry.name
                    // Copied out of the request's bytes.
                    $0.metadata = ByteSlice(entry.metadata.array)
                }
            }
        }
        return member
    }
}
