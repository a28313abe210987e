// AlterPartition: which in-sync sets a leader may ask for, and on what knowledge.

import Basics
import ClusterImage
import Controller
import Testing
import WireProtocol

@Suite struct InSyncTests {
    private static func make() throws -> ReplicatedCluster {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "2"])
        return cluster
    }

    @Test func `a shrink is written down, and answered with the next partition epoch`() throws {
        var cluster = try Self.make()
        let answer = try cluster.alter([1, 2])
        #expect(answer.errorCode == .none && answer.isr == [1, 2] && answer.partitionEpoch == 1)
        #expect(answer.leaderEpoch == 0)
        #expect(try cluster.partition().inSync == ids(1, 2))
    }

    @Test func `what is so already changes nothing`() throws {
        var cluster = try Self.make()
        #expect(try cluster.alter([1, 2, 3]).partitionEpoch == 0)
    }

    @Test func `older knowledge is refused`() throws {
        var cluster = try Self.make()
        _ = try cluster.alter([1, 2])
        #expect(try cluster.alter([1, 2, 3], partitionEpoch: 0).errorCode == .invalidUpdateVersion)
        #expect(try cluster.alter([1, 2, 3], leaderEpoch: -1).errorCode == .fencedLeaderEpoch)
    }

    @Test func `who knows more has heard of another controller`() throws {
        var cluster = try Self.make()
        #expect(try cluster.alter([1, 2], leaderEpoch: 1).errorCode == .notController)
        #expect(try cluster.alter([1, 2], partitionEpoch: 1).errorCode == .notController)
    }

    @Test func `only the leader may ask, and it stays in`() throws {
        var cluster = try Self.make()
        #expect(try cluster.alter([2, 3], by: 2).errorCode == .invalidRequest)
        #expect(try cluster.alter([2, 3]).errorCode == .invalidRequest)
        #expect(try cluster.alter([1, 4]).errorCode == .invalidRequest)
        #expect(try cluster.alter([1, 1]).errorCode == .invalidRequest)
    }

    @Test func `fenced, stopping and reborn brokers are not let in`() throws {
        var cluster = try Self.make()
        cluster.fence(2)
        #expect(try cluster.alter([1, 2, 3]).errorCode == .ineligibleReplica)
        cluster.start(2)
        let former = (cluster.controller.image.brokers[NodeId(2)]?.epoch ?? 0) - 1
        #expect(try cluster.alter([1, 2, 3], epochs: [2: former]).errorCode == .ineligibleReplica)
        #expect(try cluster.alter([1, 2, 3], epochs: [2: -1]).errorCode == .none)
        cluster.shutDown(3)
        #expect(try cluster.alter([1, 2, 3]).errorCode == .ineligibleReplica)
    }

    @Test func `a request under an older registration is refused as a whole`() throws {
        let cluster = try Self.make()
        let decision = cluster.controller.alterPartition(
            AlterPartitionRequest {
                $0.brokerId = 1
                $0.brokerEpoch = 99_999
            })
        #expect(decision.reply.errorCode == .staleBrokerEpoch)
    }

    @Test func `a leader that recovers is alone until it says that it has`() throws {
        var cluster = try ReplicatedCluster(eligible: 0)
        try cluster.create([[1, 2]], ["unclean.leader.election.enable": "true"])
        cluster.fence(2)
        cluster.start(2)
        cluster.fence(1)
        cluster.start(1)
        #expect(try cluster.partition().isRecovering)
        #expect(try cluster.alter([2, 1], recovers: true).errorCode == .invalidRequest)
        let answer = try cluster.alter([2, 1])
        #expect(answer.errorCode == .none && answer.leaderRecoveryState == 0)
        #expect(try cluster.alter([2], recovers: true).errorCode == .invalidRequest)
    }

    @Test func `who leaves below the minimum becomes eligible, and is not any more when enough are in sync`() throws {
        var cluster = try Self.make()
        _ = try cluster.alter([1])
        #expect(try cluster.partition().eligibleLeaders == ids(2, 3))
        _ = try cluster.alter([1, 2])
        let partition = try cluster.partition()
        #expect(partition.eligibleLeaders.isEmpty && partition.inSync == ids(1, 2))
    }

    @Test func `a topic that is not there is named by its id`() throws {
        let cluster = try Self.make()
        let decision = cluster.controller.alterPartition(
            AlterPartitionRequest {
                $0.brokerId = 1
                $0.brokerEpoch = cluster.controller.image.brokers[NodeId(1)]?.epoch ?? -1
                $0.topics = [
                    AlterPartitionRequest.TopicData {
                        $0.topicId = Uuid(high: 4, low: 4)
                        $0.partitions = [AlterPartitionRequest.PartitionData()]
                    }
                ]
            })
        #expect(decision.reply.topics[0].partitions[0].errorCode == .unknownTopicId)
    }
}
