// How members go: they leave, or their time is over. A static member may leave for a while; what it had stays its own
// until it is back, or its session ends.
//
// Rule: with a member goes what it has, and the epoch rises, so that others get it. When the last member of the new
// protocol goes and classic ones stay, the group becomes a classic one if the policy allows it.

package import Basics
internal import ClusterImage
internal import Coordination
internal import WireProtocol

extension ConsumerGroup {
    mutating func leave(
        _ request: ConsumerGroupHeartbeatRequest, _ token: ReplyToken, _ context: GroupContext, _ step: inout GroupStep
    ) throws(ConsumerGroupRefusal) -> ClassicMembers? {
        var memberId = request.memberId
        if let instance = request.instanceId {
            memberId = try staticMember(instance, request.memberId).id
        } else if members[memberId] == nil {
            throw .unknownMember(memberId, id)
        }
        let response = ConsumerGroupHeartbeatResponse {
            $0.memberId = request.memberId
            $0.memberEpoch = request.memberEpoch
        }
        step.answer(token, .consumerGroupHeartbeat(response))
        let isForAWhile = request.memberEpoch == ConsumerGroupMember.leavingForAWhile && request.instanceId != nil
        history.note(.memberLeft, member: memberId, isForAWhile ? "it left for a while" : "it left", context.moment)
        if isForAWhile {
            leaveForAWhile(memberId, &step)
            return nil
        }
        return remove([memberId], context, &step)
    }

    private mutating func leaveForAWhile(_ memberId: String, _ step: inout GroupStep) {
        guard var member = members[memberId] else { return }
        member.epoch = ConsumerGroupMember.leavingForAWhile
        member.revoking = [:]
        // Who comes back has another id, and has had the partitions from its beginning.
        member.assigned = member.assigned.mapValues { $0.mapValues { _ in 0 } }
        emitCurrent(member, &step)
        timers.cancel(.rebalance, memberId)
    }

    /// Takes members out of the group. Returns what the group has become if it is a classic one now.
    mutating func remove(
        _ memberIds: Set<String>, _ context: GroupContext, _ step: inout GroupStep
    ) -> ClassicMembers? {
        let leaving = memberIds.filter { members[$0] != nil }.sorted()
        if leaving.isEmpty { return nil }
        if mayBecomeClassic(without: leaving, context.settings) {
            if let classic = classicMembers(without: leaving, needsRebalance: true, context) {
                delete(&step)
                return classic
            }
        }
        let patternsBefore = Set(leaving.compactMap { members[$0]?.pattern }.filter { !$0.isEmpty })
        for memberId in leaving {
            emitRemoval(of: memberId, &step)
            timers.forget(memberId)
            history.forget(memberId)
        }
        for pattern in patternsBefore.sorted() where patternCounts[pattern] == nil { emitPattern(pattern, nil, &step) }
        let hash = SubscriptionHash.of(subscribedTopics.keys, in: context.image)
        emitEpoch(epoch + 1, hash: hash, &step)
        history.rebalanceBegins("epoch \(epoch)", context.moment)
        // An empty group has nothing to assign; the next member shall not wait for the assignment interval.
        if members.isEmpty {
            emitTargetEpoch(epoch, timestamp: 0, &step)
            history.rebalanceEnds("epoch \(epoch) without members", context.moment)
        }
        return nil
    }

    // MARK: Time

    /// The next moment at which `tick` has something to do.
    package var nextDeadline: Instant? {
        guard matching == nil else { return Instant(nanoseconds: .min) }
        guard let pauseCheck else { return timers.next }
        return timers.next.map { min($0, pauseCheck) } ?? pauseCheck
    }

    /// Begins to watch the members of a group that was loaded. All is looked at anew with the next heartbeat.
    package mutating func loaded(_ context: GroupContext) {
        let context = context.forGroup(id)
        refreshAt = nil
        newTopicsVersion = context.image.endOffset.rawValue
        // Nobody remembers who has joined since a conversion: those that are to join anyway are waited for.
        let late = members.values.filter {
            $0.usesClassicProtocol && $0.previousEpoch == $0.epoch && $0.epoch < targetEpoch
        }
        awaitWord(of: late.map(\.id))
        for member in sortedMembers {
            history.hear(member.id, context.moment)
            timers.set(.session, member.id, context.moment.now + sessionTimeout(of: member, context))
            if member.state == .unrevoked, !member.usesClassicProtocol {
                let deadline = context.moment.now + .milliseconds(Int64(member.rebalanceTimeoutMs))
                timers.setRebalance(member.id, epoch: member.epoch, deadline)
            }
        }
    }

    func sessionTimeout(of member: ConsumerGroupMember, _ context: GroupContext) -> Duration {
        guard let classic = member.classic else { return context.settings.consumerSessionTimeout }
        return .milliseconds(Int64(classic.sessionTimeoutMs))
    }

    /// Does what is due. Returns the members of the classic group that this one has become, if so.
    package mutating func tick(_ context: GroupContext, _ step: inout GroupStep) -> ClassicMembers? {
        let context = context.forGroup(id)
        if let pauseCheck, pauseCheck <= context.moment.now { followPause(context, &step) }
        for due in timers.due(context.moment.now) {
            if due.kind == .firstJoin { promisedIds.remove(due.memberId) }
            guard let member = members[due.memberId] else { continue }
            // A member that left the epoch in time is not to blame.
            if due.kind == .rebalance, timers.epochToLeave(member.id) != member.epoch { continue }
            noteEnd(of: member, due.kind, context)
            if let classic = remove([member.id], context, &step) { return classic }
        }
        matchPatterns(context, &step)
        return nil
    }
}
