// The records that a consumer group writes. Their order within a decision is Kafka's, and some of it matters: what a
// member has is deleted before its target, its target before the member.

internal import Basics
internal import Coordination
internal import WireProtocol

extension ConsumerGroup {
    /// Writes a record, which takes effect at once.
    mutating func emit(_ record: GroupRecord, _ step: inout GroupStep) {
        replay(record)
        step.records.append(record)
    }

    mutating func emitMember(_ member: ConsumerGroupMember, _ step: inout GroupStep) {
        emit(.member(memberKey(member.id), member.told), &step)
    }

    mutating func emitCurrent(_ member: ConsumerGroupMember, _ step: inout GroupStep) {
        emit(.memberCurrent(currentKey(member.id), member.current), &step)
    }

    mutating func emitTarget(_ memberId: String, _ target: TopicAssignment, _ step: inout GroupStep) {
        let value = ConsumerGroupTargetAssignmentMemberValue {
            $0.topicPartitions = target.sorted { $0.key < $1.key }.map { id, partitions in
                ConsumerGroupTargetAssignmentMemberValue.TopicPartition {
                    $0.topicId = id
                    $0.partitions = partitions
                }
            }
        }
        emit(.memberTarget(targetKey(memberId), value), &step)
    }

    mutating func emitTargetEpoch(_ epoch: Int32, timestamp: Int64, _ step: inout GroupStep) {
        let value = ConsumerGroupTargetAssignmentMetadataValue {
            $0.assignmentEpoch = epoch
            $0.assignmentTimestamp = timestamp
        }
        emit(.target(ConsumerGroupTargetAssignmentMetadataKey { $0.groupId = id }, value), &step)
    }

    mutating func emitEpoch(_ epoch: Int32, hash: Int64, _ step: inout GroupStep) {
        let value = ConsumerGroupMetadataValue {
            $0.epoch = epoch
            $0.metadataHash = hash
        }
        emit(.consumerGroup(ConsumerGroupMetadataKey { $0.groupId = id }, value), &step)
    }

    mutating func emitPattern(_ pattern: String, _ resolved: ResolvedPattern?, _ step: inout GroupStep) {
        let key = ConsumerGroupRegularExpressionKey {
            $0.groupId = id
            $0.regularExpression = pattern
        }
        let value = resolved.map { resolved in
            ConsumerGroupRegularExpressionValue {
                $0.topics = resolved.topics.sorted()
                $0.version = resolved.version
                $0.timestamp = resolved.timestamp
            }
        }
        emit(.pattern(key, value), &step)
    }

    /// Deletes all of a member. The group's epoch is the caller's to raise.
    mutating func emitRemoval(of memberId: String, _ step: inout GroupStep) {
        emit(.memberCurrent(currentKey(memberId), nil), &step)
        emit(.memberTarget(targetKey(memberId), nil), &step)
        emit(.member(memberKey(memberId), nil), &step)
    }

    mutating func emitPartitionMetadataRemoval(_ step: inout GroupStep) {
        guard hasPartitionMetadata else { return }
        emit(.partitionMetadata(ConsumerGroupPartitionMetadataKey { $0.groupId = id }, nil), &step)
    }

    /// Writes that the group is gone, with all its members.
    package mutating func delete(_ step: inout GroupStep) {
        let memberIds = members.keys.sorted()
        for memberId in memberIds { emit(.memberCurrent(currentKey(memberId), nil), &step) }
        for memberId in memberIds { emit(.memberTarget(targetKey(memberId), nil), &step) }
        emit(.target(ConsumerGroupTargetAssignmentMetadataKey { $0.groupId = id }, nil), &step)
        for memberId in memberIds { emit(.member(memberKey(memberId), nil), &step) }
        for pattern in patterns.keys.sorted() { emitPattern(pattern, nil, &step) }
        emitPartitionMetadataRemoval(&step)
        emit(.consumerGroup(ConsumerGroupMetadataKey { $0.groupId = id }, nil), &step)
        timers = ConsumerGroupTimers()
        matching = nil
    }

    private func memberKey(_ memberId: String) -> ConsumerGroupMemberMetadataKey {
        ConsumerGroupMemberMetadataKey {
            $0.groupId = id
            $0.memberId = memberId
        }
    }

    private func currentKey(_ memberId: String) -> ConsumerGroupCurrentMemberAssignmentKey {
        ConsumerGroupCurrentMemberAssignmentKey {
            $0.groupId = id
            $0.memberId = memberId
        }
    }

    private func targetKey(_ memberId: String) -> ConsumerGroupTargetAssignmentMemberKey {
        ConsumerGroupTargetAssignmentMemberKey {
            $0.groupId = id
            $0.memberId = memberId
        }
    }
}
