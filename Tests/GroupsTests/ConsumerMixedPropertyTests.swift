import Basics
import Bytes
import ClusterImage
import Coordination
import Groups
import Testing
import WireProtocol

/// A group half of whose members speak the classic protocol: the same promises hold for both.
@Suite struct ConsumerMixedPropertyTests {
    @Test(arguments: 0..<30)
    func `members of both protocols share the partitions without ever having one twice`(seed: Int) {
        let world = MixedWorld(seed: UInt64(seed))
        for _ in 0..<250 {
            world.step()
            world.check()
        }
        world.settle()
        #expect(world.harness.replayed.hasSameRecords(as: world.harness.group))
    }
}

private struct MixedClient {
    var id: String
    var isClassic: Bool
    var epoch: Int32 = 0
    var owned: TopicAssignment = [:]
    /// Whether a classic client has to join, or to sync, before it sends heartbeats again.
    var joins = true
    var syncs = false
}

private final class MixedWorld {
    let harness = ConsumerHarness(topics: [("a", 5), ("b", 4)])
    var random: SeededRandom
    var clients: [MixedClient] = []
    var nextClient = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        harness.settings.migrationPolicy = .upgrade
    }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    func step() {
        harness.wait(.milliseconds(Int64.random(in: 0...1500, using: &random)))
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8 where clients.count < 7:
            nextClient += 1
            let isClassic = chance(50)
            clients.append(MixedClient(id: isClassic ? "" : "m\(nextClient)", isClassic: isClassic))
        case 8..<11 where !clients.isEmpty: leave(Int.random(in: clients.indices, using: &random))
        case 11..<13 where !clients.isEmpty: clients.remove(at: Int.random(in: clients.indices, using: &random))
        default: if let index = clients.indices.randomElement(using: &random) { act(index, losesAnswers: true) }
        }
    }

    private func leave(_ index: Int) {
        let client = clients.remove(at: index)
        var step = GroupStep()
        let identity = LeaveGroupRequest.MemberIdentity { $0.memberId = client.id }
        let (_, classic) = harness.group.leaveGroup([identity], harness.context, &step)
        #expect(classic == nil)
        harness.records += step.records
    }

    func act(_ index: Int, losesAnswers: Bool) {
        if !clients[index].isClassic { return beat(index, losesAnswers) }
        if clients[index].joins { return join(index, losesAnswers) }
        if clients[index].syncs { return sync(index, losesAnswers) }
        var step = GroupStep()
        let request = HeartbeatRequest {
            $0.memberId = clients[index].id
            $0.generationId = clients[index].epoch
        }
        let code = harness.group.heartbeat(request, harness.context, &step)
        harness.records += step.records
        guard code != .none else { return }
        clients[index].joins = true
        if code != .rebalanceInProgress { clients[index].owned = [:] }
    }

    private func beat(_ index: Int, _ losesAnswers: Bool) {
        let client = clients[index]
        let answer = harness.send {
            $0.memberId = client.id
            $0.memberEpoch = client.epoch
            $0.rebalanceTimeoutMs = 15_000
            $0.subscribedTopicNames = ["a", "b"]
            $0.topicPartitions = ConsumerHarness.listed(client.owned)
        }
        if losesAnswers, chance(15) { return }
        guard answer.errorCode == .none else {
            clients[index].epoch = 0
            clients[index].owned = [:]
            return
        }
        clients[index].epoch = answer.memberEpoch
        clients[index].owned = answer.partitions ?? client.owned
    }

    private func name(_ topic: Uuid) -> String { topic == ConsumerHarness.id(0) ? "a" : "b" }

    private func join(_ index: Int, _ losesAnswers: Bool) {
        let client = clients[index]
        let data = ConsumerProtocolSubscription {
            $0.topics = ["a", "b"]
            $0.ownedPartitions = client.owned.map { topic, partitions in
                ConsumerProtocolSubscription.TopicPartition {
                    $0.topic = name(topic)
                    $0.partitions = partitions
                }
            }
        }
        let request = JoinGroupRequest {
            $0.memberId = client.id
            $0.sessionTimeoutMs = 20_000
            $0.rebalanceTimeoutMs = 15_000
            $0.protocolType = "consumer"
            $0.protocols = [
                JoinGroupRequest.JoinGroupRequestProtocol {
                    $0.name = "cooperative-sticky"
                    $0.metadata = ByteSlice([0, 1] + data.encoded(version: 1).array)
                }
            ]
        }
        var step = GroupStep()
        _ = harness.group.joinGroup(request, harness.client(9), harness.token(), harness.context, &step)
        harness.records += step.records
        if losesAnswers, chance(15) { return }
        guard case .joinGroup(let response)? = step.answers.first?.reply else { return }
        switch response.errorCode {
        case .none:
            clients[index].epoch = response.generationId
            clients[index].joins = false
            clients[index].syncs = true
        case .memberIdRequired: clients[index].id = response.memberId
        // Its session ended without its knowledge.
        case .unknownMemberId: (clients[index].id, clients[index].owned) = ("", [:])
        default: Issue.record("a join is refused: \(response.errorCode)")
        }
    }

    private func sync(_ index: Int, _ losesAnswers: Bool) {
        var step = GroupStep()
        let request = SyncGroupRequest {
            $0.memberId = clients[index].id
            $0.generationId = clients[index].epoch
        }
        harness.group.syncGroup(request, harness.token(), harness.context, &step)
        if losesAnswers, chance(15) { return }
        guard case .syncGroup(let response)? = step.answers.first?.reply else { return }
        clients[index].syncs = false
        guard response.errorCode == .none,
            let given = try? ConsumerProtocolAssignment(
                decoding: ByteSlice(response.assignment.array.dropFirst(2)), version: 1)
        else {
            clients[index].joins = true
            if response.errorCode != .rebalanceInProgress { clients[index].owned = [:] }
            return
        }
        let owned = given.assignedPartitions.map { topic in
            (topic.topic == "a" ? ConsumerHarness.id(0) : ConsumerHarness.id(1), topic.partitions.sorted())
        }
        let before = clients[index].owned
        clients[index].owned = Dictionary(owned) { first, _ in first }
        // A cooperative member that gave something up joins again.
        let keepsAll = before.allSatisfy { Set($0.value).isSubset(of: clients[index].owned[$0.key] ?? []) }
        if !keepsAll { clients[index].joins = true }
    }

    func check() {
        let group = harness.group
        var owners: [String: String] = [:]
        for member in group.members.values {
            for owned in [member.assigned, member.revoking] {
                for (topic, partitions) in owned {
                    for partition in partitions.keys {
                        #expect(owners.updateValue(member.id, forKey: "\(topic)-\(partition)") == nil)
                    }
                }
            }
        }
        for client in clients where group.members[client.id] != nil {
            for (topic, partitions) in client.owned {
                for partition in partitions { #expect(owners["\(topic)-\(partition)"] == client.id) }
            }
        }
    }

    func settle() {
        for _ in 0..<70 {
            harness.wait(.seconds(1))
            for index in clients.indices { act(index, losesAnswers: false) }
            check()
        }
        let group = harness.group
        #expect(group.stateName == (clients.isEmpty ? "Empty" : "Stable"))
        #expect(group.members.keys.sorted() == clients.map(\.id).sorted())
        let held = clients.reduce(0) { $0 + $1.owned.values.reduce(0) { $0 + $1.count } }
        #expect(held == (clients.isEmpty ? 0 : 9))
    }
}
