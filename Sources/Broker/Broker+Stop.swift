// Stopping a node in order: hand over what others can lead, answer what is under way, close the logs, note that all is well.
//
// A stop that comes while the node still starts waits for the end of the start, so that nothing is opened behind it.

internal import Basics
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Raft

extension Broker {
    /// Stops in order; `completion` runs on loop 0 when everything is on disk. The first call counts.
    package func stop(_ completion: @escaping @Sendable (StartFailure?) -> Void) {
        let mustWait = withState { state in
            if state.isStarting, state.deferredStop == nil { state.deferredStop = { self.handOver(completion) } }
            return state.isStarting
        }
        guard mustWait else { return handOver(completion) }
        // Who waits for a controller waits no longer.
        controllerLoop.post {
            guard self.node.hasQuorumPeers else { return }
            self.withState { $0.lifecycle }?.value.fail(.refused("stopped before it could serve"))
        }
    }

    /// The start came to its end, a good or a bad one.
    func startEnded() {
        let stop = withState { state in
            state.isStarting = false
            return state.deferredStop
        }
        stop?()
    }

    /// Others take over while this node still answers, so that clients are told of them.
    private func handOver(_ completion: @escaping @Sendable (StartFailure?) -> Void) {
        let wasStopping = withState { state in
            defer { state.isStopping = true }
            return state.isStopping
        }
        guard !wasStopping else { return }
        controllerLoop.post {
            guard let lifecycle = self.withState({ $0.lifecycle })?.value else { return self.stopServing(completion) }
            lifecycle.end { self.stopServing(completion) }
        }
    }

    private func stopServing(_ completion: @escaping @Sendable (StartFailure?) -> Void) {
        let (shards, listeners) = withState { ($0.shards, $0.listeners) }
        for listener in listeners { listener.close() }
        let left = SharedCounter(shards.count)
        for shard in shards {
            shard.confinement.post {
                shard.value.end {
                    guard left.decrement() == 0 else { return }
                    self.controllerLoop.post { self.close(completion) }
                }
            }
        }
    }

    private func close(_ completion: @escaping @Sendable (StartFailure?) -> Void) {
        guard let driver = withState({ $0.driver })?.value, let link = withState({ $0.link })?.value else {
            return completion(nil)
        }
        leaveQuorum(driver) {
            driver.stopBackground()
            link.close()
            self.withState { $0.inSync }?.value.close()
            driver.peers.close()
            self.closeLogs(Confined(driver, to: self.controllerLoop), completion)
        }
    }

    /// A leader among several says that it goes, so that the others need not find out.
    private func leaveQuorum(_ driver: MetadataDriver, _ then: @escaping () -> Void) {
        guard driver.isActive, driver.quorum.voters.voters.count > 1 else { return then() }
        driver.resign(then)
    }

    private func closeLogs(
        _ driver: Confined<MetadataDriver>, _ completion: @escaping @Sendable (StartFailure?) -> Void
    ) {
        let loop = controllerLoop
        environment.pool.run {
            let logs = self.failure { () throws(StorageError) in try self.replicas.closeLogs() }
            loop.post {
                let metadata = self.failure { () throws(StorageError) in try driver.value.close() }
                var failures = [logs, metadata].compactMap(\.self)
                if failures.isEmpty {
                    let mark = self.failure { () throws(StorageError) in
                        try self.replicas.endRun(brokerEpoch: self.brokerEpoch)
                    }
                    failures = [mark].compactMap(\.self)
                }
                self.ended(failures, completion)
            }
        }
    }

    private func failure(_ body: () throws(StorageError) -> Void) -> StorageError? {
        do throws(StorageError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    /// What has no room at the end of a life is what saves the next one time: all records are where they were.
    private func ended(_ failures: [StorageError], _ completion: (StartFailure?) -> Void) {
        if let failure = failures.first(where: { !$0.isWantOfRoom }) { return completion(.storage(failure)) }
        let node = ("node", "\(identity.nodeId)")
        if let failure = failures.first {
            logger.warning(
                "broker", "stopped without room to note it: the next start reads the logs as after a crash",
                [node, ("reason", "\(failure)")])
        } else {
            logger.info("broker", "stopped", [node])
        }
        completion(nil)
    }
}
