// ConsumerGroupHeartbeat: a member joins, tells what has changed, says what it has, leaves, and learns what it shall
// have.
//
// Rule: three steps, each of which sees the records of the one before: the member and the group's epoch; the target;
// what the member has. The answer brings the assignment when the member joins, when it told everything (it does so
// after an error), or when it has changed.

internal import Basics
internal import ClusterImage
package import Coordination
package import WireProtocol

extension ConsumerGroup {
    /// Decides a heartbeat, and answers it. Returns the members of the classic group that this one has become, if so.
    package mutating func heartbeat(
        _ request: ConsumerGroupHeartbeatRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) -> ClassicMembers? {
        let context = context.forGroup(id)
        do throws(ConsumerGroupRefusal) {
            if let objection = ConsumerGroup.objection(to: request, version: client.version, context.settings) {
                throw objection
            }
            if request.memberEpoch < 0 { return try leave(request, token, context, &step) }
            let response = try beat(request, client, context, &step)
            step.answer(token, .consumerGroupHeartbeat(response))
        } catch {
            step.answer(token, .consumerGroupHeartbeat(error.heartbeatResponse))
        }
        return nil
    }

    private mutating func beat(
        _ request: ConsumerGroupHeartbeatRequest, _ client: GroupClient, _ context: GroupContext,
        _ step: inout GroupStep
    ) throws(ConsumerGroupRefusal) -> ConsumerGroupHeartbeatResponse {
        try checkRoom(for: request.memberId, instance: request.instanceId, context.settings)
        let memberId = request.memberId.isEmpty ? client.newMemberId.description : request.memberId
        let owned = request.ownedPartitions
        let (before, replaced) = try member(
            memberId, request.instanceId, epoch: request.memberEpoch, owned: owned, speaksClassic: false)
        if before.state == .unknown, owned?.isEmpty != true {
            throw ConsumerGroupRefusal(
                .fencedMemberEpoch,
                "The consumer group member is in a unknown state. The member must abandon all its partitions and "
                    + "rejoin."
            )
        }
        let member = before.updated(by: request, client)
        if member.pattern != before.pattern { try checkPattern(member.pattern) }
        // From here on nothing is refused.
        update(member, before, replacing: replaced, context, &step)
        updateTarget(context, &step)
        hear(memberId)
        let hasChanged = reconcile(memberId, owned: owned, context, &step)
        heard(memberId, context)
        timers.set(.session, memberId, context.moment.now + context.settings.consumerSessionTimeout)
        // It may have been a classic member until now.
        timers.cancel(.join, memberId)
        timers.cancel(.sync, memberId)
        return response(to: request, memberId, sendsAssignment: hasChanged, context)
    }

    private func response(
        to request: ConsumerGroupHeartbeatRequest, _ memberId: String, sendsAssignment: Bool, _ context: GroupContext
    ) -> ConsumerGroupHeartbeatResponse {
        let member = members[memberId]
        let tellsTopics = request.subscribedTopicNames != nil || request.subscribedTopicRegex != nil
        let isFull = request.rebalanceTimeoutMs != -1 && tellsTopics && request.topicPartitions != nil
        return ConsumerGroupHeartbeatResponse {
            $0.memberId = memberId
            $0.memberEpoch = member?.epoch ?? 0
            $0.heartbeatIntervalMs = Int32(clamping: context.settings.consumerHeartbeatInterval.wholeMilliseconds)
            guard request.memberEpoch == ConsumerGroupMember.joining || isFull || sendsAssignment else { return }
            $0.assignment = .init {
                $0.topicPartitions = (member?.assigned ?? [:]).sorted { $0.key < $1.key }.map { id, partitions in
                    ConsumerGroupHeartbeatResponse.TopicPartitions {
                        $0.topicId = id
                        $0.partitions = partitions.keys.sorted()
                    }
                }
            }
        }
    }

    // MARK: The member

    /// The member as it was before the request, and the static one whose place it takes.
    func member(
        _ memberId: String, _ instance: String?, epoch: Int32, owned: [Uuid: Set<Int32>]?, speaksClassic: Bool
    ) throws(ConsumerGroupRefusal) -> (before: ConsumerGroupMember, replaced: ConsumerGroupMember?) {
        let isJoining = epoch == ConsumerGroupMember.joining
        guard let instance else {
            guard let known = members[memberId] else {
                guard isJoining else { throw .unknownMember(memberId, id) }
                return (ConsumerGroupMember(id: memberId), nil)
            }
            if !speaksClassic { try ConsumerGroup.checkEpoch(epoch, of: known, owned: owned) }
            return (known, nil)
        }
        let known = staticMembers[instance].flatMap { members[$0] }
        if isJoining {
            guard let known else { return (members[memberId] ?? ConsumerGroupMember(id: memberId), nil) }
            // Between members of the new protocol, the instance must have been given free.
            if !speaksClassic, !known.usesClassicProtocol, known.epoch != ConsumerGroupMember.leavingForAWhile {
                throw ConsumerGroupRefusal(
                    .unreleasedInstanceId,
                    "Static member \(memberId) with instance id \(instance) cannot join the group because the instance "
                        + "id is owned by \(known.id) member.")
            }
            return (ConsumerGroupMember(known, id: memberId), known)
        }
        let found = try staticMember(instance, memberId)
        if !speaksClassic { try ConsumerGroup.checkEpoch(epoch, of: found, owned: owned) }
        return (found, nil)
    }

    /// The static member of an instance, which must have this id.
    func staticMember(_ instance: String, _ memberId: String) throws(ConsumerGroupRefusal) -> ConsumerGroupMember {
        guard let known = staticMembers[instance].flatMap({ members[$0] }) else {
            throw ConsumerGroupRefusal(.unknownMemberId, "Instance id \(instance) is unknown.")
        }
        guard known.id == memberId else { throw .fencedInstance(memberId, instance, by: known.id) }
        return known
    }

    /// Writes what the member told, and raises the group's epoch if that calls for another target.
    mutating func update(
        _ member: ConsumerGroupMember, _ before: ConsumerGroupMember, replacing replaced: ConsumerGroupMember?,
        _ context: GroupContext, _ step: inout GroupStep
    ) {
        let assignor = preferredAssignor(context.settings)
        if let replaced { replace(replaced, with: before, &step) }
        note(member, before, replaced, context)
        if member != before || members[member.id] == nil { emitMember(member, &step) }
        let hasNewTopics = patternChanged(from: before.pattern, to: member.pattern, context, &step)
        let bumps = member.topics != before.topics || hasNewTopics || preferredAssignor(context.settings) != assignor
        if bumps || isRefreshDue(context) {
            refreshTopics(bumpsEpoch: bumps, context, &step)
        }
    }

    /// Puts a static member under its new id. It keeps what it had.
    private mutating func replace(
        _ old: ConsumerGroupMember, with new: ConsumerGroupMember, _ step: inout GroupStep
    ) {
        let target = targets[old.id] ?? [:]
        emitRemoval(of: old.id, &step)
        emitMember(new, &step)
        emitTarget(new.id, target, &step)
        emitCurrent(new, &step)
        timers.forget(old.id)
        history.forget(old.id)
    }

    // MARK: What the member has

    /// Takes the member one step towards its target; true if what it has was changed.
    mutating func reconcile(
        _ memberId: String, owned: [Uuid: Set<Int32>]?, _ context: GroupContext, _ step: inout GroupStep
    ) -> Bool {
        guard let member = members[memberId] else { return false }
        let next = nextStep(of: member, owned: owned, context)
        if next == member { return false }
        emitCurrent(next, &step)
        if !next.usesClassicProtocol {
            if next.state == .unrevoked {
                let deadline = context.moment.now + .milliseconds(Int64(next.rebalanceTimeoutMs))
                timers.setRebalance(memberId, epoch: next.epoch, deadline)
            } else {
                timers.cancel(.rebalance, memberId)
            }
        }
        return next.assigned.mapValues { Set($0.keys) } != member.assigned.mapValues { Set($0.keys) }
    }

    private func nextStep(
        of member: ConsumerGroupMember, owned: [Uuid: Set<Int32>]?, _ context: GroupContext
    ) -> ConsumerGroupMember {
        func isRead(_ topic: Uuid) -> Bool { context.image.topics[topic].map { reads(member, $0.name) } ?? false }
        let hasUnsubscribed = !member.assigned.keys.allSatisfy(isRead)
        if !hasUnsubscribed, member.isReconciled(to: targetEpoch) { return member }
        let target = targets[member.id] ?? [:]
        let topics = Set(target.keys).union(member.assigned.keys)
        return ConsumerGroupReconciliation(
            member: member, targetEpoch: targetEpoch, target: target, subscribed: topics.filter(isRead),
            hasUnsubscribed: hasUnsubscribed, owned: owned, owner: { holder($0, $1, besides: member.id) }
        ).next()
    }

    /// Whether a member reads a topic, by name or by what its expression has matched.
    func reads(_ member: ConsumerGroupMember, _ topic: String) -> Bool {
        member.topics.hasSorted(topic) || (patterns[member.pattern]?.topics.contains(topic) ?? false)
    }
}

extension ConsumerGroupMember {
    /// What is not said in a heartbeat has not changed.
    fileprivate func updated(by request: ConsumerGroupHeartbeatRequest, _ client: GroupClient) -> ConsumerGroupMember {
        var member = self
        member.instanceId = request.instanceId ?? instanceId
        member.rackId = request.rackId ?? rackId
        if request.rebalanceTimeoutMs != -1 { member.rebalanceTimeoutMs = request.rebalanceTimeoutMs }
        member.assignor = request.serverAssignor ?? assignor
        if let names = request.subscribedTopicNames { member.topics = names.sortedUnique() }
        member.pattern = request.subscribedTopicRegex ?? pattern
        member.clientId = client.id
        member.clientHost = client.host
        member.classic = nil
        return member
    }
}

extension ConsumerGroupHeartbeatRequest {
    /// What the member says that it has; nil if it says nothing.
    fileprivate var ownedPartitions: [Uuid: Set<Int32>]? {
        topicPartitions.map { topics in
            var owned: [Uuid: Set<Int32>] = [:]
            for topic in topics { owned[topic.topicId, default: []].formUnion(topic.partitions) }
            return owned
        }
    }
}
