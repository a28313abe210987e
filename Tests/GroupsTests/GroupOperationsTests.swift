// Operating groups: what the coordinator remembers of them, pauses, and offsets that are set while nobody has anything.

import Basics
import Bytes
import ClusterImage
import Coordination
import Groups
import Testing
import WireProtocol

extension House {
    fileprivate func explained(_ group: String = "g") -> GroupExplanation? {
        let token = token()
        take(core.explain(group, token, moment))
        guard case .explanation(let explanation) = replies[token.number] else { return nil }
        return explanation
    }

    fileprivate var kinds: [String] { explained()?.events.map(\.kind.rawValue) ?? [] }

    /// Sets, or takes away, the time until which the group is paused.
    fileprivate func setPause(_ until: Int64?, group: String = "g") {
        var image = core.image
        let record = ConfigRecord {
            $0.resourceType = ConfigurationResource.Kind.group.rawValue
            $0.resourceName = group
            $0.name = GroupSettings.pauseKey
            $0.value = until.map { "\($0)" }
        }
        image.replay(.config(record), at: image.endOffset)
        take(core.take(image, moment))
    }

    /// A SyncGroup by which the leader gives `member` this assignment.
    fileprivate func sync(_ member: String, _ generation: Int32, giving assignment: ByteSlice) -> UInt64 {
        let request = SyncGroupRequest {
            $0.groupId = "g"
            $0.memberId = member
            $0.generationId = generation
            $0.assignments = [
                SyncGroupRequest.SyncGroupRequestAssignment {
                    $0.memberId = member
                    $0.assignment = assignment
                }
            ]
        }
        let token = token()
        take(core.syncGroup(request, token, moment))
        return token.number
    }

    fileprivate func leave(reason: String, _ member: String) {
        let request = LeaveGroupRequest {
            $0.groupId = "g"
            $0.members = [
                LeaveGroupRequest.MemberIdentity {
                    $0.memberId = member
                    $0.reason = reason
                }
            ]
        }
        take(core.leaveGroup(request, client(5), token(), moment))
    }

    /// What a SyncGroup was given: nil if it was refused.
    fileprivate func given(_ number: UInt64) -> [String]? {
        guard let response = synced(number), !response.errorCode.isError else { return nil }
        guard let read = try? ConsumerProtocolAssignment(prefixed: response.assignment) else { return ["unreadable"] }
        return read.assignedPartitions.flatMap { topic in topic.partitions.map { "\(topic.topic)-\($0)" } }
    }
}

extension ConsumerProtocolAssignment {
    fileprivate init(prefixed bytes: ByteSlice) throws {
        var reader = ByteReader(bytes)
        _ = try reader.readInteger(Int16.self, "Version")
        try self.init(from: &reader, version: 0)
    }

    fileprivate static func bytes(_ topic: String, _ partitions: [Int32]) -> ByteSlice {
        var writer = ByteWriter(capacity: 64)
        writer.writeInteger(Int16(0))
        let assignment = ConsumerProtocolAssignment {
            $0.assignedPartitions = [
                TopicPartition {
                    $0.topic = topic
                    $0.partitions = partitions
                }
            ]
        }
        assignment.write(to: &writer, version: 0)
        return writer.finishSlice()
    }
}

@Suite struct GroupHistoryTests {
    @Test func `remembers who came and went, and why`() throws {
        let house = House()
        let member = house.stable()
        #expect(house.kinds == ["member-joined", "rebalance-began", "rebalance-ended"])
        #expect(house.leave((member, nil)) == [.none])
        let left = try #require(house.explained()?.events.first { $0.kind == .memberLeft })
        #expect(left.member == member && left.reason == "it left")
    }

    @Test func `names the time that a silent member let pass`() throws {
        let house = House()
        let member = house.stable()
        house.pass(.seconds(4))
        #expect(house.explained()?.members.first?.silence == .seconds(4))
        #expect(house.heartbeat(member, 1) == .none)
        #expect(house.explained()?.members.first?.silence == .zero)
        house.pass(.seconds(11))
        let fenced = try #require(house.explained()?.events.first { $0.kind == .memberFenced })
        #expect(fenced.member == member && fenced.reason.contains("session timeout of 10000 ms"))
    }

    @Test func `says how long a rebalance took`() throws {
        let house = House()
        let (member, number) = house.joinWithId()
        #expect(house.joined(number)?.generationId == 1)
        house.pass(.milliseconds(1500))
        _ = house.sync(member, 1, [member: ""])
        let ended = try #require(house.explained()?.events.last)
        #expect(ended.kind == .rebalanceEnded && ended.reason == "generation 1 with 1 members, after 1500 ms")
    }

    @Test func `keeps 64 events, and short reasons in one line`() throws {
        let house = House()
        _ = house.stable()
        for _ in 0..<100 { _ = house.joinWithId() }
        let events = try #require(house.explained()?.events)
        #expect(events.count == 64)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.number + 1 == $1.number })
        let long = String(repeating: "a\n", count: 500)
        house.leave(reason: long, events.last?.member ?? "")
        let reason = try #require(house.explained()?.events.last { $0.kind == .memberLeft }?.reason)
        #expect(reason.utf8.count <= 240 && reason.hasPrefix("a a a ") && !reason.contains("\n"))
    }

    @Test func `offsets that a tool sets are an event, those of a group that only stores them are none`() throws {
        let house = House()
        #expect(house.commit(1, group: "alone") == .none)
        #expect(house.explained("alone")?.events == [])
        let member = house.stable()
        #expect(house.leave((member, nil)) == [.none])
        #expect(house.commit(5) == .none)
        #expect(house.commit(6) == .none)
        #expect(house.kinds.filter { $0 == "offsets-set" }.count == 1)
    }

    @Test func `there is no history of a group that is not there`() {
        #expect(House().explained() == nil)
    }
}

@Suite struct GroupPauseTests {
    private let all = ConsumerProtocolAssignment.bytes("t", [0, 1])

    /// A group of one member that has partitions, and the number of its generation.
    private func classic() -> (house: House, member: String) {
        let house = House()
        let (member, _) = house.joinWithId()
        _ = house.sync(member, 1, giving: all)
        return (house, member)
    }

    /// The member joins and syncs again, as its client does after REBALANCE_IN_PROGRESS.
    private func again(_ house: House, _ member: String) throws -> [String]? {
        let joined = try #require(house.joined(house.join("g", member)))
        return house.given(house.sync(member, joined.generationId, giving: all))
    }

    @Test func `a paused classic group is given nothing, whatever its leader says`() throws {
        let (house, member) = classic()
        house.setPause(-1)
        #expect(house.heartbeat(member, 1) == .rebalanceInProgress)
        #expect(house.explained()?.ownsNothing == false)
        #expect(try again(house, member) == [])
        #expect(house.explained()?.isPaused == true && house.explained()?.ownsNothing == true)
        #expect(house.heartbeat(member, 2) == .none)
        house.setPause(nil)
        #expect(house.heartbeat(member, 2) == .rebalanceInProgress)
        #expect(try again(house, member) == ["t-0", "t-1"])
        #expect(house.kinds.filter { ["paused", "resumed"].contains($0) } == ["paused", "resumed"])
    }

    @Test func `a pause ends when its time is up`() throws {
        let (house, member) = classic()
        house.setPause(house.wallClock.milliseconds + 5000)
        #expect(try again(house, member) == [])
        house.pass(.milliseconds(4999))
        #expect(house.heartbeat(member, 2) == .none)
        house.pass(.milliseconds(1))
        #expect(house.heartbeat(member, 2) == .rebalanceInProgress)
        #expect(try again(house, member) == ["t-0", "t-1"])
    }

    @Test func `groups of other protocols are not touched`() {
        let house = House()
        let joined = house.joined(house.join(type: "connect", version: 3))
        let member = joined?.memberId ?? ""
        _ = house.sync(member, 1, giving: bytes("work"))
        house.setPause(-1)
        #expect(house.heartbeat(member, 1) == .none)
    }

    @Test func `another coordinator goes on with the pause, and with its end`() throws {
        let (house, member) = classic()
        house.setPause(house.wallClock.milliseconds + 5000)
        let other = house.reloaded()
        #expect(other.heartbeat(member, 1) == .rebalanceInProgress)
        #expect(try again(other, member) == [])
        other.pass(.seconds(6))
        #expect(other.heartbeat(member, 2) == .rebalanceInProgress)
    }

    @Test func `offsets are set by nobody only while the group is paused and nobody has anything`() throws {
        let (house, member) = classic()
        #expect(house.commit(5) == .unknownMemberId)
        house.setPause(-1)
        #expect(house.commit(5) == .unknownMemberId)
        #expect(try again(house, member) == [])
        #expect(house.commit(5) == .none)
        house.setPause(nil)
        #expect(house.commit(6) == .unknownMemberId)
    }
}

@Suite struct ConsumerGroupPauseTests {
    private let a = ConsumerHarness.id(0)

    private func setPause(_ harness: ConsumerHarness, _ until: Int64?) {
        let record = ConfigRecord {
            $0.resourceType = ConfigurationResource.Kind.group.rawValue
            $0.resourceName = "g"
            $0.name = GroupSettings.pauseKey
            $0.value = until.map { "\($0)" }
        }
        harness.image.replay(.config(record), at: harness.image.endOffset)
        var step = GroupStep()
        harness.group.followPause(harness.context, &step)
        harness.records += step.records
    }

    @Test func `members of a paused group give up all, stay, and get it back`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        #expect(harness.join("m", ["a"]).partitions == [a: [0, 1]])
        setPause(harness, -1)
        let revoking = harness.beat("m", 2)
        #expect(revoking.partitions == [:] && revoking.memberEpoch == 2)
        #expect(!harness.group.ownsNothing)
        #expect(harness.beat("m", 2, owned: [:]).memberEpoch == 3)
        #expect(harness.group.ownsNothing && harness.group.stateName == "Stable")
        setPause(harness, nil)
        #expect(harness.beat("m", 3).partitions == [a: [0, 1]])
        #expect(harness.replayed.hasSameRecords(as: harness.group))
    }

    @Test func `who joins a paused group gets nothing until the time is up`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        setPause(harness, harness.wallClock + 3000)
        #expect(harness.join("m", ["a"]).partitions == [:])
        harness.wait(.milliseconds(2999))
        #expect(harness.beat("m", 2).memberEpoch == 2)
        harness.wait(.milliseconds(1))
        #expect(harness.beat("m", 2).partitions == [a: [0, 1]])
    }

    @Test func `a pause that ended while nobody coordinated has ended`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        setPause(harness, harness.wallClock + 3000)
        #expect(harness.join("m", ["a"]).partitions == [:])
        harness.group = harness.replayed
        harness.wallClock += 5000
        var step = GroupStep()
        harness.group.loaded(harness.context)
        harness.group.followPause(harness.context, isLoading: true, &step)
        #expect(step.records.map(\.brief) == ["epoch 3", "target m", "target epoch 3"])
        #expect(harness.beat("m", 2).partitions == [a: [0, 1]])
    }

    @Test func `a commit by nobody waits for the last partition to be given up`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m", ["a"])
        func permission(_ isPaused: Bool) -> CommitPermission {
            harness.group.validateCommit(
                "", instance: nil, epoch: -1, isTransactional: false, version: 9, isPaused: isPaused)
        }
        setPause(harness, -1)
        _ = harness.beat("m", 2)
        #expect(permission(true) == .refused(.unknownMemberId))
        _ = harness.beat("m", 2, owned: [:])
        #expect(permission(true) == .granted)
        #expect(permission(false) == .refused(.unknownMemberId))
    }
}
