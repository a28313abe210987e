// The promises of a client about brokers that give their leaders away, stall or go.

import Basics
import Bytes
import Channel
import Client
import Environment
import Testing
import WireProtocol

@Suite struct LeaderChangeTests {
    private let cluster = FakeCluster()
    private let partition = TopicPartition("t", 0)

    private func producer() -> Producer {
        var settings = ProducerSettings()
        settings.idempotence = .off
        return Producer(cluster.client(), settings)
    }

    private func send(_ text: String, _ producer: Producer) -> Box<Result<Delivery, ClientError>> {
        let box = Box<Result<Delivery, ClientError>>()
        producer.send(ProducerRecord(text, partition: 0), to: "t") { box.values.append($0) }
        return box
    }

    private func metadataRequests() -> Int { cluster.brokers.values.reduce(0) { $0 + $1.count(.metadata) } }

    @Test func `a refusal that names the new leader is followed at once without asking`() {
        let producer = producer()
        let first = send("a", producer)
        #expect(cluster.world.loop.pass { !first.values.isEmpty })
        let asked = metadataRequests()
        cluster.hintsLeaders = true
        cluster.leaders = [2]
        let second = send("b", producer)
        #expect(cluster.world.loop.pass(upTo: .milliseconds(20)) { !second.values.isEmpty })
        #expect(cluster.values() == ["a", "b"] && metadataRequests() == asked)
    }

    @Test func `a refusal that names nobody is followed by the metadata`() {
        let producer = producer()
        let first = send("a", producer)
        #expect(cluster.world.loop.pass { !first.values.isEmpty })
        cluster.leaders = [2]
        let second = send("b", producer)
        #expect(cluster.world.loop.pass { !second.values.isEmpty })
        #expect(cluster.values() == ["a", "b"])
    }

    @Test(arguments: [ErrorCode.notEnoughReplicas, .notEnoughReplicasAfterAppend, .notLeaderOrFollower, .kafkaStorageError])
    func `what may succeed later is sent again within the deadline`(code: ErrorCode) throws {
        let producer = producer()
        cluster.produceErrors = Array(repeating: code, count: 5)
        let box = send("a", producer)
        #expect(cluster.world.loop.pass { !box.values.isEmpty })
        #expect(try box.only?.get().offset == .zero)
        #expect(cluster.produceRequests.count == 6)
    }

    @Test func `a broker that takes connections and says nothing is passed over`() {
        // The only address at first is that of broker 1, and then it stalls.
        let client = cluster.client()
        let known = Box<Result<ClusterMetadata, ClientError>>()
        client.refreshMetadata(topics: ["t"], deadline: client.loop.now + .seconds(10)) { known.values.append($0) }
        #expect(cluster.world.loop.pass { !known.values.isEmpty })
        cluster.brokers[1]?.on(MetadataRequest.self) { _, _ in .silence }
        let found = Box<Result<ClusterMetadata, ClientError>>()
        client.refreshMetadata(topics: ["t"], deadline: client.loop.now + .seconds(10)) { found.values.append($0) }
        #expect(cluster.world.loop.pass(upTo: .seconds(5)) { !found.values.isEmpty })
        guard case .success? = found.only else { return #expect(Bool(false), "\(found.values)") }
    }

    @Test func `when all known brokers are gone the bootstrap addresses are asked again`() {
        let client = cluster.client { $0.bootstrap = [cluster.world.address(1), cluster.world.address(9)] }
        let known = Box<Result<ClusterMetadata, ClientError>>()
        client.refreshMetadata(topics: ["t"], deadline: client.loop.now + .seconds(10)) { known.values.append($0) }
        #expect(cluster.world.loop.pass { !known.values.isEmpty })
        for broker in cluster.brokers.values { broker.isDown = true }
        let fresh = FakeBroker()
        fresh.on(MetadataRequest.self) { _, _ in
            .answer(
                MetadataResponse {
                    $0.clusterId = "fake"
                    $0.brokers = [
                        MetadataResponse.MetadataResponseBroker {
                            $0.nodeId = 9
                            $0.host = "broker"
                            $0.port = 9
                        }
                    ]
                })
        }
        cluster.world.network.brokers[9] = fresh
        for connection in cluster.world.network.connections { connection.hangUp() }
        let found = Box<Result<ClusterMetadata, ClientError>>()
        client.refreshMetadata(topics: [], deadline: client.loop.now + .seconds(10)) { found.values.append($0) }
        #expect(cluster.world.loop.pass { !found.values.isEmpty })
        #expect(client.metadata.brokers.map(\.id) == [NodeId(9)])
    }
}
