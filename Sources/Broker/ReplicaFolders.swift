// The replicas of this node on its log folders: opening them at start, following the image as topics come, change and
// go, checkpoints, and the orderly end.
//
// Used by one caller at a time: the starting thread, then the pool job that applies an image; checkpoints only read.

package import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

/// All replicas of a node.
final class ReplicaFolders: Sendable {
    private struct State {
        var replicas: [TopicPartition: (partition: Partition, folder: LogFolder)] = [:]
        /// Folders of deleted partitions, to be removed.
        var retired: [String] = []
        /// Logs that could not be opened, with the reason.
        var failed: [TopicPartition: StorageError] = [:]
    }

    let folders: [LogFolder]
    let directoryIds: [Uuid]
    private let node: NodeConfiguration
    private let environment: Environment
    private let state = Mutex(State())
    private let logger: Logger

    init(
        folders: [LogFolder], directoryIds: [Uuid], node: NodeConfiguration, environment: Environment, logger: Logger
    ) {
        self.folders = folders
        self.directoryIds = directoryIds
        self.node = node
        self.environment = environment
        self.logger = logger
    }

    var localId: NodeId { NodeId(node.nodeId) }

    // MARK: Following the image

    /// The view of `image`, with topics of `before` that were not touched taken over. Opens, makes and retires logs.
    func apply(_ image: ClusterImage, touched: MetadataDriver.Touched, before: ClusterView) -> ClusterView {
        var byId = before.byId
        let ids = touched.everything ? Set(image.topics.keys).union(before.byId.keys) : touched.topics
        for id in ids.sorted() {
            guard let topic = image.topics[id] else {
                if let gone = byId.removeValue(forKey: id) { retire(gone) }
                continue
            }
            byId[id] = follow(topic, before: before.byId[id], image: image)
        }
        return ClusterView(image: image, byId: byId)
    }

    private func follow(_ topic: TopicImage, before: TopicView?, image: ClusterImage) -> TopicView {
        let configuration = TopicConfiguration(
            topic: image.configuration(.topic, topic.name),
            brokerDynamic: image.configuration(.broker, String(node.nodeId)),
            clusterDynamic: image.configuration(.broker, ""), node: node)
        var replicas: [Int32: Partition] = [:]
        for (index, partition) in topic.sortedPartitions where partition.replicas.contains(localId) {
            let id = TopicPartition(topic.name, index)
            do throws(StorageError) {
                let known = before?.replicas[index]
                let replica =
                    if let known { known } else { try open(id, topicId: topic.id, partition, configuration) }
                try assume(partition, replica, configuration)
                replicas[index] = replica
            } catch {
                state.withLock { $0.failed[id] = error }
                logger.error("log", "cannot open", [("partition", "\(id)"), ("reason", "\(error)")])
            }
        }
        return TopicView(image: topic, configuration: configuration, replicas: replicas)
    }

    /// Takes the role that the image gives to this replica.
    private func assume(
        _ partition: PartitionImage, _ replica: Partition, _ configuration: TopicConfiguration
    ) throws(StorageError) {
        replica.log.configuration = LogConfiguration(configuration)
        guard partition.leader == localId else { return replica.resign() }
        if let leader = replica.leader, leader.epoch == partition.leaderEpoch {
            replica.setMinimumInSync(configuration.minimumInSync)
            return
        }
        try replica.lead(
            as: localId, epoch: partition.leaderEpoch, partitionEpoch: partition.partitionEpoch,
            inSync: partition.inSync, minimumInSync: configuration.minimumInSync)
    }

    private func open(
        _ id: TopicPartition, topicId: Uuid, _ partition: PartitionImage, _ configuration: TopicConfiguration
    ) throws(StorageError) -> Partition {
        if let found = state.withLock({ $0.replicas[id]?.partition }), found.topicId == topicId { return found }
        let folder = folder(for: partition)
        try folder.createPartition(id, topicId: topicId)
        let replica = try load(
            id, topicId: topicId, folder: folder, configuration: LogConfiguration(configuration), isClean: true,
            checkpoints: LogFolder.Checkpoints())
        state.withLock { $0.replicas[id] = (replica, folder) }
        return replica
    }

    /// The folder that the image assigns to this replica, else the one with the fewest replicas.
    private func folder(for partition: PartitionImage) -> LogFolder {
        if let position = partition.replicas.firstIndex(of: localId), position < partition.directories.count,
            let index = directoryIds.firstIndex(of: partition.directories[position])
        {
            return folders[index]
        }
        let counts = state.withLock { state in
            folders.map { folder in state.replicas.values.count { $0.folder === folder } }
        }
        let least = counts.min() ?? 0
        return folders[counts.firstIndex(of: least) ?? 0]
    }

    private func load(
        _ id: TopicPartition, topicId: Uuid, folder: LogFolder, configuration: LogConfiguration, isClean: Bool,
        checkpoints: LogFolder.Checkpoints
    ) throws(StorageError) -> Partition {
        var loader = LogLoader(
            partition: id, directory: folder.directory(of: id), fileSystem: environment.fileSystem,
            configuration: configuration, isClean: isClean, recoveryPoint: checkpoints.recoveryPoints[id] ?? .zero)
        let log = try loader.load(startOffset: .zero)
        if let start = checkpoints.startOffsets[id] { log.advanceStart(to: start) }
        if let fault = loader.recovery.fault {
            logger.warning(
                "log", "cut a torn end",
                [
                    ("partition", "\(id)"), ("end", "\(log.endOffset)"),
                    ("bytes", "\(loader.recovery.truncatedBytes)"), ("fault", "\(fault)"),
                ])
        }
        return Partition(
            id: id, topicId: topicId, log: log,
            highWatermark: checkpoints.highWatermarks[id] ?? log.startOffset)
    }

    private func retire(_ topic: TopicView) {
        for (index, _) in topic.replicas.sorted(by: { $0.key < $1.key }) {
            let id = TopicPartition(topic.name, index)
            guard let gone = state.withLock({ $0.replicas.removeValue(forKey: id) }) else { continue }
            gone.partition.resign()
            var random = RandomSourceGenerator(environment.random)
            do {
                let path = try gone.folder.retire(id, id: Uuid.random(using: &random))
                state.withLock { $0.retired.append(path) }
            } catch {
                logger.error("log", "cannot retire", [("partition", "\(id)"), ("reason", "\(error)")])
            }
        }
    }

    /// Removes the folders of deleted partitions.
    func removeRetired() {
        let retired = state.withLock { state in
            let retired = state.retired
            state.retired = []
            return retired
        }
        for path in retired {
            guard let folder = folders.first(where: { path.hasPrefix($0.path + "/") }) else { continue }
            do {
                try folder.remove(path)
            } catch {
                logger.error("log", "cannot remove", [("folder", path), ("reason", "\(error)")])
            }
        }
    }

    // MARK: Start and end

    /// Opens every log that a folder holds and the image knows; others are reported and left alone.
    func loadAll(_ image: ClusterImage) throws(StorageError) {
        for folder in folders {
            let checkpoints = try folder.readCheckpoints()
            let retired = try folder.retired()
            state.withLock { $0.retired += retired }
            for id in try folder.partitions() where id != MetadataStore.partition {
                guard let topic = image.topic(named: id.topic), topic.partitions[id.partition] != nil else {
                    logger.warning("log", "left alone, the cluster does not know it", [("partition", "\(id)")])
                    continue
                }
                if let topicId = try folder.topicId(of: id), topicId != topic.id {
                    logger.warning("log", "left alone, it belongs to another topic id", [("partition", "\(id)")])
                    continue
                }
                try load(id, topic, folder, checkpoints, image)
            }
        }
    }

    private func load(
        _ id: TopicPartition, _ topic: TopicImage, _ folder: LogFolder, _ checkpoints: LogFolder.Checkpoints,
        _ image: ClusterImage
    ) throws(StorageError) {
        let configuration = TopicConfiguration(
            topic: image.configuration(.topic, topic.name),
            brokerDynamic: image.configuration(.broker, String(node.nodeId)),
            clusterDynamic: image.configuration(.broker, ""), node: node)
        do {
            let replica = try load(
                id, topicId: topic.id, folder: folder, configuration: LogConfiguration(configuration),
                isClean: folder.isClean, checkpoints: checkpoints)
            state.withLock { $0.replicas[id] = (replica, folder) }
        } catch {
            state.withLock { $0.failed[id] = error }
            logger.error("log", "quarantined", [("partition", "\(id)"), ("reason", "\(error)")])
        }
    }

    /// Writes what each folder's checkpoints should say now.
    func writeCheckpoints() throws(StorageError) {
        let replicas = state.withLock { $0.replicas }
        for folder in folders {
            var checkpoints = LogFolder.Checkpoints()
            for (id, entry) in replicas where entry.folder === folder {
                let log = entry.partition.log
                checkpoints.recoveryPoints[id] = Offset(log.recoveryPoint.load(ordering: .acquiring))
                checkpoints.highWatermarks[id] = entry.partition.highWatermark
                let view = log.view
                if view.startOffset > view.segments[0].base { checkpoints.startOffsets[id] = view.startOffset }
            }
            try folder.write(checkpoints)
        }
    }

    /// Closes every log. Nothing may be appended any more.
    func closeLogs() throws(StorageError) {
        for entry in state.withLock({ $0.replicas }).sorted(by: { $0.key < $1.key }) {
            try entry.value.partition.log.close()
        }
        try writeCheckpoints()
    }

    /// Notes that everything was closed in order.
    func endRun(brokerEpoch: Int64) throws(StorageError) {
        for folder in folders { try folder.endRun(brokerEpoch: brokerEpoch) }
    }

    /// Replicas with their folders, sorted, for DescribeLogDirs.
    func all() -> [(id: TopicPartition, partition: Partition, folder: LogFolder)] {
        state.withLock { state in
            state.replicas.sorted { $0.key < $1.key }.map { ($0.key, $0.value.partition, $0.value.folder) }
        }
    }
}

/// Where a replica stands, for tools and tests.
package struct ReplicaStatus: Sendable {
    package var id: TopicPartition
    package var startOffset: Offset
    package var endOffset: Offset
    package var highWatermark: Offset
    /// Everything below is durable.
    package var recoveryPoint: Offset
}

extension Broker {
    /// All replicas of this node, sorted.
    package var replicaStatus: [ReplicaStatus] {
        replicas.all().map { entry in
            let log = entry.partition.log
            return ReplicaStatus(
                id: entry.id, startOffset: log.startOffset, endOffset: log.endOffset,
                highWatermark: entry.partition.highWatermark,
                recoveryPoint: Offset(log.recoveryPoint.load(ordering: .acquiring)))
        }
    }
}

extension LogConfiguration {
    /// What a topic's settings mean for its logs.
    init(_ topic: TopicConfiguration) {
        self.init()
        segmentBytes = topic.segmentBytes
        segmentAge = .milliseconds(topic.segmentMilliseconds)
        segmentJitter = .milliseconds(topic.segmentJitterMilliseconds)
        segmentIndexBytes = topic.segmentIndexBytes
        indexIntervalBytes = topic.indexIntervalBytes
    }
}
