// What tools ask: which groups there are, what they look like, and to delete them.

internal import Basics
internal import Bytes
package import Coordination
package import WireProtocol

extension GroupCoordinator {
    /// Decides a ListGroups; names of states and types are taken in any case.
    package mutating func listGroups(
        _ request: ListGroupsRequest, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        let states = Set(request.statesFilter.map { $0.lowercased() })
        let types = Set(request.typesFilter.map { $0.lowercased() })
        var response = ListGroupsResponse()
        for groupId in groupIds {
            guard let listed = listed(groupId), states.isEmpty || states.contains(listed.groupState.lowercased()),
                types.isEmpty || types.contains(listed.groupType)
            else { continue }
            response.groups.append(listed)
        }
        var step = GroupStep()
        step.answer(token, .listGroups(response))
        return step
    }

    private func listed(_ groupId: String) -> ListGroupsResponse.ListedGroup? {
        guard let group = classic[groupId] else { return consumer[groupId]?.listed }
        return ListGroupsResponse.ListedGroup {
            $0.groupId = groupId
            $0.protocolType = group.protocolType ?? ""
            $0.groupState = group.state.rawValue
            $0.groupType = "classic"
        }
    }

    /// Describes one classic group.
    package mutating func describeGroup(
        _ groupId: String, _ client: GroupClient, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        var described = DescribeGroupsResponse.DescribedGroup()
        described.groupId = groupId
        if groupId.isEmpty {
            described.errorCode = .invalidGroupId
        } else if let group = classic[groupId] {
            group.describe(&described)
        } else {
            described.groupState = "Dead"
            // Before that version a group that nobody knows was a dead one (KIP-1043).
            if client.version >= 6 {
                described.errorCode = .groupIdNotFound
                described.errorMessage =
                    exists(groupId) ? "Group \(groupId) is not a classic group." : "Group \(groupId) not found."
            }
        }
        step.answer(token, .describeGroup(described))
        return step
    }

    /// Deletes one group with its offsets.
    package mutating func deleteGroup(_ groupId: String, _ token: ReplyToken, _ moment: Moment) -> GroupStep {
        var step = GroupStep()
        var result = DeleteGroupsResponse.DeletableGroupResult()
        result.groupId = groupId
        if groupId.isEmpty {
            result.errorCode = .invalidGroupId
        } else if let isEmpty = classic[groupId]?.isEmpty ?? consumer[groupId]?.isEmpty {
            if isEmpty { remove(groupId, &step, moment) } else { result.errorCode = .nonEmptyGroup }
        } else {
            result.errorCode = .groupIdNotFound
        }
        step.answer(token, .deleteGroup(result))
        return step
    }

    /// Writes that the group and its offsets are gone.
    mutating func remove(_ groupId: String, _ step: inout GroupStep, _ moment: Moment) {
        for id in offsets.partitions(of: groupId) { removeOffset(groupId, id, &step, moment) }
        removeRecord(groupId, &step, moment)
    }

    /// Writes that a group without members and offsets is gone.
    mutating func removeRecord(_ groupId: String, _ step: inout GroupStep, _ moment: Moment) {
        if consumer[groupId] != nil {
            removeEmptyConsumerGroup(groupId, &step)
        } else {
            emit(.classicGroup(GroupMetadataKey { $0.group = groupId }, nil), &step, moment)
        }
        watch(groupId)
    }
}

extension ClassicGroup {
    /// What members told is of use only in a stable group.
    fileprivate func describe(_ described: inout DescribeGroupsResponse.DescribedGroup) {
        described.groupState = state.rawValue
        described.protocolType = protocolType ?? ""
        described.protocolData = state == .stable ? protocolName ?? "" : ""
        described.members = sortedMembers.map { member in
            DescribeGroupsResponse.DescribedGroupMember {
                $0.memberId = member.id
                $0.groupInstanceId = member.instanceId
                $0.clientId = member.clientId
                $0.clientHost = member.clientHost
                $0.memberMetadata = state == .stable ? member.metadata(protocolName) : .empty
                $0.memberAssignment = member.assignment
            }
        }
    }
}
