// The requests of classic members: to which group they go, and what is answered where there is none.

internal import Basics
internal import Bytes
package import Coordination
package import WireProtocol

extension GroupCoordinator {
    /// Decides a JoinGroup. The first one of a group makes it.
    package mutating func joinGroup(
        _ request: JoinGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        let groupId = request.groupId
        func refuse(_ code: ErrorCode) -> GroupStep {
            var step = GroupStep()
            step.answer(token, .joinGroup(.refused(request.memberId, code)))
            return step
        }
        guard !groupId.isEmpty else { return refuse(.invalidGroupId) }
        let timeout = Duration.milliseconds(Int64(request.sessionTimeoutMs))
        guard timeout >= settings.sessionTimeoutMin, timeout <= settings.sessionTimeoutMax else {
            return refuse(.invalidSessionTimeout)
        }
        guard request.protocols.reduce(0, { $0 + $1.metadata.count }) <= settings.recordBytesMax else {
            return refuse(.invalidRequest)
        }
        if consumer[groupId].map({ !$0.isEmpty }) ?? false {
            let context = context(moment)
            let became = consumer[groupId]?.joinGroup(request, client, token, context, &step)
            becomeClassic(groupId, became ?? nil, context, &step)
            watch(groupId)
            return step
        }
        let isNew = classic[groupId] == nil
        if isNew {
            guard request.memberId.isEmpty else { return refuse(.unknownMemberId) }
            guard hasRoom else { return refuse(.coordinatorNotAvailable) }
            let history = history(groupId)
            removeEmptyConsumerGroup(groupId, &step)
            classic[groupId] = ClassicGroup(id: groupId, moment)
            classic[groupId]?.history = history
        }
        let context = context(moment)
        if isNew { followPause(groupId, context, &step) }
        let records = step.records.count
        classic[groupId]?.join(request, client, token, context, &step)
        if isNew, step.records.count == records { classic[groupId]?.emitCreation(&step) }
        watch(groupId)
        return step
    }

    /// Decides a SyncGroup.
    package mutating func syncGroup(
        _ request: SyncGroupRequest, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        if consumer[request.groupId] != nil {
            let context = context(moment)
            consumer[request.groupId]?.syncGroup(request, token, context, &step)
            watch(request.groupId)
            return step
        }
        guard !request.groupId.isEmpty, classic[request.groupId] != nil else {
            let code: ErrorCode = request.groupId.isEmpty ? .invalidGroupId : .unknownMemberId
            step.answer(token, .syncGroup(SyncGroupResponse { $0.errorCode = code }))
            return step
        }
        let context = context(moment)
        classic[request.groupId]?.sync(request, token, context, &step)
        watch(request.groupId)
        return step
    }

    /// Decides a Heartbeat.
    package mutating func heartbeat(
        _ request: HeartbeatRequest, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        var code: ErrorCode = request.groupId.isEmpty ? .invalidGroupId : .unknownMemberId
        // By far the most frequent of all requests: nothing is copied, and nothing is looked up twice.
        let context = context(moment)
        if let index = classic.index(forKey: request.groupId) {
            let (answer, deadline) = classic.values[index].heartbeat(request, moment)
            code = answer
            watch(request.groupId, deadline)
        } else if let answer = consumer[request.groupId]?.heartbeat(request, context, &step) {
            code = answer
            watch(request.groupId)
        }
        step.answer(token, .heartbeat(HeartbeatResponse { $0.errorCode = code }))
        return step
    }

    /// Decides a LeaveGroup of one or several members.
    package mutating func leaveGroup(
        _ request: LeaveGroupRequest, _ client: GroupClient, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        let identities = client.version >= 3
            ? request.members : [LeaveGroupRequest.MemberIdentity { $0.memberId = request.memberId }]
        var response = LeaveGroupResponse()
        let context = context(moment)
        if request.groupId.isEmpty {
            response.errorCode = .invalidGroupId
        } else if let answers = classic[request.groupId]?.leave(identities, context, &step) {
            response.members = answers
        } else if let left = consumer[request.groupId]?.leaveGroup(identities, context, &step) {
            response.members = left.answers
            becomeClassic(request.groupId, left.classic, context, &step)
        } else {
            response.members = identities.map { identity in
                LeaveGroupResponse.MemberResponse {
                    $0.memberId = identity.memberId
                    $0.groupInstanceId = identity.groupInstanceId
                    $0.errorCode = .unknownMemberId
                }
            }
        }
        if client.version < 3, let only = response.members.first {
            response.errorCode = only.errorCode
            response.members = []
        }
        watch(request.groupId)
        step.answer(token, .leaveGroup(response))
        return step
    }
}
