// The common ground of admin, producer and consumer: requests to a broker that is named by its role, repeated until they
// are answered or their deadline passes, and the metadata that tells who plays which role.
//
// Owner: one loop; all calls are made inside it, and completions run inside it, never before the call returns.
// Metadata is in `ClusterClient+Metadata`.

package import Basics
package import Channel
package import Environment
package import WireProtocol

/// Who is to answer a request.
package enum Destination: Hashable, Sendable {
    case any
    case controller
    case node(NodeId)
}

/// A client of one cluster.
package final class ClusterClient {
    package let loop: any EventLoop
    package let environment: Environment
    package let settings: ClientSettings
    package internal(set) var metadata = ClusterMetadata()
    /// Tells of connections that fail; for log lines only, requests are repeated anyway.
    package var onConnectionFailure: ((ChannelError) -> Void)?
    let channels: BrokerChannels
    var refresh = MetadataRefresh()
    private(set) var isClosed = false

    /// A client on `loop`, which is connected when there is something to ask.
    package init(_ environment: Environment, on loop: any EventLoop, _ settings: ClientSettings) {
        self.environment = environment
        self.loop = loop
        self.settings = settings
        channels = BrokerChannels(loop, environment, settings)
        channels.onFailure = { [weak self] error in self?.onConnectionFailure?(error) }
    }

    /// Closes all connections; what is under way fails.
    package func close() {
        isClosed = true
        channels.close()
    }

    // MARK: Requests

    /// Sends `request` until it is answered or `deadline` passes; lost connections are made anew. Error codes in the
    /// answer are the caller's to judge.
    package func request<Request: RequestMessage>(
        _ request: Request, to destination: Destination, deadline: Instant,
        completion: @escaping (Result<Request.Response, ClientError>) -> Void
    ) {
        let attempt = RequestAttempt(self, request, destination, deadline, completion)
        loop.proceed { attempt.start() }
    }

    /// Sends `request` once to a node, if it can be reached now.
    func requestOnce<Request: RequestMessage>(
        _ request: Request, to node: NodeId, timeout: Duration,
        completion: @escaping (Result<Request.Response, ChannelError>) -> Void
    ) -> Bool {
        guard let broker = metadata.broker(node), case .channel(let channel) = channels.way(to: broker.address) else {
            return false
        }
        channel.send(request, timeout: timeout, completion: completion)
        return true
    }

    /// The channel to a node, connected or on its way; nil while there is none to be had.
    func channel(to node: NodeId) -> Channel? {
        guard let broker = metadata.broker(node), case .channel(let channel) = channels.way(to: broker.address) else {
            return nil
        }
        return channel
    }

    func way(to destination: Destination) -> BrokerChannels.Way? {
        switch destination {
        case .any: return channels.wayToAny(metadata.brokers)
        case .controller:
            // Brokers of KRaft clusters pass on what the controller decides, so that any of them will do.
            guard let broker = metadata.broker(metadata.controller) else { return channels.wayToAny(metadata.brokers) }
            return channels.way(to: broker.address)
        case .node(let id):
            guard let broker = metadata.broker(id) else { return nil }
            return channels.way(to: broker.address)
        }
    }
}

/// One request on its way, over as many connections as it takes.
final class RequestAttempt<Request: RequestMessage> {
    private let client: ClusterClient
    private let request: Request
    private let destination: Destination
    private let deadline: Instant
    private let completion: (Result<Request.Response, ClientError>) -> Void
    private var last: ChannelError?
    private var backoff = Backoff()

    init(
        _ client: ClusterClient, _ request: Request, _ destination: Destination, _ deadline: Instant,
        _ completion: @escaping (Result<Request.Response, ClientError>) -> Void
    ) {
        self.client = client
        self.request = request
        self.destination = destination
        self.deadline = deadline
        self.completion = completion
    }

    func start() {
        guard !client.isClosed else { return completion(.failure(.closed)) }
        let now = client.loop.now
        guard now < deadline else { return giveUp() }
        switch client.way(to: destination) {
        case nil:
            client.refreshMetadata(topics: [], deadline: deadline) { [self] result in
                if case .failure(let error) = result { return completion(.failure(error)) }
                guard client.way(to: destination) != nil else { return wait(until: client.loop.now + pause()) }
                start()
            }
        case .wait(let instant): wait(until: instant)
        case .channel(let channel):
            channel.send(request, timeout: timeout(on: channel, now)) { [self] result in
                switch result {
                case .success(let response): completion(.success(response))
                case .failure(let error) where error.isRetriable:
                    last = error
                    start()
                case .failure(let error): completion(.failure(.channel(error)))
                }
            }
        }
    }

    /// A stalled broker still takes connections: what any can answer is not left to it for long. Behind other requests an
    /// answer may rightly be late.
    private func timeout(on channel: Channel, _ now: Instant) -> Duration {
        let longest = min(deadline - now, client.settings.requestTimeout)
        return destination == .any && channel.pendingCount == 0 ? min(longest, client.settings.patience) : longest
    }

    private func pause() -> Duration {
        var random = RandomSourceGenerator(client.environment.random)
        return backoff.next(&random)
    }

    private func wait(until instant: Instant) {
        _ = client.loop.schedule(at: min(instant, deadline)) { [self] in start() }
    }

    private func giveUp() { completion(.failure(.timedOut("\(Request.apiKey)", last: last.map { "\($0)" }))) }
}
