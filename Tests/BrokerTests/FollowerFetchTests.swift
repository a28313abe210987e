// A leader's answers to a follower, and what becomes of a leader whose place another process has taken.

import Basics
import Bytes
import Testing
import WireProtocol

@Suite struct FollowerFetchTests {
    /// A fetch of broker 9, which may wait for a minute.
    private static func fetch(_ topic: Uuid, from offset: Int64, knowing mark: Int64, _ epoch: Int64) -> FetchRequest {
        FetchRequest {
            $0.replicaState.replicaId = 9
            $0.replicaState.replicaEpoch = epoch
            $0.maxWaitMs = 60_000
            $0.minBytes = 1
            $0.maxBytes = 1 << 20
            $0.sessionEpoch = -1
            $0.topics = [
                FetchRequest.FetchTopic {
                    $0.topicId = topic
                    $0.partitions = [
                        FetchRequest.FetchPartition {
                            $0.fetchOffset = offset
                            $0.partitionMaxBytes = 1 << 20
                            $0.highWatermark = mark
                        }
                    ]
                }
            ]
        }
    }

    @Test func `a follower hears at once of a high watermark that it does not know, and waits when it knows all`() throws {
        try withBroker(Peer.controllerSettings) { broker in
            let controller = try Peer(port: broker.ports[0])
            let epoch = try controller.register(9).brokerEpoch
            #expect(try !controller.beat(9, epoch: epoch).isFenced)
            let peer = try Peer(port: broker.ports[1])
            let topic = try peer.create("t", on: [1, 9])
            #expect(try peer.produce(try batch(), to: "t", acks: 1).errorCode == .none)
            func answer() throws -> FetchResponse.PartitionData {
                try peer.answer(to: FetchRequest.self, version: 18).responses[0].partitions[0]
            }
            peer.send(Self.fetch(topic, from: 0, knowing: 0, epoch), version: 18)
            #expect(try answer().records.count > 0)
            // It holds all now, so that all is committed.
            peer.send(Self.fetch(topic, from: 3, knowing: 0, epoch), version: 18)
            let news = try answer()
            #expect(news.highWatermark == 3 && news.records.count == 0)
            // The produce on the same connection is begun behind the fetch, which must be waiting then.
            peer.send(Self.fetch(topic, from: 3, knowing: 3, epoch), version: 18)
            peer.send(Peer.production(try batch(), to: "t", acks: 1), version: 9)
            #expect(try answer().records.count > 0)
            #expect(try peer.produced().errorCode == .none)
            // Who serves would have to see first what the node hands over.
            _ = try controller.beat(9, epoch: epoch, stopping: true)
        }
    }

    @Test func `a process whose place another has taken leads no more, whatever the metadata say of its node`() throws {
        try withFolder { folder in
            let port = try Peer.freePort()
            let common = Peer.controllerSettings.merging(["controller.quorum.voters": "1@127.0.0.1:\(port)"]) { $1 }
            let controller = try TestBroker(
                folder: folder + "/c",
                common.merging(["process.roles": "controller", "listeners": "CONTROLLER://127.0.0.1:\(port)"]) { $1 })
            let node = try TestBroker(
                folder: folder + "/b",
                common.merging(["process.roles": "broker", "node.id": "2", "listeners": "PLAINTEXT://127.0.0.1:0"]) { $1 })
            defer {
                node.kill()
                controller.kill()
            }
            let peer = try Peer(port: node.port)
            _ = try peer.create("t", on: [2])
            // The node hears of the topic a little later than its controller.
            let patience = now() + 30_000
            while try peer.produce(try batch(), to: "t").errorCode != .none, now() < patience {}
            // The controller believes that the process ends; then another is the node, and is heard.
            let other = try Peer(port: controller.port)
            var isTaken = false
            while !isTaken, now() < patience {
                _ = try other.beat(2, epoch: node.epoch, stopping: true)
                let registered = try other.register(2)
                guard registered.errorCode == .none else { continue }
                isTaken = try other.beat(2, epoch: registered.brokerEpoch).errorCode == .none
            }
            // The metadata say all the time that node 2 leads.
            var code = ErrorCode.none
            let deadline = now() + 30_000
            while code == .none, now() < deadline { code = try peer.produce(try batch(), to: "t").errorCode }
            #expect(code == .notLeaderOrFollower)
        }
    }
}
