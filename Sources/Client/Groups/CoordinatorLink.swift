// The way to the coordinator of one group: found when it is needed, found anew when it has moved.
//
// It has connections of its own, since a broker answers the requests of a connection in order: a JoinGroup that waits for
// other members must not hold up fetches. Owner: the client's loop.

package import Basics
internal import Channel
internal import Environment
package import WireProtocol

/// Requests to the coordinator of a group.
package final class CoordinatorLink {
    private let client: ClusterClient
    package let group: String
    private let channels: BrokerChannels
    private var address: SocketAddress?
    private var backoff = Backoff()
    private(set) var isClosed = false

    package init(_ client: ClusterClient, group: String) {
        self.client = client
        self.group = group
        channels = BrokerChannels(client.loop, client.environment, client.settings)
    }

    package func close() {
        isClosed = true
        channels.close()
    }

    /// Sends `request`, again when the connection is lost or the coordinator is somewhere else or still loading, until
    /// `deadline`. `timeout`: how long one answer may take. `code`: the error of an answer as a whole. `repetition`: what
    /// is sent in place of `request` once that may have been taken without its answer having come, made when it is sent.
    package func send<Request: RequestMessage>(
        _ request: Request, repetition: (() -> Request)? = nil, timeout: Duration? = nil, deadline: Instant,
        code: @escaping (Request.Response) -> ErrorCode,
        completion: @escaping (Result<Request.Response, ClientError>) -> Void
    ) {
        guard !isClosed else { return completion(.failure(.closed)) }
        let now = client.loop.now
        guard now < deadline else { return completion(.failure(.timedOut("\(Request.apiKey)", last: lastFailure))) }
        let repeated = { [self] (request: Request) in
            send(
                request, repetition: repetition, timeout: timeout, deadline: deadline, code: code,
                completion: completion)
        }
        let again = { repeated(request) }
        guard let address else { return find(deadline, again, completion: { completion(.failure($0)) }) }
        switch channels.way(to: address) {
        case .wait(let instant):
            // Whoever coordinates may be somewhere else by now.
            self.address = nil
            retry(at: min(instant, deadline), again)
        case .channel(let channel):
            let patience = min(timeout ?? client.settings.requestTimeout, deadline - now)
            channel.send(request, timeout: patience) { [self] result in
                switch result {
                case .failure(let error) where error.isRetriable:
                    lastFailure = "\(error)"
                    self.address = nil
                    pause(deadline) { repeated(repetition?() ?? request) }
                case .failure(let error): completion(.failure(.channel(error)))
                case .success(let response):
                    guard mustAskAgain(code(response)) else {
                        backoff.reset()
                        return completion(.success(response))
                    }
                    lastFailure = code(response).message
                    // It may have been taken by one that coordinates no more.
                    pause(deadline) { repeated(repetition?() ?? request) }
                }
            }
        }
    }

    private var lastFailure: String?

    /// Whether an answer says that another broker, or the same one later, is to be asked.
    private func mustAskAgain(_ code: ErrorCode) -> Bool {
        switch code {
        case .notCoordinator, .coordinatorNotAvailable:
            address = nil
            return true
        case .coordinatorLoadInProgress: return true
        default: return false
        }
    }

    private func pause(_ deadline: Instant, _ again: @escaping () -> Void) {
        var random = RandomSourceGenerator(client.environment.random)
        retry(at: min(client.loop.now + backoff.next(&random), deadline), again)
    }

    private func retry(at instant: Instant, _ again: @escaping () -> Void) {
        _ = client.loop.schedule(at: instant) { again() }
    }

    private func find(_ deadline: Instant, _ again: @escaping () -> Void, completion: @escaping (ClientError) -> Void) {
        let request = FindCoordinatorRequest {
            $0.key = group
            $0.coordinatorKeys = [group]
        }
        client.request(request, to: .any, deadline: deadline) { [self] result in
            switch result {
            case .failure(let error): completion(error)
            case .success(let response):
                let found = response.coordinators.first
                let code = found?.errorCode ?? response.errorCode
                if code.isRetriable || mustAskAgain(code) {
                    lastFailure = code.message
                    return pause(deadline, again)
                }
                guard !code.isError else {
                    return completion(.refused(code, "group '\(group)'", found?.errorMessage ?? response.errorMessage))
                }
                address = SocketAddress(
                    host: found?.host ?? response.host, port: UInt16(clamping: found?.port ?? response.port))
                again()
            }
        }
    }
}
