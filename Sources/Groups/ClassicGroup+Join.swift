// Joining a classic group: JoinGroup in each state of the group, for members that are new, known, or static (KIP-345),
// and ids that are given before the joining (KIP-394).

internal import Basics
internal import Bytes
package import Coordination
package import WireProtocol

extension JoinGroupResponse {
    /// A refusal.
    package static func refused(_ memberId: String, _ code: ErrorCode) -> JoinGroupResponse {
        JoinGroupResponse {
            $0.memberId = memberId
            $0.errorCode = code
            $0.protocolName = nil
        }
    }
}

extension ClassicGroup {
    /// Since this version a new member is given its id first, and joins with it.
    private static let givesIdsFirst: Int16 = 4
    /// Since this version a leader can be told that nothing is to be assigned (KIP-814).
    private static let skipsAssignment: Int16 = 9

    /// Decides a JoinGroup; the reply may come much later.
    package mutating func join(
        _ request: JoinGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) {
        let memberId = request.memberId
        if !accepts(memberId, context) {
            remove(memberId)
            return step.answer(token, .joinGroup(.refused("", .groupMaxSizeReached)))
        }
        guard supports(request.protocolType, request.protocols) else {
            return step.answer(token, .joinGroup(.refused(memberId, .inconsistentGroupProtocol)))
        }
        if memberId.isEmpty {
            joinNew(request, client, token, context, &step)
        } else if pendingMembers.contains(memberId), request.groupInstanceId == nil {
            add(request, memberId, client, token, context, &step)
        } else {
            rejoin(request, client, token, context, &step)
        }
    }

    /// Whether the group has room.
    private func accepts(_ memberId: String, _ context: GroupContext) -> Bool {
        let max = context.settings.sizeMax
        if memberId.isEmpty, pendingMembers.count >= ClassicGroup.pendingMax { return false }
        switch state {
        case .empty: return true
        case .preparingRebalance: return members[memberId]?.joining != nil || joiningCount < max
        case .completingRebalance, .stable: return members[memberId] != nil || members.count < max
        }
    }

    private mutating func joinNew(
        _ request: JoinGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) {
        let memberId = "\(request.groupInstanceId ?? client.id)-\(client.newMemberId.hexadecimal)"
        if let instance = request.groupInstanceId {
            guard let old = staticMembers[instance].flatMap({ members[$0] }) else {
                return add(request, memberId, client, token, context, &step)
            }
            return takeOver(old, memberId, request, client, token, context, &step)
        }
        guard client.version >= ClassicGroup.givesIdsFirst else {
            return add(request, memberId, client, token, context, &step)
        }
        pendingMembers.insert(memberId)
        expect(memberId, within: .milliseconds(Int64(request.sessionTimeoutMs)), context.moment)
        step.answer(token, .joinGroup(.refused(memberId, .memberIdRequired)))
    }

    private mutating func add(
        _ request: JoinGroupRequest, _ memberId: String, _ client: GroupClient, _ token: ReplyToken,
        _ context: GroupContext, _ step: inout GroupStep
    ) {
        var member = ClassicMember(request, id: memberId, client: client, order: newOrder())
        member.joining = (token, client.version)
        if state == .preparingRebalance, previousState == .empty { hasNewMember = true }
        if members.isEmpty { protocolType = request.protocolType }
        insert(member)
        noteJoin(of: member, request.reason, context.moment)
        // It has no generation to send heartbeats with; if its client gives up, it joins again as somebody else.
        expect(memberId, within: ClassicGroup.newMemberTimeout, context.moment)
        rebalanceOrCompleteJoin(context, &step)
    }

    private mutating func rejoin(
        _ request: JoinGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ context: GroupContext,
        _ step: inout GroupStep
    ) {
        let memberId = request.memberId
        if let refusal = refusal(memberId, instance: request.groupInstanceId) {
            return step.answer(token, .joinGroup(.refused(memberId, refusal)))
        }
        history.hear(memberId, context.moment)
        let isUnchanged = members[memberId].map { request.matches($0) } ?? false
        switch state {
        case .preparingRebalance: break
        // It did not hear of the generation, it seems.
        case .completingRebalance where isUnchanged:
            return step.answer(token, .joinGroup(joined(memberId, asLeader: leader == memberId)))
        case .stable where isUnchanged && leader != memberId:
            return step.answer(token, .joinGroup(joined(memberId, asLeader: false)))
        case .completingRebalance, .stable: break
        case .empty: return step.answer(token, .joinGroup(.refused(memberId, .unknownMemberId)))
        }
        noteChange(of: memberId, request, context.moment)
        update(memberId, from: request)
        wait(memberId, token, client, &step)
        rebalanceOrCompleteJoin(context, &step)
    }

    /// The member's JoinGroup waits; an earlier one that still does will not be heard.
    private mutating func wait(
        _ memberId: String, _ token: ReplyToken, _ client: GroupClient, _ step: inout GroupStep
    ) {
        if let earlier = members[memberId]?.joining {
            step.answer(earlier.token, .joinGroup(.refused(memberId, .rebalanceInProgress)))
        }
        update(memberId) { $0.joining = (token, client.version) }
    }

    // MARK: Static members

    /// A static member comes back without its id: it takes the place of its former self, which is fenced.
    private mutating func takeOver(
        _ old: ClassicMember, _ memberId: String, _ request: JoinGroupRequest, _ client: GroupClient,
        _ token: ReplyToken, _ context: GroupContext, _ step: inout GroupStep
    ) {
        let formerLeader = leader
        if let joining = old.joining {
            step.answer(joining.token, .joinGroup(.refused(old.id, .fencedInstanceId)))
        }
        if let syncing = old.syncing {
            step.answer(syncing, .syncGroup(SyncGroupResponse { $0.errorCode = .fencedInstanceId }))
        }
        var new = old
        new.id = memberId
        new.joining = nil
        new.syncing = nil
        let wasToSync = pendingSync.contains(old.id)
        replace(old, with: new)
        history.hear(memberId, context.moment)
        history.note(.memberJoined, member: memberId, "in the place of the static member \(old.id)", context.moment)
        if wasToSync { pendingSync.insert(memberId) }
        expect(memberId, context.moment)
        update(memberId, from: request)
        switch state {
        case .stable where electedProtocol() == protocolName:
            keepGeneration(memberId, formerLeader, client, token, &step)
        case .stable, .completingRebalance:
            wait(memberId, token, client, &step)
            prepareRebalance(context, &step)
        case .preparingRebalance, .empty:
            wait(memberId, token, client, &step)
            completeJoinIfAll(context, &step)
        }
    }

    /// Nothing changes for the others: the member goes on with the assignment that it had.
    private mutating func keepGeneration(
        _ memberId: String, _ formerLeader: String?, _ client: GroupClient, _ token: ReplyToken,
        _ step: inout GroupStep
    ) {
        emit(members.mapValues(\.assignment), &step)
        var response = joined(memberId, asLeader: false)
        if client.version >= ClassicGroup.skipsAssignment {
            if leader == memberId {
                response = joined(memberId, asLeader: true)
                response.skipAssignment = true
            }
        } else {
            // It must not assign: an old client does so whenever it is told that it leads.
            response.leader = formerLeader ?? ""
        }
        step.answer(token, .joinGroup(response))
    }

    // MARK: Answers

    /// The present generation, as this member is told of it.
    func joined(_ memberId: String, asLeader: Bool) -> JoinGroupResponse {
        JoinGroupResponse {
            $0.memberId = memberId
            $0.generationId = generation
            $0.protocolType = protocolType
            $0.protocolName = protocolName
            $0.leader = leader ?? ""
            guard asLeader else { return }
            $0.members = sortedMembers.map { member in
                JoinGroupResponse.JoinGroupResponseMember {
                    $0.memberId = member.id
                    $0.groupInstanceId = member.instanceId
                    $0.metadata = member.metadata(protocolName)
                }
            }
        }
    }
}
