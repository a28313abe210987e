import Basics
import ClusterImage
import Configuration
import Coordination
import Groups
import Testing
import WireProtocol

/// What tools and offsets ask of a consumer group, and where its settings come from.
@Suite struct ConsumerDescribeTests {
    private let a = ConsumerHarness.id(0)

    @Test func `a group is described with what its members have and shall have`() throws {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", ["a"], instance: "i")
        _ = harness.join("m2", ["a"])
        let group = harness.group.described(harness.context)
        #expect(group.groupId == "g" && group.groupState == "Reconciling" && group.assignorName == "uniform")
        #expect(group.groupEpoch == 3 && group.assignmentEpoch == 3)
        #expect(group.members.map(\.memberId) == ["m1", "m2"])
        let first = try #require(group.members.first)
        #expect(first.instanceId == "i" && first.memberEpoch == 2 && first.memberType == 1)
        #expect(first.clientId == "client" && first.clientHost == "/127.0.0.1")
        #expect(first.subscribedTopicNames == ["a"] && first.subscribedTopicRegex == "")
        #expect(first.assignment.topicPartitions.map(\.partitions) == [[0, 1]])
        #expect(first.assignment.topicPartitions.map(\.topicName) == ["a"])
        #expect(first.targetAssignment.topicPartitions.map(\.partitions) == [[0]])
        #expect(harness.group.listed.groupType == "consumer" && harness.group.listed.protocolType == "consumer")
        #expect(harness.group.listed.groupState == "Reconciling")
    }

    @Test func `partitions of a topic that is gone are not described`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", ["a"])
        harness.change { $0.replay(.removeTopic(.init { $0.topicId = a }), at: $0.endOffset) }
        #expect(harness.group.described(harness.context).members[0].assignment.topicPartitions.isEmpty)
    }

    @Test func `a deleted group is dead, and its records are gone in Kafka's order`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", ["a"], pattern: "b")
        harness.tick()
        harness.records = []
        var step = GroupStep()
        harness.group.delete(&step)
        #expect(
            step.records.map(\.brief) == [
                "-current m1", "-target m1", "-target epoch", "-member m1", "-pattern b", "-epoch"
            ])
        #expect(harness.group.isDeleted && harness.group.stateName == "Dead" && harness.group.nextDeadline == nil)
    }

    @Test func `a record of the topics that Kafka wrote before 4 is deleted`() {
        let harness = ConsumerHarness()
        harness.group.replay(.partitionMetadata(.init { $0.groupId = "g" }, .init()))
        _ = harness.join("m1")
        #expect(harness.records.map(\.brief).prefix(3) == ["member m1", "epoch 2", "-topics"])
    }

    // MARK: Offsets

    private func commit(
        _ harness: ConsumerHarness, _ memberId: String, _ epoch: Int32, version: Int16 = 9,
        isTransactional: Bool = false
    ) -> CommitPermission {
        harness.group.validateCommit(
            memberId, instance: nil, epoch: epoch, isTransactional: isTransactional, version: version)
    }

    @Test func `who names no member may store offsets of an empty group only`() {
        let harness = ConsumerHarness()
        #expect(commit(harness, "", -1) == .granted)
        _ = harness.join("m1")
        #expect(commit(harness, "", -1) == .refused(.unknownMemberId))
        // A transaction need not name its member.
        #expect(commit(harness, "", -1, isTransactional: true) == .granted)
        #expect(harness.group.validateFetch(nil, epoch: -1) == nil)
    }

    @Test func `a member may store and read offsets in its epoch`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1")
        #expect(commit(harness, "m1", 2) == .granted)
        #expect(commit(harness, "m1", 3) == .refused(.staleMemberEpoch))
        #expect(commit(harness, "m2", 2) == .refused(.unknownMemberId))
        #expect(commit(harness, "m1", 2, version: 8) == .refused(.unsupportedVersion))
        #expect(commit(harness, "m1", 2, version: 3, isTransactional: true) == .granted)
        #expect(harness.group.validateFetch("m1", epoch: 2) == nil)
        #expect(harness.group.validateFetch("m1", epoch: 1) == .staleMemberEpoch)
        #expect(harness.group.validateFetch("m2", epoch: 2) == .unknownMemberId)
    }

    @Test func `an older epoch counts for what the member had then`() {
        let harness = ConsumerHarness(topics: [("a", 1)])
        _ = harness.join("m1", ["a"])
        harness.change { ConsumerHarness.addPartition(a, 1, to: &$0) }
        #expect(harness.beat("m1", 2).memberEpoch == 3)
        #expect(commit(harness, "m1", 2) == .perPartition)
        #expect(harness.group.mayCommit(a, 0, by: "m1", epoch: 2))
        #expect(!harness.group.mayCommit(a, 1, by: "m1", epoch: 2))
        #expect(!harness.group.mayCommit(a, 7, by: "m1", epoch: 2))
    }

    @Test func `what a member is giving up it may still commit`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", ["a"])
        _ = harness.join("m2", ["a"])
        _ = harness.beat("m1", 2)
        #expect(harness.group.members["m1"]?.revoking == [a: [1: 2]])
        #expect(harness.group.mayCommit(a, 1, by: "m1", epoch: 2))
    }

    // MARK: Settings

    @Test func `a group's own configuration counts, within the node's bounds`() {
        let harness = ConsumerHarness()
        func set(_ name: String, _ value: String) {
            harness.image.replay(
                .config(
                    .init {
                        $0.resourceType = 32
                        $0.resourceName = "g"
                        $0.name = name
                        $0.value = value
                    }), at: harness.image.endOffset)
        }
        set("consumer.session.timeout.ms", "50000")
        set("consumer.heartbeat.interval.ms", "1000000")
        #expect(harness.join("m1").heartbeatIntervalMs == 15_000)
        harness.wait(.seconds(49))
        #expect(!harness.group.isEmpty)
        harness.wait(.seconds(1))
        #expect(harness.group.isEmpty)
    }

    @Test func `the node's configuration gives the settings`() throws {
        let given = [
            ("group.consumer.session.timeout.ms", "46000"), ("group.consumer.heartbeat.interval.ms", "6000"),
            ("group.consumer.max.size", "7"), ("group.consumer.assignors", "range"),
            ("group.consumer.migration.policy", "upgrade"), ("group.consumer.assignment.interval.ms", "0")
        ]
        let node = try NodeConfiguration(given.map { GivenValue(key: $0.0, value: $0.1, origin: .file) })
        #expect(node.warnings.isEmpty)
        var settings = GroupSettings()
        settings.takeConsumerKeys(of: node)
        #expect(settings.consumerSessionTimeout == .seconds(46) && settings.consumerHeartbeatInterval == .seconds(6))
        #expect(settings.consumerSizeMax == 7 && settings.consumerAssignors == ["range"])
        #expect(settings.migrationPolicy == .upgrade && settings.consumerAssignmentInterval == .zero)
        #expect(
            settings.consumerSessionTimeoutMin == .seconds(45) && settings.consumerSessionTimeoutMax == .seconds(60))
    }
}
