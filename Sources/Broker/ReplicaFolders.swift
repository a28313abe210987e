// The replicas of this node on its log folders: opening them at start, following the image as topics come, change and
// go, checkpoints, and the orderly end.
//
// Used by one caller at a time: the starting thread, then the pool job that applies an image; checkpoints only read.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

/// All replicas of a node.
final class ReplicaFolders: Sendable {
    struct State {
        var replicas: [TopicPartition: (partition: Partition, folder: LogFolder)] = [:]
        /// Logs that could not be opened.
        var failed: [TopicPartition: Failed] = [:]
        /// Topics with a replica that the file system refused for now, such as for want of space.
        var refused: Set<Uuid> = []
        /// Replicas whose folder is not the one that the image names.
        var unassigned: [ReplicaDirectory] = []
        /// Copies of replicas that are to be in another folder.
        var futures: [TopicPartition: FutureReplica] = [:]
        /// Folders that replicas are to be in which are not here yet.
        var preferred: [TopicPartition: LogFolder] = [:]
        var isClosed = false
        /// The registration of this life of the node has been seen.
        var isRegistered = false
    }

    /// A log that stays closed until somebody looks at it: why, and what the checkpoints said of it.
    struct Failed {
        var reason: StorageError
        var topicId: Uuid
        var folder: LogFolder
        var checkpoints: LogFolder.Checkpoints
    }

    let folders: [LogFolder]
    let directoryIds: [Uuid]
    /// Folders that could not be opened at start.
    let unopened: [String]
    /// The broker epoch of an orderly stop that lost nothing: all folders are there and took note of it; else -1.
    var previousBrokerEpoch: Int64 { unopened.isEmpty ? LogFolder.orderlyEnd(of: folders) ?? -1 : -1 }
    /// The metadata log, whose recovery point stands in the checkpoint of its folder.
    let metadata: PartitionLog
    let node: NodeConfiguration
    let environment: Environment
    /// Names this life of the node to the cluster.
    let incarnation: Uuid
    let state = Mutex(State())
    /// The turn of those who begin moves.
    let moveTurn = Mutex(())
    let logger: Logger
    let handles: SegmentHandles
    let maintenance: LogMaintenance
    /// Called on any thread when a replica leads that could not do so when the image was applied.
    let onLateLead = Mutex<(@Sendable () -> Void)?>(nil)
    /// One for each folder.
    let syncs: [SyncQueue]
    /// A write of checkpoints is on its way.
    let isCheckpointDue = Atomic(false)

    init(
        folders: [LogFolder], directoryIds: [Uuid], unopened: [String], metadata: PartitionLog,
        node: NodeConfiguration, environment: Environment, logger: Logger
    ) {
        self.folders = folders
        self.directoryIds = directoryIds
        self.unopened = unopened
        self.metadata = metadata
        self.node = node
        self.environment = environment
        self.logger = logger
        var random = RandomSourceGenerator(environment.random)
        incarnation = Uuid.random(using: &random)
        handles = SegmentHandles(limit: node.int("martlet.open.segments.max"))
        maintenance = LogMaintenance(environment: environment, logger: logger)
        syncs = folders.map { folder in
            SyncQueue(pool: environment.pool, disk: folder.disk) { partition, error in
                logger.error("log", "cannot sync", [("partition", "\(partition.id)"), ("reason", "\(error)")])
            }
        }
    }

    var localId: NodeId { NodeId(node.nodeId) }

    // MARK: Following the image

    /// The view of `image`, with topics of `before` that were not touched taken over. Opens, makes and retires logs.
    func apply(_ image: ClusterImage, touched: MetadataDriver.Touched, before: ClusterView) -> ClusterView {
        var byId = before.byId
        let becomesRegistered = noteRegistration(image)
        var ids = touched.everything || becomesRegistered ? Set(image.topics.keys).union(before.byId.keys) : touched.topics
        ids.formUnion(letGoOfOffline())
        ids.formUnion(state.withLock { state in
            defer { state.refused = [] }
            return state.refused
        })
        // What is gone goes first: a new topic may have the name of a deleted one.
        var hasRetired = false
        for id in ids.sorted() where image.topics[id] == nil {
            guard let gone = byId.removeValue(forKey: id) else { continue }
            retire(gone)
            hasRetired = true
        }
        if hasRetired { forgetCheckpoints() }
        if becomesRegistered { putAsideStrays(image) }
        for id in ids.sorted() {
            guard let topic = image.topics[id] else { continue }
            byId[id] = follow(topic, before: before.byId[id], image: image)
        }
        return ClusterView(image: image, byId: byId, changed: ids)
    }

    /// Checkpoints are by name; those of a deleted topic must not be taken for those of a new one.
    func forgetCheckpoints() {
        do {
            try writeCheckpoints()
            try writeCleaned()
        } catch {
            logger.error("log", "cannot write checkpoints", [("reason", "\(error)")])
        }
    }

    private func follow(_ topic: TopicImage, before: TopicView?, image: ClusterImage) -> TopicView {
        let configuration = configuration(of: topic, image)
        letGo(topic, before)
        create(topic, before: before)
        var replicas: [Int32: Partition] = [:]
        for (index, partition) in topic.sortedPartitions where partition.replicas.contains(localId) {
            let id = TopicPartition(topic.name, index)
            do throws(StorageError) {
                let known = before?.replicas[index].flatMap { $0.folder.isOffline ? nil : $0 }
                let replica =
                    if let known { known } else { try open(id, topicId: topic.id, partition, configuration) }
                noteDirectory(of: id, topicId: topic.id, partition)
                assume(partition, replica, configuration)
                replicas[index] = replica
            } catch {
                if error.isPassing { state.withLock { _ = $0.refused.insert(topic.id) } }
                logger.error("log", "cannot open", [("partition", "\(id)"), ("reason", "\(error)")])
            }
        }
        return TopicView(image: topic, configuration: configuration, replicas: replicas)
    }

    /// Retires replicas that were moved to other brokers.
    private func letGo(_ topic: TopicImage, _ before: TopicView?) {
        guard let before else { return }
        let gone = before.replicas.filter { !(topic.partitions[$0.key]?.replicas.contains(localId) ?? false) }
        guard !gone.isEmpty else { return }
        retire(TopicView(image: before.image, configuration: before.configuration, replicas: gone))
        forgetCheckpoints()
    }

    /// Makes the folders of partitions that are new here, all at once.
    private func create(_ topic: TopicImage, before: TopicView?) {
        var missing: [[TopicPartition]] = folders.map { _ in [] }
        let known = state.withLock { $0.replicas }
        for (index, partition) in topic.sortedPartitions
        where partition.replicas.contains(localId) && before?.replicas[index] == nil {
            let id = TopicPartition(topic.name, index)
            guard known[id] == nil, let folder = assignedFolder(partition), !folders[folder].standing.isOffline else {
                continue
            }
            let path = folders[folder].directory(of: id)
            guard (try? folders[folder].fileSystem.attributes(path)) == .some(nil) else { continue }
            missing[folder].append(id)
        }
        for (index, partitions) in missing.enumerated() where !partitions.isEmpty {
            do {
                try folders[index].createPartitions(partitions, topicId: topic.id)
            } catch {
                logger.error("log", "cannot create", [("topic", topic.name), ("reason", "\(error)")])
            }
        }
    }

    private func open(
        _ id: TopicPartition, topicId: Uuid, _ partition: PartitionImage, _ configuration: TopicConfiguration
    ) throws(StorageError) -> Partition {
        let (found, failed) = state.withLock { ($0.replicas[id]?.partition, $0.failed[id]) }
        if let found, found.topicId == topicId { return found }
        if let failed, failed.topicId == topicId {
            guard failed.reason.isPassing else { throw failed.reason }
            let replica = try load(
                id, topicId: topicId, folder: failed.folder, configuration: LogConfiguration(configuration, of: id),
                isClean: failed.folder.isClean, checkpoints: failed.checkpoints)
            state.withLock { state in
                state.failed[id] = nil
                state.replicas[id] = (replica, failed.folder)
            }
            return replica
        }
        let folder = try folder(for: partition, id)
        let isThere = try storage { () throws(FileError) in
            try folder.fileSystem.attributes(folder.directory(of: id)) != nil
        }
        if isThere, try folder.topicId(of: id) != topicId {
            try putAway(id, folder, delay: LogConfiguration(configuration, of: id).fileDeleteDelay)
        }
        let isNew = try storage { () throws(FileError) in
            try folder.fileSystem.attributes(folder.directory(of: id)) == nil
        }
        if isNew { try folder.createPartitions([id], topicId: topicId) }
        let replica = try load(
            id, topicId: topicId, folder: folder, configuration: LogConfiguration(configuration, of: id), isClean: isNew,
            checkpoints: LogFolder.Checkpoints())
        state.withLock { $0.replicas[id] = (replica, folder) }
        return replica
    }

    /// The folder that the image assigns to this replica, else the one that somebody asked for, else the one with the fewest
    /// replicas.
    private func folder(for partition: PartitionImage, _ id: TopicPartition) throws(StorageError) -> LogFolder {
        if let index = assignedFolder(partition) { return folders[index] }
        let preferred = state.withLock { $0.preferred.removeValue(forKey: id) }
        if let preferred, !preferred.standing.isOffline { return preferred }
        let usable = folders.filter { !$0.standing.isOffline }
        // What is not new may lie in a folder that cannot be looked into.
        let isNew = partition.leaderEpoch.rawValue == 0 && partition.partitionEpoch == 0
        guard isNew || (usable.count == folders.count && unopened.isEmpty), !usable.isEmpty else {
            let path = unopened.first ?? folders.first { $0.standing.isOffline }?.path ?? ""
            throw .file(FileError(.offline, "open", path: path))
        }
        let counts = state.withLock { state in
            usable.map { folder in state.replicas.values.count { $0.folder === folder } }
        }
        let least = counts.min() ?? 0
        return usable[counts.firstIndex(of: least) ?? 0]
    }

    private func assignedFolder(_ partition: PartitionImage) -> Int? {
        if folders.count == 1, unopened.isEmpty { return 0 }
        guard let position = partition.replicas.firstIndex(of: localId), position < partition.directories.count else {
            return nil
        }
        return directoryIds.firstIndex(of: partition.directories[position])
    }

    func load(
        _ id: TopicPartition, topicId: Uuid, folder: LogFolder, configuration: LogConfiguration, isClean: Bool,
        checkpoints: LogFolder.Checkpoints
    ) throws(StorageError) -> Partition {
        var loader = LogLoader(
            partition: id, directory: folder.directory(of: id), fileSystem: folder.fileSystem,
            configuration: configuration, isClean: isClean, recoveryPoint: checkpoints.recoveryPoints[id] ?? .zero,
            handles: handles)
        let log = try loader.load(startOffset: checkpoints.startOffsets[id] ?? .zero)
        log.compaction.cleaned = checkpoints.cleanedOffsets[id]
        if let fault = loader.recovery.fault {
            logger.warning(
                "log", "cut a torn end",
                [
                    ("partition", "\(id)"), ("end", "\(log.endOffset)"),
                    ("bytes", "\(loader.recovery.truncatedBytes)"), ("fault", "\(fault)"),
                    ("kept", loader.recovery.kept.sorted().joined(separator: ",")),
                ], isEvery: true)
        } else if !loader.recovery.kept.isEmpty {
            logger.warning(
                "log", "cut behind a hole",
                [
                    ("partition", "\(id)"), ("end", "\(log.endOffset)"),
                    ("bytes", "\(loader.recovery.truncatedBytes)"),
                    ("kept", loader.recovery.kept.sorted().joined(separator: ",")),
                ], isEvery: true)
        }
        return Partition(
            id: id, topicId: topicId, log: log, folder: folder.standing,
            highWatermark: checkpoints.highWatermarks[id] ?? log.startOffset,
            onRoll: { [pool = environment.pool, logger, weak self] log in
                pool.run { [weak self] in
                    do throws(StorageError) {
                        try log.syncSealed()
                        self?.checkpointSoon()
                    } catch {
                        logger.error("log", "cannot sync", [("partition", "\(id)"), ("reason", "\(error)")])
                    }
                }
            },
            onSyncDue: { [syncs, folders] partition in
                // A replica may have moved since it was opened.
                let standing = partition.folder
                guard let index = folders.firstIndex(where: { $0.standing === standing }) else { return }
                syncs[index].add(partition)
            })
    }

    private func retire(_ topic: TopicView) {
        for (index, _) in topic.replicas.sorted(by: { $0.key < $1.key }) {
            let id = TopicPartition(topic.name, index)
            topic.replicas[index]?.resign()
            let gone = state.withLock { state in
                state.replicas[id]?.partition.topicId == topic.id ? state.replicas.removeValue(forKey: id) : nil
            }
            guard let gone else { continue }
            dropFuture(of: id)
            do {
                let log = gone.partition.log
                log.retire()
                // A copy may have taken its place until then, in another folder.
                let folder = folders.first { $0.directory(of: id) == log.directory } ?? gone.folder
                try putAway(id, folder, delay: log.configuration.fileDeleteDelay)
            } catch {
                logger.error("log", "cannot retire", [("partition", "\(id)"), ("reason", "\(error)")])
            }
        }
    }

    /// Renames a partition's folder out of the way; it is removed after `delay`, since fetches may still be reading.
    private func putAway(_ id: TopicPartition, _ folder: LogFolder, delay: Duration) throws(StorageError) {
        var random = RandomSourceGenerator(environment.random)
        maintenance.remove(folder: try folder.retire(id, id: Uuid.random(using: &random)), after: delay)
    }

    /// Replicas with their folders, sorted, for DescribeLogDirs.
    func all() -> [(id: TopicPartition, partition: Partition, folder: LogFolder)] {
        state.withLock { state in
            state.replicas.sorted { $0.key < $1.key }.map { ($0.key, $0.value.partition, $0.value.folder) }
        }
    }
}
