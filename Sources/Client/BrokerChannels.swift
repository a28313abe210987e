// The connections of a client, at most one per address, and the back-off of addresses that failed.
//
// Candidates are the brokers that the metadata names, then the bootstrap addresses; so when all brokers that were known
// are gone, the client begins anew (KIP-899). Owner: the client's loop.

internal import Basics
internal import Channel
internal import Environment

/// The channels of one client.
final class BrokerChannels {
    /// What to do to reach a broker.
    enum Way {
        /// A channel that is open, or on its way to be.
        case channel(Channel)
        /// Nothing can be tried before this instant.
        case wait(Instant)
    }

    private struct Peer {
        var channel: Channel?
        var backoff = Backoff()
        var retryAt = Instant(nanoseconds: .min)
    }

    private let loop: any EventLoop
    private let environment: Environment
    private let settings: ClientSettings
    private var peers: [SocketAddress: Peer] = [:]
    private var turn = 0
    private var isClosed = false
    /// Tells of each connection that could not be made or was lost.
    var onFailure: ((ChannelError) -> Void)?

    init(_ loop: any EventLoop, _ environment: Environment, _ settings: ClientSettings) {
        self.loop = loop
        self.environment = environment
        self.settings = settings
    }

    /// The way to one address.
    func way(to address: SocketAddress) -> Way {
        var peer = peers[address] ?? Peer()
        if let channel = peer.channel { return .channel(channel) }
        guard peer.retryAt <= loop.now else { return .wait(peer.retryAt) }
        let channel = Channel(address, on: loop, network: environment.network, settings: settings.channel)
        channel.onReady = { [weak self] in self?.peers[address]?.backoff.reset() }
        channel.onClose = { [weak self] error in self?.ended(address, error) }
        peer.channel = channel
        peers[address] = peer
        channel.open()
        return .channel(channel)
    }

    /// The way to any broker: one that is connected and owes no answer, else the next candidate in turn that may be tried.
    /// What owes answers may have stalled, and comes last.
    func wayToAny(_ brokers: [BrokerInfo]) -> Way {
        var candidates = brokers.map(\.address)
        for address in settings.bootstrap where !candidates.contains(address) { candidates.append(address) }
        let ready = candidates.compactMap { peers[$0]?.channel }.filter { $0.state == .ready }
        let best = ready.min { $0.pendingCount < $1.pendingCount }
        if let best, best.pendingCount == 0 { return .channel(best) }
        // With a connection at hand, bootstrap addresses that may lead nowhere are not waited for.
        if best != nil { candidates = brokers.map(\.address).filter { peers[$0]?.channel?.state != .ready } }
        turn += 1
        var earliest = Instant.distantFuture
        for index in candidates.indices {
            let address = candidates[(index + turn) % candidates.count]
            switch way(to: address) {
            case .channel(let channel): return .channel(channel)
            case .wait(let instant): earliest = min(earliest, instant)
            }
        }
        return best.map { .channel($0) } ?? .wait(earliest)
    }

    private func ended(_ address: SocketAddress, _ error: ChannelError) {
        guard !isClosed, var peer = peers[address] else { return }
        var random = RandomSourceGenerator(environment.random)
        peer.channel = nil
        peer.retryAt = loop.now + peer.backoff.next(&random)
        peers[address] = peer
        onFailure?(error)
    }

    /// Closes idle connections to addresses that are no broker's any more.
    func keep(only brokers: [BrokerInfo]) {
        let wanted = Set(brokers.map(\.address))
        for address in addresses where !wanted.contains(address) {
            guard let channel = peers[address]?.channel, channel.pendingCount == 0, channel.state == .ready else { continue }
            channel.onClose = nil
            peers[address] = nil
            channel.close()
        }
    }

    func close() {
        isClosed = true
        let open = addresses.compactMap { peers[$0]?.channel }
        peers = [:]
        for channel in open { channel.close() }
    }

    /// In an order that is the same in each process.
    private var addresses: [SocketAddress] { peers.keys.sorted { ($0.host, $0.port) < ($1.host, $1.port) } }
}
