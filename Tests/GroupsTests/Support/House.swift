// A group coordinator without a house around it: the test gives it requests and time, and keeps its records.

import Basics
import Bytes
import ClusterImage
import Coordination
import Groups
import Records
import WireProtocol

func bytes(_ text: String) -> ByteSlice { ByteSlice(Array(text.utf8)) }

/// A subscription as consumers write it.
func subscription(_ topics: [String]) -> ByteSlice {
    var writer = ByteWriter(capacity: 64)
    writer.writeInteger(Int16(0))
    ConsumerProtocolSubscription { $0.topics = topics }.write(to: &writer, version: 0)
    return writer.finishSlice()
}

final class House {
    var core: GroupCoordinator
    var now = Instant(nanoseconds: 0)
    var wallClock = Timestamp(milliseconds: 1_000_000)
    /// All that was written, in order.
    var log: [GroupRecord] = []
    /// Replies by the number of their request.
    private(set) var replies: [UInt64: GroupReply] = [:]
    private var tokens: UInt64 = 0
    private var ids: UInt64 = 0

    init(topics: [String] = ["t", "u"], _ change: (inout GroupSettings) -> Void = { _ in }) {
        var settings = GroupSettings()
        settings.initialRebalanceDelay = .zero
        change(&settings)
        core = GroupCoordinator(image: House.image(topics), settings: settings)
        take(core.loaded(moment))
    }

    static func image(_ topics: [String]) -> ClusterImage {
        var image = ClusterImage(clusterId: "c")
        for (index, topic) in topics.enumerated() {
            let record = TopicRecord {
                $0.name = topic
                $0.topicId = Uuid(high: 1, low: UInt64(index) + 1)
            }
            image.replay(.topic(record), at: Offset(Int64(index)))
        }
        return image
    }

    /// Stands for the code of an answer that has not come.
    static let unanswered = ErrorCode(rawValue: -99)

    var moment: Moment { Moment(now: now, wallClock: wallClock) }

    func take(_ step: GroupStep) {
        log += step.records
        for answer in step.answers {
            precondition(replies[answer.token.number] == nil, "a request is answered once")
            replies[answer.token.number] = answer.reply
        }
    }

    func client(_ version: Int16 = 9, _ id: String = "c") -> GroupClient {
        ids += 1
        return GroupClient(id: id, host: "/127.0.0.1", version: version, newMemberId: Uuid(high: 0, low: ids))
    }

    func token() -> ReplyToken {
        tokens += 1
        return ReplyToken(tokens)
    }

    /// Lets time pass, and what is due happen, each at its time.
    func pass(_ time: Duration) {
        let end = now + time
        while let due = core.nextDeadline, due <= end {
            wallClock.milliseconds += (due - now).wholeMilliseconds
            now = max(now, due)
            take(core.tick(moment))
        }
        wallClock.milliseconds += (end - now).wholeMilliseconds
        now = end
    }

    /// The coordinator that another node makes of the log.
    func reloaded() -> House {
        let other = House()
        other.core = GroupCoordinator(image: core.image, settings: core.settings)
        (other.now, other.wallClock, other.log) = (now, wallClock, log)
        for record in log {
            let plain = record.plain
            guard let key = plain.key,
                let read = try? GroupRecord(key: ByteSlice(key), value: plain.value.map { ByteSlice($0) })
            else { preconditionFailure("what was written can be read") }
            other.core.replay(read, moment)
        }
        other.take(other.core.loaded(moment))
        return other
    }

    // MARK: Members

    /// Sends a JoinGroup; answers the number by which its reply is found.
    func join(
        _ group: String = "g", _ member: String = "", instance: String? = nil, protocols: [String] = ["range"],
        topics: [String] = ["t"], session: Int32 = 10_000, rebalance: Int32 = 20_000, type: String = "consumer",
        version: Int16 = 9
    ) -> UInt64 {
        let request = JoinGroupRequest {
            $0.groupId = group
            $0.memberId = member
            $0.groupInstanceId = instance
            $0.sessionTimeoutMs = session
            $0.rebalanceTimeoutMs = rebalance
            $0.protocolType = type
            $0.protocols = protocols.map { name in
                JoinGroupRequest.JoinGroupRequestProtocol {
                    $0.name = name
                    $0.metadata = subscription(topics)
                }
            }
        }
        let token = token()
        take(core.joinGroup(request, client(version), token, moment))
        return token.number
    }

    func joined(_ number: UInt64) -> JoinGroupResponse? {
        guard case .joinGroup(let response) = replies[number] else { return nil }
        return response
    }

    /// A member that takes the id that it is given and joins with it; the number of its second JoinGroup.
    func joinWithId(_ group: String = "g", topics: [String] = ["t"]) -> (id: String, number: UInt64) {
        let first = join(group, topics: topics)
        let id = joined(first)?.memberId ?? ""
        return (id, join(group, id, topics: topics))
    }

    func sync(
        _ member: String, _ generation: Int32, _ assignments: [String: String] = [:], group: String = "g"
    ) -> UInt64 {
        let request = SyncGroupRequest {
            $0.groupId = group
            $0.memberId = member
            $0.generationId = generation
            $0.assignments = assignments.sorted { $0.key < $1.key }.map { id, assignment in
                SyncGroupRequest.SyncGroupRequestAssignment {
                    $0.memberId = id
                    $0.assignment = bytes(assignment)
                }
            }
        }
        let token = token()
        take(core.syncGroup(request, token, moment))
        return token.number
    }

    func synced(_ number: UInt64) -> SyncGroupResponse? {
        guard case .syncGroup(let response) = replies[number] else { return nil }
        return response
    }

    func heartbeat(_ member: String, _ generation: Int32, instance: String? = nil) -> ErrorCode {
        let request = HeartbeatRequest {
            $0.groupId = "g"
            $0.memberId = member
            $0.generationId = generation
            $0.groupInstanceId = instance
        }
        let token = token()
        take(core.heartbeat(request, token, moment))
        guard case .heartbeat(let response) = replies[token.number] else { return House.unanswered }
        return response.errorCode
    }

    func leave(_ members: (id: String, instance: String?)...) -> [ErrorCode] {
        let request = LeaveGroupRequest {
            $0.groupId = "g"
            $0.members = members.map { member in
                LeaveGroupRequest.MemberIdentity {
                    $0.memberId = member.id
                    $0.groupInstanceId = member.instance
                }
            }
        }
        let token = token()
        take(core.leaveGroup(request, client(5), token, moment))
        guard case .leaveGroup(let response) = replies[token.number] else { return [] }
        return response.members.map(\.errorCode)
    }

    /// A group of one that is stable: its member's id.
    func stable(instance: String? = nil, topics: [String] = ["t"]) -> String {
        let first = join(instance: instance, topics: topics, version: instance == nil ? 3 : 9)
        let id = joined(first)?.memberId ?? ""
        _ = sync(id, 1, [id: "all"])
        return id
    }

    func describe(_ group: String = "g") -> DescribeGroupsResponse.DescribedGroup? {
        let token = token()
        take(core.describeGroup(group, client(6), token, moment))
        guard case .describeGroup(let described) = replies[token.number] else { return nil }
        return described
    }

    var state: String? { describe()?.groupState }

    // MARK: Offsets

    func commit(
        _ offset: Int64, topic: String = "t", partition: Int32 = 0, member: String = "", generation: Int32 = -1,
        group: String = "g", metadata: String? = nil, retention: Int64 = -1, version: Int16 = 9
    ) -> ErrorCode {
        let request = OffsetCommitRequest {
            $0.groupId = group
            $0.memberId = member
            $0.generationIdOrMemberEpoch = generation
            $0.retentionTimeMs = retention
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
        let token = token()
        take(core.commitOffsets(request, client(version), token, moment))
        guard case .offsetCommit(let response) = replies[token.number] else { return House.unanswered }
        return response.topics.first?.partitions.first?.errorCode ?? House.unanswered
    }

    /// What is committed for a partition: the offset, or the code of a refusal as text.
    func fetch(
        _ topic: String = "t", _ partition: Int32 = 0, group: String = "g", stable: Bool = false
    ) -> String? {
        let request = OffsetFetchRequest.OffsetFetchRequestGroup {
            $0.groupId = group
            $0.topics = [
                OffsetFetchRequest.OffsetFetchRequestTopics {
                    $0.name = topic
                    $0.partitionIndexes = [partition]
                }
            ]
        }
        let token = token()
        take(core.fetchOffsets(request, requiresStable: stable, token, moment))
        guard case .offsetFetch(let response) = replies[token.number],
            let found = response.topics.first?.partitions.first
        else { return nil }
        return found.errorCode == .none ? "\(found.committedOffset)" : found.errorCode.description
    }

    func deleteOffset(_ topic: String, group: String = "g") -> (whole: ErrorCode, part: ErrorCode?)? {
        let request = OffsetDeleteRequest {
            $0.groupId = group
            $0.topics = [
                OffsetDeleteRequest.OffsetDeleteRequestTopic {
                    $0.name = topic
                    $0.partitions = [OffsetDeleteRequest.OffsetDeleteRequestPartition()]
                }
            ]
        }
        let token = token()
        take(core.deleteOffsets(request, client(), token, moment))
        guard case .offsetDelete(let response) = replies[token.number] else { return nil }
        return (response.errorCode, response.topics.first?.partitions.first?.errorCode)
    }
}
