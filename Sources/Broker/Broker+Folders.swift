// What a node does about its log folders while it runs: one that fails is taken out of service and the controller told;
// without the metadata log's, or without any, the node ends. The room that is left is looked at every second.

internal import Basics
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Synchronization
internal import WireProtocol

extension Broker {
    /// Follows the folders from now on; before the node serves.
    func watchFolders() {
        // Coordinators look at who leads when they take a view.
        replicas.onLateLead.withLock { $0 = { self.publishAgain() } }
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
        guard brokerEpoch >= 0, let lifecycle = withState({ $0.lifecycle })?.value else { return }
        let offline = Set(replicas.directoryIds).subtracting(replicas.onlineDirectoryIds).sorted()
        guard offline != lifecycle.offlineDirectories else { return }
        lifecycle.offlineDirectories = offline
        lifecycle.beatSoon()
    }

    /// Tells the controller where replicas are whose folder the image does not name. Inside its loop.
    func assignDirectories() {
        guard brokerEpoch >= 0, let link = withState({ $0.link })?.value else { return }
        let found = replicas.takeUnassigned()
        guard !found.isEmpty else { return }
        let epoch = brokerEpoch
        let request = AssignReplicasToDirsRequest {
            $0.brokerId = nodeId.rawValue
            $0.brokerEpoch = epoch
            for directory in Set(found.map(\.directory)).sorted() {
                let here = found.filter { $0.directory == directory }
                $0.directories.append(
                    AssignReplicasToDirsRequest.DirectoryData {
                        $0.id = directory
                        for topic in Set(here.map(\.topicId)).sorted() {
                            $0.topics.append(
                                AssignReplicasToDirsRequest.TopicData {
                                    $0.topicId = topic
                                    $0.partitions = here.filter { $0.topicId == topic }.map(\.partition).sorted().map {
                                        index in AssignReplicasToDirsRequest.PartitionData { $0.partitionIndex = index }
                                    }
                                })
                        }
                    })
            }
        }
        link.send(request, deadline: controllerLoop.now + .seconds(30)) { result in
            if case .success(let response) = result, !response.errorCode.isError { return }
            self.logger.error("broker", "cannot assign folders", [("reason", "\(result)")])
        }
    }

    /// The node cannot go on, and does nothing more. Nothing is marked as stopped in order.
    func halt(_ reason: StartFailure) {
        let isFirst = withState { state in
            defer { state.isStopping = true }
            return !state.hasHalted
        }
        withState { $0.hasHalted = true }
        if isFirst { onHalt(reason) }
    }
}
