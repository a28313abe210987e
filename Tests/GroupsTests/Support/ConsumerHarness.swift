import Basics
import ClusterImage
import Coordination
import Groups
import Testing
import WireProtocol

/// A consumer group with a cluster and a clock, for tests.
final class ConsumerHarness {
    var group = ConsumerGroup(id: "g")
    var image = ClusterImage(clusterId: "c")
    var settings = GroupSettings()
    var now = Instant(nanoseconds: 1_000_000_000)
    var wallClock: Int64 = 1_000_000
    /// All records that were emitted, in order.
    var records: [GroupRecord] = []
    /// What the group became when it ceased to be a consumer group.
    var classic: ClassicMembers?
    private var tokens: UInt64 = 0
    private var newIds: UInt64 = 0

    /// The group assigns with every change, unless a test says otherwise.
    init(topics: [(String, Int32)] = [("a", 3), ("b", 3)], assignmentInterval: Duration = .zero) {
        settings.consumerAssignmentInterval = assignmentInterval
        for (index, topic) in topics.enumerated() {
            ConsumerHarness.add(ConsumerHarness.id(index), topic.0, topic.1, to: &image)
        }
    }

    /// The id of the topic at a place of the list.
    static func id(_ index: Int) -> Uuid { Uuid(high: 5, low: UInt64(index)) }

    var context: GroupContext {
        GroupContext(
            GroupSurroundings(image: image, settings: settings),
            Moment(now: now, wallClock: Timestamp(milliseconds: wallClock)))
    }

    func client(_ version: Int16, _ id: String = "client") -> GroupClient {
        newIds += 1
        return GroupClient(id: id, host: "/127.0.0.1", version: version, newMemberId: Uuid(high: 9, low: newIds))
    }

    func token() -> ReplyToken {
        tokens += 1
        return ReplyToken(tokens)
    }

    /// Sends one heartbeat and takes its answer.
    func send(
        version: Int16 = 1, client: String = "client", _ fill: (inout ConsumerGroupHeartbeatRequest) -> Void
    ) -> ConsumerGroupHeartbeatResponse {
        var request = ConsumerGroupHeartbeatRequest(fill)
        if request.groupId.isEmpty { request.groupId = "g" }
        var step = GroupStep()
        let token = token()
        classic = group.heartbeat(request, self.client(version, client), token, context, &step) ?? classic
        records += step.records
        #expect(step.answers.map(\.token) == [token])
        guard case .consumerGroupHeartbeat(let response)? = step.answers.first?.reply else {
            return ConsumerGroupHeartbeatResponse { $0.errorCode = .unknownServerError }
        }
        if response.errorCode.isError { #expect(step.records.isEmpty, "a refusal leaves no record") }
        return response
    }

    func join(
        _ memberId: String, _ topics: [String] = ["a", "b"], instance: String? = nil, pattern: String? = nil,
        assignor: String? = nil, rebalanceTimeout: Int32 = 30_000
    ) -> ConsumerGroupHeartbeatResponse {
        send {
            $0.memberId = memberId
            $0.instanceId = instance
            $0.rebalanceTimeoutMs = rebalanceTimeout
            $0.subscribedTopicNames = topics
            $0.subscribedTopicRegex = pattern
            $0.serverAssignor = assignor
            $0.topicPartitions = []
        }
    }

    /// A heartbeat with nothing new but what the member has.
    func beat(
        _ memberId: String, _ epoch: Int32, owned: TopicAssignment? = nil, instance: String? = nil
    ) -> ConsumerGroupHeartbeatResponse {
        send {
            $0.memberId = memberId
            $0.memberEpoch = epoch
            $0.instanceId = instance
            $0.topicPartitions = owned.map(ConsumerHarness.listed)
        }
    }

    static func listed(_ owned: TopicAssignment) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        owned.sorted { $0.key < $1.key }.map { id, partitions in
            ConsumerGroupHeartbeatRequest.TopicPartitions {
                $0.topicId = id
                $0.partitions = partitions
            }
        }
    }

    /// Lets time pass, and the group do what is due on the way.
    func wait(_ duration: Duration) {
        let end = now + duration
        while let due = group.nextDeadline, due <= end {
            move(to: max(due, now))
            tick()
        }
        move(to: end)
    }

    func tick() {
        var step = GroupStep()
        classic = group.tick(context, &step) ?? classic
        records += step.records
    }

    private func move(to instant: Instant) {
        wallClock += (instant - now).wholeMilliseconds
        now = instant
    }

    /// Changes the cluster, and tells the group.
    func change(_ change: (inout ClusterImage) -> Void) {
        let before = image
        change(&image)
        group.topicsChanged(TopicChanges(from: before, to: image), image)
    }

    /// A group to which all records were replayed.
    var replayed: ConsumerGroup {
        var group = ConsumerGroup(id: "g")
        for record in records { group.replay(record) }
        return group
    }

    static func add(_ id: Uuid, _ name: String, _ partitions: Int32, to image: inout ClusterImage) {
        image.replay(
            .topic(
                .init {
                    $0.name = name
                    $0.topicId = id
                }), at: image.endOffset)
        for index in 0..<partitions { addPartition(id, index, to: &image) }
    }

    static func addPartition(_ id: Uuid, _ index: Int32, to image: inout ClusterImage) {
        image.replay(
            .partition(
                .init {
                    $0.topicId = id
                    $0.partitionId = index
                    $0.replicas = [0]
                    $0.isr = [0]
                    $0.leader = 0
                }), at: image.endOffset)
    }
}

extension ConsumerGroupHeartbeatResponse {
    /// What the member is given; nil if the answer says nothing of it.
    var partitions: TopicAssignment? {
        assignment.map { assignment in
            Dictionary(assignment.topicPartitions.map { ($0.topicId, $0.partitions) }) { first, _ in first }
        }
    }
}

extension GroupRecord {
    /// The kind of the record and whom it is about, with a minus for a tombstone.
    var brief: String {
        switch self {
        case .consumerGroup(_, let value): value.map { "epoch \($0.epoch)" } ?? "-epoch"
        case .partitionMetadata(_, let value): value == nil ? "-topics" : "topics"
        case .member(let key, let value): (value == nil ? "-" : "") + "member \(key.memberId)"
        case .target(_, let value): value.map { "target epoch \($0.assignmentEpoch)" } ?? "-target epoch"
        case .memberTarget(let key, let value): (value == nil ? "-" : "") + "target \(key.memberId)"
        case .memberCurrent(let key, let value):
            value.map { "current \(key.memberId) \($0.memberEpoch)" } ?? "-current \(key.memberId)"
        case .pattern(let key, let value): (value == nil ? "-" : "") + "pattern \(key.regularExpression)"
        case .classicGroup(_, let value): value == nil ? "-classic" : "classic"
        case .offset, .other: "other"
        }
    }
}
