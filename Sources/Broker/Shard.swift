// What one loop of the broker holds: its connections, its view of the cluster, its fetch sessions and counters.
//
// Owner: the loop. Nothing here is touched by another thread; messages come by mailbox.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Configuration
internal import Environment
internal import WireProtocol

/// Bounds that follow from the node's configuration.
struct Limits: Sendable {
    var requestBytesMax = 100 << 20
    var requestsPerConnectionMax = 500
    /// Bytes of requests under way on one loop.
    var bytesUnderWayMax = 256 << 20
    var connectionsMax = Int.max
    var idleMax: Duration = .seconds(600)
    var fetchBytesMax = 55 << 20
    var fetchSessionsMax = 1000
    var describedPartitionsMax = 2000

    init() {}

    init(_ node: NodeConfiguration, loops: Int) {
        requestBytesMax = node.int("socket.request.max.bytes")
        requestsPerConnectionMax = node.int("queued.max.requests")
        let queued = node.int("queued.max.request.bytes")
        if queued > 0 { bytesUnderWayMax = max(queued / loops, 1) }
        connectionsMax = node.int("max.connections")
        let idle = node.int("connections.max.idle.ms")
        idleMax = idle < 0 ? .seconds(Int64.max / 2_000_000_000) : .milliseconds(idle)
        fetchBytesMax = node.int("fetch.max.bytes")
        fetchSessionsMax = node.int("max.incremental.fetch.session.cache.slots")
        describedPartitionsMax = node.int("max.request.partition.size.limit")
    }
}

/// What a loop has counted; read through the mailbox.
struct Counters: Sendable {
    /// Requests by the number of their API.
    var requests = [Int](repeating: 0, count: 128)
    var bytesIn = 0
    var connectionsAccepted = 0

    mutating func add(_ other: Counters) {
        for (number, count) in other.requests.enumerated() { requests[number] += count }
        bytesIn += other.bytesIn
        connectionsAccepted += other.connectionsAccepted
    }

    mutating func count(_ key: ApiKey) {
        guard Int(key.rawValue) < requests.count else { return }
        requests[Int(key.rawValue)] += 1
    }
}

final class Shard {
    let loop: any EventLoop
    let broker: Broker
    let limits: Limits
    let logger: Logger
    private(set) var view: ClusterView
    /// The group coordinators of this loop.
    let groups: GroupDriver
    /// The replicas that this loop fetches for.
    let fetchers: ReplicaFetchers
    /// The shards of all loops.
    private(set) lazy var peers = broker.withState { $0.shards }
    var sessions: FetchSessions
    var counters = Counters()
    /// What is left of this loop's block of producer ids, and who waits for the next one.
    var producerIds: Range<Int64> = 0..<0
    var waitingForProducerId: [Call] = []
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var pausedConnections: [ObjectIdentifier] = []
    private var bytesUnderWay = 0
    private var isEnding = false
    private var ended: (() -> Void)?

    init(loop: any EventLoop, broker: Broker, limits: Limits, logger: Logger, view: ClusterView) {
        self.loop = loop
        self.broker = broker
        self.limits = limits
        self.logger = logger
        self.view = view
        groups = GroupDriver(.groups(broker.node), loop: loop, broker: broker, view: view)
        fetchers = ReplicaFetchers(loop: loop, broker: broker)
        sessions = FetchSessions(max: limits.fetchSessionsMax / broker.environment.loops.count)
    }

    /// Takes a newer view.
    func take(_ view: ClusterView) {
        self.view = view
        fetchers.take(view)
        groups.take(view)
    }

    // MARK: Connections

    func accept(_ transport: any Transport, listener: String) {
        guard !isEnding, broker.admitConnection(from: transport.remoteAddress.host) else { return transport.close() }
        counters.connectionsAccepted += 1
        let connection = Connection(
            transport, shard: self, listener: listener, number: counters.connectionsAccepted)
        connections[ObjectIdentifier(connection)] = connection
        transport.start(connection)
    }

    func removed(_ connection: Connection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        broker.releaseConnection(from: connection.transport.remoteAddress.host)
        if isEnding, connections.isEmpty { finishEnding() }
    }

    var connectionCount: Int { connections.count }

    /// Connections in the order of their coming.
    private var inOrder: [Connection] { connections.values.sorted { $0.number < $1.number } }

    // MARK: Bytes under way

    var hasRoom: Bool { bytesUnderWay < limits.bytesUnderWayMax }

    func began(_ count: Int) {
        bytesUnderWay += count
        counters.bytesIn += count
    }

    func ended(_ count: Int) {
        bytesUnderWay -= count
        guard !pausedConnections.isEmpty, hasRoom else { return }
        let paused = pausedConnections
        pausedConnections = []
        for id in paused { connections[id]?.roomMayHaveCome() }
    }

    func paused(_ connection: Connection) { pausedConnections.append(ObjectIdentifier(connection)) }

    // MARK: Time

    /// Closes connections that said nothing for too long; to be called now and then.
    func closeIdle() {
        let limit = limits.idleMax
        let now = loop.now
        for connection in inOrder where now - connection.lastActive > limit { connection.close("idle") }
    }

    // MARK: Ending

    /// Answers what is under way, closes all connections, then calls back.
    func end(_ completion: @escaping () -> Void) {
        isEnding = true
        fetchers.close()
        ended = completion
        guard !connections.isEmpty else { return finishEnding() }
        for connection in inOrder { connection.end() }
        _ = loop.schedule(at: loop.now + Shard.endingMax) {
            for connection in self.inOrder { connection.close("the node stops and the peer takes no answer") }
        }
    }

    /// How long peers may take their last answers when the node stops.
    private static let endingMax: Duration = .seconds(5)

    private func finishEnding() {
        let completion = ended
        ended = nil
        groups.close()
        completion?()
    }
}
