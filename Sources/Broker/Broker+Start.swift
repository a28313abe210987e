// Starting a node: lock and check the folders, format what is empty, load the metadata, open the logs, listen, lead,
// register, serve.
//
// A start always comes to its end, and a stop that arrives meanwhile waits for it: see `Broker+Stop`.

internal import Basics
internal import Bytes
internal import ClusterImage
package import Configuration
internal import Controller
package import Environment
internal import Log
internal import Replication
internal import Raft
internal import WireProtocol

extension Broker {
    /// Opens a node's folders and listens; it serves when `completion` is called, on loop 0.
    /// Blocks for as long as the logs take to open; call before the loops have anything else to do. `onHalt` is called when
    /// the node cannot go on: its process is to end without an orderly stop.
    package static func start(
        _ environment: Environment, _ node: NodeConfiguration, logger: Logger,
        onHalt: @escaping @Sendable (StartFailure) -> Void,
        completion: @escaping @Sendable (StartFailure?) -> Void
    ) throws(StartFailure) -> Broker {
        for warning in node.warnings { logger.warning("configuration", warning) }
        let opened = try OpenedFolders(environment, node, logger)
        let metadata = opened.metadata
        let view = ClusterView(image: metadata.controller.image)
        let broker = Broker(
            environment: environment, node: node, logger: logger, replicas: opened.replicas,
            identity: opened.identity, view: view, onHalt: onHalt)
        broker.watchFolders()
        let limits = Limits(node, loops: environment.loops.count)
        let starting = Handover(metadata)
        let ended: @Sendable (StartFailure?) -> Void = { failure in
            completion(failure)
            broker.startEnded()
        }
        for loop in environment.loops {
            loop.post {
                let shard = Shard(loop: loop, broker: broker, limits: limits, logger: logger, view: view)
                let confined = Confined(shard, to: loop)
                let isLast = broker.withState { state in
                    state.shards.append(confined)
                    return state.shards.count == environment.loops.count
                }
                guard isLast else { return }
                broker.controllerLoop.post {
                    broker.lead(starting.take(), ended)
                }
            }
        }
        return broker
    }

    /// Inside the controller's loop, once all shards are there.
    private func lead(
        _ metadata: LoadedMetadata, _ completion: @escaping @Sendable (StartFailure?) -> Void
    ) {
        let endpoints: [RegisterBrokerRecord.BrokerEndpoint]
        do {
            endpoints = try listen()
        } catch {
            return completion(error)
        }
        let driver = driver(for: metadata)
        let link = ControllerLink(driver: driver, peers: driver.peers, random: environment.random)
        let lifecycle = NodeLifecycle(
            link: link, loop: controllerLoop, node: node, description: describe(endpoints), logger: logger)
        lifecycle.onEpoch = { [weak self] epoch in self?.withState { $0.brokerEpoch = epoch } }
        withState { state in
            state.driver = Confined(driver, to: controllerLoop)
            state.link = Confined(link, to: controllerLoop)
            state.lifecycle = Confined(lifecycle, to: controllerLoop)
            state.inSync = Confined(InSyncChanges(link: link, loop: controllerLoop, broker: self), to: controllerLoop)
            state.membership = Confined(QuorumMembership(driver: driver, link: link), to: controllerLoop)
            state.moves = Confined(ReplicaMoves(broker: self, loop: controllerLoop), to: controllerLoop)
        }
        lifecycle.start { result in
            switch result {
            case .success(let epoch): self.begin(epoch, completion)
            case .failure(let failure): completion(failure)
            }
        }
        driver.start()
        let held = withState { state in
            let early = state.held.filter { self.kind(of: $0.listener) == .controller }
            state.held.removeAll { self.kind(of: $0.listener) == .controller }
            return early
        }
        for connection in held { connection.transport.confinement.post { self.admit(connection) } }
    }

    private func driver(for metadata: LoadedMetadata) -> MetadataDriver {
        let snapshots = SnapshotWriter(
            loop: controllerLoop, environment: environment, loaded: metadata, node: node, logger: logger)
        let outlets = MetadataDriver.Outlets(
            publish: { image, touched, done in
                self.publish(image, touched) {
                    self.noteKraftVersion()
                    done()
                    let (lifecycle, membership) = self.withState { ($0.lifecycle, $0.membership) }
                    lifecycle?.value.imageVisible(image)
                    membership?.value.look()
                }
            },
            controllerChanged: { leader, isActive in
                self.withState { state in
                    state.isActiveController = isActive
                    state.quorumLeader = leader
                }
                self.withState { $0.link }?.value.controllerChanged()
                self.withState { $0.membership }?.value.look()
            },
            failed: { failure in self.metadataFailed(failure) },
            checkpoint: { () throws(StorageError) in try self.replicas.writeMetadataCheckpoints() },
            openEnvelope: { frame, done in
                let shard = self.withState { $0.shards.first { $0.confinement === self.controllerLoop } }
                guard let shard = shard?.value else { return done(EnvelopeResponse { $0.errorCode = .notController }) }
                EnvelopedRequest(shard, done).begin(frame)
            })
        return MetadataDriver(
            loop: controllerLoop, environment: environment, node: node, loaded: metadata, snapshots: snapshots,
            peers: NodePeers(on: controllerLoop, network: environment.network, clientId: "node-\(nodeId)"),
            speaker: QuorumSpeaker(
                clusterId: identity.clusterId, endpoints: node.ownQuorumEndpoints,
                fetchBytesMax: node.int("controller.quorum.fetch.max.bytes"),
                snapshotBytesMax: node.int("controller.quorum.fetch.snapshot.max.bytes")),
            incarnation: replicas.incarnation, logger: logger, outlets: outlets)
    }

    /// Names what the metadata hold that this release does not know. It is kept, and goes with nothing.
    func tellOfUnknown(_ image: ClusterImage) {
        let known = Set(SupportedFeatures.all.map(\.name))
        for (name, level) in image.features.sorted(by: { $0.key < $1.key }) where !known.contains(name) {
            logger.warning("metadata", "kept a feature that is not known", [("feature", name), ("level", "\(level)")], isEvery: true)
        }
        for topic in image.topics.values.map(\.name).sorted() {
            for key in image.configuration(.topic, topic).keys.sorted() where KeyTable.topic[key] == nil {
                logger.warning("metadata", "kept a setting that is not known", [("topic", topic), ("key", key)], isEvery: true)
            }
        }
    }

    /// What clients are told of the quorum follows its voters.
    private func noteKraftVersion() {
        guard let driver = withState({ $0.driver })?.value else { return }
        let level = driver.kraftVersion
        withState { $0.kraftVersion = level }
    }

    /// Without the metadata log nothing goes on: a start fails by it, and a node that serves ends.
    private func metadataFailed(_ failure: MetadataFailure) {
        logger.error("metadata", "the metadata log failed", [("reason", "\(failure)")])
        let isStarting = withState { $0.lifecycle }?.value.fail(.metadata(failure)) ?? false
        if !isStarting, withState({ !$0.isStopping }) { halt(.metadata(failure)) }
    }

    private func describe(_ endpoints: [RegisterBrokerRecord.BrokerEndpoint]) -> NodeLifecycle.Description {
        let own = node.controllerEndpoint
        return NodeLifecycle.Description(
            id: nodeId, clusterId: identity.clusterId, incarnation: replicas.incarnation,
            endpoints: endpoints.map { endpoint in
                BrokerRegistrationRequest.Listener {
                    $0.name = endpoint.name
                    $0.host = endpoint.host
                    $0.port = endpoint.port
                    $0.securityProtocol = endpoint.securityProtocol
                }
            }, rack: node["broker.rack"], directories: replicas.onlineDirectoryIds,
            previousEpoch: replicas.previousBrokerEpoch,
            controllerEndpoints: [
                ControllerRegistrationRequest.Listener {
                    $0.name = own?.name ?? "CONTROLLER"
                    $0.host = own?.host ?? "127.0.0.1"
                    $0.port = own?.port ?? OpenedFolders.unboundControllerPort
                    $0.securityProtocol = own?.protocolId ?? 0
                }
            ])
    }

    /// The node may serve. `epoch`: of its broker, -1 if it has none.
    private func begin(_ epoch: Int64, _ completion: @escaping @Sendable (StartFailure?) -> Void) {
        let held = withState { state in
            state.brokerEpoch = epoch
            state.isServing = true
            defer { state.held = [] }
            return state.held
        }
        for connection in held { connection.transport.confinement.post { self.admit(connection) } }
        tellOfOffline()
        tellOfUnknown(image)
        assignDirectories()
        serve()
        // The start's own turn ends first.
        controllerLoop.post { completion(nil) }
    }

    // MARK: Listening

    /// Opens all listeners; answers the endpoints of those for clients, as they are advertised.
    private func listen() throws(StartFailure) -> [RegisterBrokerRecord.BrokerEndpoint] {
        for listener in node.listeners where node.controllerListenerNames.contains(listener.name) {
            _ = try open(listener)
        }
        var endpoints: [RegisterBrokerRecord.BrokerEndpoint] = []
        for listener in node.brokerListeners {
            let port = try open(listener)
            let advertised = node.brokerEndpoints.first { $0.name == listener.name } ?? listener
            endpoints.append(
                RegisterBrokerRecord.BrokerEndpoint {
                    $0.name = listener.name
                    $0.host = advertised.host.isEmpty || advertised.host == "0.0.0.0" ? "localhost" : advertised.host
                    $0.port = advertised.port == 0 ? port : advertised.port
                    $0.securityProtocol = listener.protocolId
                })
        }
        return endpoints
    }

    /// Listens; answers the port.
    private func open(_ listener: Listener) throws(StartFailure) -> UInt16 {
        let opened: any ListeningSocket
        do throws(NetworkError) {
            opened = try environment.network.listen(
                SocketAddress(host: listener.host, port: listener.port)
            ) { transport in self.accept(transport, listener: listener.name) }
        } catch {
            throw .network("\(listener.name)://\(listener.host):\(listener.port)", error)
        }
        withState { $0.listeners.append(opened) }
        return opened.address.port
    }

    func kind(of listener: String) -> ListenerKinds {
        node.controllerListenerNames.contains(listener) ? .controller : .broker
    }

    /// Takes a new connection; one that comes before the node serves waits unread until it does.
    private func accept(_ transport: any Transport, listener: String) {
        let held = HeldConnection(transport: Confined(transport, to: transport.loop), listener: listener)
        let mustWait = withState { state in
            // Other controllers are answered as soon as there is a quorum.
            let mustWait = !state.isServing && !(state.driver != nil && self.kind(of: listener) == .controller)
            if mustWait { state.held.append(held) }
            return mustWait
        }
        if !mustWait { admit(held) }
    }

    private func admit(_ held: HeldConnection) {
        let transport = held.transport.value
        let shard = withState { $0.shards.first { $0.confinement === transport.loop } }
        guard let shard else { return transport.close() }
        shard.value.accept(transport, listener: held.listener)
    }

    /// The addresses that are listened on, with their real ports.
    package var addresses: [SocketAddress] { withState { $0.listeners.map(\.address) } }

    // MARK: Serving

    private func serve() {
        let listeners = addresses.map(\.description).joined(separator: ",")
        logger.info(
            "broker", "started",
            [("node", "\(identity.nodeId)"), ("cluster", identity.clusterId), ("listeners", listeners)])
        every(.milliseconds(Int64(node.int("replica.high.watermark.checkpoint.interval.ms")))) { broker in
            broker.environment.pool.run {
                do {
                    try broker.replicas.writeCheckpoints()
                } catch {
                    broker.logger.error("log", "cannot write checkpoints", [("reason", "\(error)")])
                }
            }
        }
        every(.milliseconds(Int64(node.int("producer.id.expiration.check.interval.ms")))) { broker in
            let limit = Duration.milliseconds(Int64(broker.dynamicInt("producer.id.expiration.ms")))
            for replica in broker.replicas.all() {
                replica.partition.log.expireProducers(at: broker.wallClock, after: limit)
            }
        }
        every(.seconds(10)) { broker in
            for shard in broker.withState({ $0.shards }) { shard.confinement.post { shard.value.closeIdle() } }
        }
        every(replicaLagMax / 2) { broker in broker.reviewInSync() }
        beginElections()
        beginLooking()
        beginMaintenance()
        lookAtMoves()
    }

    /// Runs `action` inside the controller's loop again and again, as long as the node serves.
    func every(_ interval: Duration, _ action: @escaping (Broker) -> Void) {
        _ = controllerLoop.schedule(at: controllerLoop.now + interval) {
            guard self.withState({ !$0.isStopping }) else { return }
            action(self)
            self.every(interval, action)
        }
    }
}

/// A connection that came before the node served.
struct HeldConnection: Sendable {
    let transport: Confined<any Transport>
    let listener: String
}
