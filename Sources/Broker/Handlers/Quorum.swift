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
        ask(call, { request.decoded(for: $0) }) { answer, _ in
            guard let answer else { return VoteResponse { $0.errorCode = .invalidRequest } }
            return VoteResponse(answer)
        }
    }

    static func begin(_ request: BeginQuorumEpochRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(BeginQuorumEpochResponse { $0.errorCode = .inconsistentClusterId })
        }
        ask(call, { request.decoded(for: $0) }) { answer, _ in
            guard let answer else { return BeginQuorumEpochResponse { $0.errorCode = .invalidRequest } }
            return BeginQuorumEpochResponse(answer)
        }
    }

    static func end(_ request: EndQuorumEpochRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(EndQuorumEpochResponse { $0.errorCode = .inconsistentClusterId })
        }
        ask(call, { _ in request.decoded() }) { answer, _ in
            guard let answer else { return EndQuorumEpochResponse { $0.errorCode = .invalidRequest } }
            return EndQuorumEpochResponse(answer)
        }
    }

    static func fetch(_ request: FetchRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(FetchResponse { $0.errorCode = .inconsistentClusterId })
        }
        let version = call.version
        ask(call, { _ in request.decoded(version: version) }) { answer, records in
            guard let answer else { return FetchResponse { $0.errorCode = .invalidRequest } }
            return FetchResponse(answer, records, logStart: .zero)
        }
    }

    static func fetchSnapshot(_ request: FetchSnapshotRequest, _ call: Call) {
        guard isOfThisCluster(request.clusterId, call) else {
            return call.answer(FetchSnapshotResponse { $0.errorCode = .inconsistentClusterId })
        }
        ask(call, { _ in request.decoded() }) { answer, bytes in
            guard let answer else { return FetchSnapshotResponse { $0.errorCode = .invalidRequest } }
            return FetchSnapshotResponse(answer, bytes)
        }
    }

    private static func isOfThisCluster(_ id: String?, _ call: Call) -> Bool {
        id == nil || id == call.shard.broker.identity.clusterId
    }

    /// Hands the request to the quorum; `respond` gets nil if it makes no sense.
    private static func ask<Response: ResponseMessage>(
        _ call: Call, _ decode: @escaping @Sendable (ReplicaKey) -> QuorumRequest?,
        _ respond: @escaping @Sendable (QuorumAnswer?, RecordsField) -> Response
    ) {
        let broker = call.shard.broker
        let waiting = Confined(call, to: call.loop)
        broker.controllerLoop.post {
            let answer: (QuorumAnswer?, RecordsField) -> Void = { answer, records in
                waiting.confinement.post { waiting.value.answer(respond(answer, records)) }
            }
            guard let driver = broker.withState({ $0.driver })?.value, let request = decode(driver.quorum.local) else {
                return answer(nil, .none)
            }
            driver.receive(request) { answer($0, $1) }
        }
    }
}
