// Stopping a node in order: answer what is under way, close the logs, note that all is well.
//
// A stop that comes while the node still starts waits for the end of the start, so that nothing is opened behind it.

internal import Basics
internal import Controller
internal import Environment
internal import Log

extension Broker {
    /// Stops in order; `completion` runs on loop 0 when everything is on disk. The first call counts.
    package func stop(_ completion: @escaping @Sendable (StartFailure?) -> Void) {
        let mustWait = withState { state in
            if state.isStarting, state.deferredStop == nil { state.deferredStop = { self.stopServing(completion) } }
            return state.isStarting
        }
        if !mustWait { stopServing(completion) }
    }

    /// The start came to its end, a good or a bad one.
    func startEnded() {
        let stop = withState { state in
            state.isStarting = false
            return state.deferredStop
        }
        stop?()
    }

    private func stopServing(_ completion: @escaping @Sendable (StartFailure?) -> Void) {
        let (shards, listeners, wasStopping) = withState { state in
            defer { state.isStopping = true }
            return (state.shards, state.listeners, state.isStopping)
        }
        guard !wasStopping else { return }
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
        guard let driver = withState({ $0.driver }) else { return completion(nil) }
        driver.value.stopBackground()
        withState { $0.inSync }?.value.close()
        driver.value.append(driver.value.controller.fence(identity.nodeId)) { failure in
            // Even if the metadata log takes no more: the data logs are closed, so that nothing of them is scanned.
            if let failure { self.logger.error("broker", "cannot note the stop", [("reason", "\(failure)")]) }
            let loop = self.controllerLoop
            self.environment.pool.run {
                var failure: StartFailure?
                do throws(StorageError) {
                    try self.replicas.closeLogs()
                } catch {
                    failure = .storage(error)
                }
                let outcome = failure
                loop.post {
                    guard outcome == nil else { return completion(outcome) }
                    do throws(StorageError) {
                        try driver.value.close()
                        try self.replicas.endRun(brokerEpoch: self.brokerEpoch)
                        self.logger.info("broker", "stopped", [("node", "\(self.identity.nodeId)")])
                        completion(nil)
                    } catch {
                        completion(.storage(error))
                    }
                }
            }
        }
    }
}
