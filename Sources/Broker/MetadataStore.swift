// The metadata log on disk: the folder `__cluster_metadata-0` with its segments, `quorum-state` and checkpoints, and the
// formatting of an empty one.
//
//     00000000000000000000-0000000000.checkpoint   what formatting wrote: kraft version, voters, feature levels
//     <end offset, 20 digits>-<epoch, 10 digits>.checkpoint   a snapshot of everything below the end offset
//     ../bootstrap.checkpoint                      the same of Kafka's earlier releases, without the voters
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
            votedFor: NodeId(Int32(clamping: JsonField.integer("votedId", in: text) ?? -1)),
            votedDirectory: JsonField.text("votedDirectoryId", in: text).flatMap { Uuid($0) } ?? .zero)
    }

    func write(_ state: QuorumState) throws(StorageError) {
        let text =
            "{\"leaderId\":\(state.leader),\"leaderEpoch\":\(state.epoch),\"votedId\":\(state.votedFor),"
            + "\"votedDirectoryId\":\"\(state.votedDirectory)\",\"data_version\":1}"
        try CheckpointFile.replace(
            MetadataStore.stateName, in: directory, with: ByteSlice(Array(text.utf8)), fileSystem)
    }

    // MARK: Formatting

    /// Whether nothing was written behind what formatting writes.
    func isUnused() throws(StorageError) -> Bool {
        try storage { () throws(FileError) in
            guard try fileSystem.attributes(directory) != nil else { return true }
            return try fileSystem.entries(directory).allSatisfy { SegmentFiles.parse($0.name) == nil }
        }
    }

    /// Writes the checkpoint that an empty quorum begins with. `voters`: nil where the configuration or the leader names them.
    func format(
        voters: VotersRecord?, records: [VersionedRecord], at time: Timestamp
    ) throws(StorageError) {
        try storage { () throws(FileError) in try fileSystem.createDirectory(directory) }
        try write(
            MetadataSnapshot(
                end: .zero, epoch: LeaderEpoch(0), voters: voters, records: records,
                timestamp: time), at: time)
        let metadata = "version: 0\ntopic_id: \(Uuid.metadataTopic)"
        try CheckpointFile.replace(
            "partition.metadata", in: directory, with: ByteSlice(Array(metadata.utf8)), fileSystem)
        try write(QuorumState())
    }
}

/// Picks values out of the small JSON files that Kafka writes; they are flat and hold no strings with quotes.
enum JsonField {
    static func integer(_ name: String, in text: String) -> Int64? {
        guard let range = text.firstRange(of: "\"\(name)\":") else { return nil }
        return Int64(text[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber || $0 == "-" })
    }

    static func text(_ name: String, in text: String) -> String? {
        guard let range = text.firstRange(of: "\"\(name)\":") else { return nil }
        let value = text[range.upperBound...].drop { $0 == " " }
        return value.first == "\"" ? String(value.dropFirst().prefix { $0 != "\"" }) : nil
    }
}
