// Who leads and who is in sync as brokers come and go.

import Basics
import ClusterImage
import Controller
import Testing
import WireProtocol

@Suite struct ElectionTests {
    @Test func `the first in-sync replica leads when the leader is fenced, in a new epoch`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "2"])
        cluster.fence(1)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(2) && partition.leaderEpoch == LeaderEpoch(1))
        #expect(partition.inSync == ids(2, 3) && partition.eligibleLeaders.isEmpty)
    }

    @Test func `a follower that is fenced leaves the in-sync set, and the leader's epoch stays`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]])
        cluster.fence(3)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(1) && partition.leaderEpoch == LeaderEpoch(0))
        #expect(partition.inSync == ids(1, 2) && partition.partitionEpoch == 1)
    }

    @Test func `who leaves while too few are in sync stays eligible, and leads when nobody is in sync`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "2"])
        cluster.fence(1)
        cluster.fence(2)
        #expect(try cluster.partition().eligibleLeaders == ids(2))
        cluster.fence(3)
        let lost = try cluster.partition()
        #expect(lost.leader == .none && lost.inSync.isEmpty && lost.eligibleLeaders == ids(2, 3))
        #expect(lost.lastKnownEligible == ids(3))
        cluster.start(1)
        #expect(try cluster.partition().leader == .none)
        cluster.start(2)
        let back = try cluster.partition()
        #expect(back.leader == NodeId(2) && back.inSync == ids(2) && back.eligibleLeaders == ids(3))
        #expect(!back.isRecovering && back.lastKnownEligible.isEmpty)
    }

    @Test func `with another minimum nobody is eligible who was judged by the old one`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "2"])
        cluster.fence(2)
        cluster.fence(3)
        #expect(try cluster.partition().eligibleLeaders == ids(3))
        func alter(_ type: Int8, _ name: String, _ value: String?) -> Decision<[ResourceResult]> {
            let change = ConfigurationChange(
                key: "min.insync.replicas", operation: value == nil ? .delete : .set, value: value)
            return cluster.controller.alterConfigurations(
                [ResourceChange(type: type, name: name, changes: [change], replacesAll: false)], validateOnly: false)
        }
        #expect(alter(4, "1", "1").reply[0].code == .invalidConfig)
        let before = try cluster.partition().partitionEpoch
        cluster.commit(alter(2, "t", "1").records)
        #expect(try cluster.partition().eligibleLeaders.isEmpty)
        // A change like any other; where nobody was eligible, there is none.
        #expect(try cluster.partition().partitionEpoch == before + 1)
        cluster.commit(alter(2, "t", "2").records)
        #expect(try cluster.partition().partitionEpoch == before + 1)
    }

    @Test func `a broker that does not know a level in force is not registered, nor one with another's folder`() throws {
        let cluster = try ReplicatedCluster()
        func objection(_ level: ClosedRange<Int16>, _ directories: [UInt64]) -> ErrorCode? {
            let feature = RegisterBrokerRecord.BrokerFeature {
                $0.name = "metadata.version"
                $0.minSupportedVersion = level.lowerBound
                $0.maxSupportedVersion = level.upperBound
            }
            return cluster.controller.objection(
                to: BrokerDescription(
                    id: NodeId(7), incarnation: Uuid(high: 9, low: 7), endpoints: [], rack: nil,
                    directories: directories.map { Uuid(high: 1, low: $0) }, features: [feature]))
        }
        #expect(objection(7...33, [107]) == nil)
        #expect(objection(7...25, [107]) == .unsupportedVersion)
        #expect(objection(7...33, [107, 107]) == .invalidRegistration)
        #expect(objection(7...33, [101]) == .invalidRegistration)
    }

    @Test func `without eligible leaders the last in-sync replica stays in sync, and nobody else leads`() throws {
        var cluster = try ReplicatedCluster(eligible: 0)
        try cluster.create([[1, 2]])
        cluster.fence(2)
        cluster.fence(1)
        #expect(try cluster.partition().inSync == ids(1))
        cluster.start(2)
        #expect(try cluster.partition().leader == .none)
        cluster.start(1)
        #expect(try cluster.partition().leader == NodeId(1))
    }

    @Test func `a broker that did not stop in order is not eligible any more`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "2"])
        for id in [Int32(1), 2, 3] { cluster.fence(id) }
        cluster.start(2, stoppedInOrder: false)
        let partition = try cluster.partition()
        #expect(partition.leader == .none && partition.eligibleLeaders == ids(3))
        cluster.start(3)
        #expect(try cluster.partition().leader == NodeId(3))
    }

    @Test func `a broker that is back before its session ended, and lost records, leaves the in-sync set first`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "2"])
        cluster.start(1, stoppedInOrder: false)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(2) && partition.inSync == ids(2, 3) && partition.eligibleLeaders.isEmpty)
    }

    @Test func `a partition without another replica is led by the one that it has, however that stopped`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1]])
        cluster.start(1, stoppedInOrder: false)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(1) && partition.inSync == ids(1) && !partition.isRecovering)
    }

    @Test func `the last known leader leads when nobody is eligible, and has to recover`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2]], ["min.insync.replicas": "2"])
        cluster.fence(2)
        cluster.fence(1)
        cluster.start(2, stoppedInOrder: false)
        #expect(try cluster.partition().leader == .none)
        cluster.start(1, stoppedInOrder: false)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(1) && partition.inSync == ids(1) && partition.isRecovering)
    }

    @Test(arguments: ["false", "true"])
    func `a replica that is out of sync leads only where the topic lets it, and has to recover`(isAllowed: String) throws {
        var cluster = try ReplicatedCluster(eligible: 0)
        try cluster.create([[1, 2]], ["unclean.leader.election.enable": isAllowed])
        cluster.fence(2)
        cluster.start(2)
        cluster.fence(1)
        let partition = try cluster.partition()
        #expect(partition.leader == (isAllowed == "true" ? NodeId(2) : .none))
        #expect(partition.inSync == (isAllowed == "true" ? ids(2) : ids(1)))
        #expect(partition.isRecovering == (isAllowed == "true"))
    }

    @Test func `a broker that shuts down hands over what others can lead`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]])
        cluster.shutDown(1)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(2) && partition.inSync == ids(2, 3))
    }

    @Test func `a broker that is unregistered is neither in sync nor eligible`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]], ["min.insync.replicas": "3"])
        cluster.fence(3)
        #expect(try cluster.partition().eligibleLeaders == ids(3))
        cluster.commit(cluster.controller.partitionsUnregistered(from: NodeId(3)))
        #expect(try cluster.partition().eligibleLeaders.isEmpty)
    }

    // MARK: On request

    @Test func `the preferred leader is elected if it is in sync, and only then`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]])
        #expect(cluster.elect(0) == .electionNotNeeded)
        cluster.fence(1)
        #expect(cluster.elect(0) == .preferredLeaderNotAvailable)
        cluster.start(1)
        #expect(cluster.elect(0) == .preferredLeaderNotAvailable)
        #expect(try cluster.alter([2, 3, 1]).errorCode == .none)
        #expect(cluster.elect(0) == .none)
        #expect(try cluster.partition().leader == NodeId(1))
    }

    @Test func `preferred leaders are put back by themselves`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3], [2, 3, 1]])
        cluster.fence(1)
        cluster.start(1)
        #expect(cluster.controller.balanceLeaders().isEmpty)
        _ = try cluster.alter([2, 3, 1])
        let records = cluster.controller.balanceLeaders()
        #expect(records.count == 1)
        cluster.commit(records)
        #expect(try cluster.partition().leader == NodeId(1))
        #expect(cluster.controller.balanceLeaders().isEmpty)
    }

    @Test func `an unclean election on request leads a partition that has no leader, and no other`() throws {
        var cluster = try ReplicatedCluster(eligible: 0)
        try cluster.create([[1, 2]])
        #expect(cluster.elect(1) == .electionNotNeeded)
        cluster.fence(2)
        cluster.fence(1)
        #expect(cluster.elect(1) == .eligibleLeadersNotAvailable)
        cluster.start(2)
        #expect(cluster.elect(1) == .none)
        let partition = try cluster.partition()
        #expect(partition.leader == NodeId(2) && partition.isRecovering && partition.inSync == ids(2))
    }

    @Test func `an election names what there is not`() throws {
        let cluster = try ReplicatedCluster()
        let decision = cluster.controller.electLeaders(
            ElectLeadersRequest {
                $0.topicPartitions = [
                    ElectLeadersRequest.TopicPartitions {
                        $0.topic = "none"
                        $0.partitions = [0]
                    }
                ]
            })
        #expect(decision.reply.replicaElectionResults[0].partitionResult[0].errorCode == .unknownTopicOrPartition)
        #expect(cluster.controller.electLeaders(ElectLeadersRequest { $0.electionType = 7 }).reply.errorCode == .invalidRequest)
    }
}
