// The way to the active controller, wherever it is: one per node, on the controller's loop.
//
//     link.send(request, deadline: loop.now + .seconds(5)) { result in ... }      inside the controller's loop
//     broker.ask(request, timeout: .seconds(5), on: loop) { result in ... }       from any loop
//
// A request is any message that conforms to `ControllerRequest`. Where this node's controller is active, it decides by
// `decide(on:completion:)`; else the request goes to the leader of the quorum. NOT_CONTROLLER, a lost connection and an unknown
// leader are tried again with back-off, and at once when another controller becomes active, until the deadline. A request may
// so be carried out twice: the controller must be able to tell by what it holds. All other refusals are answers.
// What brokers send is in `ControllerRequests`; wire requests come by `ControllerHandler`.

internal import Basics
internal import Channel
internal import ClusterImage
internal import Controller
internal import Environment
internal import Raft
internal import WireProtocol

/// A request that the active controller decides.
protocol ControllerRequest: RequestMessage {
    /// Decides; inside the controller's loop, and only while it is active. `completion` when the records are committed.
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void)
    /// The answer that refuses all of it.
    func refusal(_ code: ErrorCode) -> Response
    /// The same, where it tells who decides.
    func refusal(_ code: ErrorCode, by driver: MetadataDriver?) -> Response
    /// What `refusal` would have put into the answer; `.none` if it is none.
    static func refusal(in response: Response) -> ErrorCode
}

extension ControllerRequest {
    func refusal(_ code: ErrorCode, by driver: MetadataDriver?) -> Response { refusal(code) }
}

/// Why a request has no answer of an active controller.
enum LinkFailure: Error, Sendable {
    case timedOut
    /// The node stops.
    case stopped
    /// The controller does not know the request.
    case unsupported
    case storage(String)

    var code: ErrorCode {
        switch self {
        case .timedOut: .requestTimedOut
        case .stopped: .notController
        case .unsupported: .unsupportedVersion
        case .storage: .kafkaStorageError
        }
    }
}

final class ControllerLink {
    /// An attempt that waits for its turn.
    private struct Waiting {
        var number: UInt64
        var timer: TimerToken
        var attempt: () -> Void
    }

    /// A controller that does not answer for so long is looked for anew.
    private static let attemptMax: Duration = .seconds(5)

    private let loop: any EventLoop
    private let driver: MetadataDriver
    private let peers: NodePeers
    private let random: any RandomSource
    private var waiting: [Waiting] = []
    private var nextNumber: UInt64 = 1
    private var isClosed = false

    init(driver: MetadataDriver, peers: NodePeers, random: any RandomSource) {
        loop = driver.loop
        self.driver = driver
        self.peers = peers
        self.random = random
    }

    /// Sends until there is an answer or the deadline has passed; `completion` runs inside the loop, once.
    func send<Request: ControllerRequest>(
        _ request: Request, deadline: Instant, completion: @escaping (Result<Request.Response, LinkFailure>) -> Void
    ) {
        loop.assertInside()
        attempt(request, deadline, Backoff(), completion)
    }

    private func attempt<Request: ControllerRequest>(
        _ request: Request, _ deadline: Instant, _ backoff: Backoff,
        _ completion: @escaping (Result<Request.Response, LinkFailure>) -> Void
    ) {
        guard !isClosed else { return completion(.failure(.stopped)) }
        guard loop.now < deadline else { return completion(.failure(.timedOut)) }
        let again = { self.wait(backoff, until: deadline) { self.attempt(request, deadline, $0, completion) } }
        if driver.isActive {
            return request.decide(on: driver) { result in
                switch result {
                case .success(let response) where Request.refusal(in: response) == .notController: again()
                case .success(let response): completion(.success(response))
                case .failure(.notController): again()
                case .failure(.stopped): completion(.failure(.stopped))
                case .failure(.storage(let error)): completion(.failure(.storage("\(error)")))
                }
            }
        }
        guard let leader = driver.quorum.leader, leader != driver.quorum.local.id,
            let address = driver.controllerAddress(leader)
        else { return again() }
        let timeout = min(deadline - loop.now, ControllerLink.attemptMax)
        // An older controller would answer another question than that of AckWhenCommitted.
        let isWhole = request is AddRaftVoterRequest
        peers.send(request, to: address, .controller, timeout: timeout, isWhole: isWhole) { result in
            switch result {
            case .success(let response) where Request.refusal(in: response) == .notController: again()
            case .success(let response): completion(.success(response))
            case .failure(.unsupported): completion(.failure(.unsupported))
            case .failure: again()
            }
        }
    }

    private func wait(_ backoff: Backoff, until deadline: Instant, _ attempt: @escaping (Backoff) -> Void) {
        guard !isClosed else { return loop.proceed { attempt(backoff) } }
        var (backoff, generator) = (backoff, RandomSourceGenerator(random))
        let pause = backoff.next(&generator)
        let number = nextNumber
        nextNumber += 1
        let next = backoff
        let timer = loop.schedule(at: min(loop.now + pause, deadline)) {
            guard let index = self.waiting.firstIndex(where: { $0.number == number }) else { return }
            self.waiting.remove(at: index).attempt()
        }
        waiting.append(Waiting(number: number, timer: timer) { attempt(next) })
    }

    /// Whether this node's own controller decides and has `broker` as one that serves.
    func hasUnfenced(_ broker: NodeId) -> Bool {
        driver.isActive && driver.controller.image.brokers[broker].map { !$0.isFenced } ?? false
    }

    /// Another controller is active, or none: what waits is tried at once.
    func controllerChanged() {
        let due = waiting
        waiting = []
        for entry in due {
            loop.cancel(entry.timer)
            entry.attempt()
        }
    }

    /// Nothing is sent any more; what waits fails.
    func close() {
        isClosed = true
        controllerChanged()
    }
}

/// Requests that another node sends to this one's controller.
enum ControllerHandler {
    static func handle<Request: ControllerRequest>(_ request: Request, _ call: Call) {
        let broker = call.shard.broker
        let completion = Confined({ (response: Request.Response) in call.answer(response) }, to: call.loop)
        broker.controllerLoop.post {
            let answer: (Request.Response) -> Void = { response in
                completion.confinement.post { completion.value(response) }
            }
            let driver = broker.withState { $0.driver }?.value
            guard let driver, driver.isActive else { return answer(request.refusal(.notController, by: driver)) }
            request.decide(on: driver) { result in
                switch result {
                case .success(let response): answer(response)
                case .failure(let failure): answer(request.refusal(failure.code, by: driver))
                }
            }
        }
    }
}

extension Broker {
    /// Asks the active controller from any loop; `completion` runs inside `loop`, which is the caller's.
    func ask<Request: ControllerRequest>(
        _ request: Request, timeout: Duration, on loop: any EventLoop,
        completion: @escaping (Result<Request.Response, LinkFailure>) -> Void
    ) {
        let completion = Confined(completion, to: loop)
        controllerLoop.post {
            guard let link = self.withState({ $0.link })?.value else {
                return loop.post { completion.value(.failure(.stopped)) }
            }
            link.send(request, deadline: self.controllerLoop.now + timeout) { result in
                loop.post { completion.value(result) }
            }
        }
    }
}
