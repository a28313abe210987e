// A broker of the cluster that is a test: it registers, beats, and fetches as a follower, as it is told to.

import Basics
import Bytes
import WireProtocol

extension Peer {
    static let cluster = "5L6g3nShT-eMCtK--X86sw"
    /// A node that listens for controllers, too, and hears of others for a minute.
    static let controllerSettings = [
        "cluster.id": cluster, "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        "controller.listener.names": "CONTROLLER", "broker.session.timeout.ms": "60000",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    ]

    /// Registers broker `id` with the controller.
    func register(_ id: Int32) throws -> BrokerRegistrationResponse {
        let request = BrokerRegistrationRequest {
            $0.brokerId = id
            $0.clusterId = Peer.cluster
            $0.incarnationId = Uuid(high: 5, low: UInt64(id))
            $0.logDirs = [Uuid(high: 6, low: UInt64(id))]
            $0.listeners = [
                BrokerRegistrationRequest.Listener {
                    $0.name = "PLAINTEXT"
                    $0.host = "127.0.0.1"
                    $0.port = 1
                }
            ]
            $0.features = [
                BrokerRegistrationRequest.Feature {
                    $0.name = "metadata.version"
                    $0.minSupportedVersion = 7
                    $0.maxSupportedVersion = 33
                }
            ]
        }
        return try call(request, version: 4)
    }

    /// The broker has seen its own registration, and serves or is about to stop.
    func beat(_ id: Int32, epoch: Int64, stopping: Bool = false) throws -> BrokerHeartbeatResponse {
        let request = BrokerHeartbeatRequest {
            $0.brokerId = id
            $0.brokerEpoch = epoch
            $0.currentMetadataOffset = epoch
            $0.wantShutDown = stopping
        }
        return try call(request, version: 1)
    }

    /// Makes `topic` with one partition that has these replicas; answers its id.
    func create(_ topic: String, on brokers: [Int32]) throws -> Uuid {
        let request = CreateTopicsRequest {
            $0.timeoutMs = 10_000
            $0.topics = [
                CreateTopicsRequest.CreatableTopic {
                    $0.name = topic
                    $0.numPartitions = -1
                    $0.replicationFactor = -1
                    $0.assignments = [CreateTopicsRequest.CreatableReplicaAssignment { $0.brokerIds = brokers }]
                }
            ]
        }
        let result = try call(request, version: 7).topics[0]
        guard result.errorCode == .none else { throw TestFailure("\(topic) was not made: \(result.errorCode)") }
        return result.topicId
    }
}
