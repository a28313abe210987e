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
    var log: PartitionLog
    var controller: Controller
    var quorum: Quorum
    /// The feature levels that formatting asked for, while the log is empty.
    var bootstrap: [VersionedRecord] = []
    /// The voters that the log should name, if it does not name them yet.
    var voters: VotersRecord?
    /// The voters that log and snapshot name.
    var knownVoters: VotersRecord?
    /// Bytes of the log that the newest snapshot does not hold.
    var bytesBehindSnapshot = 0
}

struct MetadataLoader {
    private let folder: LogFolder
    private let identity: MetaProperties
    private let node: NodeConfiguration
    private let store: MetadataStore
    private let logger: Logger
    private var image: ClusterImage
    private var voters: VotersRecord?
    private var replayedBytes = 0

    init(folder: LogFolder, identity: MetaProperties, node: NodeConfiguration, logger: Logger) {
        self.folder = folder
        self.identity = identity
        self.node = node
        self.logger = logger
        store = MetadataStore(folder: folder.path, folder.fileSystem)
        image = ClusterImage(clusterId: identity.clusterId)
    }

    mutating func load(seed: UInt64) throws(StorageError) -> LoadedMetadata {
        try storage { () throws(FileError) in try folder.fileSystem.createDirectory(store.directory) }
        let state = try store.readState()
        let start = try LogVerification.segments(in: store.directory, folder.fileSystem).first
        let snapshot = try newestSnapshot(reaching: start ?? .zero)
        let log = try openLog(start: start, snapshot: snapshot?.file.end ?? .zero, epochMax: state.epoch)
        var bootstrap: [VersionedRecord] = []
        if let snapshot {
            if snapshot.file.end == .zero {
                bootstrap = try formatted(snapshot.batches)
            } else {
                for batch in snapshot.batches { try replay(batch, isSnapshot: true) }
                image.skip(to: snapshot.file.end)
            }
        }
        let snapshotVoters = voters
        voters = nil
        try replayLog(log, from: snapshot?.file.end ?? .zero)
        let local = VoterKey(id: identity.nodeId, directory: identity.directoryId)
        let quorum = Quorum(local: local, voters: [local], state: state, logEnd: log.endOffset)
        let isNew = log.endOffset == .zero
        let known = voters ?? snapshotVoters
        return LoadedMetadata(
            store: store, log: log, controller: Controller(image: image, node: node, seed: seed), quorum: quorum,
            bootstrap: isNew ? bootstrap : [], voters: isNew ? snapshotVoters : movedVoters(known), knownVoters: known,
            bytesBehindSnapshot: replayedBytes)
    }

    /// The newest snapshot that is whole, of those that the log continues. One that is not gives way to an older one,
    /// for the log holds what lies between.
    private func newestSnapshot(
        reaching start: Offset
    ) throws(StorageError) -> (file: MetadataStore.SnapshotFile, batches: [RecordBatch])? {
        try store.removeSnapshots(below: start)
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

    /// Opens the log after it was verified. `snapshot`: everything below was committed, and so it was durable.
    private func openLog(
        start: Offset?, snapshot: Offset, epochMax: LeaderEpoch
    ) throws(StorageError) -> PartitionLog {
        let noted = try folder.readCheckpoints().recoveryPoints[MetadataStore.partition] ?? .zero
        let recoveryPoint = max(noted, snapshot)
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

    /// The voters with the controller listener that the configuration names now; nil if the log has it already.
    private func movedVoters(_ known: VotersRecord?) -> VotersRecord? {
        guard var voters = known, let listener = node.controllerEndpoint, listener.port != 0,
            let index = voters.voters.firstIndex(where: { $0.voterId == node.nodeId })
        else { return nil }
        let endpoint = VotersRecord.Endpoint {
            $0.name = listener.name
            $0.host = listener.host.isEmpty || listener.host == "0.0.0.0" ? "localhost" : listener.host
            $0.port = listener.port
        }
        guard voters.voters[index].endpoints != [endpoint] else { return nil }
        voters.voters[index].endpoints = [endpoint]
        return voters
    }

    private mutating func formatted(_ batches: [RecordBatch]) throws(StorageError) -> [VersionedRecord] {
        var records: [VersionedRecord] = []
        for batch in batches {
            for (_, record) in try decode(batch) {
                if batch.header.isControl {
                    try control(record)
                } else if let value = record.value {
                    records.append(
                        VersionedRecord(try metadata(value), MetadataRecord.version(of: ByteSlice(value)) ?? 0))
                }
            }
        }
        return records
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
                try replay(batch, isSnapshot: false)
            }
            if let fault = scanner.fault {
                throw .corrupt(path: file.path, position: scanner.position, reason: fault.description)
            }
        }
    }

    /// Offsets inside a snapshot are its own; what counts is where it ends.
    private mutating func replay(_ batch: RecordBatch, isSnapshot: Bool) throws(StorageError) {
        for (offset, record) in try decode(batch) {
            if batch.header.isControl {
                try control(record)
                if !isSnapshot { image.skip(to: offset + 1) }
            } else if let value = record.value {
                image.replay(try metadata(value), at: isSnapshot ? .none : offset)
            }
        }
    }

    private mutating func control(_ record: PlainRecord) throws(StorageError) {
        guard ControlType(key: record.key) == .voters, let value = record.value else { return }
        do {
            voters = try VotersRecord(decoding: ByteSlice(value), version: 0)
        } catch {
            throw malformed(error)
        }
    }

    private func decode(_ batch: RecordBatch) throws(StorageError) -> [(offset: Offset, record: PlainRecord)] {
        do {
            return try batch.plainRecords()
        } catch {
            throw .malformed(path: store.directory, reason: "a batch at \(batch.header.baseOffset): \(error)")
        }
    }

    private func metadata(_ value: [UInt8]) throws(StorageError) -> MetadataRecord {
        do {
            return try MetadataRecord(decoding: ByteSlice(value))
        } catch {
            throw malformed(error)
        }
    }

    private func malformed(_ error: DecodeError) -> StorageError {
        .malformed(path: store.directory, reason: error.description)
    }
}
