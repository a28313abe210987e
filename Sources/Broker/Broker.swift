// A node: its folders, its controller, its loops and listeners. Starts from an environment and a configuration, so that
// the simulator runs the very same code.

internal import Basics
package import ClusterImage
package import Configuration
internal import Controller
package import Environment
package import Log
internal import Synchronization
internal import WireProtocol

/// Why a node did not start.
package enum StartFailure: Error, Sendable, CustomStringConvertible {
    case storage(StorageError)
    case network(String, NetworkError)
    case refused(String)
    case metadata(String)
    /// A log folder failed that the node cannot do without.
    case folderFailed(String, StorageError)

    static func metadata(_ failure: MetadataFailure) -> StartFailure { .metadata("\(failure)") }

    package var description: String {
        switch self {
        case .storage(.file(let error)) where error.kind == .locked:
            "another process uses the data folder: \(error.path) is locked"
        case .storage(let error): "\(error)"
        case .network(let what, let error): "cannot listen on \(what): \(error)"
        case .refused(let reason): reason
        case .metadata(let reason): "the metadata log failed: \(reason)"
        case .folderFailed(let path, let reason): "the log folder \(path) failed, and the node cannot go on: \(reason)"
        }
    }
}

/// A running node. Any thread may call, unless said otherwise.
package final class Broker: Sendable {
    package let environment: Environment
    package let node: NodeConfiguration
    let logger: Logger
    let replicas: ReplicaFolders
    let identity: MetaProperties
    let quotas: ReplicationQuotas
    /// Called once, on any thread, when the node cannot go on: its process is to end.
    let onHalt: @Sendable (StartFailure) -> Void
    private let state: Mutex<State>

    struct State: Sendable {
        var shards: [Confined<Shard>] = []
        var driver: Confined<MetadataDriver>?
        /// Carries changes of in-sync sets to the controller.
        var inSync: Confined<InSyncChanges>?
        var link: Confined<ControllerLink>?
        var lifecycle: Confined<NodeLifecycle>?
        var membership: Confined<QuorumMembership>?
        /// Moves replicas between the log folders.
        var moves: Confined<ReplicaMoves>?
        /// The controller of this node decides for the cluster.
        var isActiveController = false
        /// Who leads the quorum.
        var quorumLeader = NodeId.none
        /// 1 where the log names the voters of the quorum, 0 where the configuration does.
        var kraftVersion: Int16 = 1
        var listeners: [any ListeningSocket] = []
        var connections = 0
        var connectionsByHost: [String: Int] = [:]
        var held: [HeldConnection] = []
        var brokerEpoch: Int64 = -1
        /// Clients are answered.
        var isServing = false
        /// The view that all loops have taken or will take.
        var view: ClusterView
        var isApplying = false
        var isStopping = false
        var hasHalted = false
        /// Until the start has come to its end, a stop waits here.
        var isStarting = true
        var deferredStop: (@Sendable () -> Void)?
        var pendingViews: [@Sendable () -> Void] = []
    }

    init(
        environment: Environment, node: NodeConfiguration, logger: Logger, replicas: ReplicaFolders,
        identity: MetaProperties, view: ClusterView, onHalt: @escaping @Sendable (StartFailure) -> Void
    ) {
        self.environment = environment
        self.node = node
        self.logger = logger
        self.replicas = replicas
        self.identity = identity
        quotas = ReplicationQuotas(node)
        self.onHalt = onHalt
        state = Mutex(State(view: view))
    }

    var nodeId: NodeId { identity.nodeId }
    var controllerLoop: any EventLoop { environment.loops[0] }
    var wallClock: Timestamp { environment.clock.wallClock }
    package var brokerEpoch: Int64 { state.withLock { $0.brokerEpoch } }
    /// Whether requests for the controller are decided here.
    package var isActiveController: Bool { state.withLock { $0.isActiveController } }

    /// The committed image that all loops have taken or will take.
    package var image: ClusterImage { state.withLock { $0.view.image } }

    func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        state.withLock { body(&$0) }
    }

    /// The value of a broker's key that may be changed while it runs: its own, the cluster's, else the file's.
    func dynamicInt(_ key: String) -> Int { dynamic(key).flatMap(wholeNumber) ?? node.int(key) }

    private func dynamic(_ key: String) -> String? {
        let image = state.withLock { $0.view.image }
        return image.configuration(.broker, String(node.nodeId))[key] ?? image.configuration(.broker, "")[key]
    }

    // MARK: Connections

    func admitConnection(from host: String) -> Bool {
        let limit = dynamicInt("max.connections")
        let hostLimit = connectionsMax(of: host)
        return state.withLock { state in
            guard state.connections < limit, state.connectionsByHost[host, default: 0] < hostLimit else { return false }
            state.connections += 1
            state.connectionsByHost[host, default: 0] += 1
            return true
        }
    }

    /// The limit of one address: its own, as `address:count`, else that of all.
    private func connectionsMax(of host: String) -> Int {
        let key = "max.connections.per.ip.overrides"
        for entry in splitList(dynamic(key) ?? node[key] ?? "") {
            guard let colon = entry.lastIndex(of: ":"), entry[..<colon] == host else { continue }
            if let count = wholeNumber(String(entry[entry.index(after: colon)...])) { return count }
        }
        return dynamicInt("max.connections.per.ip")
    }

    func releaseConnection(from host: String) {
        state.withLock { state in
            state.connections -= 1
            let left = state.connectionsByHost[host, default: 1] - 1
            state.connectionsByHost[host] = left > 0 ? left : nil
        }
    }

    /// Where clients of the listener that `context` came in by reach `broker`.
    func endpoint(of broker: BrokerImage, for context: RequestContext) -> BrokerImage.Endpoint? {
        broker.endpoint(context.listener)
    }

    // MARK: Decisions

    /// Has the controller decide; `completion` runs on `loop` when the records are committed and all loops have taken
    /// the image that holds them.
    func decide<Reply: Sendable>(
        on loop: any EventLoop, _ decide: @escaping @Sendable (inout Controller) -> Decision<Reply>,
        completion: @escaping (Result<Reply, MetadataFailure>) -> Void
    ) {
        guard let driver = state.withLock({ $0.driver }) else { return completion(.failure(.stopped)) }
        let completion = Confined(completion, to: loop)
        controllerLoop.post {
            driver.value.submit(decide) { result in
                loop.post { completion.value(result) }
            }
        }
    }

    /// Makes a committed image visible: replicas first, on the pool, then every loop; calls back on the controller's
    /// loop. One image at a time, in order.
    func publish(
        _ image: ClusterImage, _ touched: MetadataDriver.Touched, completion: @escaping () -> Void
    ) {
        inTurn(image, touched, Confined(completion, to: controllerLoop))
    }

    /// Has the replicas look anew at the image that is visible.
    func publishAgain() { inTurn(nil, MetadataDriver.Touched(), Confined({}, to: controllerLoop)) }

    private func inTurn(
        _ image: ClusterImage?, _ touched: MetadataDriver.Touched, _ completion: Confined<() -> Void>
    ) {
        let job: @Sendable () -> Void = { self.applyOnPool(image, touched, completion) }
        let isFirst = state.withLock { state in
            if state.isApplying { state.pendingViews.append(job) }
            defer { state.isApplying = true }
            return !state.isApplying
        }
        if isFirst { job() }
    }

    private func applyOnPool(
        _ image: ClusterImage?, _ touched: MetadataDriver.Touched, _ completion: Confined<() -> Void>
    ) {
        environment.pool.run {
            let before = self.state.withLock { $0.view }
            let view = self.replicas.apply(image ?? before.image, touched: touched, before: before)
            let shards = self.state.withLock { state in
                state.view = view
                return state.shards
            }
            // Brokers that came or went may be let into the in-sync sets of all partitions, or have to leave them.
            let concerned = before.image.brokers == view.image.brokers ? view.changed : nil
            let shared = SharedCounter(shards.count)
            for shard in shards {
                shard.confinement.post {
                    shard.value.take(view)
                    guard shared.decrement() == 0 else { return }
                    self.controllerLoop.post { self.applied(concerned, completion) }
                }
            }
            if shards.isEmpty { self.controllerLoop.post { self.applied(concerned, completion) } }
        }
    }

    private func applied(_ concerned: Set<Uuid>?, _ completion: Confined<() -> Void>) {
        let next = state.withLock { state -> (@Sendable () -> Void)? in
            if state.pendingViews.isEmpty {
                state.isApplying = false
                return nil
            }
            return state.pendingViews.removeFirst()
        }
        next?()
        assignDirectories()
        reviewInSync(concerned)
        completion.value()
    }
}

/// Counts down across threads.
final class SharedCounter: Sendable {
    private let value: Atomic<Int>

    init(_ count: Int) { value = Atomic(count) }

    /// One less; answers what is left.
    func decrement() -> Int { value.subtract(1, ordering: .acquiringAndReleasing).newValue }
}

/// Hands a value that is not sendable to another place, once.
///
/// The giver keeps no reference that it uses after handing over.
final class Handover<Value>: Sendable {
    private let content: Mutex<Value?>

    init(_ value: sending Value) { content = Mutex(value) }

    /// The value; it may be taken once.
    func take() -> sending Value {
        let taken = content.withLock { content in
            let value = content
            content = nil
            return value
        }
        guard let taken else { preconditionFailure("handed over twice") }
        return taken
    }
}
