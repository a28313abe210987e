// What members of a generation ask: their assignment, which the leader brings; whether all is well; and to leave.

package import Basics
internal import Bytes
package import Coordination
package import WireProtocol

extension ClassicGroup {
    // MARK: SyncGroup

    /// Decides a SyncGroup; it waits for the leader's.
    package mutating func sync(
        _ request: SyncGroupRequest, _ token: ReplyToken, _ context: GroupContext, _ step: inout GroupStep
    ) {
        if let code = refusal(request) {
            return step.answer(token, .syncGroup(SyncGroupResponse { $0.errorCode = code }))
        }
        let memberId = request.memberId
        history.hear(memberId, context.moment)
        pendingSync.remove(memberId)
        if pendingSync.isEmpty { deadlines.set(.syncing, nil) }
        guard state == .completingRebalance else {
            return step.answer(token, .syncGroup(synced(members[memberId]?.assignment ?? .empty)))
        }
        if let earlier = members[memberId]?.syncing {
            step.answer(earlier, .syncGroup(SyncGroupResponse { $0.errorCode = .rebalanceInProgress }))
        }
        update(memberId) { $0.syncing = token }
        if leader == memberId { assign(request, context, &step) }
    }

    private func refusal(_ request: SyncGroupRequest) -> ErrorCode? {
        if isEmpty { return .unknownMemberId }
        if let code = refusal(request.memberId, instance: request.groupInstanceId) { return code }
        if request.generationId != generation { return .illegalGeneration }
        if let type = request.protocolType, let protocolType, type != protocolType { return .inconsistentGroupProtocol }
        if let name = request.protocolName, let protocolName, name != protocolName { return .inconsistentGroupProtocol }
        return state == .preparingRebalance ? .rebalanceInProgress : nil
    }

    private func synced(_ assignment: ByteSlice) -> SyncGroupResponse {
        SyncGroupResponse {
            $0.protocolType = protocolType
            $0.protocolName = protocolName
            $0.assignment = assignment
        }
    }

    /// Takes the leader's assignments: they are written, then told. Members that it left out get nothing.
    private mutating func assign(_ request: SyncGroupRequest, _ context: GroupContext, _ step: inout GroupStep) {
        var assignments = members.mapValues { _ in ByteSlice.empty }
        for entry in request.assignments where assignments[entry.memberId] != nil {
            assignments[entry.memberId] = ByteSlice(entry.assignment.array)
        }
        if usesConsumerProtocol, context.forGroup(id).isPaused {
            assignments = members.mapValues { member in
                let version = ConsumerGroupProtocol.version(of: member.metadata(protocolName)) ?? 0
                return ConsumerGroupProtocol.encode([:], version: version, context.image)
            }
        }
        guard value(assignments).encodedSize(version: 3) <= context.settings.recordBytesMax else {
            refuseSyncing(.unknownServerError, context, &step)
            return prepareRebalance(context, &step)
        }
        emit(assignments, &step)
        for member in sortedMembers {
            guard let syncing = member.syncing else { continue }
            step.answer(syncing, .syncGroup(synced(member.assignment)))
            update(member.id) { $0.syncing = nil }
            expect(member.id, context.moment)
        }
        enter(.stable, context.moment)
        history.rebalanceEnds("generation \(generation) with \(members.count) members", context.moment)
    }

    /// Nobody gets an assignment in this generation.
    mutating func refuseSyncing(_ code: ErrorCode, _ context: GroupContext, _ step: inout GroupStep) {
        for member in sortedMembers {
            if let syncing = member.syncing {
                step.answer(syncing, .syncGroup(SyncGroupResponse { $0.errorCode = code }))
                expect(member.id, context.moment)
            }
            update(member.id) {
                $0.syncing = nil
                $0.assignment = .empty
            }
        }
    }

    /// Who has not asked for its assignment by now is taken for dead.
    mutating func syncingEnds(_ context: GroupContext, _ step: inout GroupStep) {
        guard state == .completingRebalance || state == .stable, !pendingSync.isEmpty else { return }
        for memberId in pendingSync.sorted() {
            remove(memberId)
            noteEnd(of: memberId, "it did not ask for its assignment in time", context.moment)
        }
        prepareRebalance(context, &step)
    }

    // MARK: Heartbeat

    /// Decides a Heartbeat.
    package mutating func heartbeat(
        _ request: HeartbeatRequest, _ moment: Moment
    ) -> (code: ErrorCode, nextDeadline: Instant?) {
        let code = heard(request, moment)
        return (code, nextDeadline)
    }

    private mutating func heard(_ request: HeartbeatRequest, _ moment: Moment) -> ErrorCode {
        if let code = refusal(request.memberId, instance: request.groupInstanceId) { return code }
        if request.generationId != generation { return .illegalGeneration }
        if isEmpty { return .unknownMemberId }
        expect(request.memberId, moment)
        history.hear(request.memberId, moment)
        return state == .preparingRebalance ? .rebalanceInProgress : .none
    }

    // MARK: LeaveGroup

    /// Takes members out; an administrator names static ones by their instance alone.
    package mutating func leave(
        _ identities: [LeaveGroupRequest.MemberIdentity], _ context: GroupContext, _ step: inout GroupStep
    ) -> [LeaveGroupResponse.MemberResponse] {
        var hasLeft = false
        let answers = identities.map { identity in
            let code = leave(identity, context, &step)
            hasLeft = hasLeft || code == .none
            return LeaveGroupResponse.MemberResponse {
                $0.memberId = identity.memberId
                $0.groupInstanceId = identity.groupInstanceId
                $0.errorCode = code
            }
        }
        guard hasLeft else { return answers }
        switch state {
        case .stable, .completingRebalance: prepareRebalance(context, &step)
        case .preparingRebalance: completeJoinIfAll(context, &step)
        case .empty: break
        }
        return answers
    }

    private mutating func leave(
        _ identity: LeaveGroupRequest.MemberIdentity, _ context: GroupContext, _ step: inout GroupStep
    ) -> ErrorCode {
        let memberId: String
        if identity.memberId.isEmpty {
            guard let known = identity.groupInstanceId.flatMap({ staticMembers[$0] }) else { return .unknownMemberId }
            memberId = known
        } else if pendingMembers.contains(identity.memberId) {
            remove(identity.memberId)
            return .none
        } else {
            if let code = refusal(identity.memberId, instance: identity.groupInstanceId) { return code }
            memberId = identity.memberId
        }
        if let member = members[memberId] {
            takeOut(member, &step)
            history.note(.memberLeft, member: memberId, identity.reason ?? "it left", context.moment)
        }
        return .none
    }

    // MARK: Offsets

    /// Why offsets are not committed for this member; nil if they are. A commit keeps the member alive.
    package mutating func validateCommit(
        _ memberId: String, instance: String?, generation asked: Int32, isTransactional: Bool, _ context: GroupContext
    ) -> ErrorCode? {
        if asked < 0, isEmpty { return nil }
        // Nobody would store another offset over it.
        if asked < 0, memberId.isEmpty, instance == nil, context.forGroup(id).isPaused, ownsNothing { return nil }
        if asked >= 0 || !memberId.isEmpty || instance != nil {
            if let code = refusal(memberId, instance: instance) { return code }
            if asked != generation { return .illegalGeneration }
        } else if !isTransactional {
            return .unknownMemberId
        }
        if isTransactional { return nil }
        if state == .completingRebalance { return .rebalanceInProgress }
        expect(memberId, context.moment)
        history.hear(memberId, context.moment)
        return nil
    }
}
