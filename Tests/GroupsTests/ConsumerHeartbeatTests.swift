import Basics
import Bytes
import ClusterImage
import Groups
import Records
import Testing
import WireProtocol

@Suite struct ConsumerHeartbeatTests {
    private let a = ConsumerHarness.id(0)
    private let b = ConsumerHarness.id(1)

    // MARK: Joining

    @Test func `the first member gets everything in epoch 2`() {
        let harness = ConsumerHarness()
        let answer = harness.join("m1")
        #expect(answer.errorCode == .none)
        #expect(answer.memberId == "m1")
        #expect(answer.memberEpoch == 2)
        #expect(answer.heartbeatIntervalMs == 5000)
        #expect(answer.partitions == [a: [0, 1, 2], b: [0, 1, 2]])
        #expect(
            harness.records.map(\.brief) == [
                "member m1", "epoch 2", "target m1", "target epoch 2", "current m1 2"
            ])
        #expect(harness.group.stateName == "Stable")
    }

    @Test func `a member without an id is given one in version 0`() {
        let harness = ConsumerHarness()
        let answer = harness.send(version: 0) {
            $0.rebalanceTimeoutMs = 1000
            $0.subscribedTopicNames = ["a"]
            $0.topicPartitions = []
        }
        #expect(answer.memberId == Uuid(high: 9, low: 1).description)
        #expect(harness.group.members.keys.sorted() == [answer.memberId])
    }

    @Test func `the records of a first member are those that Kafka wrote`() throws {
        // Recorded from Kafka 4.4: group g-848 of data-clean.
        let three = try #require(Uuid("dcVHbLulTwWJTHgXlTWc8Q"))
        let codec = try #require(Uuid("L7eQWCtsTlCb3ar3xBA6bg"))
        let harness = ConsumerHarness(topics: [])
        ConsumerHarness.add(three, "three", 3, to: &harness.image)
        ConsumerHarness.add(codec, "codec-none", 1, to: &harness.image)
        _ = harness.send(client: "load") {
            $0.memberId = "AfT3jdt3QNCUh+ucFSR1AA"
            $0.rebalanceTimeoutMs = 300_000
            $0.subscribedTopicNames = ["three", "codec-none"]
            $0.subscribedTopicRegex = ""
            $0.topicPartitions = []
        }
        guard case .member(_, let told?) = harness.records[0], case .consumerGroup(_, let group?) = harness.records[1],
            case .memberTarget(_, let target?) = harness.records[2], case .target(_, let epoch?) = harness.records[3],
            case .memberCurrent(_, let current?) = harness.records[4]
        else {
            Issue.record("other records: \(harness.records.map(\.brief))")
            return
        }
        #expect(told.subscribedTopicNames == ["codec-none", "three"])
        #expect(told.subscribedTopicRegex == "")
        #expect(told.rebalanceTimeoutMs == 300_000)
        #expect(told.instanceId == nil && told.rackId == nil && told.serverAssignor == nil)
        #expect(told.clientId == "load" && told.clientHost == "/127.0.0.1")
        #expect(group.epoch == 2 && group.metadataHash == -5_929_540_871_432_348_075)
        #expect(Set(target.topicPartitions.map(\.topicId)) == [three, codec])
        #expect(epoch.assignmentEpoch == 2 && epoch.assignmentTimestamp == harness.wallClock)
        #expect(current.memberEpoch == 2 && current.previousMemberEpoch == 0 && current.state == 0)
        #expect(current.assignedPartitions.flatMap { $0.assignmentEpochs ?? [] } == [2, 2, 2, 2])
        #expect(current.partitionsPendingRevocation.isEmpty)
        // The sizes of the values in Kafka's log.
        #expect(harness.records.map { $0.plain.value?.count } == [48, 17, 56, 17, 88])
    }

    @Test func `the records of the last member that leaves are those that Kafka wrote`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1")
        harness.records = []
        let answer = harness.beat("m1", -1)
        #expect(answer.errorCode == .none && answer.memberEpoch == -1 && answer.memberId == "m1")
        #expect(
            harness.records.map(\.brief) == ["-current m1", "-target m1", "-member m1", "epoch 3", "target epoch 3"])
        #expect(harness.records.map { $0.plain.value?.count } == [nil, nil, nil, 7, 7])
        #expect(harness.group.stateName == "Empty")
    }

    @Test(
        arguments: [
            ("MemberId can't be empty.", { @Sendable in $0.memberId = " " }),
            ("GroupId can't be empty.", { $0.groupId = " " }),
            ("InstanceId can't be empty.", { $0.instanceId = "" }),
            ("RackId can't be empty.", { $0.rackId = "" }),
            ("RebalanceTimeoutMs must be provided in first request.", { $0.rebalanceTimeoutMs = -1 }),
            ("TopicPartitions must be empty when (re-)joining.", { $0.topicPartitions = nil }),
            ("TopicPartitions must be empty when (re-)joining.", { $0.topicPartitions = [.init()] }),
            (
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                { $0.subscribedTopicNames = nil }
            ),
            ("InstanceId can't be null.", { $0.memberEpoch = -2 }),
            ("MemberEpoch is invalid.", { $0.memberEpoch = -3 })
        ] as [(String, @Sendable (inout ConsumerGroupHeartbeatRequest) -> Void)])
    func `an invalid request is refused in Kafka's words`(
        message: String, change: @Sendable (inout ConsumerGroupHeartbeatRequest) -> Void
    ) {
        let harness = ConsumerHarness()
        let answer = harness.send {
            $0.groupId = "g"
            $0.memberId = "m"
            $0.rebalanceTimeoutMs = 1000
            $0.subscribedTopicNames = ["a"]
            $0.topicPartitions = []
            change(&$0)
        }
        #expect(answer.errorCode == .invalidRequest)
        #expect(answer.errorMessage == message)
        #expect(answer.memberId == nil)
    }

    @Test func `an assignor that is not offered is refused`() {
        let harness = ConsumerHarness()
        let answer = harness.join("m", assignor: "nosuch")
        #expect(answer.errorCode == .unsupportedAssignor)
        #expect(answer.errorMessage == "ServerAssignor nosuch is not supported. Supported assignors: uniform, range.")
    }

    @Test func `a full group refuses a new member but not its own`() {
        let harness = ConsumerHarness()
        harness.settings.consumerSizeMax = 1
        let first = harness.join("m1", instance: "i")
        #expect(harness.join("m2").errorCode == .groupMaxSizeReached)
        #expect(harness.beat("m1", first.memberEpoch, instance: "i").errorCode == .none)
        // A static member comes back under another id.
        _ = harness.beat("m1", -2, instance: "i")
        #expect(harness.join("m3", instance: "i").errorCode == .none)
    }

    @Test func `a subscription that no record holds is refused`() {
        let harness = ConsumerHarness()
        let names = (0..<20_000).map { String(repeating: "x", count: 100) + String($0) }
        #expect(harness.join("m", names).errorCode == .invalidRequest)
    }

    // MARK: Epochs

    @Test func `an unknown member is told so`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1")
        let answer = harness.beat("m2", 2)
        #expect(answer.errorCode == .unknownMemberId)
        #expect(answer.errorMessage == "Member m2 is not a member of group g.")
        #expect(harness.beat("m2", -1).errorCode == .unknownMemberId)
    }

    @Test func `a member whose epoch is old or of the future is fenced`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1")
        let ahead = harness.beat("m1", 3, owned: [:])
        #expect(ahead.errorCode == .fencedMemberEpoch)
        #expect(
            ahead.errorMessage
                == "The consumer group member has a greater member epoch (3) than the one known by the group "
                + "coordinator (2). The member must abandon all its partitions and rejoin.")
        #expect(harness.beat("m1", 1, owned: [:]).errorCode == .fencedMemberEpoch)
    }

    @Test func `a member that lost an answer may come with its last epoch and what it was given`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", ["a"])
        // The subscription changes: epoch 3, but the answer is lost.
        _ = harness.send {
            $0.memberId = "m1"
            $0.memberEpoch = 2
            $0.subscribedTopicNames = ["a", "b"]
        }
        #expect(harness.group.members["m1"]?.epoch == 3)
        let again = harness.beat("m1", 2, owned: [a: [0, 1, 2]])
        #expect(again.errorCode == .none && again.memberEpoch == 3)
        #expect(harness.beat("m1", 2).errorCode == .fencedMemberEpoch)
        #expect(harness.beat("m1", 2, owned: [a: [0, 9]]).errorCode == .fencedMemberEpoch)
        #expect(harness.beat("m1", 2, owned: [Uuid(high: 1, low: 1): []]).errorCode == .fencedMemberEpoch)
    }

    // MARK: What is answered

    @Test func `the assignment is sent when it changed, when joining, and when all was told`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", ["a"])
        #expect(harness.beat("m1", 2).partitions == nil)
        let full = harness.send {
            $0.memberId = "m1"
            $0.memberEpoch = 2
            $0.rebalanceTimeoutMs = 30_000
            $0.subscribedTopicNames = ["a"]
            $0.topicPartitions = ConsumerHarness.listed([a: [0, 1, 2]])
        }
        #expect(full.partitions == [a: [0, 1, 2]])
        harness.change { ConsumerHarness.addPartition(a, 3, to: &$0) }
        #expect(harness.beat("m1", 2).partitions == [a: [0, 1, 2, 3]])
        #expect(harness.join("m1", ["a"]).partitions == [a: [0, 1, 2, 3]])
    }

    @Test func `a heartbeat that brings nothing writes nothing`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1")
        harness.records = []
        #expect(harness.beat("m1", 2).errorCode == .none)
        #expect(harness.records.isEmpty)
    }

    // MARK: Reconciliation

    @Test func `a partition passes on only when its owner has given it up`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", ["a"])
        let second = harness.join("m2", ["a"])
        // It waits in the new epoch, with nothing.
        #expect(second.memberEpoch == 3 && second.partitions == [:])
        #expect(harness.group.members["m2"]?.state == .unreleased)
        #expect(harness.group.stateName == "Reconciling")
        let asked = harness.beat("m1", 2, owned: [a: [0, 1]])
        // It stays in its epoch while it gives up.
        #expect(asked.memberEpoch == 2 && asked.partitions == [a: [0]])
        #expect(harness.group.members["m1"]?.state == .unrevoked)
        #expect(harness.beat("m2", 3).partitions == nil)
        // Silence gives nothing up.
        #expect(harness.beat("m1", 2).memberEpoch == 2)
        #expect(harness.beat("m2", 3).partitions == nil)
        let gave = harness.beat("m1", 2, owned: [a: [0]])
        #expect(gave.memberEpoch == 3 && gave.partitions == nil)
        #expect(harness.beat("m2", 3).partitions == [a: [1]])
        #expect(harness.group.stateName == "Stable")
    }

    @Test func `a member that does not give up in time is removed`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", ["a"], rebalanceTimeout: 10_000)
        _ = harness.join("m2", ["a"])
        _ = harness.beat("m1", 2)
        for _ in 0..<9 {
            harness.wait(.seconds(1))
            #expect(harness.beat("m1", 2, owned: [a: [0, 1]]).errorCode == .none)
            #expect(harness.beat("m2", 3).errorCode == .none)
        }
        harness.wait(.seconds(1))
        #expect(harness.beat("m1", 2, owned: [a: [0, 1]]).errorCode == .unknownMemberId)
        #expect(harness.beat("m2", 3).partitions == [a: [0, 1]])
    }

    @Test func `a member that gave up in time is not removed`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", ["a"], rebalanceTimeout: 10_000)
        _ = harness.join("m2", ["a"])
        _ = harness.beat("m1", 2)
        _ = harness.beat("m1", 2, owned: [a: [0]])
        harness.wait(.seconds(20))
        #expect(harness.beat("m1", 3).errorCode == .none)
    }

    @Test func `a member that is not heard of is removed after its session`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1")
        harness.wait(.seconds(44))
        #expect(harness.beat("m1", 2).errorCode == .none)
        harness.wait(.seconds(44))
        #expect(harness.group.members.count == 1)
        harness.wait(.seconds(1))
        #expect(harness.group.isEmpty)
    }

    @Test func `topics that a member reads no more are taken back at once`() {
        let harness = ConsumerHarness(assignmentInterval: .seconds(60))
        _ = harness.join("m1", ["a", "b"])
        let answer = harness.send {
            $0.memberId = "m1"
            $0.memberEpoch = 2
            $0.subscribedTopicNames = ["a"]
        }
        // The next target waits, the subscription counts now.
        #expect(answer.memberEpoch == 2 && answer.partitions == [a: [0, 1, 2]])
        #expect(harness.group.epoch == 3 && harness.group.targetEpoch == 2)
        #expect(harness.group.members["m1"]?.state == .unrevoked)
    }

    @Test func `targets keep a distance in time`() {
        let harness = ConsumerHarness(topics: [("a", 3)], assignmentInterval: .seconds(1))
        #expect(harness.join("m1", ["a"]).memberEpoch == 2)
        #expect(harness.join("m2", ["a"]).memberEpoch == 2)
        #expect(harness.join("m3", ["a"]).memberEpoch == 2)
        #expect(harness.group.epoch == 4 && harness.group.targetEpoch == 2)
        #expect(harness.group.stateName == "Assigning")
        harness.wait(.seconds(1))
        #expect(harness.beat("m3", 2).memberEpoch == 4)
        #expect(harness.records.filter { if case .target = $0 { true } else { false } }.count == 2)
    }

    @Test func `a deleted topic is taken from the members, a new one of the name given`() {
        let harness = ConsumerHarness(topics: [("a", 1), ("b", 1)])
        _ = harness.join("m1")
        harness.change { $0.replay(.removeTopic(.init { $0.topicId = b }), at: $0.endOffset) }
        let answer = harness.beat("m1", 2, owned: [a: [0], b: [0]])
        #expect(answer.partitions == [a: [0]])
        _ = harness.beat("m1", 2, owned: [a: [0]])
        let new = Uuid(high: 6, low: 0)
        harness.change { ConsumerHarness.add(new, "b", 1, to: &$0) }
        #expect(harness.beat("m1", 3, owned: [a: [0]]).partitions == [a: [0], new: [0]])
    }

    @Test func `the assignor that most ask for is taken`() {
        let harness = ConsumerHarness(topics: [("a", 2), ("b", 2)])
        _ = harness.join("m1", assignor: "range")
        _ = harness.join("m2", assignor: "range")
        _ = harness.join("m3", assignor: "uniform")
        #expect(harness.group.described(harness.context).assignorName == "range")
        #expect(harness.group.targets["m1"] == [a: [0], b: [0]])
        let epoch = harness.group.epoch
        _ = harness.send {
            $0.memberId = "m2"
            $0.memberEpoch = harness.group.members["m2"]?.epoch ?? 0
            $0.serverAssignor = "uniform"
        }
        #expect(harness.group.epoch == epoch + 1)
    }

    // MARK: Static members

    @Test func `a static member that left for a while gets back what it had`() {
        let harness = ConsumerHarness()
        let first = harness.join("m1", instance: "i")
        let left = harness.beat("m1", -2, instance: "i")
        #expect(left.errorCode == .none && left.memberEpoch == -2)
        harness.records = []
        let back = harness.join("m2", instance: "i")
        #expect(back.partitions == first.partitions)
        #expect(harness.group.epoch == 2, "nothing is assigned anew")
        #expect(
            harness.records.map(\.brief) == [
                "-current m1", "-target m1", "-member m1", "member m2", "target m2", "current m2 0", "current m2 2"
            ])
        let old = harness.beat("m1", 2, instance: "i")
        #expect(old.errorCode == .fencedInstanceId)
        #expect(old.errorMessage == "Static member m1 with instance id i was fenced by member m2.")
    }

    @Test func `an instance that is at work is not given away`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", instance: "i")
        let answer = harness.join("m2", instance: "i")
        #expect(answer.errorCode == .unreleasedInstanceId)
        #expect(
            answer.errorMessage
                == "Static member m2 with instance id i cannot join the group because the instance id is owned by "
                + "m1 member."
        )
    }

    @Test func `an unknown instance is told so`() {
        let harness = ConsumerHarness()
        let answer = harness.beat("m1", 2, instance: "i")
        #expect(answer.errorCode == .unknownMemberId && answer.errorMessage == "Instance id i is unknown.")
        #expect(harness.beat("m1", -1, instance: "i").errorCode == .unknownMemberId)
    }

    @Test func `a static member that does not come back loses its place with its session`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", instance: "i")
        _ = harness.beat("m1", -2, instance: "i")
        harness.wait(.seconds(44))
        #expect(harness.group.members.count == 1)
        harness.wait(.seconds(1))
        #expect(harness.group.isEmpty)
    }

    @Test func `a static member that leaves for good leaves like others`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", instance: "i")
        #expect(harness.beat("m1", -1, instance: "i").memberEpoch == -1)
        #expect(harness.group.isEmpty)
    }
}
