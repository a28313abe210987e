// The life of a node in its cluster (KIP-631): it registers its controller and its broker, follows the metadata until it sees its
// own registration, and beats; the first beat that finds it unfenced lets it serve. When it stops, it says so first, and waits
// until the controller lets it go: the others have to see first what it hands over, and so tell at once when they have.
//
// Owner: the controller's loop. One request of each kind is under way at a time.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import WireProtocol

final class NodeLifecycle {
    /// What the node says of itself.
    struct Description {
        var id: NodeId
        var clusterId: String
        var incarnation: Uuid
        var endpoints: [BrokerRegistrationRequest.Listener]
        var rack: String?
        var directories: [Uuid]
        /// The broker epoch that a clean stop noted.
        var previousEpoch: Int64
        var controllerEndpoints: [ControllerRegistrationRequest.Listener]
    }

    /// The wait before a registration that was refused for now is tried again.
    private static let registrationPause: Duration = .milliseconds(500)
    /// How long a stop looks for a controller that answers.
    private static let farewellMax: Duration = .seconds(5)
    /// How long it waits for one that answers to agree.
    private static let handoverMax: Duration = .seconds(30)

    private let loop: any EventLoop
    private let link: ControllerLink
    private let node: NodeConfiguration
    private let description: Description
    private let logger: Logger
    /// The epoch of the registration; -1 before there is one.
    private(set) var epoch: Int64 = -1
    private var seen = Offset.none
    private var isUnfenced = false
    private var isBeating = false
    /// There is something to tell as soon as the beat under way has its answer.
    private var owesBeat = false
    /// Brokers that stop and wait until all others have seen it.
    private var leaving: Set<NodeId> = []
    private var isRegistering = false
    private var timer: TimerToken?
    private var patience = Instant.distantFuture
    /// Called once: with the epoch when the node may serve, or why it cannot.
    private var started: ((Result<Int64, StartFailure>) -> Void)?
    /// Called with the epoch of each registration; a broker that is taken for another registers again while it serves.
    var onEpoch: (Int64) -> Void = { _ in }
    /// Folders that have failed, to be told with the next beat.
    var offlineDirectories: [Uuid] = []
    private var isEnding = false

    init(link: ControllerLink, loop: any EventLoop, node: NodeConfiguration, description: Description, logger: Logger) {
        self.link = link
        self.loop = loop
        self.node = node
        self.description = description
        self.logger = logger
    }

    /// Begins; `completion` when the broker may serve.
    func start(_ completion: @escaping (Result<Int64, StartFailure>) -> Void) {
        patience = loop.now + .milliseconds(node.int("initial.broker.registration.timeout.ms"))
        if node.isController { registerController() }
        guard node.isBroker else { return completion(.success(-1)) }
        started = completion
        register()
    }

    @discardableResult
    private func settle(_ result: Result<Int64, StartFailure>) -> Bool {
        guard let completion = started else { return false }
        started = nil
        completion(result)
        return true
    }

    /// The start cannot come to a good end any more, or is not wanted. False if it has come to its end.
    @discardableResult
    func fail(_ failure: StartFailure) -> Bool { settle(.failure(failure)) }

    // MARK: Registration

    private func registerController() {
        let request = ControllerRegistrationRequest {
            $0.controllerId = description.id.rawValue
            $0.incarnationId = description.incarnation
            $0.listeners = description.controllerEndpoints
            $0.features = SupportedFeatures.all.map { feature in
                ControllerRegistrationRequest.Feature {
                    $0.name = feature.name
                    $0.minSupportedVersion = feature.range.lowerBound
                    $0.maxSupportedVersion = feature.range.upperBound
                }
            }
        }
        link.send(request, deadline: loop.now + .seconds(60)) { result in
            guard !self.isEnding else { return }
            switch result {
            case .success(let response) where !response.errorCode.isError: return
            case .failure(.storage(let reason)): self.fail(.metadata(reason))
            default: _ = self.loop.schedule(at: self.loop.now + NodeLifecycle.registrationPause) { self.registerController() }
            }
        }
    }

    private func register() {
        guard !isRegistering, !isEnding else { return }
        isRegistering = true
        let request = BrokerRegistrationRequest {
            $0.brokerId = description.id.rawValue
            $0.clusterId = description.clusterId
            $0.incarnationId = description.incarnation
            $0.listeners = description.endpoints
            $0.rack = description.rack
            $0.logDirs = description.directories
            $0.previousBrokerEpoch = description.previousEpoch
            $0.features = SupportedFeatures.all.map { feature in
                BrokerRegistrationRequest.Feature {
                    $0.name = feature.name
                    $0.minSupportedVersion = feature.range.lowerBound
                    $0.maxSupportedVersion = feature.range.upperBound
                }
            }
        }
        link.send(request, deadline: max(patience, loop.now + .seconds(1))) { result in
            self.isRegistering = false
            self.registered(result)
        }
    }

    private func registered(_ result: Result<BrokerRegistrationResponse, LinkFailure>) {
        guard !isEnding else { return }
        switch result {
        case .success(let response) where !response.errorCode.isError:
            epoch = response.brokerEpoch
            onEpoch(epoch)
            isUnfenced = false
            beatWhenCaughtUp()
        case .success(let response)
        where started != nil && (loop.now >= patience || response.errorCode == .inconsistentClusterId):
            fail(.refused("the controller refuses the registration: \(response.errorCode)"))
        case .failure(.storage(let reason)) where started != nil: fail(.metadata(reason))
        case .failure where started != nil && loop.now >= patience:
            fail(.refused("no controller answered the registration in time"))
        case .success, .failure:
            logger.warning("broker", "is not registered yet", [("answer", "\(result)")])
            _ = loop.schedule(at: loop.now + NodeLifecycle.registrationPause) { self.register() }
        }
    }

    // MARK: Heartbeats

    /// The image is visible on all loops.
    func imageVisible(_ image: ClusterImage) {
        seen = max(seen, image.endOffset)
        let known = leaving
        leaving = Set(image.brokers.values.filter { $0.isShuttingDown && !$0.isFenced && $0.id != description.id }.map(\.id))
        if !isUnfenced { beatWhenCaughtUp() } else if !leaving.isSubset(of: known) { beatSoon() }
    }

    private func beatWhenCaughtUp() {
        guard epoch >= 0, seen.rawValue > epoch, !isUnfenced, !isBeating else { return }
        beat()
    }

    /// Tells the controller of something at once.
    func beatSoon() {
        owesBeat = isBeating
        if !isBeating, epoch >= 0, !isEnding { beat() }
    }

    private func beat() {
        if let timer { loop.cancel(timer) }
        timer = nil
        isBeating = true
        let interval = Duration.milliseconds(node.int("broker.heartbeat.interval.ms"))
        let sent = loop.now
        link.send(heartbeat(stopping: false), deadline: sent + .milliseconds(node.int("broker.session.timeout.ms"))) {
            self.isBeating = false
            guard !self.isEnding else { return }
            self.heard($0)
            guard self.epoch >= 0, self.timer == nil, !self.isBeating else { return }
            if self.owesBeat { return self.beatSoon() }
            self.beat(at: max(self.loop.now, sent + interval), every: interval)
        }
    }

    /// The own controller needs no heartbeat: it is this process, and ends with it.
    private func beat(at instant: Instant, every interval: Duration) {
        timer = loop.schedule(at: instant) {
            self.timer = nil
            guard !self.isBeating, self.epoch >= 0, !self.isEnding else { return }
            if self.isUnfenced, self.link.hasUnfenced(self.description.id) {
                self.beat(at: self.loop.now + interval, every: interval)
            } else {
                self.beat()
            }
        }
    }

    private func heartbeat(stopping: Bool) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            $0.brokerId = description.id.rawValue
            $0.brokerEpoch = epoch
            $0.currentMetadataOffset = seen.rawValue - 1
            $0.wantShutDown = stopping
            $0.offlineLogDirs = offlineDirectories
        }
    }

    private func heard(_ result: Result<BrokerHeartbeatResponse, LinkFailure>) {
        switch result {
        case .success(let response) where !response.errorCode.isError:
            let wasUnfenced = isUnfenced
            isUnfenced = !response.isFenced
            if isUnfenced { settle(.success(epoch)) }
            if wasUnfenced, !isUnfenced { logger.warning("broker", "was fenced by the controller") }
        case .success(let response) where response.errorCode == .staleBrokerEpoch
            || response.errorCode == .brokerIdNotRegistered:
            epoch = -1
            register()
        case .success(let response):
            logger.warning("broker", "a heartbeat was refused", [("code", "\(response.errorCode)")])
        case .failure(.storage(let reason)) where started != nil: fail(.metadata(reason))
        case .failure(let failure): logger.warning("broker", "no controller answers heartbeats", [("reason", "\(failure)")])
        }
    }

    // MARK: Stop

    /// Tells the controller that the broker stops; `completion` when it agrees, or when it was asked for long enough.
    func end(_ completion: @escaping () -> Void) {
        isEnding = true
        if let timer { loop.cancel(timer) }
        timer = nil
        guard epoch >= 0 else { return completion() }
        sayFarewell(until: loop.now + NodeLifecycle.handoverMax, completion)
    }

    private func sayFarewell(until deadline: Instant, _ completion: @escaping () -> Void) {
        link.send(heartbeat(stopping: true), deadline: min(deadline, loop.now + NodeLifecycle.farewellMax)) { result in
            switch result {
            case .success(let response) where !response.errorCode.isError && !response.shouldShutDown:
                // Others take over what this broker leads.
                guard self.loop.now < deadline else {
                    self.logger.warning("broker", "stops though others have not seen what it hands over")
                    return completion()
                }
                _ = self.loop.schedule(at: self.loop.now + .milliseconds(50)) { self.sayFarewell(until: deadline, completion) }
            case .success(let response) where !response.errorCode.isError: completion()
            case .success, .failure:
                // Even if the metadata log takes no more: the data logs are closed, so that nothing of them is scanned.
                self.logger.error("broker", "cannot note the stop", [("reason", "\(result)")])
                completion()
            }
        }
    }
}
