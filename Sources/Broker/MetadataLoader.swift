// Opening the metadata log at start: the newest snapshot and the records behind it, replayed into an image.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// The metadata log as it was found.
struct LoadedMetadata {
    var store: MetadataStore
    /// Loads the image anew when what was replayed is cut off.
    var loader: MetadataLoader
    var log: PartitionLog
    var controller: Controller
    var quorum: Quorum
    /// The feature levels that formatting asked for.
    var bootstrap: [VersionedRecord] = []
    /// Bytes of the log that the newest snapshot does not hold.
    var bytesBehindSnapshot = 0
}

/// What a log that was cut, or begun anew with a snapshot, comes to.
struct ReloadedMetadata: Sendable {
    var image: ClusterImage
    /// The voters that the snapshot names.
    var snapshotVoters: VoterSet
}

struct MetadataLoader: Sendable {
    private let folder: LogFolder
    private let identity: MetaProperties
    private let node: NodeConfiguration
    private let store: MetadataStore
    private let logger: Logger
    private var replay: MetadataReplay
    private var replayedBytes = 0

    init(folder: LogFolder, identity: MetaProperties, node: NodeConfiguration, logger: Logger) {
        self.folder = folder
        self.identity = identity
        self.node = node
        self.logger = logger
        store = MetadataStore(folder: folder.path, folder.fileSystem)
        replay = MetadataReplay(
            ClusterImage(clusterId: identity.clusterId), voters: VoterHistory(node.staticVoters), directory: store.directory)
    }

    mutating func load(seed: UInt64) throws(StorageError) -> LoadedMetadata {
        try storage { () throws(FileError) in try folder.fileSystem.createDirectory(store.directory) }
        let state = try store.readState()
        let start = try LogVerification.segments(in: store.directory, folder.fileSystem).first
        let snapshot = try newestSnapshot(reaching: start ?? .zero)
        var bootstrap = try take(snapshot)
        let end = snapshot?.file.end ?? .zero
        let log = try openLog(start: start, snapshot: end, epochMax: state.epoch)
        // A snapshot of the leader came, and the process ended before it took the place of the log; or the tail was lost of
        // what others had committed.
        let last = (log.epochs.entries.last?.epoch ?? LeaderEpoch(0), log.endOffset)
        if let file = snapshot?.file, (file.epoch, end) > last || end > log.endOffset { try log.restart(at: end) }
        try replayLog(log, from: end)
        if bootstrap.isEmpty, replay.image.level(of: "metadata.version") == 0 { bootstrap = try formerBootstrap() }
        let id = snapshot.flatMap { $0.file.end == .zero ? nil : SnapshotId(end: $0.file.end, epoch: $0.file.epoch) }
        // What a process left that was killed is in no way durable yet.
        if !folder.isClean { try log.sync() }
        let quorum = Quorum(
            local: ReplicaKey(id: identity.nodeId, directory: identity.directoryId), voters: replay.voters, state: state,
            log: LogOutline(
                start: log.startOffset, end: log.endOffset, epochs: log.epochs.entries.map { ($0.epoch, $0.start) },
                snapshot: id), settings: QuorumSettings(node), seed: seed)
        return LoadedMetadata(
            store: store, loader: MetadataLoader(folder: folder, identity: identity, node: node, logger: logger), log: log,
            controller: Controller(image: replay.image, node: node, seed: seed), quorum: quorum, bootstrap: bootstrap,
            bytesBehindSnapshot: replayedBytes)
    }

    /// The image at the end of the log as it is now.
    func reload(_ log: PartitionLog) throws(StorageError) -> ReloadedMetadata {
        var fresh = self
        let snapshot = try fresh.newestSnapshot(reaching: log.startOffset)
        _ = try fresh.take(snapshot)
        try fresh.replayLog(log, from: snapshot?.file.end ?? .zero)
        return ReloadedMetadata(
            image: fresh.replay.image, snapshotVoters: fresh.replay.voters.voters(below: .zero))
    }

    /// What an older format step wrote; without such a file a cluster begins at the level of this release, as Kafka's does.
    private mutating func formerBootstrap() throws(StorageError) -> [VersionedRecord] {
        let formatted = try replay.take(store.formerBootstrap(in: folder.path), endingAt: .zero)
        guard formatted.isEmpty else { return formatted }
        return SupportedFeatures.bootstrapRecords.filter { entry in
            if case .featureLevel(let record) = entry.record { record.name == "metadata.version" } else { false }
        }
    }

    /// Replays the snapshot; answers what formatting wrote.
    private mutating func take(
        _ snapshot: (file: MetadataStore.SnapshotFile, batches: [RecordBatch])?
    ) throws(StorageError) -> [VersionedRecord] {
        guard let snapshot else { return [] }
        return try replay.take(snapshot.batches, endingAt: snapshot.file.end)
    }

    /// The newest snapshot that is whole, of those that the log continues. One that is not gives way to an older one,
    /// for the log holds what lies between.
    private func newestSnapshot(
        reaching start: Offset
    ) throws(StorageError) -> (file: MetadataStore.SnapshotFile, batches: [RecordBatch])? {
        try store.removeSnapshots(below: start)
        try store.removePieces()
        var failure: StorageError?
        for file in try store.snapshots().reversed() {
            do throws(StorageError) {
                return (file, try store.batches(of: file))
            } catch {
                logger.error("metadata", "left a snapshot aside", [("reason", "\(error)")])
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        guard start == .zero else {
            throw .malformed(
                path: store.directory,
                reason: "the log begins at offset \(start), and no snapshot holds what came before")
        }
        return nil
    }

    /// Opens the log after it was verified. `snapshot`: everything below was committed, and so it was durable, here if there is
    /// no other voter.
    private func openLog(
        start: Offset?, snapshot: Offset, epochMax: LeaderEpoch
    ) throws(StorageError) -> PartitionLog {
        let noted = try folder.readCheckpoints().recoveryPoints[MetadataStore.partition] ?? .zero
        let recoveryPoint = replay.voters.latest.voters.count > 1 ? noted : max(noted, snapshot)
        if start == nil, noted > snapshot {
            throw .malformed(path: store.directory, reason: "the log is gone and was durable below \(noted)")
        }
        let verification = try LogVerification(
            directory: store.directory, fileSystem: folder.fileSystem, recoveryPoint: recoveryPoint,
            isClean: folder.isClean, epochMax: epochMax)
        if let cut = try verification.run() {
            logger.warning(
                "metadata", "cut off what was never durable",
                [
                    ("file", cut.path), ("position", "\(cut.position)"), ("bytes", "\(cut.byteCount)"),
                    ("offset", "\(cut.offset)"), ("reason", "\(cut.fault)"),
                ])
        }
        var settings = LogConfiguration()
        settings.segmentBytes = node["internal.metadata.log.segment.bytes"].flatMap(wholeNumber)
            ?? node.int("metadata.log.segment.bytes")
        settings.segmentAge = .milliseconds(node.int("metadata.log.segment.ms"))
        var loader = LogLoader(
            partition: MetadataStore.partition, directory: store.directory, fileSystem: folder.fileSystem,
            configuration: settings, isClean: folder.isClean, recoveryPoint: recoveryPoint)
        return try loader.load(startOffset: start == nil ? snapshot : .zero)
    }

    private mutating func replayLog(_ log: PartitionLog, from start: Offset) throws(StorageError) {
        let view = log.view
        for (index, segment) in view.segments.enumerated() {
            let end = index + 1 < view.segments.count ? view.segments[index + 1].base : view.end
            guard end > start else { continue }
            let file = try segment.file()
            let size = try storage { () throws(FileError) in try file.size() }
            var scanner = SegmentScanner(file, offset: segment.base, fileSize: size)
            while let batch = try scanner.next() {
                guard batch.header.lastOffset >= start else { continue }
                replayedBytes += batch.bytes.count
                try replay.take(batch)
            }
            if let fault = scanner.fault {
                throw .corrupt(path: file.path, position: scanner.position, reason: fault.description)
            }
        }
    }
}
