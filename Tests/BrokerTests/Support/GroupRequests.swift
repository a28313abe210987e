// Requests of a group's members, in the newest versions that name topics.

import Bytes
import WireProtocol

extension Peer {
    /// The broker's answer to FindCoordinator for one group.
    @discardableResult
    func findCoordinator(_ group: String) throws -> FindCoordinatorResponse.Coordinator {
        try call(FindCoordinatorRequest { $0.coordinatorKeys = [group] }, version: 6).coordinators[0]
    }

    /// Repeats `body` while the coordinator is being loaded.
    func whenLoaded<Result>(_ body: () throws -> (Result, ErrorCode)) throws -> Result {
        while true {
            let (result, code) = try body()
            if code != .coordinatorLoadInProgress { return result }
        }
    }

    /// Commits `offset` for partition 0 of `topic`; -1 as generation: without being a member.
    func commit(
        _ group: String, _ topic: String, _ offset: Int64, metadata: String? = nil, generation: Int32 = -1,
        member: String = "", partition: Int32 = 0, version: Int16 = 9
    ) throws -> ErrorCode {
        let request = OffsetCommitRequest {
            $0.groupId = group
            $0.generationIdOrMemberEpoch = generation
            $0.memberId = member
            $0.topics = [
                OffsetCommitRequest.OffsetCommitRequestTopic {
                    $0.name = topic
                    $0.partitions = [
                        OffsetCommitRequest.OffsetCommitRequestPartition {
                            $0.partitionIndex = partition
                            $0.committedOffset = offset
                            $0.committedMetadata = metadata
                        }
                    ]
                }
            ]
        }
        return try whenLoaded {
            let code = try call(request, version: version).topics[0].partitions[0].errorCode
            return (code, code)
        }
    }

    /// All committed offsets of `group`, as `topic-partition` to offset and metadata.
    func committed(_ group: String, requireStable: Bool = false) throws -> [String: String] {
        let request = OffsetFetchRequest {
            $0.groups = [
                OffsetFetchRequest.OffsetFetchRequestGroup {
                    $0.groupId = group
                    $0.topics = nil
                }
            ]
            $0.requireStable = requireStable
        }
        let found = try whenLoaded {
            let found = try call(request, version: 9).groups[0]
            return (found, found.errorCode)
        }
        if found.errorCode != .none { throw TestFailure("offsets of \(group): \(found.errorCode)") }
        var offsets: [String: String] = [:]
        for topic in found.topics {
            for partition in topic.partitions {
                offsets["\(topic.name)-\(partition.partitionIndex)"] =
                    "\(partition.committedOffset) \(partition.metadata ?? "null")"
            }
        }
        return offsets
    }

    /// A consumer's JoinGroup.
    static func join(
        _ group: String, _ member: String = "", instance: String? = nil, sessionTimeout: Int32 = 6000,
        rebalanceTimeout: Int32 = 6000
    ) -> JoinGroupRequest {
        JoinGroupRequest {
            $0.groupId = group
            $0.sessionTimeoutMs = sessionTimeout
            $0.rebalanceTimeoutMs = rebalanceTimeout
            $0.memberId = member
            $0.groupInstanceId = instance
            $0.protocolType = "consumer"
            $0.protocols = [
                JoinGroupRequest.JoinGroupRequestProtocol {
                    $0.name = "range"
                    $0.metadata = text("metadata")
                }
            ]
        }
    }

    /// Joins with the id that the coordinator gives first.
    func joined(_ group: String) throws -> JoinGroupResponse {
        let first = try whenLoaded {
            let response = try call(Peer.join(group), version: 9)
            return (response, response.errorCode)
        }
        guard first.errorCode == .memberIdRequired else { throw TestFailure("an id was to come first") }
        return try call(Peer.join(group, first.memberId), version: 9)
    }

    /// A SyncGroup; `assignments` by member, from the leader.
    static func sync(
        _ group: String, _ member: String, _ generation: Int32, _ assignments: [String: String] = [:]
    ) -> SyncGroupRequest {
        SyncGroupRequest {
            $0.groupId = group
            $0.generationId = generation
            $0.memberId = member
            $0.protocolType = "consumer"
            $0.protocolName = "range"
            $0.assignments = assignments.sorted { $0.key < $1.key }.map { id, assignment in
                SyncGroupRequest.SyncGroupRequestAssignment {
                    $0.memberId = id
                    $0.assignment = text(assignment)
                }
            }
        }
    }

    func heartbeat(_ group: String, _ member: String, _ generation: Int32) throws -> ErrorCode {
        let request = HeartbeatRequest {
            $0.groupId = group
            $0.generationId = generation
            $0.memberId = member
        }
        return try call(request, version: 4).errorCode
    }

    func leave(_ group: String, _ member: String) throws -> ErrorCode {
        let request = LeaveGroupRequest {
            $0.groupId = group
            $0.members = [LeaveGroupRequest.MemberIdentity { $0.memberId = member }]
        }
        return try call(request, version: 5).members[0].errorCode
    }

    func describeGroup(_ group: String) throws -> DescribeGroupsResponse.DescribedGroup {
        try whenLoaded {
            let described = try call(DescribeGroupsRequest { $0.groups = [group] }, version: 6).groups[0]
            return (described, described.errorCode)
        }
    }
}
