// Requests of clients that the active controller decides, when it is another node (KIP-590): the broker puts the frame as it came
// into an Envelope; the controller answers it as if it had come there, and the broker passes that answer on.
//
// On the controller's side an enveloped request is a call like any other; its answer goes into the envelope's. One that says that
// this controller decides no more does not: the envelope says so instead, and the broker asks the next controller.

internal import Basics
package import Bytes
internal import Configuration
internal import Environment
package import WireProtocol

enum Forwarding {
    /// How long a broker looks for the controller.
    private static let patience: Duration = .seconds(30)

    /// Requests that only the active controller can answer.
    static let keys: Set<ApiKey> = [
        .createTopics, .deleteTopics, .createPartitions, .alterConfigs, .incrementalAlterConfigs, .describeQuorum,
        .unregisterBroker, .unregisterController, .updateFeatures, .addRaftVoter, .removeRaftVoter, .electLeaders, .alterPartitionReassignments,
        .listPartitionReassignments,
    ]

    /// Whether another node decides, or may before the answer is there. This node's own controller is asked in the same way then.
    static func isDue(_ broker: Broker) -> Bool { broker.node.hasQuorumPeers || !broker.isActiveController }

    /// Sends the request in `frame` to the active controller, wherever that is, until one has decided.
    static func forward(_ frame: ByteSlice, _ call: Call) {
        let request = EnvelopeRequest {
            $0.requestData = ByteSlice(frame.array)
            $0.requestPrincipal = ByteSlice(principal)
            $0.clientHostAddress = ByteSlice(address(call.context.origin.remoteAddress.host))
        }
        call.shard.broker.ask(request, timeout: patience, on: call.loop) { result in
            switch result {
            case .success(let response):
                guard !response.errorCode.isError, let data = response.responseData else {
                    return call.fail("the controller does not take a forwarded request: \(response.errorCode)")
                }
                call.answer(frame: data)
            case .failure(let failure): call.fail("a forwarded request came to nothing: \(failure)")
            }
        }
    }

    /// `User:ANONYMOUS`, as Kafka serializes it: version, type, name, by no delegation token, no tags.
    private static let principal: [UInt8] = [0, 0, 5] + Array("User".utf8) + [10] + Array("ANONYMOUS".utf8) + [0, 0]

    /// The bytes of an address of version 4; of this host for what is no such address.
    private static func address(_ host: String) -> [UInt8] {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        let bytes = parts.compactMap { $0 }
        return parts.count == 4 && bytes.count == 4 ? bytes : [127, 0, 0, 1]
    }
}

extension EnvelopeRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        guard let open = driver.outlets.openEnvelope else { return completion(.failure(.stopped)) }
        open(requestData) { completion(.success($0)) }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

/// An enveloped request under way. Owner: the controller's loop.
final class EnvelopedRequest: CallSink {
    private let shard: Shard
    private var completion: ((EnvelopeResponse) -> Void)?

    init(_ shard: Shard, _ completion: @escaping (EnvelopeResponse) -> Void) {
        self.shard = shard
        self.completion = completion
    }

    /// Answers the request in `frame` as the clients' listener would.
    func begin(_ frame: ByteSlice) {
        var reader = ByteReader(frame)
        guard let header = try? RequestHeader(from: &reader), let key = header.apiKey, let api = ApiTable[key],
            Forwarding.keys.contains(key), api.versions.contains(header.requestApiVersion)
        else { return end(EnvelopeResponse { $0.errorCode = .invalidRequest }) }
        let nowhere = SocketAddress(host: "", port: 0)
        let context = RequestContext(
            apiKey: key, version: header.requestApiVersion, correlationId: header.correlationId,
            clientId: header.clientId,
            origin: Origin(listener: "", kind: .broker, remoteAddress: nowhere, localAddress: nowhere))
        shard.began(frame.count)
        let call = Call(context: context, shard: shard, connection: self, slot: 0, frameCount: frame.count)
        do {
            try api.handle(&reader, call)
        } catch {
            call.fail("\(error)")
        }
    }

    private func end(_ response: EnvelopeResponse) {
        let completion = completion
        self.completion = nil
        completion?(response)
    }

    var isClosed: Bool { completion == nil }

    func complete(_ slot: UInt64, with pieces: [Outgoing], of call: Call) {
        var bytes: [UInt8] = []
        for case .bytes(let slice) in pieces { bytes += slice.array }
        // Without the length before it.
        end(EnvelopeResponse(ByteSlice(Array(bytes.dropFirst(4))), to: call.context.apiKey, call.version))
    }

    func close(_ reason: String) { end(EnvelopeResponse { $0.errorCode = .invalidRequest }) }
    var patience: Duration { .zero }
    func mute(for delay: Duration) {}
    func hold() {}
    func endHold() {}
    func parked(_ call: Call) {}
    func unparked(_ call: Call) {}
}

extension EnvelopeResponse {
    /// The envelope for an answer without its length. One that says that this controller decides no more, or this replica leads
    /// the quorum no more, is for nobody: the envelope says so, and the broker that sent it asks again elsewhere.
    package init(_ answer: ByteSlice, to key: ApiKey, _ version: Int16) {
        self.init {
            var reader = ByteReader(answer)
            let header = try? ResponseHeader(from: &reader, version: key.responseHeaderVersion(version))
            let fields = header.flatMap { _ in try? EnvelopeResponse.dump(key.responseType, &reader, version) }
            if let fields, fields.tells(.notController) || fields.tells(.notLeaderOrFollower) {
                $0.errorCode = .notController
            } else {
                $0.responseData = answer
            }
        }
    }

    private static func dump<Body: Message>(
        _ type: Body.Type, _ reader: inout ByteReader, _ version: Int16
    ) throws(DecodeError) -> FieldDump {
        try Body(checking: &reader, version: version).dump(version: version)
    }
}

extension FieldDump {
    /// Whether any error of the message is `code`.
    fileprivate func tells(_ code: ErrorCode) -> Bool {
        entries.contains { entry in
            switch entry.value {
            case .integer(let number): entry.name == "errorCode" && number == Int64(code.rawValue)
            case .object(let inner): inner.tells(code)
            case .array(let elements):
                elements.contains { if case .object(let inner) = $0 { inner.tells(code) } else { false } }
            default: false
            }
        }
    }
}
