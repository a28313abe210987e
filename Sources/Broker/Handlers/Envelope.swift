// Requests of clients that the active controller decides, when it is another node (KIP-590): the broker puts the frame as it came
// into an Envelope; the controller answers it as if it had come there, and the broker passes that answer on.
//
// On the controller's side an enveloped request is a call like any other; its answer goes into the envelope's.

internal import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

enum Forwarding {
    /// How long a broker looks for the controller.
    private static let patience: Duration = .seconds(30)

    /// Requests that only the active controller can answer.
    static let keys: Set<ApiKey> = [
        .createTopics, .deleteTopics, .createPartitions, .alterConfigs, .incrementalAlterConfigs, .describeQuorum,
        .unregisterBroker, .unregisterController, .updateFeatures, .addRaftVoter, .removeRaftVoter, .electLeaders, .alterPartitionReassignments,
        .listPartitionReassignments,
    ]

    /// Sends the request in `frame` to the active controller. `decide`: what to do if that turns out to be this node.
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
        open(requestData) { data in
            completion(
                .success(
                    Response {
                        $0.responseData = data
                        $0.errorCode = data == nil ? .invalidRequest : .none
                    }))
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

/// An enveloped request under way. Owner: the controller's loop.
final class EnvelopedRequest: CallSink {
    private let shard: Shard
    private var completion: ((ByteSlice?) -> Void)?

    init(_ shard: Shard, _ completion: @escaping (ByteSlice?) -> Void) {
        self.shard = shard
        self.completion = completion
    }

    /// Answers the request in `frame` as the clients' listener would; nil if that cannot be.
    func begin(_ frame: ByteSlice) {
        var reader = ByteReader(frame)
        guard let header = try? RequestHeader(from: &reader), let key = header.apiKey, let api = ApiTable[key],
            Forwarding.keys.contains(key), api.versions.contains(header.requestApiVersion)
        else { return end(nil) }
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

    private func end(_ data: ByteSlice?) {
        let completion = completion
        self.completion = nil
        completion?(data)
    }

    var isClosed: Bool { completion == nil }

    func complete(_ slot: UInt64, with pieces: [Outgoing], of call: Call) {
        var bytes: [UInt8] = []
        for case .bytes(let slice) in pieces { bytes += slice.array }
        // Without the length before it.
        end(ByteSlice(Array(bytes.dropFirst(4))))
    }

    func close(_ reason: String) { end(nil) }
    var patience: Duration { .zero }
    func mute(for delay: Duration) {}
    func hold() {}
    func endHold() {}
    func parked(_ call: Call) {}
    func unparked(_ call: Call) {}
}
