// Every recorded request of controllers and brokers among themselves, sent to the listener of our controller: each is answered
// in its version, whatever it asks for, and the controller goes on.

import Broker
import Bytes
import Testing
import WireProtocol

@Suite struct ControllerFrameTests {
    private static let settings = [
        // The cluster that the frames were recorded of.
        "cluster.id": "GoldenClusterAAAAAAAAA",
        "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0", "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    ]
    private static let keys: Set<ApiKey> = [
        .vote, .beginQuorumEpoch, .endQuorumEpoch, .fetchSnapshot, .describeQuorum, .brokerRegistration, .brokerHeartbeat,
        .controllerRegistration, .allocateProducerIds, .assignReplicasToDirs, .addRaftVoter, .removeRaftVoter,
        .updateRaftVoter, .unregisterBroker, .envelope, .fetch,
    ]

    @Test func `answers what nodes of a cluster asked each other`() throws {
        try withBroker(Self.settings) { broker in
            var answered: [Int16: Int] = [:]
            for frame in try Golden.frames() where frame.isRequest && frame.peer.contains("controller") {
                guard let key = ApiKey(rawValue: frame.key), Self.keys.contains(key) else { continue }
                let peer = try Peer(port: broker.port)
                let bytes = try Golden.bytes("wire/\(frame.file)")
                peer.send(bytes)
                guard case .frame(let answer) = peer.receive() else {
                    Issue.record("\(frame.file): no answer")
                    continue
                }
                let (id, _) = try readResponse(answer, key, frame.version)
                #expect(id == ByteSlice(bytes).load(Int32.self, at: 4), "\(frame.file)")
                answered[frame.key, default: 0] += 1
            }
            #expect(Set(answered.keys) == Set(Self.keys.map(\.rawValue)))
            print("requests among nodes: \(answered.values.reduce(0, +))")
            let software = ApiVersionsRequest {
                $0.clientSoftwareName = "test"
                $0.clientSoftwareVersion = "1"
            }
            #expect(try Peer(port: broker.port).call(software, version: 4).errorCode == .none)
        }
    }
}
