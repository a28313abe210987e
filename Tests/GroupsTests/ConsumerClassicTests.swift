import Basics
import Bytes
import ClusterImage
import Coordination
import Groups
import Testing
import WireProtocol

/// Classic members in a consumer group, and the way from one protocol to the other.
@Suite struct ConsumerClassicTests {
    private let a = ConsumerHarness.id(0)

    private func subscription(
        _ topics: [String], owned: [(String, [Int32])] = [], rack: String? = nil, version: Int16 = 3
    ) -> ByteSlice {
        let data = ConsumerProtocolSubscription {
            $0.topics = topics
            $0.rackId = rack
            $0.ownedPartitions = owned.map { entry in
                ConsumerProtocolSubscription.TopicPartition {
                    $0.topic = entry.0
                    $0.partitions = entry.1
                }
            }
        }
        return ByteSlice([0, UInt8(version)] + data.encoded(version: version).array)
    }

    private func assignment(_ topics: [(String, [Int32])], userData: [UInt8]? = nil) -> ByteSlice {
        let data = ConsumerProtocolAssignment {
            $0.userData = userData.map { ByteSlice($0) }
            $0.assignedPartitions = topics.map { entry in
                ConsumerProtocolAssignment.TopicPartition {
                    $0.topic = entry.0
                    $0.partitions = entry.1
                }
            }
        }
        return ByteSlice([0, 3] + data.encoded(version: 3).array)
    }

    private func classicGroup(_ members: [(String, [Int32])], userData: [UInt8]? = nil) -> ClassicMembers {
        ClassicMembers(
            generation: 5, protocolType: "consumer", protocolName: "range",
            members: members.map { entry in
                ClassicMembers.Member(
                    id: entry.0, instanceId: nil, clientId: "old", clientHost: "/10.0.0.1", rebalanceTimeoutMs: 20_000,
                    sessionTimeoutMs: 10_000,
                    protocols: [.init(name: "range", metadata: subscription(["a"], rack: "r"))],
                    assignment: assignment([("a", entry.1)], userData: userData))
            })
    }

    /// The classic group of the members, after a member of the new protocol came.
    private func upgraded(
        _ harness: ConsumerHarness, _ classic: ClassicMembers, _ epoch: Int32 = 0
    ) -> (ConsumerGroup?, ConsumerGroupHeartbeatResponse) {
        let request = ConsumerGroupHeartbeatRequest {
            $0.groupId = "g"
            $0.memberId = "new"
            $0.memberEpoch = epoch
            $0.rebalanceTimeoutMs = 30_000
            $0.subscribedTopicNames = ["a"]
            $0.topicPartitions = []
        }
        var step = GroupStep()
        let group = ConsumerGroup.upgrading(
            "g", classic, request, harness.client(1), harness.token(), harness.context, &step)
        harness.records += step.records
        if let group { harness.group = group }
        guard case .consumerGroupHeartbeat(let response)? = step.answers.last?.reply else { return (group, .init()) }
        return (group, response)
    }

    private func join(
        _ harness: ConsumerHarness, _ memberId: String, _ topics: [String] = ["a"], owned: [(String, [Int32])] = [],
        instance: String? = nil, version: Int16 = 9, protocolName: String = "range"
    ) -> JoinGroupResponse {
        let request = JoinGroupRequest {
            $0.groupId = "g"
            $0.memberId = memberId
            $0.groupInstanceId = instance
            $0.sessionTimeoutMs = 10_000
            $0.rebalanceTimeoutMs = 20_000
            $0.protocolType = "consumer"
            $0.protocols = [
                JoinGroupRequest.JoinGroupRequestProtocol {
                    $0.name = protocolName
                    $0.metadata = subscription(topics, owned: owned)
                }
            ]
        }
        var step = GroupStep()
        let client = harness.client(version, "old")
        harness.classic =
            harness.group.joinGroup(request, client, harness.token(), harness.context, &step) ?? harness.classic
        harness.records += step.records
        guard case .joinGroup(let response)? = step.answers.first?.reply else { return .init() }
        return response
    }

    private func sync(_ harness: ConsumerHarness, _ memberId: String, _ generation: Int32) -> SyncGroupResponse {
        let request = SyncGroupRequest {
            $0.groupId = "g"
            $0.memberId = memberId
            $0.generationId = generation
            $0.protocolType = "consumer"
            $0.protocolName = "range"
        }
        var step = GroupStep()
        harness.group.syncGroup(request, harness.token(), harness.context, &step)
        guard case .syncGroup(let response)? = step.answers.first?.reply else { return .init() }
        return response
    }

    private func heartbeat(_ harness: ConsumerHarness, _ memberId: String, _ generation: Int32) -> ErrorCode {
        var step = GroupStep()
        defer { harness.records += step.records }
        return harness.group.heartbeat(
            HeartbeatRequest {
                $0.memberId = memberId
                $0.generationId = generation
            }, harness.context, &step)
    }

    private func given(_ response: SyncGroupResponse) throws -> [String: [Int32]] {
        let data = try ConsumerProtocolAssignment(
            decoding: ByteSlice(response.assignment.array.dropFirst(2)), version: 3)
        return Dictionary(data.assignedPartitions.map { ($0.topic, $0.partitions) }) { first, _ in first }
    }

    // MARK: Upgrade

    @Test func `a classic group becomes a consumer group, and all it has stays where it is`() {
        let harness = ConsumerHarness(topics: [("a", 3)])
        let (group, answer) = upgraded(harness, classicGroup([("c1", [0, 1]), ("c2", [2])]))
        #expect(group != nil && answer.errorCode == .none && answer.memberEpoch == 6)
        #expect(answer.partitions == [:])
        #expect(
            harness.records.map(\.brief) == [
                "-classic", "member c1", "member c2", "epoch 5", "target c1", "target c2", "target epoch 5",
                "current c1 5",
                "current c2 5", "member new", "epoch 6", "target c1", "target new", "target epoch 6", "current new 6"
            ])
        #expect(harness.group.members["c1"]?.assigned == [a: [0: 5, 1: 5]])
        #expect(harness.group.members["c1"]?.rackId == "r")
        #expect(harness.group.described(harness.context).members.map(\.memberType) == [0, 0, 1])
    }

    @Test func `what nobody has at a conversion waits until all classic members were heard of`() throws {
        let harness = ConsumerHarness(topics: [("a", 3)])
        // The last generation took 2 from one of them, which may not know it yet.
        _ = upgraded(harness, classicGroup([("c1", [0]), ("c2", [1])]))
        #expect(harness.beat("new", 6).partitions == nil)
        #expect(join(harness, "c1", owned: [("a", [0])]).generationId == 6)
        #expect(harness.beat("new", 6).partitions == nil)
        #expect(join(harness, "c2", owned: [("a", [1])]).generationId == 6)
        #expect(harness.beat("new", 6).partitions == [a: [2]])
    }

    @Test func `classic members give up and get without seeing that the protocol has changed`() throws {
        let harness = ConsumerHarness(topics: [("a", 3)])
        _ = upgraded(harness, classicGroup([("c1", [0, 1]), ("c2", [2])]))
        #expect(heartbeat(harness, "c1", 5) == .rebalanceInProgress)
        let asked = join(harness, "c1", owned: [("a", [0, 1])])
        #expect(asked.errorCode == .none && asked.generationId == 5 && asked.protocolName == "range")
        #expect(asked.members.isEmpty && asked.leader == "")
        // The sync says what to keep; then it gives up and joins again.
        #expect(try given(sync(harness, "c1", 5)) == ["a": [0]])
        #expect(heartbeat(harness, "c1", 5) == .rebalanceInProgress)
        #expect(harness.beat("new", 6).partitions == nil)
        let gave = join(harness, "c1", owned: [("a", [0])])
        #expect(gave.generationId == 6)
        #expect(try given(sync(harness, "c1", 6)) == ["a": [0]])
        #expect(heartbeat(harness, "c1", 6) == .none)
        #expect(harness.beat("new", 6).partitions == [a: [1]])
        // The other one has all it shall have, and only has to come to the epoch.
        #expect(heartbeat(harness, "c2", 5) == .rebalanceInProgress)
        #expect(join(harness, "c2", owned: [("a", [2])]).generationId == 6)
        #expect(harness.group.stateName == "Stable")
    }

    @Test func `a classic member waits until others have given up`() throws {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("n1", ["a"])
        let asked = join(harness, "", version: 9)
        #expect(asked.errorCode == .memberIdRequired && !asked.memberId.isEmpty)
        let joined = join(harness, asked.memberId)
        #expect(joined.generationId == 3)
        #expect(try given(sync(harness, asked.memberId, 3)) == [:])
        #expect(heartbeat(harness, asked.memberId, 3) == .none)
        _ = harness.beat("n1", 2, owned: [a: [0, 1]])
        _ = harness.beat("n1", 2, owned: [a: [0]])
        #expect(heartbeat(harness, asked.memberId, 3) == .rebalanceInProgress)
        #expect(join(harness, asked.memberId).generationId == 3)
        #expect(try given(sync(harness, asked.memberId, 3)) == ["a": [1]])
    }

    @Test func `a classic member joins with an id that it was given, once, and with no other`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("n1", ["a"])
        #expect(join(harness, "of a former life").errorCode == .unknownMemberId)
        let asked = join(harness, "")
        #expect(asked.errorCode == .memberIdRequired)
        #expect(join(harness, asked.memberId).errorCode == .none)
        // Its session ends, and it comes back late, with what it believes to own.
        harness.wait(.seconds(11))
        #expect(!harness.group.members.keys.contains(asked.memberId))
        #expect(join(harness, asked.memberId, owned: [("a", [0])]).errorCode == .unknownMemberId)
    }

    @Test func `an id that was given is forgotten when its time is over`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("n1", ["a"])
        let asked = join(harness, "")
        harness.wait(.seconds(11))
        #expect(join(harness, asked.memberId).errorCode == .unknownMemberId)
    }

    @Test func `who lost its static name is told so when it commits`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("n1", ["a"])
        let first = join(harness, "", instance: "i")
        let second = join(harness, "", instance: "i")
        func code(_ answer: JoinGroupResponse, _ instance: String?) -> CommitPermission {
            harness.group.validateCommit(
                answer.memberId, instance: instance, epoch: answer.generationId, isTransactional: false, version: 8)
        }
        #expect(code(second, "i") == .granted)
        #expect(code(first, "i") == .refused(.fencedInstanceId))
        #expect(code(first, nil) == .refused(.unknownMemberId))
    }

    @Test func `a group is not converted when the policy or its members forbid it`() {
        func refusal(
            _ classic: ClassicMembers, _ policy: GroupSettings.MigrationPolicy = .bidirectional, _ size: Int = 9
        )
            -> String?
        {
            let harness = ConsumerHarness()
            harness.settings.migrationPolicy = policy
            harness.settings.consumerSizeMax = size
            let (group, answer) = upgraded(harness, classic)
            #expect(group == nil && harness.records.isEmpty && answer.errorCode == .groupIdNotFound)
            return answer.errorMessage
        }
        let classic = classicGroup([("c1", [0])])
        let start = "Cannot upgrade classic group g to consumer group because "
        #expect(refusal(classic, .downgrade) == start + "online upgrade is disabled.")
        #expect(refusal(classic, .disabled) == start + "online upgrade is disabled.")
        #expect(refusal(classic, .upgrade, 0) == start + "the group size exceeds the consumer group maximum size.")
        var other = classic
        other.protocolType = "connect"
        #expect(refusal(other) == start + "the group does not use the consumer embedded protocol.")
        var broken = classic
        broken.members[0].protocols[0].metadata = ByteSlice([0, 1, 0, 0])
        #expect(refusal(broken) == start + "the embedded consumer protocol is malformed.")
        #expect(refusal(classicGroup([("c1", [0])], userData: [1]))?.contains("custom assignor") == true)
    }

    @Test func `a heartbeat that does not join converts nothing`() {
        let harness = ConsumerHarness()
        let (group, answer) = upgraded(harness, classicGroup([("c1", [0])]), 3)
        #expect(group == nil && harness.records.isEmpty)
        #expect(answer.errorCode == .groupIdNotFound && answer.errorMessage == "Group g is not a consumer group.")
    }

    @Test func `a member that is refused leaves the classic group as it is`() {
        let harness = ConsumerHarness()
        harness.settings.consumerSizeMax = 1
        let (group, answer) = upgraded(harness, classicGroup([("c1", [0])]))
        #expect(group == nil && harness.records.isEmpty && answer.errorCode == .groupMaxSizeReached)
    }

    // MARK: Classic requests

    @Test func `classic requests of others are refused`() {
        let harness = ConsumerHarness(topics: [("a", 3)])
        _ = upgraded(harness, classicGroup([("c1", [0])]))
        #expect(heartbeat(harness, "nobody", 5) == .unknownMemberId)
        #expect(heartbeat(harness, "new", 6) == .unknownMemberId)
        #expect(heartbeat(harness, "c1", 4) == .illegalGeneration)
        #expect(sync(harness, "c1", 4).errorCode == .illegalGeneration)
        #expect(sync(harness, "c1", 5).errorCode == .rebalanceInProgress)
        #expect(join(harness, "c2", protocolName: "sticky").errorCode == .inconsistentGroupProtocol)
        harness.settings.migrationPolicy = .disabled
        #expect(join(harness, "c1").errorCode == .inconsistentGroupProtocol)
        #expect(
            harness.group.validateCommit("c1", instance: nil, epoch: 4, isTransactional: false, version: 2)
                == .refused(.illegalGeneration))
        #expect(
            harness.group.validateCommit("c1", instance: nil, epoch: 5, isTransactional: false, version: 2) == .granted)
    }

    @Test func `a classic member is removed when it is silent, does not join, or does not sync`() {
        func left(_ act: (ConsumerHarness) -> Void) -> [String] {
            let harness = ConsumerHarness(topics: [("a", 3)])
            _ = upgraded(harness, classicGroup([("c1", [0])]))
            act(harness)
            return harness.group.members.keys.sorted()
        }
        #expect(left { $0.wait(.seconds(9)) } == ["c1", "new"])
        #expect(left { $0.wait(.seconds(10)) } == ["new"])
        func keepAlive(_ harness: ConsumerHarness, _ generation: Int32, _ seconds: Int) {
            for _ in 0..<seconds {
                _ = self.heartbeat(harness, "c1", generation)
                harness.wait(.seconds(1))
            }
        }
        #expect(left { keepAlive($0, 5, 19) } == ["c1", "new"])
        #expect(left { keepAlive($0, 5, 21) } == ["new"])
        #expect(
            left {
                _ = join($0, "c1", owned: [])
                keepAlive($0, 6, 21)
            } == ["new"])
        #expect(
            left {
                let generation = join($0, "c1", owned: []).generationId
                _ = sync($0, "c1", generation)
                keepAlive($0, generation, 21)
            } == ["c1", "new"])
    }

    @Test func `members of both protocols leave by LeaveGroup`() {
        let harness = ConsumerHarness(topics: [("a", 3)])
        harness.settings.migrationPolicy = .upgrade
        _ = upgraded(harness, classicGroup([("c1", [0]), ("c2", [1])]))
        _ = harness.join("s", ["a"], instance: "i")
        var step = GroupStep()
        let identities = [("c1", nil), ("new", nil), ("", "i"), ("x", nil), ("y", "i")].map { entry in
            LeaveGroupRequest.MemberIdentity {
                $0.memberId = entry.0
                $0.groupInstanceId = entry.1
            }
        }
        let (answers, classic) = harness.group.leaveGroup(identities, harness.context, &step)
        #expect(answers.map(\.errorCode) == [.none, .none, .none, .unknownMemberId, .fencedInstanceId])
        #expect(classic == nil && harness.group.members.keys.sorted() == ["c2"])
        #expect(step.records.last?.brief == "epoch 8")
    }

    // MARK: Downgrade

    @Test func `the group becomes classic when the last member of the new protocol leaves`() throws {
        let harness = ConsumerHarness(topics: [("a", 3)])
        _ = upgraded(harness, classicGroup([("c1", [0, 1]), ("c2", [2])]))
        harness.records = []
        #expect(harness.beat("new", -1).errorCode == .none)
        let classic = try #require(harness.classic)
        #expect(
            harness.records.map(\.brief) == [
                "-current c1", "-current c2", "-current new", "-target c1", "-target c2", "-target new",
                "-target epoch",
                "-member c1", "-member c2", "-member new", "-epoch"
            ])
        #expect(harness.group.isDeleted)
        #expect(classic.generation == 6 && classic.protocolName == "range" && classic.needsRebalance)
        #expect(classic.members.map(\.id) == ["c1", "c2"])
        #expect(classic.members.map(\.sessionTimeoutMs) == [10_000, 10_000])
        #expect(classic.members[1].assignment == assignment([("a", [2])]))
        guard case .classicGroup(_, let value?) = classic.record("g", harness.context.moment) else {
            Issue.record("no record")
            return
        }
        #expect(value.protocolType == "consumer" && value.generation == 6 && value.leader == "c1")
        #expect(value.members.map(\.memberId) == ["c1", "c2"])
    }

    @Test func `the group becomes classic when its last member of the new protocol is silent`() {
        let harness = ConsumerHarness(topics: [("a", 3)])
        _ = upgraded(harness, classicGroup([("c1", [0, 1])]))
        for _ in 0..<45 {
            _ = heartbeat(harness, "c1", 5)
            _ = join(harness, "c1")
            _ = heartbeat(harness, "c1", 6)
            _ = sync(harness, "c1", 6)
            harness.wait(.seconds(1))
        }
        #expect(harness.classic?.members.map(\.id) == ["c1"])
    }

    @Test func `the group stays a consumer group when the policy says so, or nobody stays`() {
        let harness = ConsumerHarness(topics: [("a", 3)])
        harness.settings.migrationPolicy = .upgrade
        _ = upgraded(harness, classicGroup([("c1", [0, 1])]))
        _ = harness.beat("new", -1)
        #expect(harness.classic == nil && !harness.group.isDeleted)
        #expect(harness.group.members.keys.sorted() == ["c1"])
    }

    @Test func `classic members that are left alone go on with new partitions`() throws {
        let harness = ConsumerHarness(topics: [("a", 2)])
        harness.settings.migrationPolicy = .upgrade
        _ = upgraded(harness, classicGroup([("c1", [0, 1])]))
        _ = harness.beat("new", -1)
        harness.change { ConsumerHarness.addPartition(a, 2, to: &$0) }
        #expect(heartbeat(harness, "c1", 5) == .rebalanceInProgress)
        let generation = join(harness, "c1", owned: [("a", [0, 1])]).generationId
        #expect(try given(sync(harness, "c1", generation)) == ["a": [0, 1, 2]])
    }

    @Test func `a classic member that takes the place of the last static one makes the group classic`() throws {
        let harness = ConsumerHarness(topics: [("a", 3)])
        _ = harness.join("s1", ["a"], instance: "i")
        let answer = join(harness, "", instance: "i")
        #expect(answer.errorCode == .none && answer.generationId == 2)
        let classic = try #require(harness.classic)
        #expect(classic.members.map(\.instanceId) == ["i"] && classic.members.map(\.id) == [answer.memberId])
        #expect(classic.members[0].assignment == assignment([("a", [0, 1, 2])]))
        #expect(!classic.needsRebalance && classic.generation == 2)
    }

    @Test func `what is converted there and back is the same`() throws {
        let harness = ConsumerHarness(topics: [("a", 3)])
        let before = classicGroup([("c1", [0, 1]), ("c2", [2])])
        _ = upgraded(harness, before)
        // The new member leaves before anything moved; the targets of its time are the assignments now.
        _ = harness.beat("new", -1)
        var after = try #require(harness.classic)
        after.generation = before.generation
        after.needsRebalance = false
        after.members[0].assignment = before.members[0].assignment
        #expect(after == before)
    }
}
