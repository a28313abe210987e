// The way from one generation to the next: who is waited for, and for how long; and what happens to those who do not
// come, do not ask for their assignment, or fall silent.

internal import Basics
internal import Coordination
internal import WireProtocol

extension ClassicGroup {
    // MARK: Joining

    mutating func rebalanceOrCompleteJoin(_ context: GroupContext, _ step: inout GroupStep) {
        if state == .preparingRebalance {
            completeJoinIfAll(context, &step)
        } else {
            prepareRebalance(context, &step)
        }
    }

    /// Asks all members to join anew.
    mutating func prepareRebalance(_ context: GroupContext, _ step: inout GroupStep) {
        if state == .completingRebalance { refuseSyncing(.rebalanceInProgress, context, &step) }
        pendingSync = []
        deadlines.set(.syncing, nil)
        let isFirst = state == .empty
        history.rebalanceBegins("generation \(generation &+ 1)", context.moment)
        enter(.preparingRebalance, context.moment)
        guard isFirst else {
            if hasAllJoined { return completeJoin(context, &step) }
            deadlines.set(.joining, context.moment.now + rebalanceTimeout)
            return
        }
        // A new group gives the members that start with the first one the time to come, too.
        let delay = context.settings.initialRebalanceDelay
        hasNewMember = false
        initialDelay = (delay, max(rebalanceTimeout - delay, .zero))
        if delay <= .zero { return initialDelayEnds(context, &step) }
        deadlines.set(.joining, context.moment.now + delay)
    }

    /// Completes the join unless somebody is missing, or the group is new and still waits for more.
    mutating func completeJoinIfAll(_ context: GroupContext, _ step: inout GroupStep) {
        guard state == .preparingRebalance, previousState != .empty, hasAllJoined else { return }
        completeJoin(context, &step)
    }

    mutating func joiningEnds(_ context: GroupContext, _ step: inout GroupStep) {
        if initialDelay == nil { completeJoin(context, &step) } else { initialDelayEnds(context, &step) }
    }

    private mutating func initialDelayEnds(_ context: GroupContext, _ step: inout GroupStep) {
        guard let delay = initialDelay, hasNewMember, delay.remaining > .zero else {
            return completeJoin(context, &step)
        }
        hasNewMember = false
        let next = min(context.settings.initialRebalanceDelay, delay.remaining)
        initialDelay = (next, max(delay.remaining - delay.step, .zero))
        deadlines.set(.joining, context.moment.now + next)
    }

    /// Begins the next generation with those who have joined, and the static members.
    mutating func completeJoin(_ context: GroupContext, _ step: inout GroupStep) {
        deadlines.set(.joining, nil)
        initialDelay = nil
        for member in sortedMembers where member.joining == nil && !member.isStatic {
            remove(member.id)
            noteEnd(of: member.id, "it did not join the rebalance in time", context.moment)
        }
        if !electJoinedLeader(), !members.isEmpty {
            // Static members only, none of which came: their session timeouts decide.
            deadlines.set(.joining, context.moment.now + rebalanceTimeout)
            return
        }
        generation &+= 1
        pendingSync = []
        protocolName = members.isEmpty ? nil : electedProtocol()
        subscribedTopics = knownSubscriptions()
        guard !members.isEmpty else {
            enter(.empty, context.moment)
            history.rebalanceEnds("generation \(generation) without members", context.moment)
            return emit([:], &step)
        }
        enter(.completingRebalance, context.moment)
        for member in sortedMembers {
            if let joining = member.joining {
                step.answer(joining.token, .joinGroup(joined(member.id, asLeader: leader == member.id)))
            }
            update(member.id) {
                $0.joining = nil
                $0.isNew = false
            }
            expect(member.id, context.moment)
            pendingSync.insert(member.id)
        }
        deadlines.set(.syncing, context.moment.now + rebalanceTimeout)
    }

    /// A leader must have joined, since it is told of the others; false if nobody has.
    private mutating func electJoinedLeader() -> Bool {
        guard let leader else { return false }
        if members[leader]?.joining != nil { return true }
        guard let next = sortedMembers.first(where: { $0.joining != nil }) else { return false }
        self.leader = next.id
        return true
    }

    // MARK: Silence

    mutating func expire(_ memberId: String, _ context: GroupContext, _ step: inout GroupStep) {
        guard let member = members[memberId] else {
            remove(memberId)
            if state == .preparingRebalance, hasAllJoined, !isWaitingForFirst { completeJoin(context, &step) }
            return
        }
        // Who waits for an answer cannot send heartbeats; it is watched again when it is answered.
        if member.isWaiting, !member.isNew { return }
        noteEnd(
            of: memberId, "nothing was heard of it for its session timeout of \(member.sessionTimeout) ms",
            context.moment)
        takeOut(member, &step)
        afterLoss(context, &step)
    }

    /// Removes a member; its JoinGroup is answered, so that it joins anew if it lives.
    mutating func takeOut(_ member: ClassicMember, _ step: inout GroupStep) {
        if let joining = member.joining { step.answer(joining.token, .joinGroup(.refused("", .unknownMemberId))) }
        if let syncing = member.syncing {
            step.answer(syncing, .syncGroup(SyncGroupResponse { $0.errorCode = .unknownMemberId }))
        }
        remove(member.id)
    }

    /// Members are gone: the rest is rebalanced.
    mutating func afterLoss(_ context: GroupContext, _ step: inout GroupStep) {
        switch state {
        case .stable, .completingRebalance: prepareRebalance(context, &step)
        case .preparingRebalance:
            if hasAllJoined, !isWaitingForFirst || members.isEmpty { completeJoin(context, &step) }
        case .empty: break
        }
    }

    /// Whether the group is new, and waits for more members though all known ones have joined.
    private var isWaitingForFirst: Bool { initialDelay != nil }
}
