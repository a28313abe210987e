// JoinGroup, SyncGroup, Heartbeat and LeaveGroup: what members of classic groups ask of their coordinator.

internal import Bytes
internal import Coordination
internal import Groups
internal import WireProtocol

enum JoinGroupHandler {
    /// Since this version a protocol's name may be null.
    private static let hasNullProtocol: Int16 = 7

    static func handle(_ request: JoinGroupRequest, _ call: Call) {
        let client = call.groupClient(isNew: request.memberId.isEmpty)
        call.coordinate(request.groupId, waitsForPeers: true) { core, token, moment in
            core.joinGroup(request, client, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.joinGroup(let response)): answer(response, call)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): answer(.refused(request.memberId, refusal.code), call)
            }
        }
    }

    private static func answer(_ response: JoinGroupResponse, _ call: Call) {
        var response = response
        if call.version < hasNullProtocol { response.protocolName = response.protocolName ?? "" }
        call.answer(response)
    }
}

enum SyncGroupHandler {
    /// Since this version members say which protocol they mean.
    private static let namesProtocol: Int16 = 5

    static func handle(_ request: SyncGroupRequest, _ call: Call) {
        if call.version >= namesProtocol, request.protocolType == nil || request.protocolName == nil {
            return call.answer(SyncGroupResponse { $0.errorCode = .inconsistentGroupProtocol })
        }
        call.coordinate(request.groupId, waitsForPeers: true) { core, token, moment in
            core.syncGroup(request, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.syncGroup(let response)): call.answer(response)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): call.answer(SyncGroupResponse { $0.errorCode = refusal.code })
            }
        }
    }
}

enum HeartbeatHandler {
    static func handle(_ request: HeartbeatRequest, _ call: Call) {
        call.coordinate(request.groupId) { core, token, moment in
            core.heartbeat(request, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.heartbeat(let response)): call.answer(response)
            case .success: call.fail("an answer to another request")
            // A group that is being loaded begins to watch its members when it is: all is well until then.
            case .failure(.loading): call.answer(HeartbeatResponse())
            case .failure(let refusal): call.answer(HeartbeatResponse { $0.errorCode = refusal.code })
            }
        }
    }
}

enum LeaveGroupHandler {
    static func handle(_ request: LeaveGroupRequest, _ call: Call) {
        let client = call.groupClient()
        call.coordinate(request.groupId) { core, token, moment in
            core.leaveGroup(request, client, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.leaveGroup(let response)): call.answer(response)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): call.answer(LeaveGroupResponse { $0.errorCode = refusal.code })
            }
        }
    }
}
