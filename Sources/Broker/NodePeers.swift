// Connections of this node to other nodes, by address and lane: one channel each, made when it is needed and made anew when it
// has closed. A long fetch holds up what comes behind it on its connection, so each purpose has a lane of its own.
//
// Owner: one loop. Whoever sends sees to it that attempts are spaced out.

internal import Basics
internal import Channel
internal import Environment
internal import WireProtocol

final class NodePeers {
    /// What a connection is for.
    enum Lane: Int, Hashable {
        /// Fetches of the metadata log.
        case fetch
        /// Votes and turns of the quorum.
        case quorum
        /// Requests to the active controller.
        case controller
    }

    private struct Key: Hashable {
        var address: SocketAddress
        var lane: Lane

        /// What puts channels in one order in each process.
        var rank: (String, UInt16, Int) { (address.host, address.port, lane.rawValue) }
    }

    private let loop: any EventLoop
    private let network: any Network
    private let settings: ChannelSettings
    private var channels: [Key: Channel] = [:]
    private var isClosed = false

    init(on loop: any EventLoop, network: any Network, clientId: String) {
        self.loop = loop
        self.network = network
        var settings = ChannelSettings()
        settings.clientId = clientId
        settings.setupTimeout = .seconds(2)
        self.settings = settings
    }

    /// `completion` runs once, never before this returns. `isWhole`: the request is not sent where the peer's version would lose a
    /// field of it; others say something in the older way and in the newer.
    func send<Request: RequestMessage>(
        _ request: Request, to address: SocketAddress, _ lane: Lane, timeout: Duration, isWhole: Bool = false,
        completion: @escaping (Result<Request.Response, ChannelError>) -> Void
    ) {
        guard !isClosed else {
            return loop.proceed { completion(.failure(.closed(address, .closedHere))) }
        }
        channel(Key(address: address, lane: lane)).send(
            request, timeout: timeout, isWhole: isWhole, completion: completion)
    }

    private func channel(_ key: Key) -> Channel {
        if let open = channels[key], open.state != .closed { return open }
        let channel = Channel(key.address, on: loop, network: network, settings: settings)
        channels[key] = channel
        channel.onClose = { [weak self] _ in
            guard let self, self.channels[key] === channel else { return }
            self.channels[key] = nil
        }
        channel.open()
        return channel
    }

    /// Closes all; what is under way fails.
    func close() {
        isClosed = true
        let open = channels.sorted { $0.key.rank < $1.key.rank }
        channels = [:]
        for (_, channel) in open { channel.close() }
    }
}
