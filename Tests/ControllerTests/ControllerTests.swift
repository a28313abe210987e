// The decisions on topics and configurations, without a broker around them.

import Basics
import ClusterImage
import Configuration
import Controller
import Testing
import WireProtocol

/// A controller that replays what it decides at once.
private struct World {
    var controller: Controller

    init(brokers: Int32 = 1, _ settings: [String: String] = [:]) throws {
        let values = settings.sorted { $0.key < $1.key }.map {
            GivenValue(key: $0.key, value: $0.value, origin: .flag)
        }
        controller = Controller(
            image: ClusterImage(clusterId: "c"), node: try NodeConfiguration(values), seed: 1)
        for id in 1...brokers {
            let broker = BrokerDescription(
                id: NodeId(id), incarnation: .zero, endpoints: [], rack: nil,
                directories: [Uuid(high: 1, low: UInt64(id))])
            commit(controller.register(broker, epoch: controller.image.endOffset))
            commit(controller.unfence(NodeId(id)))
        }
    }

    mutating func commit(_ records: [VersionedRecord]) {
        for record in records { controller.replay(record.record, at: controller.image.endOffset) }
    }

    mutating func create(
        _ name: String, partitions: Int32 = 1, factor: Int16 = 1, _ configs: [String: String?] = [:],
        assignments: [[Int32]] = [], dryRun: Bool = false
    ) -> CreateTopicsResponse.CreatableTopicResult {
        let decision = controller.createTopics(
            CreateTopicsRequest {
                $0.validateOnly = dryRun
                $0.topics = [
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = name
                        $0.numPartitions = partitions
                        $0.replicationFactor = factor
                        $0.configs = configs.sorted { $0.key < $1.key }.map { key, value in
                            CreateTopicsRequest.CreatableTopicConfig {
                                $0.name = key
                                $0.value = value
                            }
                        }
                        $0.assignments = assignments.enumerated().map { index, ids in
                            CreateTopicsRequest.CreatableReplicaAssignment {
                                $0.partitionIndex = Int32(index)
                                $0.brokerIds = ids
                            }
                        }
                    }
                ]
            })
        commit(decision.records)
        return decision.reply.topics[0]
    }

    mutating func grow(_ name: String, to count: Int32, _ assignments: [[Int32]]? = nil) -> ErrorCode {
        let decision = controller.createPartitions(
            CreatePartitionsRequest {
                $0.topics = [
                    CreatePartitionsRequest.CreatePartitionsTopic {
                        $0.name = name
                        $0.count = count
                        $0.assignments = assignments?.map { ids in
                            CreatePartitionsRequest.CreatePartitionsAssignment { $0.brokerIds = ids }
                        }
                    }
                ]
            })
        commit(decision.records)
        return decision.reply.results[0].errorCode
    }

    mutating func alter(
        _ type: Int8, _ name: String, _ key: String, _ value: String?,
        _ operation: ConfigurationChange.Operation? = .set, replacesAll: Bool = false
    ) -> ResourceResult {
        let decision = controller.alterConfigurations(
            [
                ResourceChange(
                    type: type, name: name,
                    changes: [ConfigurationChange(key: key, operation: operation, value: value)],
                    replacesAll: replacesAll)
            ], validateOnly: false)
        commit(decision.records)
        return decision.reply[0]
    }
}

@Suite struct ControllerTests {
    @Test func `a transaction that a former controller left open is made void, so that later records count`() throws {
        var world = try World()
        #expect(world.controller.abandonTransaction().isEmpty)
        world.commit([VersionedRecord(.beginTransaction(BeginTransactionRecord()), 0)])
        world.commit(world.controller.abandonTransaction())
        #expect(world.create("t").errorCode == .none)
        #expect(world.controller.image.topic(named: "t") != nil)
    }

    @Test func `creates a topic with its partitions, settings and leaders`() throws {
        var world = try World(brokers: 3)
        let result = world.create("t", partitions: 6, factor: 2, ["retention.ms": "5"])
        #expect(result.errorCode == .none && result.numPartitions == 6 && result.replicationFactor == 2)
        #expect(result.configs?.first { $0.name == "retention.ms" }?.configSource == 1)
        let topic = try #require(world.controller.image.topic(named: "t"))
        #expect(topic.id == result.topicId && topic.partitions.count == 6)
        for (_, partition) in topic.sortedPartitions {
            #expect(Set(partition.replicas).count == 2 && partition.inSync == partition.replicas)
            #expect(partition.leader == partition.replicas[0])
        }
        let leaders = topic.partitions.values.map(\.leader)
        for id in 1...3 { #expect(leaders.count { $0 == NodeId(Int32(id)) } == 2) }
        #expect(world.controller.image.configuration(.topic, "t") == ["retention.ms": "5"])
    }

    @Test func `a dry run changes nothing`() throws {
        var world = try World()
        let before = world.controller.image.endOffset
        #expect(world.create("t", dryRun: true).errorCode == .none)
        #expect(world.controller.image.endOffset == before)
    }

    @Test(arguments: [
        "", ".", "..", "a/b", "a b", "ä", "a:b", String(repeating: "x", count: 250), "bad\u{0}name",
    ])
    func `refuses a name that is none`(name: String) throws {
        var world = try World()
        #expect(world.create(name).errorCode == .invalidTopicException)
    }

    @Test func `takes the longest name and all legal letters`() throws {
        var world = try World()
        #expect(world.create(String(repeating: "x", count: 249)).errorCode == .none)
        #expect(world.create("aZ09._-").errorCode == .none)
    }

    @Test func `refuses a name that differs from another in dots and underscores alone`() throws {
        var world = try World()
        #expect(world.create("a.b_c").errorCode == .none)
        let result = world.create("a_b.c")
        #expect(result.errorCode == .invalidTopicException)
        #expect(result.errorMessage == "Topic 'a_b.c' collides with existing topic: a.b_c")
        #expect(world.create("a-b-c").errorCode == .none)
        #expect(world.create("a.b_c").errorCode == .topicAlreadyExists)
    }

    @Test func `refuses impossible counts and assignments`() throws {
        var world = try World(brokers: 2)
        #expect(world.create("t", partitions: 0).errorCode == .invalidPartitions)
        #expect(world.create("t", partitions: -3).errorCode == .invalidPartitions)
        #expect(world.create("t", factor: 0).errorCode == .invalidReplicationFactor)
        #expect(world.create("t", factor: 3).errorCode == .invalidReplicationFactor)
        func manual(_ assignments: [[Int32]]) -> ErrorCode {
            world.create("t", partitions: -1, factor: -1, assignments: assignments).errorCode
        }
        #expect(manual([[1, 2], [1]]) == .invalidReplicaAssignment)
        #expect(manual([[1, 1]]) == .invalidReplicaAssignment)
        #expect(manual([[9]]) == .invalidReplicaAssignment)
        #expect(manual([[]]) == .invalidReplicaAssignment)
        #expect(world.create("t", partitions: 2, factor: -1, assignments: [[1], [2]]).errorCode == .invalidRequest)
        #expect(manual([[2], [1]]) == .none)
        #expect(world.controller.image.topic(named: "t")?.partitions[0]?.leader == NodeId(2))
    }

    @Test func `a request makes no more when it has made a hundred thousand records, and none at all of a topic beyond`() throws {
        var cluster = try ReplicatedCluster()
        let decision = cluster.controller.createTopics(
            CreateTopicsRequest {
                $0.topics = ["a", "b", "c"].map { name in
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = name
                        $0.numPartitions = name == "a" ? 100_000 : 1
                        $0.replicationFactor = 1
                    }
                }
            })
        #expect(decision.reply.topics.map(\.errorCode) == [.none, .policyViolation, .policyViolation])
        cluster.commit(decision.records)
        let growth = cluster.controller.createPartitions(
            CreatePartitionsRequest {
                $0.topics = ["a", "b"].map { name in
                    CreatePartitionsRequest.CreatePartitionsTopic {
                        $0.name = name
                        $0.count = 100_001
                    }
                }
            })
        #expect(growth.reply.results.map(\.errorCode) == [.invalidPartitions, .unknownTopicOrPartition])
    }

    @Test func `a topic named twice in one request is refused once`() throws {
        var world = try World()
        let topic = CreateTopicsRequest.CreatableTopic {
            $0.name = "t"
            $0.numPartitions = 1
            $0.replicationFactor = 1
        }
        let decision = world.controller.createTopics(CreateTopicsRequest { $0.topics = [topic, topic] })
        #expect(decision.reply.topics.map(\.errorCode) == [.invalidRequest])
        #expect(decision.records.isEmpty)
    }

    @Test func `grows a topic and never shrinks it`() throws {
        var world = try World(brokers: 2)
        _ = world.create("t", partitions: 2, factor: 2)
        #expect(world.grow("t", to: 2) == .invalidPartitions)
        #expect(world.grow("t", to: 1) == .invalidPartitions)
        #expect(world.grow("nosuch", to: 4) == .unknownTopicOrPartition)
        #expect(world.grow("t", to: 4, [[1, 2]]) == .invalidReplicaAssignment)
        #expect(world.grow("t", to: 3, [[1, 99]]) == .invalidReplicaAssignment)
        #expect(world.grow("t", to: 4) == .none)
        let topic = try #require(world.controller.image.topic(named: "t"))
        #expect(topic.sortedPartitions.map(\.index) == [0, 1, 2, 3])
        #expect(topic.partitions.values.allSatisfy { $0.replicas.count == 2 })
    }

    @Test func `deletes by name and by id, with the settings`() throws {
        var world = try World()
        let first = world.create("a", ["retention.ms": "5"])
        _ = world.create("b")
        let decision = world.controller.deleteTopics(
            DeleteTopicsRequest {
                $0.topics = [
                    DeleteTopicsRequest.DeleteTopicState {
                        $0.name = nil
                        $0.topicId = first.topicId
                    },
                    DeleteTopicsRequest.DeleteTopicState { $0.name = "nosuch" },
                    DeleteTopicsRequest.DeleteTopicState {
                        $0.name = nil
                        $0.topicId = Uuid(high: 7, low: 7)
                    },
                ]
            })
        world.commit(decision.records)
        #expect(decision.reply.responses.map(\.errorCode) == [.none, .unknownTopicOrPartition, .unknownTopicId])
        #expect(decision.reply.responses[0].name == "a")
        #expect(world.controller.image.topicIds.keys.sorted() == ["b"])
        #expect(world.controller.image.configuration(.topic, "a").isEmpty)
        #expect(world.create("a").topicId != first.topicId)
    }

    @Test func `deletes nothing where deletion is switched off`() throws {
        var world = try World(["delete.topic.enable": "false"])
        _ = world.create("a")
        let decision = world.controller.deleteTopics(DeleteTopicsRequest { $0.topicNames = ["a"] })
        #expect(decision.reply.responses[0].errorCode == .topicDeletionDisabled && decision.records.isEmpty)
    }

    @Test func `hands out each block of producer ids once`() throws {
        var world = try World()
        var firsts: [Int64] = []
        for _ in 0..<3 {
            let decision = world.controller.allocateProducerIds(for: NodeId(1), epoch: 1)
            firsts.append(decision.reply)
            world.commit(decision.records)
        }
        #expect(firsts == [0, 1000, 2000])
    }

    // MARK: Configurations

    @Test func `refuses wrong keys and values with Kafka's words`() throws {
        var world = try World()
        _ = world.create("t")
        let unknown = world.alter(2, "t", "retention.mss", "1")
        #expect(unknown.code == .invalidConfig)
        #expect(unknown.message == "Unknown topic config name: retention.mss, did you mean retention.ms?")
        #expect(world.alter(2, "nosuch", "a", "b").message == "Unknown topic config name: a")
        #expect(world.alter(2, "nosuch", "retention.ms", "1").code == .unknownTopicOrPartition)
        let letter = world.alter(2, "t", "retention.ms", "x")
        #expect(letter.message == "Invalid value x for configuration retention.ms: Not a number of type LONG")
        #expect(world.alter(2, "t", "retention.ms", nil).message == "Null value not supported for : retention.ms")
        #expect(world.alter(2, "t", "retention.ms", "-2").code == .invalidConfig)
        #expect(world.alter(2, "t", "remote.storage.enable", "true").code == .invalidConfig)
        #expect(world.alter(2, "t", "retention.ms", "1", nil).code == .unknownServerError)
        #expect(world.alter(2, "t", "retention.ms", "1", .append).code == .invalidConfig)
        #expect(world.alter(7, "t", "retention.ms", "1").code == .invalidRequest)
        #expect(world.controller.image.configuration(.topic, "t").isEmpty)
    }

    @Test func `changes brokers only in what can change while they run`() throws {
        var world = try World()
        #expect(world.alter(4, "", "log.cleaner.threads", "2").code == .none)
        #expect(world.alter(4, "1", "max.connections", "20").code == .none)
        #expect(world.alter(4, "1", "node.id", "2").code == .invalidRequest)
        #expect(world.alter(4, "1", "listeners", "PLAINTEXT://:1").code == .invalidRequest)
        let other = world.alter(4, "2", "max.connections", "20")
        #expect(other.code == .invalidRequest)
        #expect(other.message == "Unexpected broker id, expected 1, but received 2")
        #expect(world.controller.image.configuration(.broker, "1") == ["max.connections": "20"])
    }

    @Test func `adds to lists, takes from them, and forgets values`() throws {
        var world = try World()
        _ = world.create("t")
        #expect(world.alter(2, "t", "cleanup.policy", "compact", .append).code == .none)
        #expect(world.controller.image.configuration(.topic, "t")["cleanup.policy"] == "delete,compact")
        #expect(world.alter(2, "t", "cleanup.policy", "delete", .subtract).code == .none)
        #expect(world.controller.image.configuration(.topic, "t")["cleanup.policy"] == "compact")
        #expect(world.alter(2, "t", "cleanup.policy", nil, .delete).code == .none)
        #expect(world.controller.image.configuration(.topic, "t").isEmpty)
    }

    @Test func `the older call forgets what it does not name`() throws {
        var world = try World()
        _ = world.create("t", ["retention.ms": "5", "segment.ms": "6"])
        #expect(world.alter(2, "t", "retention.ms", "7", replacesAll: true).code == .none)
        #expect(world.controller.image.configuration(.topic, "t") == ["retention.ms": "7"])
    }

    @Test func `a resource or a key that stands there twice is refused`() throws {
        var world = try World()
        _ = world.create("t")
        let change = ConfigurationChange(key: "retention.ms", operation: .set, value: "5")
        let once = ResourceChange(type: 2, name: "t", changes: [change], replacesAll: false)
        let twice = ResourceChange(type: 2, name: "t", changes: [change, change], replacesAll: false)
        let resources = world.controller.alterConfigurations([once, once], validateOnly: false)
        #expect(resources.reply.map(\.code) == [.invalidRequest, .invalidRequest] && resources.records.isEmpty)
        let keys = world.controller.alterConfigurations([twice], validateOnly: false)
        #expect(keys.reply.map(\.code) == [.invalidRequest])
    }
}
