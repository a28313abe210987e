// The quorum's requests on the controller listener: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot of the
// metadata log. The quorum answers when what its answer rests on is durable.

internal import Basics
internal import Bytes
internal import Environment
internal import Log
internal import Raft
internal import WireProtocol

enum QuorumHandler {
    static func vote(_ request: VoteRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(VoteResponse { $0.errorCode = .inconsistentClusterId })
        }
        ask(call, { request.decoded(for: $0) }) { answer, _, leader in
            guard let answer else { return VoteResponse { $0.errorCode = .invalidRequest } }
            var response = VoteResponse(answer)
            response.nodeEndpoints = leader.map { leader in
                VoteResponse.NodeEndpoint { $0.nodeId = leader.id; $0.host = leader.host; $0.port = leader.port }
            }
            return response
        }
    }

    static func begin(_ request: BeginQuorumEpochRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(BeginQuorumEpochResponse { $0.errorCode = .inconsistentClusterId })
        }
        let endpoints = request.leaderEndpoints.map { ($0.name, $0.host, $0.port) }
        ask(call, from: endpoints, { request.decoded(for: $0) }) { answer, _, leader in
            guard let answer else { return BeginQuorumEpochResponse { $0.errorCode = .invalidRequest } }
            var response = BeginQuorumEpochResponse(answer)
            response.nodeEndpoints = leader.map { leader in
                BeginQuorumEpochResponse.NodeEndpoint { $0.nodeId = leader.id; $0.host = leader.host; $0.port = leader.port }
            }
            return response
        }
    }

    static func end(_ request: EndQuorumEpochRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(EndQuorumEpochResponse { $0.errorCode = .inconsistentClusterId })
        }
        ask(call, { _ in request.decoded() }) { answer, _, leader in
            guard let answer else { return EndQuorumEpochResponse { $0.errorCode = .invalidRequest } }
            var response = EndQuorumEpochResponse(answer)
            response.nodeEndpoints = leader.map { leader in
                EndQuorumEpochResponse.NodeEndpoint { $0.nodeId = leader.id; $0.host = leader.host; $0.port = leader.port }
            }
            return response
        }
    }

    static func fetch(_ request: FetchRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(FetchResponse { $0.errorCode = .inconsistentClusterId })
        }
        let version = call.version
        ask(call, { _ in request.decoded(version: version) }) { answer, records, leader in
            guard let answer else { return FetchResponse { $0.errorCode = .invalidRequest } }
            var response = FetchResponse(answer, records, logStart: .zero)
            response.nodeEndpoints = leader.map { leader in
                FetchResponse.NodeEndpoint { $0.nodeId = leader.id; $0.host = leader.host; $0.port = Int32(leader.port) }
            }
            return response
        }
    }

    static func fetchSnapshot(_ request: FetchSnapshotRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(FetchSnapshotResponse { $0.errorCode = .inconsistentClusterId })
        }
        let named = request.topics.first.flatMap { topic in topic.partitions.first.map { (topic.name, $0.partition) } }
        if let named, TopicPartition(named.0, named.1) != MetadataStore.partition {
            return call.answer(FetchSnapshotResponse(unknown: named.0, named.1))
        }
        ask(call, { _ in request.decoded() }) { answer, bytes, leader in
            guard let answer else { return FetchSnapshotResponse { $0.errorCode = .invalidRequest } }
            var response = FetchSnapshotResponse(answer, bytes)
            response.nodeEndpoints = leader.map { leader in
                FetchSnapshotResponse.NodeEndpoint { $0.nodeId = leader.id; $0.host = leader.host; $0.port = leader.port }
            }
            return response
        }
    }

    private static func isOfThisCluster(_ id: String?, _ call: Call) -> Bool {
        id == nil || id == call.shard.broker.identity.clusterId
    }

    /// Where the leader that an answer names is; empty if that is not known.
    private typealias Leader = [(id: Int32, host: String, port: UInt16)]

    /// Hands the request to the quorum; `respond` gets nil if it makes no sense.
    private static func ask<Response: ResponseMessage>(
        _ call: Call, from endpoints: [(String, String, UInt16)] = [], _ decode: @escaping @Sendable (ReplicaKey) -> QuorumRequest?,
        _ respond: @escaping @Sendable (QuorumAnswer?, RecordsField, Leader) -> Response
    ) {
        let broker = call.shard.broker
        let waiting = Confined(call, to: call.loop)
        broker.controllerLoop.post {
            let answer: (QuorumAnswer?, RecordsField, Leader) -> Void = { answer, records, leader in
                waiting.confinement.post { waiting.value.answer(respond(answer, records, leader)) }
            }
            guard let driver = broker.withState({ $0.driver })?.value, let request = decode(driver.quorum.local) else {
                return answer(nil, .none, [])
            }
            if case .beginEpoch(let epoch, let leader, _) = request, epoch >= driver.epoch { driver.note(leader, at: endpoints) }
            driver.receive(request) { found, records in
                let address = driver.controllerAddress(found.leader)
                answer(found, records, address.map { [(found.leader.rawValue, $0.host, $0.port)] } ?? [])
            }
        }
    }
}
