// Opening all logs of a node at its start, and closing them at its end: many at a time, with syncs of the whole disk.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

extension ReplicaFolders {
    /// Opens every log that a folder holds and the image knows; others are reported and left alone.
    func loadAll(_ image: ClusterImage) throws(StorageError) {
        for folder in folders { try orOffline(folder) { () throws(StorageError) in try self.loadAll(of: folder, image) } }
        try resumeMoves(image)
    }

    private func loadAll(of folder: LogFolder, _ image: ClusterImage) throws(StorageError) {
        let checkpoints = try folder.readCheckpoints()
        if let lost = checkpoints.lost {
            logger.warning("log", "recovery points are lost, all is scanned", [("reason", "\(lost)")], isEvery: true)
        }
        for path in try folder.retired() { maintenance.remove(folder: path, after: .zero) }
        let partitions = try folder.partitions().filter { $0 != MetadataStore.partition }
        var configurations: [String: TopicConfiguration] = [:]
        for name in Set(partitions.map(\.topic)) {
            configurations[name] = image.topic(named: name).map { configuration(of: $0, image) }
        }
        let known = configurations
        environment.pool.forEach(partitions.count) { [self] index in
            let id = partitions[index]
            load(id, image.topic(named: id.topic), folder, checkpoints, known[id.topic])
        }
    }

    func configuration(of topic: TopicImage, _ image: ClusterImage) -> TopicConfiguration {
        TopicConfiguration(
            topic: image.configuration(.topic, topic.name),
            brokerDynamic: image.configuration(.broker, String(node.nodeId)),
            clusterDynamic: image.configuration(.broker, ""), node: node)
    }

    /// Opens a log that a folder holds; one that cannot be opened stays closed.
    func load(
        _ id: TopicPartition, _ topic: TopicImage?, _ folder: LogFolder, _ checkpoints: LogFolder.Checkpoints,
        _ configuration: TopicConfiguration?
    ) {
        guard let topic, let configuration, topic.partitions[id.partition] != nil else {
            return logger.warning("log", "left alone, the cluster does not know it", [("partition", "\(id)")])
        }
        do {
            if let topicId = try folder.topicId(of: id), topicId != topic.id {
                return logger.warning("log", "left alone, it belongs to another topic id", [("partition", "\(id)")])
            }
            guard isPlace(of: id, topic, folder) else { return }
            let replica = try load(
                id, topicId: topic.id, folder: folder, configuration: LogConfiguration(configuration, of: id),
                isClean: folder.isClean, checkpoints: checkpoints)
            state.withLock { $0.replicas[id] = (replica, folder) }
        } catch {
            let failed = Failed(reason: error, topicId: topic.id, folder: folder, checkpoints: checkpoints)
            state.withLock { state in
                state.failed[id] = failed
                guard !folder.standing.isOffline else { return }
                // As of a folder that is lost: another replica leads, or none (KIP-858).
                state.unassigned.append(
                    ReplicaDirectory(topicId: topic.id, partition: id.partition, directory: BrokerImage.lostDirectory))
            }
            logger.error("log", "quarantined", [("partition", "\(id)"), ("reason", "\(error)")], isEvery: true)
        }
    }

    /// Whether the log of `id` in `folder` is the one that counts. A folder that was away while its replica moved to another
    /// comes back with an older log: of two the one is served that the cluster knows of, and the other is left alone.
    private func isPlace(of id: TopicPartition, _ topic: TopicImage, _ folder: LogFolder) -> Bool {
        guard let known = state.withLock({ $0.replicas[id] }), known.folder !== folder else { return true }
        let named = topic.partitions[id.partition]?.directory(of: localId)
        let isNamed = folders.firstIndex { $0 === folder }.map { directoryIds[$0] == named } ?? false
        if isNamed { state.withLock { $0.replicas[id] = nil } }
        let other = isNamed ? known.folder : folder
        logger.error("log", "left alone, another folder has it, too", [("partition", "\(id)"), ("folder", other.path)])
        return isNamed
    }

    /// Closes every log. Nothing may be appended any more. Of several failures want of room is thrown last: it costs a scan.
    func closeLogs() throws(StorageError) {
        var failures: [StorageError] = []
        // What is copied is copied on by the next life.
        for id in moving { future(of: id)?.future.log.endMaintenance() }
        for entry in all() { entry.partition.log.endMaintenance() }
        for folder in folders where !folder.standing.isOffline {
            let logs = all().filter { $0.folder === folder }.map(\.partition.log)
            if logs.count >= LogFolder.sharedSyncMin, let disk = folder.disk {
                failures += close(logs, SyncBatch(folder.fileSystem, disk))
            } else {
                failures += logs.compactMap { log in attempt(log) { () throws(StorageError) in try log.close() } }
            }
        }
        do throws(StorageError) {
            try writeCheckpoints()
        } catch {
            failures.append(error)
        }
        state.withLock { $0.isClosed = true }
        if let failure = failures.first(where: { !$0.isWantOfRoom }) ?? failures.first { throw failure }
    }

    private func close(_ logs: [PartitionLog], _ batch: SyncBatch) -> [StorageError] {
        var failures: [StorageError] = []
        var marks: [(log: PartitionLog, mark: PartitionLog.SyncMark)] = []
        for log in logs {
            let failure = attempt(log) { () throws(StorageError) in
                if let mark = try log.close(in: batch) { marks.append((log, mark)) }
            }
            if let failure { failures.append(failure) }
        }
        do {
            try batch.commit()
        } catch {
            logger.error("log", "cannot close", [("reason", "\(error)")])
            return failures + [error]
        }
        for (log, mark) in marks { log.endSync(mark) }
        return failures
    }

    private func attempt(_ log: PartitionLog, _ body: () throws(StorageError) -> Void) -> StorageError? {
        do {
            try body()
            return nil
        } catch {
            // A disk without room has none for all of them, and is told of once.
            if !error.isWantOfRoom {
                logger.error("log", "cannot close", [("partition", "\(log.partition)"), ("reason", "\(error)")])
            }
            return error
        }
    }

    /// Notes that everything was closed in order, but for folders with a log that could not be opened.
    func endRun(brokerEpoch: Int64) throws(StorageError) {
        let failed = state.withLock { $0.failed.values.map(\.folder) }
        for folder in folders where !failed.contains(where: { $0 === folder }) && !folder.standing.isOffline {
            try folder.endRun(brokerEpoch: brokerEpoch)
        }
    }
}
