// The records of `__consumer_offsets`, in Kafka's format: what a group coordinator remembers.
//
// A key says what the record is about; a value of nil deletes that. Records of kinds that other coordinators write to the
// same topic (share and streams groups) are read past.

internal import Basics
package import Bytes
package import Coordination
package import Records
package import WireProtocol

/// A record of `__consumer_offsets`. A nil value is a tombstone.
package enum GroupRecord: CoordinatorRecord, Equatable {
    case offset(OffsetCommitKey, OffsetCommitValue?)
    /// A classic group with its members.
    case classicGroup(GroupMetadataKey, GroupMetadataValue?)
    case consumerGroup(ConsumerGroupMetadataKey, ConsumerGroupMetadataValue?)
    /// Written by brokers of long ago, whose groups knew topics by their partitions; taken only as a tombstone.
    case partitionMetadata(ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue?)
    case member(ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue?)
    case target(ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue?)
    case memberTarget(ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue?)
    case memberCurrent(ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue?)
    case pattern(ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue?)
    /// A record of a kind that no group of ours has; kept as it is.
    case other(PlainRecord)

    package init(key: ByteSlice, value: ByteSlice?) throws(DecodeError) {
        switch try RecordKey.type(of: key) {
        case 0: self = try Self.legacyOffset(key, value)
        case OffsetCommitKey.recordType: self = .offset(try .init(decodingKey: key), try Self.decode(value))
        case GroupMetadataKey.recordType: self = .classicGroup(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupMetadataKey.recordType:
            self = .consumerGroup(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupPartitionMetadataKey.recordType:
            self = .partitionMetadata(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupMemberMetadataKey.recordType:
            self = .member(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupTargetAssignmentMetadataKey.recordType:
            self = .target(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupTargetAssignmentMemberKey.recordType:
            self = .memberTarget(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupCurrentMemberAssignmentKey.recordType:
            self = .memberCurrent(try .init(decodingKey: key), try Self.decode(value))
        case ConsumerGroupRegularExpressionKey.recordType:
            self = .pattern(try .init(decodingKey: key), try Self.decode(value))
        default: self = .other(PlainRecord(key: key.array, value: value?.array))
        }
    }

    private static func decode<Value: RecordValueMessage>(_ value: ByteSlice?) throws(DecodeError) -> Value? {
        guard let value else { return nil }
        return try Value(decodingValue: value)
    }

    /// Offsets as they were written long ago, under a key of their own.
    private static func legacyOffset(_ key: ByteSlice, _ value: ByteSlice?) throws(DecodeError) -> GroupRecord {
        let legacy = try LegacyOffsetCommitKey(decodingKey: key)
        let key = OffsetCommitKey {
            $0.group = legacy.group
            $0.topic = legacy.topic
            $0.partition = legacy.partition
        }
        guard let value else { return .offset(key, nil) }
        let old = try LegacyOffsetCommitValue(decodingValue: value)
        return .offset(
            key,
            OffsetCommitValue {
                $0.offset = old.offset
                $0.metadata = old.metadata
                $0.commitTimestamp = old.commitTimestamp
            })
    }

    package var plain: PlainRecord {
        switch self {
        case .offset(let key, let value): Self.plain(key, value, value?.writtenVersion ?? 0)
        case .classicGroup(let key, let value): Self.plain(key, value, 3)
        case .consumerGroup(let key, let value): Self.plain(key, value, 0)
        case .partitionMetadata(let key, let value): Self.plain(key, value, 0)
        case .member(let key, let value): Self.plain(key, value, 0)
        case .target(let key, let value): Self.plain(key, value, 0)
        case .memberTarget(let key, let value): Self.plain(key, value, 0)
        case .memberCurrent(let key, let value): Self.plain(key, value, 0)
        case .pattern(let key, let value): Self.plain(key, value, 0)
        case .other(let record): record
        }
    }

    private static func plain<Key: RecordKeyMessage>(
        _ key: Key, _ value: (some RecordValueMessage)?, _ version: Int16
    ) -> PlainRecord {
        PlainRecord(key: key.encodedKey().array, value: value?.encodedValue(version: version).array)
    }
}

extension OffsetCommitValue {
    /// Kafka writes version 1 for an offset with a time of its own to expire, else 3, or 4 where the topic's id is known.
    var writtenVersion: Int16 {
        if expireTimestamp != -1 { return 1 }
        return topicId == .zero ? 3 : 4
    }
}

package typealias GroupStep = Step<GroupRecord, GroupReply>

/// Answers of the group coordinator, by API.
package enum GroupReply: Sendable, Equatable {
    case joinGroup(JoinGroupResponse)
    case syncGroup(SyncGroupResponse)
    case heartbeat(HeartbeatResponse)
    case leaveGroup(LeaveGroupResponse)
    case offsetCommit(OffsetCommitResponse)
    case offsetFetch(OffsetFetchResponse.OffsetFetchResponseGroup)
    case offsetDelete(OffsetDeleteResponse)
    case listGroups(ListGroupsResponse)
    case describeGroup(DescribeGroupsResponse.DescribedGroup)
    case deleteGroup(DeleteGroupsResponse.DeletableGroupResult)
    case consumerGroupHeartbeat(ConsumerGroupHeartbeatResponse)
    /// Nil: there is no such group.
    case explanation(GroupExplanation?)
    case consumerGroupDescribe(ConsumerGroupDescribeResponse.DescribedGroup)
}
