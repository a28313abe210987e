// What others ask of a consumer group: tools what it looks like, offsets whether a member may store or read them.
//
// Rule: a commit counts for a partition if the member's epoch is its own, or is older but not older than the epoch in
// which the partition was given to it (KIP-1251): the answer that raised the epoch may still be on its way.

package import Basics
internal import ClusterImage
internal import Coordination
package import WireProtocol

/// Whether a member may store offsets.
package enum CommitPermission: Hashable, Sendable {
    case granted
    case refused(ErrorCode)
    /// To be asked for each partition: `mayCommit`.
    case perPartition
}

extension ConsumerGroup {
    /// In words, as tools show it.
    package var stateName: String {
        if isDeleted { return "Dead" }
        if members.isEmpty { return "Empty" }
        if epoch > targetEpoch { return "Assigning" }
        return members.values.allSatisfy { $0.isReconciled(to: targetEpoch) } ? "Stable" : "Reconciling"
    }

    package var listed: ListGroupsResponse.ListedGroup {
        ListGroupsResponse.ListedGroup {
            $0.groupId = id
            $0.protocolType = "consumer"
            $0.groupState = stateName
            $0.groupType = "consumer"
        }
    }

    /// For ConsumerGroupDescribe. Partitions of topics that are gone are left out.
    package func described(_ context: GroupContext) -> ConsumerGroupDescribeResponse.DescribedGroup {
        ConsumerGroupDescribeResponse.DescribedGroup {
            $0.groupId = id
            $0.groupState = stateName
            $0.groupEpoch = epoch
            $0.assignmentEpoch = targetEpoch
            $0.assignorName = preferredAssignor(context.settings)
            $0.members = sortedMembers.map { described($0, context.image) }
        }
    }

    private typealias Described = ConsumerGroupDescribeResponse.Member

    private func described(_ member: ConsumerGroupMember, _ image: ClusterImage) -> Described {
        Described {
            $0.memberId = member.id
            $0.instanceId = member.instanceId
            $0.rackId = member.rackId
            $0.memberEpoch = member.epoch
            $0.clientId = member.clientId
            $0.clientHost = member.clientHost
            $0.subscribedTopicNames = member.topics
            $0.subscribedTopicRegex = member.pattern
            $0.assignment = ConsumerGroup.listed(member.assigned.mapValues { $0.keys.sorted() }, image)
            $0.targetAssignment = ConsumerGroup.listed(targets[member.id] ?? [:], image)
            $0.memberType = member.usesClassicProtocol ? 0 : 1
        }
    }

    private static func listed(
        _ assignment: TopicAssignment, _ image: ClusterImage
    ) -> ConsumerGroupDescribeResponse.Assignment {
        ConsumerGroupDescribeResponse.Assignment {
            $0.topicPartitions = assignment.sorted { $0.key < $1.key }.compactMap { id, partitions in
                image.topics[id].map { topic in
                    ConsumerGroupDescribeResponse.TopicPartitions {
                        $0.topicId = id
                        $0.topicName = topic.name
                        $0.partitions = partitions
                    }
                }
            }
        }
    }

    // MARK: Offsets

    /// Whether one who says to be this member may store offsets. `version` is that of an OffsetCommit; transactions
    /// have none of their own.
    package func validateCommit(
        _ memberId: String, instance: String?, epoch received: Int32, isTransactional: Bool, version: Int16,
        isPaused: Bool = false
    ) -> CommitPermission {
        // Tools, and consumers that assign themselves, name no epoch.
        if received < 0, members.isEmpty { return .granted }
        // Nobody would store another offset over it.
        if received < 0, memberId.isEmpty, instance == nil, isPaused, ownsNothing { return .granted }
        if isTransactional, received == -1, memberId.isEmpty, instance == nil { return .granted }
        // Told no more than that it is unknown, one whose name another has taken would take it back (KIP-345).
        if let instance, let owner = staticMembers[instance], owner != memberId { return .refused(.fencedInstanceId) }
        guard let member = members[memberId] else { return .refused(.unknownMemberId) }
        if member.usesClassicProtocol { return received == member.epoch ? .granted : .refused(.illegalGeneration) }
        // Older versions would take the epoch for a generation.
        if !isTransactional, version < 9 { return .refused(.unsupportedVersion) }
        if received == member.epoch { return .granted }
        return received > member.epoch ? .refused(.staleMemberEpoch) : .perPartition
    }

    /// Whether a commit in an older epoch still counts for this partition.
    package func mayCommit(_ topic: Uuid, _ partition: Int32, by memberId: String, epoch received: Int32) -> Bool {
        guard let member = members[memberId], received <= member.epoch else { return false }
        let given = member.assigned[topic]?[partition] ?? member.revoking[topic]?[partition]
        return given.map { $0 <= received } ?? false
    }

    /// Why one who says to be this member may not read offsets; nil if it may.
    package func validateFetch(_ memberId: String?, epoch received: Int32) -> ErrorCode? {
        guard let memberId else { return received < 0 ? nil : .unknownMemberId }
        guard let member = members[memberId] else { return .unknownMemberId }
        if received == member.epoch { return nil }
        return member.usesClassicProtocol ? .illegalGeneration : .staleMemberEpoch
    }
}
