// What the controller answers to a broker that stops (KIP-631): it hands over first, and goes when all others have seen that.

import Basics
import ClusterImage
import Controller
import Testing
import WireProtocol

@Suite struct HeartbeatTests {
    private static func farewell(_ cluster: ReplicatedCluster, _ id: Int32) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            $0.brokerId = id
            $0.brokerEpoch = cluster.controller.image.brokers[NodeId(id)]?.epoch ?? -1
            $0.currentMetadataOffset = cluster.controller.image.endOffset.rawValue - 1
            $0.wantShutDown = true
        }
    }

    @Test func `a broker that stops hands over, waits for the others to see it, and is fenced when it goes`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[1, 2, 3]])
        let first = cluster.controller.beat(Self.farewell(cluster, 1), mayGo: true)
        #expect(!first.reply.shouldShutDown && !first.records.isEmpty)
        cluster.commit(first.records)
        #expect(try cluster.partition().leader == NodeId(2))
        #expect(cluster.controller.serving(beside: NodeId(1)) == ids(2, 3))
        let early = cluster.controller.beat(Self.farewell(cluster, 1), mayGo: false)
        #expect(!early.reply.shouldShutDown && !early.reply.isFenced && early.records.isEmpty)
        let last = cluster.controller.beat(Self.farewell(cluster, 1), mayGo: true)
        #expect(last.reply.shouldShutDown && last.reply.isFenced)
        cluster.commit(last.records)
        #expect(cluster.controller.image.brokers[NodeId(1)]?.isFenced == true)
        #expect(cluster.controller.beat(Self.farewell(cluster, 1), mayGo: false).reply.shouldShutDown)
    }

    @Test func `nobody waits for a broker that stops itself, or is fenced`() throws {
        var cluster = try ReplicatedCluster()
        cluster.shutDown(2)
        cluster.fence(3)
        #expect(cluster.controller.serving(beside: NodeId(1)).isEmpty)
    }

    @Test func `a broker without anything to hand over goes at once`() throws {
        var cluster = try ReplicatedCluster()
        try cluster.create([[2, 3]])
        let only = cluster.controller.beat(Self.farewell(cluster, 1), mayGo: false)
        #expect(only.reply.shouldShutDown && !only.records.isEmpty)
    }
}
