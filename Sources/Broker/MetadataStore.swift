// The metadata log on disk: the folder `__cluster_metadata-0` with its segments, `quorum-state` and checkpoints, and the
// formatting of an empty one.
//
//     00000000000000000000-0000000000.checkpoint   what formatting wrote: kraft version, voters, feature levels
//     <end offset, 20 digits>-<epoch, 10 digits>.checkpoint   a snapshot of everything below the end offset
//     quorum-state                                 JSON: leader, epoch and vote that must not be forgotten

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Controller
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// The files of the metadata log. Used at start by the starting thread, then by the controller's loop and the pool.
struct MetadataStore: Sendable {
    static let partition = TopicPartition("__cluster_metadata", 0)
    static let stateName = "quorum-state"

    let directory: String
    let fileSystem: any FileSystem

    init(folder: String, _ fileSystem: any FileSystem) {
        directory = folder + "/" + MetadataStore.partition.description
        self.fileSystem = fileSystem
    }

    // MARK: Quorum state

    func readState() throws(StorageError) -> QuorumState {
        let path = directory + "/" + MetadataStore.stateName
        guard let text = try CheckpointFile.content(path, fileSystem)?.string else { return QuorumState() }
        guard let epoch = JsonField.integer("leaderEpoch", in: text), let leader = JsonField.integer("leaderId", in: text)
        else { throw .malformed(path: path, reason: "has no leader or epoch") }
        return QuorumState(
            epoch: LeaderEpoch(Int32(clamping: epoch)), leader: NodeId(Int32(clamping: leader)),
            votedFor: NodeId(Int32(clamping: JsonField.integer("votedId", in: text) ?? -1)))
    }

    func write(_ state: QuorumState) throws(StorageError) {
        let text =
            "{\"leaderId\":\(state.leader),\"leaderEpoch\":\(state.epoch),\"votedId\":\(state.votedFor),"
            + "\"votedDirectoryId\":\"\(state.votedDirectory)\",\"data_version\":1}"
        try CheckpointFile.replace(
            MetadataStore.stateName, in: directory, with: ByteSlice(Array(text.utf8)), fileSystem)
    }

    // MARK: Checkpoints

    static func checkpointName(end: Offset, epoch: LeaderEpoch) -> String {
        padded(end.rawValue, 20) + "-" + padded(Int64(epoch.rawValue), 10) + ".checkpoint"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The newest snapshot: where it ends, and its batches.
    func newestCheckpoint() throws(StorageError) -> (end: Offset, epoch: LeaderEpoch, batches: [RecordBatch])? {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(directory) }
        var newest: (end: Offset, epoch: LeaderEpoch, name: String)?
        for entry in entries where entry.name.hasSuffix(".checkpoint") {
            let parts = entry.name.dropLast(".checkpoint".count).split(separator: "-")
            guard parts.count == 2, parts[0].count == 20, let end = Int64(parts[0]), let epoch = Int32(parts[1]) else {
                continue
            }
            if Offset(end) >= newest?.end ?? .none { newest = (Offset(end), LeaderEpoch(epoch), entry.name) }
        }
        guard let newest else { return nil }
        let path = directory + "/" + newest.name
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .read)
            return (file, try file.size())
        }
        var scanner = SegmentScanner(file, offset: .zero, fileSize: size)
        var batches: [RecordBatch] = []
        while let batch = try scanner.next() { batches.append(batch) }
        if let fault = scanner.fault {
            throw .corrupt(path: path, position: scanner.position, reason: fault.description)
        }
        return (newest.end, newest.epoch, batches)
    }

    /// Writes the checkpoint that an empty quorum begins with.
    func format(
        voter: VotersRecord.Voter, records: [VersionedRecord], at time: Timestamp
    ) throws(StorageError) {
        try storage { () throws(FileError) in try fileSystem.createDirectory(directory) }
        let controls = [
            ControlType.snapshotHeader.record(
                SnapshotHeaderRecord { $0.lastContainedLogTimestamp = time.milliseconds }),
            ControlType.kraftVersion.record(KRaftVersionRecord { $0.kRaftVersion = 1 }),
            ControlType.voters.record(VotersRecord { $0.voters = [voter] }),
        ]
        let footer = [ControlType.snapshotFooter.record(SnapshotFooterRecord())]
        let epoch = LeaderEpoch(0)
        let end = Int64(controls.count + records.count)
        let batches = [
            RecordBatch(plain: controls, at: .zero, epoch: epoch, timestamp: time, isControl: true),
            RecordBatch(
                plain: records.map(\.plain), at: Offset(Int64(controls.count)), epoch: epoch, timestamp: time,
                isControl: false),
            RecordBatch(plain: footer, at: Offset(end), epoch: epoch, timestamp: time, isControl: true),
        ]
        let content = ByteSlice(batches.flatMap(\.bytes.array))
        try CheckpointFile.replace(
            MetadataStore.checkpointName(end: .zero, epoch: epoch), in: directory, with: content, fileSystem)
        let metadata = "version: 0\ntopic_id: \(Uuid.metadataTopic)"
        try CheckpointFile.replace(
            "partition.metadata", in: directory, with: ByteSlice(Array(metadata.utf8)), fileSystem)
        try write(QuorumState())
    }
}

/// Picks integers out of the small JSON files that Kafka writes; they are flat and hold no strings with quotes.
enum JsonField {
    static func integer(_ name: String, in text: String) -> Int64? {
        guard let range = text.firstRange(of: "\"\(name)\":") else { return nil }
        return Int64(text[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber || $0 == "-" })
    }
}
