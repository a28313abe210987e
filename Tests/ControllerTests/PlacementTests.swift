// Where new replicas go.

import Basics
import ClusterImage
import Controller
import Testing
import WireProtocol

@Suite struct PlacementTests {
    private static func place(
        _ cluster: inout ReplicatedCluster, _ name: String = "p", partitions: Int32, factor: Int16
    ) -> (code: ErrorCode, replicas: [[Int32]]) {
        let decision = cluster.controller.createTopics(
            CreateTopicsRequest {
                $0.topics = [
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = name
                        $0.numPartitions = partitions
                        $0.replicationFactor = factor
                    }
                ]
            })
        cluster.commit(decision.records)
        let topic = cluster.controller.image.topic(named: name)
        return (decision.reply.topics[0].errorCode, topic?.sortedPartitions.map { $0.image.replicas.map(\.rawValue) } ?? [])
    }

    @Test func `no broker has two replicas of a partition, and all lead as often, give or take one`() throws {
        var cluster = try ReplicatedCluster(brokers: 5)
        let placed = Self.place(&cluster, partitions: 23, factor: 3)
        #expect(placed.replicas.count == 23 && placed.replicas.allSatisfy { Set($0).count == 3 })
        let leaders = Dictionary(grouping: placed.replicas.map { $0[0] }, by: { $0 }).mapValues(\.count)
        #expect(leaders.count == 5)
    }

    @Test func `the replicas of a partition stand in different racks`() throws {
        var cluster = try ReplicatedCluster(brokers: 6, racks: ["a", "a", "b", "b", "c", "c"])
        let rack = ["": 0, "1": 1, "2": 1, "3": 2, "4": 2, "5": 3, "6": 3]
        for replicas in Self.place(&cluster, partitions: 30, factor: 3).replicas {
            #expect(Set(replicas.map { rack["\($0)"] }).count == 3)
        }
    }

    @Test func `fenced brokers get replicas when there is no other, and never lead`() throws {
        var cluster = try ReplicatedCluster(brokers: 3)
        cluster.fence(2)
        let placed = Self.place(&cluster, partitions: 6, factor: 3)
        #expect(placed.code == .none && placed.replicas.allSatisfy { $0[0] != 2 && $0.contains(2) })
        for (_, partition) in cluster.controller.image.topic(named: "p")?.sortedPartitions ?? [] {
            #expect(!partition.inSync.contains(NodeId(2)) && partition.inSync.count == 2)
        }
        #expect(Self.place(&cluster, "q", partitions: 4, factor: 2).replicas.allSatisfy { !$0.contains(2) })
    }

    @Test func `more replicas than brokers are refused, and so are topics that nobody could lead`() throws {
        var cluster = try ReplicatedCluster(brokers: 2)
        #expect(Self.place(&cluster, partitions: 1, factor: 3).code == .invalidReplicationFactor)
        cluster.fence(1)
        cluster.fence(2)
        #expect(Self.place(&cluster, partitions: 1, factor: 1).code == .invalidReplicationFactor)
    }

    @Test func `partitions that are added go on where the last ones ended`() throws {
        var cluster = try ReplicatedCluster(brokers: 4)
        let first = Self.place(&cluster, partitions: 1, factor: 1).replicas[0][0]
        let decision = cluster.controller.createPartitions(
            CreatePartitionsRequest {
                $0.topics = [
                    CreatePartitionsRequest.CreatePartitionsTopic {
                        $0.name = "p"
                        $0.count = 4
                        $0.assignments = nil
                    }
                ]
            })
        cluster.commit(decision.records)
        let leaders = cluster.controller.image.topic(named: "p")?.sortedPartitions.map { $0.image.replicas[0].rawValue } ?? []
        #expect(Set(leaders).count == 4 && leaders[0] == first)
    }
}
