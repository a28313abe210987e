// The promises of a plan: what may stay stays, leaders are in sync, racks differ, what cannot move is told.

import Basics
import Client
import Environment
import Testing
import WireProtocol

@Suite struct ReplicaPlanTests {
    private func node(_ id: Int32, rack: String? = nil, fenced: Bool = false) -> NodeInfo {
        NodeInfo(
            broker: BrokerInfo(id: NodeId(id), address: SocketAddress(host: "h", port: 1), rack: rack), isFenced: fenced)
    }

    private func topic(_ replicas: [[Int32]], inSync: [[Int32]]? = nil) -> TopicInfo {
        let partitions = replicas.enumerated().map { index, ids in
            PartitionInfo(
                partition: Int32(index), leader: NodeId(ids[0]), leaderEpoch: LeaderEpoch(0), replicas: ids.map(NodeId.init),
                inSync: (inSync?[index] ?? ids).map(NodeId.init), offline: [])
        }
        return TopicInfo(name: "t", id: .zero, error: .none, isInternal: false, partitions: partitions)
    }

    private func ids(_ move: ReplicaMove?) -> [Int32]? { move?.to.map(\.rawValue) }

    @Test func `a drained broker becomes the last replica, and leaders are spread`() {
        var plan = ReplicaPlan([topic([[1, 2, 3], [1, 2, 3], [2, 1, 3]])], [node(1), node(2), node(3)])
        plan.moveLeaders(from: NodeId(1))
        #expect(plan.moves.map { $0.to.map(\.rawValue) } == [[3, 2, 1], [2, 3, 1]])
        #expect(plan.moves.allSatisfy { !$0.copies } && plan.stuck.isEmpty)
    }

    @Test func `only a replica that lives and is in sync is to lead`() {
        let topics = [topic([[1, 2, 3], [1, 2], [1]], inSync: [[1, 3], [1], [1]])]
        var plan = ReplicaPlan(topics, [node(1), node(2), node(3)])
        plan.moveLeaders(from: NodeId(1))
        #expect(plan.moves.map { $0.to.map(\.rawValue) } == [[3, 2, 1]])
        #expect(plan.stuck.map(\.partition.partition) == [1, 2])
    }

    @Test func `replicas go to the brokers that have the fewest, and others stay`() {
        var plan = ReplicaPlan([topic([[1, 2], [2, 1], [1, 4]])], [node(1), node(2), node(3), node(4)])
        plan.moveReplicas(from: NodeId(1))
        #expect(plan.moves.map { $0.to.map(\.rawValue) } == [[2, 3], [2, 3], [4, 2]])
        #expect(plan.moves.allSatisfy { move in move.copies && !move.to.contains(NodeId(1)) })
    }

    @Test func `a new replica goes to another rack if there is one`() {
        let nodes = [node(1, rack: "a"), node(2, rack: "b"), node(3, rack: "b"), node(4, rack: "a")]
        var plan = ReplicaPlan([topic([[1, 2]])], nodes)
        plan.moveReplicas(from: NodeId(1))
        #expect(ids(plan.moves.first) == [2, 4])
    }

    @Test func `what has nowhere to go is told, and fenced brokers take nothing`() {
        var plan = ReplicaPlan([topic([[1, 2, 3]])], [node(1), node(2), node(3), node(4, fenced: true)])
        plan.moveReplicas(from: NodeId(1))
        #expect(plan.moves.isEmpty && plan.stuck.count == 1)
    }

    @Test func `a spread changes the number of replicas`() {
        var plan = ReplicaPlan([topic([[1, 2, 3]])], [node(1), node(2), node(3)])
        plan.spread(["t"], on: [NodeId(2), NodeId(3)], factor: 1)
        #expect(ids(plan.moves.first) == [2])
        var same = ReplicaPlan([topic([[1, 2, 3]])], [node(1), node(2), node(3)])
        same.spread([], on: [NodeId(1), NodeId(2), NodeId(3)], factor: nil)
        #expect(same.moves.isEmpty)
    }
}
