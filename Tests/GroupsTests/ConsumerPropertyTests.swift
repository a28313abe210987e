import Basics
import Bytes
import ClusterImage
import Groups
import Records
import Testing
import WireProtocol

/// A group with many members on a bad day: they join, leave, stall and die, answers get lost, requests come twice,
/// topics change. After each step the rules of the protocol are checked; when the faults stop, the group settles.
@Suite struct ConsumerPropertyTests {
    @Test(arguments: 0..<40)
    func `no partition ever has two owners, and the group settles`(seed: Int) throws {
        let world = World(seed: UInt64(seed))
        for _ in 0..<300 {
            world.step()
            world.check()
        }
        world.settle()
        world.checkReplay()
    }
}

/// A client as it sees itself.
private struct Client {
    var id: String
    var instance: String?
    var topics: [String]
    var pattern: String?
    var epoch: Int32 = 0
    var owned: TopicAssignment = [:]
    /// What it still reads though it was told to stop.
    var stalled: TopicAssignment = [:]
    /// It has to say everything: it joins, its subscription changed, or it got no answer.
    var tellsAll = true
    var isDead = false
}

private final class World {
    let harness: ConsumerHarness
    var random: SeededRandom
    var clients: [Client] = []
    var names = ["t0", "t1", "t2"]
    var nextClient = 0
    var nextTopic = 3
    var epochs: (group: Int32, target: Int32, members: [String: Int32]) = (1, 1, [:])

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        harness = ConsumerHarness(
            topics: [("t0", 4), ("t1", 1), ("t2", 7)],
            assignmentInterval: .milliseconds(Int64([0, 0, 1000, 3000][Int(seed % 4)])))
    }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    func step() {
        harness.wait(.milliseconds(Int64.random(in: 0...3000, using: &random)))
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8 where clients.count < 9: clients.append(newClient())
        case 8..<11: leave()
        case 11..<13: if let index = someone() { clients[index].isDead = true }
        case 13..<16: changeTopics()
        case 16..<20:
            if let index = someone() {
                clients[index].topics = subscription()
                clients[index].tellsAll = true
            }
        case 20..<22: leaveForAWhile()
        case 22..<24: harness.wait(.seconds(20))
        default: if let index = someone() { beat(index, isFaulty: true) }
        }
    }

    func someone() -> Int? { clients.indices.filter { !clients[$0].isDead }.randomElement(using: &random) }

    func subscription() -> [String] {
        let chosen = names.filter { _ in chance(70) }
        return chosen.isEmpty ? [names[0]] : chosen
    }

    func newClient() -> Client {
        nextClient += 1
        let instance = chance(25) ? "i\(nextClient)" : nil
        var client = Client(id: "m\(nextClient)", instance: instance, topics: subscription())
        if chance(20) {
            client.topics = []
            client.pattern = ["t.*", "t[01]", "t1|t2"].randomElement(using: &random)
        }
        return client
    }

    // MARK: Clients

    func beat(_ index: Int, isFaulty: Bool) {
        let client = clients[index]
        let isDoubled = isFaulty && chance(5)
        var answer = send(client)
        if isDoubled { answer = send(client) }
        if isFaulty, chance(15) {
            clients[index].tellsAll = true
            return
        }
        take(answer, index, isFaulty: isFaulty)
    }

    private func send(_ client: Client) -> ConsumerGroupHeartbeatResponse {
        harness.send {
            $0.memberId = client.id
            $0.instanceId = client.instance
            $0.memberEpoch = client.epoch
            if client.tellsAll {
                $0.rebalanceTimeoutMs = 15_000
                $0.subscribedTopicNames = client.topics
                $0.subscribedTopicRegex = client.pattern
            }
            let held = client.owned.merging(client.stalled) { ($0 + $1).sorted() }
            if client.tellsAll || !client.stalled.isEmpty || self.chance(50) {
                $0.topicPartitions = ConsumerHarness.listed(client.epoch == 0 ? [:] : held)
            }
        }
    }

    private func take(_ answer: ConsumerGroupHeartbeatResponse, _ index: Int, isFaulty: Bool) {
        guard answer.errorCode == .none else {
            // Whatever it is: gives up everything and joins anew.
            clients[index].epoch = 0
            clients[index].owned = [:]
            clients[index].stalled = [:]
            clients[index].tellsAll = true
            if answer.errorCode == .unreleasedInstanceId || answer.errorCode == .fencedInstanceId {
                clients[index].isDead = true
            }
            return
        }
        clients[index].epoch = answer.memberEpoch
        clients[index].tellsAll = false
        guard let given = answer.partitions else {
            if !isFaulty || chance(50) { clients[index].stalled = [:] }
            return
        }
        let held = clients[index].owned.merging(clients[index].stalled) { ($0 + $1).sorted() }
        clients[index].owned = given
        clients[index].stalled = [:]
        guard isFaulty, chance(30) else { return }
        // Takes its time to stop.
        for (topic, partitions) in held {
            let rest = partitions.filter { !(given[topic] ?? []).contains($0) }
            if !rest.isEmpty { clients[index].stalled[topic] = rest }
        }
    }

    private func leave() {
        guard let index = someone(), clients[index].epoch > 0 else { return }
        let client = clients.remove(at: index)
        _ = harness.beat(client.id, -1, instance: client.instance)
    }

    private func leaveForAWhile() {
        guard let index = someone(), let instance = clients[index].instance, clients[index].epoch > 0 else { return }
        let answer = harness.beat(clients[index].id, -2, instance: instance)
        guard answer.errorCode == .none else { return }
        nextClient += 1
        var client = Client(id: "m\(nextClient)", instance: instance, topics: clients[index].topics)
        client.pattern = clients[index].pattern
        clients[index] = client
    }

    // MARK: Topics

    private func changeTopics() {
        harness.change { image in
            let name = names.randomElement(using: &random) ?? "t0"
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                guard let topic = image.topic(named: name) else { return }
                ConsumerHarness.addPartition(topic.id, Int32(topic.partitions.count), to: &image)
            case 1 where names.count < 5:
                names.append("t\(nextTopic)")
                ConsumerHarness.add(ConsumerHarness.id(nextTopic), "t\(nextTopic)", 3, to: &image)
                nextTopic += 1
            default:
                guard names.count > 2, let topic = image.topic(named: name) else { return }
                names.removeAll { $0 == name }
                image.replay(.removeTopic(.init { $0.topicId = topic.id }), at: image.endOffset)
            }
        }
    }

    // MARK: What must hold

    func check() {
        let group = harness.group
        var owners: [String: String] = [:]
        for member in group.members.values {
            for owned in [member.assigned, member.revoking] {
                for (topic, partitions) in owned {
                    for partition in partitions.keys {
                        let before = owners.updateValue(member.id, forKey: "\(topic)-\(partition)")
                        #expect(before == nil, "\(topic)-\(partition) of \(before ?? "") and \(member.id)")
                    }
                }
            }
        }
        // What a client holds, the group knows as its own.
        for client in clients where group.members[client.id] != nil && client.epoch > 0 {
            for held in [client.owned, client.stalled] {
                for (topic, partitions) in held {
                    for partition in partitions { #expect(owners["\(topic)-\(partition)"] == client.id) }
                }
            }
        }
        checkEpochs()
        checkCommits()
    }

    private func checkEpochs() {
        let group = harness.group
        #expect(group.epoch >= epochs.group && group.targetEpoch >= epochs.target && group.targetEpoch <= group.epoch)
        for (id, member) in group.members where member.epoch >= 0 {
            #expect(member.epoch >= max(epochs.members[id] ?? 0, 0))
            #expect(member.epoch <= group.epoch)
        }
        epochs = (group.epoch, group.targetEpoch, group.members.mapValues(\.epoch))
    }

    private func checkCommits() {
        let group = harness.group
        for member in group.members.values where member.epoch > 0 {
            func validate(_ epoch: Int32) -> CommitPermission {
                group.validateCommit(member.id, instance: nil, epoch: epoch, isTransactional: false, version: 9)
            }
            #expect(validate(member.epoch) == .granted)
            #expect(validate(member.epoch + 1) == .refused(.staleMemberEpoch))
            #expect(validate(member.epoch - 1) == .perPartition)
            for (topic, partitions) in member.assigned {
                for (partition, given) in partitions {
                    #expect(!group.mayCommit(topic, partition, by: member.id, epoch: given - 1))
                    #expect(group.mayCommit(topic, partition, by: member.id, epoch: given))
                    for other in group.members.keys where other != member.id {
                        #expect(!group.mayCommit(topic, partition, by: other, epoch: given))
                    }
                }
            }
        }
    }

    /// The faults are over: all who live send heartbeats, until those who do not have been removed.
    func settle() {
        clients.removeAll { $0.isDead }
        if clients.isEmpty { clients.append(newClient()) }
        for _ in 0..<80 {
            harness.wait(.seconds(1))
            for index in clients.indices { beat(index, isFaulty: false) }
            check()
            clients.removeAll { $0.isDead }
        }
        let group = harness.group
        #expect(group.stateName == (clients.isEmpty ? "Empty" : "Stable"))
        #expect(group.members.keys.sorted() == clients.map(\.id).sorted())
        var held: [String] = []
        for client in clients {
            for (topic, partitions) in client.owned { held += partitions.map { "\(topic)-\($0)" } }
        }
        var read: [String] = []
        for topic in harness.image.topics.values where group.isSubscribed(to: topic.name) {
            read += topic.partitions.keys.map { "\(topic.id)-\($0)" }
        }
        #expect(held.sorted() == read.sorted())
    }

    func checkReplay() {
        #expect(harness.replayed.hasSameRecords(as: harness.group))
        var read = ConsumerGroup(id: "g")
        for record in harness.records {
            let plain = record.plain
            guard let key = plain.key,
                let record = try? GroupRecord(key: ByteSlice(key), value: plain.value.map { ByteSlice($0) })
            else {
                Issue.record("a record does not read back: \(record.brief)")
                continue
            }
            read.replay(record)
        }
        #expect(read.hasSameRecords(as: harness.group))
    }
}
