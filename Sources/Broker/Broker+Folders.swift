// What a node does about its log folders while it runs: one that fails is taken out of service and the controller told;
// without the metadata log's, or without any, the node ends. The room that is left is looked at every second.

internal import Basics
internal import Configuration
internal import Controller
internal import Environment
internal import Log

extension Broker {
    /// Follows the folders from now on; before the node serves.
    func watchFolders() {
        for folder in replicas.folders {
            folder.standing.onFailure { reason in self.controllerLoop.post { self.folderFailed(folder, reason) } }
        }
    }

    /// Looks at the room of the folders every second, and tries again what was refused for want of it.
    func beginLooking() {
        let reserve = setting(of: "martlet.disk.reserve.bytes")
        let throttle = setting(of: "martlet.disk.throttle.bytes")
        environment.pool.run { self.replicas.measureRoom(reserve: reserve, throttle: throttle) }
        every(.seconds(1)) { broker in
            broker.environment.pool.run { broker.replicas.measureRoom(reserve: reserve, throttle: throttle) }
            if broker.replicas.hasRefused { broker.publishAgain() }
        }
    }

    /// A count of bytes; nil where -1 leaves it to the node.
    private func setting(of key: String) -> Int? {
        let value = node.int(key)
        return value < 0 ? nil : value
    }

    /// Inside the controller's loop.
    private func folderFailed(_ folder: LogFolder, _ reason: StorageError) {
        logger.error("log", "log folder is offline", [("folder", folder.path), ("reason", "\(reason)")])
        if replicas.holdsMetadata(folder) || replicas.onlineDirectoryIds.isEmpty {
            return halt(.folderFailed(folder.path, reason))
        }
        publishAgain()
        tellOfOffline()
    }

    /// Tells the controller of folders that went offline since the node registered. Inside its loop.
    func tellOfOffline() {
        guard brokerEpoch >= 0, let driver = withState({ $0.driver }) else { return }
        let offline = Set(replicas.directoryIds).subtracting(replicas.onlineDirectoryIds).sorted()
        let records = driver.value.controller.directoriesOffline(offline, of: nodeId)
        guard !records.isEmpty else { return }
        driver.value.append(records) { failure in
            guard let failure else { return }
            self.logger.error("broker", "cannot tell of an offline folder", [("reason", "\(failure)")])
        }
    }

    /// Tells the controller where replicas are whose folder the image does not name. Inside its loop.
    func assignDirectories() {
        guard brokerEpoch >= 0, let driver = withState({ $0.driver }) else { return }
        let found = replicas.takeUnassigned()
        guard !found.isEmpty else { return }
        let assignments = found.map {
            DirectoryAssignment(topicId: $0.topicId, partition: $0.partition, directory: $0.directory)
        }
        let records = driver.value.controller.assign(assignments, of: nodeId)
        guard !records.isEmpty else { return }
        driver.value.append(records) { failure in
            guard let failure else { return }
            self.logger.error("broker", "cannot assign folders", [("reason", "\(failure)")])
        }
    }

    /// The node cannot go on, and does nothing more. Nothing is marked as stopped in order.
    private func halt(_ reason: StartFailure) {
        let isFirst = withState { state in
            defer { state.isStopping = true }
            return !state.hasHalted
        }
        withState { $0.hasHalted = true }
        if isFirst { onHalt(reason) }
    }
}
