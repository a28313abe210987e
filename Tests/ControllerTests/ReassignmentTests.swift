// Moving partitions: replicas are added, caught up, and only then others removed.

import Basics
import ClusterImage
import Controller
import Testing
import WireProtocol

@Suite struct ReassignmentTests {
    private static func make() throws -> ReplicatedCluster {
        var cluster = try ReplicatedCluster(brokers: 4)
        try cluster.create([[1, 2]])
        return cluster
    }

    @Test func `a move adds first, and removes when the new replicas are in sync`() throws {
        var cluster = try Self.make()
        #expect(cluster.reassign([2, 3]) == .none)
        let moving = try cluster.partition()
        #expect(moving.replicas == ids(2, 3, 1) && moving.adding == ids(3) && moving.removing == ids(1))
        #expect(moving.leader == NodeId(1) && moving.leaderEpoch == LeaderEpoch(0))
        #expect(moving.directories.count == 3)
        // The leader is the one that goes: it hears of it, and not that it still leads.
        #expect(try cluster.alter([1, 2, 3]).errorCode == .newLeaderElected)
        let moved = try cluster.partition()
        #expect(moved.replicas == ids(2, 3) && moved.adding.isEmpty && moved.removing.isEmpty)
        #expect(moved.leader == NodeId(2) && moved.inSync == ids(2, 3) && moved.leaderEpoch == LeaderEpoch(1))
    }

    @Test func `a replica that is removed is fenced by a new epoch of the same leader`() throws {
        var cluster = try Self.make()
        #expect(cluster.reassign([1, 3]) == .none)
        #expect(try cluster.alter([1, 2, 3]).errorCode == .none)
        let moved = try cluster.partition()
        #expect(moved.replicas == ids(1, 3) && moved.leader == NodeId(1) && moved.leaderEpoch == LeaderEpoch(1))
    }

    @Test func `another order of the same replicas needs no move`() throws {
        var cluster = try Self.make()
        #expect(cluster.reassign([2, 1]) == .none)
        let partition = try cluster.partition()
        #expect(partition.replicas == ids(2, 1) && partition.adding.isEmpty && partition.leader == NodeId(1))
    }

    @Test func `a move is called off, and the former replicas stay`() throws {
        var cluster = try Self.make()
        #expect(cluster.reassign(nil) == .noReassignmentInProgress)
        _ = cluster.reassign([3, 4])
        #expect(cluster.reassign(nil) == .none)
        let partition = try cluster.partition()
        #expect(partition.replicas == ids(1, 2) && partition.inSync == ids(1, 2) && partition.leader == NodeId(1))
        #expect(partition.adding.isEmpty && partition.removing.isEmpty)
    }

    @Test func `a move is not called off when only new replicas are in sync`() throws {
        var cluster = try Self.make()
        _ = cluster.reassign([3, 4])
        #expect(try cluster.alter([1, 3]).errorCode == .none)
        cluster.fence(1)
        #expect(try cluster.partition().leader == NodeId(3))
        #expect(cluster.reassign(nil) == .invalidReplicaAssignment)
    }

    @Test func `the factor changes only if the request lets it`() throws {
        var cluster = try Self.make()
        #expect(cluster.reassign([1, 2, 3], mayChangeFactor: false) == .invalidReplicationFactor)
        #expect(cluster.reassign([2, 1], mayChangeFactor: false) == .none)
        #expect(cluster.reassign([1, 2, 3]) == .none)
        #expect(try cluster.partition().adding == ids(3))
        // Of the move under way, the target counts.
        #expect(cluster.reassign([1, 2, 4], mayChangeFactor: false) == .none)
    }

    @Test func `only brokers that are registered, each once`() throws {
        var cluster = try Self.make()
        #expect(cluster.reassign([]) == .invalidReplicaAssignment)
        #expect(cluster.reassign([1, 9]) == .invalidReplicaAssignment)
        #expect(cluster.reassign([1, 1]) == .invalidReplicaAssignment)
    }

    @Test func `moves are listed while they last`() throws {
        var cluster = try Self.make()
        let all = ListPartitionReassignmentsRequest { $0.topics = nil }
        #expect(cluster.controller.listReassignments(all).topics.isEmpty)
        _ = cluster.reassign([2, 3])
        let listed = cluster.controller.listReassignments(all)
        let move = try #require(listed.topics.first?.partitions.first)
        #expect(move.addingReplicas == [3] && move.removingReplicas == [1] && move.replicas == [2, 3, 1])
        _ = try cluster.alter([1, 2, 3])
        #expect(cluster.controller.listReassignments(all).topics.isEmpty)
    }
}
