// One log folder (an entry of `log.dirs`): its lock, its identity, its checkpoints, and the partitions in it.
//
//     .lock                              held by the process that uses the folder
//     .kafka_cleanshutdown               present only after an orderly stop; removed at start
//     meta.properties                    whose data this is
//     recovery-point-offset-checkpoint   up to where each log is durable
//     replication-offset-checkpoint      high watermark of each partition
//     log-start-offset-checkpoint        first offset where it is not the base of the first segment
//     cleaner-offset-checkpoint          below which offset each log was compacted
//     <topic>-<partition>/               the logs

package import Basics
internal import Bytes
package import Environment
internal import Synchronization

/// An opened log folder. Any thread may call; each checkpoint is written by one caller at a time.
package final class LogFolder: Sendable {
    /// From so many files on, syncs of the whole disk cost less than those of the files.
    package static let sharedSyncMin = 8
    package static let lockName = ".lock"
    static let cleanName = ".kafka_cleanshutdown"
    private static let recoveryPoints = "recovery-point-offset-checkpoint"
    private static let highWatermarks = "replication-offset-checkpoint"
    private static let startOffsets = "log-start-offset-checkpoint"
    private static let cleanedOffsets = "cleaner-offset-checkpoint"
    /// The names of all checkpoints, in the order of `Checkpoints`.
    static let checkpointNames = [recoveryPoints, highWatermarks, startOffsets, cleanedOffsets]

    package let path: String
    /// What watches over this folder's syncs; all that happens in it goes this way.
    package let fileSystem: any FileSystem
    package let standing: FolderStanding
    private let lock: any FileLock
    /// The disk of the folder; nil where a failed sync of it could go unnoticed.
    package let disk: (any Disk)?
    /// The broker that wrote the folder stopped in order.
    package let isClean: Bool
    /// The broker epoch that the clean stop noted, or nil.
    package let previousBrokerEpoch: Int64?
    private let checkpointTurn = Mutex(())

    /// Creates the folder if need be and takes its lock. Fails with `.file(.locked)` when another process has it.
    package init(_ path: String, _ fileSystem: any FileSystem) throws(StorageError) {
        self.path = path
        let standing = FolderStanding(path)
        let fileSystem = FolderFileSystem(fileSystem, standing)
        self.standing = standing
        self.fileSystem = fileSystem
        lock = try storage { () throws(FileError) in
            try LogFolder.create(path, fileSystem)
            return try fileSystem.lock(path + "/" + LogFolder.lockName)
        }
        disk = try storage { () throws(FileError) in try fileSystem.disk(path) }
        let clean = try CheckpointFile.content(path + "/" + LogFolder.cleanName, fileSystem)
        isClean = clean != nil
        previousBrokerEpoch = clean.flatMap { LogFolder.brokerEpoch(in: $0.string) }
    }

    /// Creates a folder and the missing ones above it, durably.
    private static func create(_ path: String, _ fileSystem: any FileSystem) throws(FileError) {
        let above = LogFolder.above(path)
        guard above != path, try fileSystem.attributes(path) == nil else { return try fileSystem.createDirectory(path) }
        try create(above, fileSystem)
        try fileSystem.createDirectory(path)
        try fileSystem.syncDirectory(above)
    }

    /// The folder that a path's last name stands in.
    private static func above(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes the folder's own name durable, before anything is kept in it: it may have been made by a process that was
    /// killed before it could.
    package func syncName() throws(StorageError) {
        try storage { () throws(FileError) in try fileSystem.syncDirectory(LogFolder.above(path)) }
    }

    /// Reads `{"version":0,"brokerEpoch":385}`.
    private static func brokerEpoch(in text: String) -> Int64? {
        guard let key = text.split(separator: "\"brokerEpoch\":", maxSplits: 1).last, key.count < text.count else {
            return nil
        }
        return Int64(key.prefix { $0.isNumber || $0 == "-" })
    }

    /// True if nothing stands in the folder but the lock and the given files and folders, and what is left of writing them.
    package func holdsOnly(_ files: [String], _ folders: [String]) throws(StorageError) -> Bool {
        let known = [LogFolder.lockName, "lost+found"] + folders + files + files.map { $0 + CheckpointFile.temporarySuffix }
        return try storage { () throws(FileError) in
            try fileSystem.entries(path).allSatisfy { known.contains($0.name) }
        }
    }

    /// Forgets that the last stop was orderly: from now on a crash is possible.
    package func beginRun() throws(StorageError) {
        guard isClean else { return }
        try storage { () throws(FileError) in
            try fileSystem.remove(path + "/" + LogFolder.cleanName)
            try fileSystem.syncDirectory(path)
        }
    }

    /// Notes an orderly stop. All logs must be closed and the checkpoints written.
    package func endRun(brokerEpoch: Int64) throws(StorageError) {
        let text = "{\"version\":0,\"brokerEpoch\":\(brokerEpoch)}"
        try CheckpointFile.replace(
            LogFolder.cleanName, in: path, with: ByteSlice(Array(text.utf8)), fileSystem)
    }

    /// The broker epoch of an orderly stop that lost nothing, in no folder of the node; nil if there was none: a folder that took
    /// no note, or of another stop, may lack records.
    package static func orderlyEnd(of folders: [LogFolder]) -> Int64? {
        let noted = Set(folders.map(\.previousBrokerEpoch))
        return noted.count == 1 ? noted.first ?? nil : nil
    }

    // MARK: Partitions

    /// The partitions that have a folder here, sorted. Folders on their way out (`-delete`) and others are left out.
    package func partitions() throws(StorageError) -> [TopicPartition] {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(path) }
        return entries.filter(\.isDirectory).compactMap { LogFolder.partition(named: $0.name) }.sorted()
    }

    /// Splits `topic-partition`; nil for other names.
    package static func partition(named name: String) -> TopicPartition? {
        guard let dash = name.lastIndex(of: "-"), !name.hasSuffix("-delete"), !name.hasSuffix("-future"),
            !name.hasSuffix("-stray"), let number = Int32(name[name.index(after: dash)...]), number >= 0,
            dash > name.startIndex
        else { return nil }
        return TopicPartition(String(name[..<dash]), number)
    }

    package func directory(of partition: TopicPartition) -> String { path + "/" + partition.description }

    /// Makes the folders of new partitions, with the id of their topic, durably.
    package func createPartitions(_ partitions: [TopicPartition], topicId: Uuid) throws(StorageError) {
        guard partitions.count >= LogFolder.sharedSyncMin, let disk else {
            for partition in partitions { try create(directory(of: partition), topicId: topicId, fileSystem) }
            return
        }
        let batch = SyncBatch(fileSystem, disk)
        for partition in partitions { try create(directory(of: partition), topicId: topicId, batch) }
        try batch.commit()
    }

    // MARK: Checkpoints

    /// What the checkpoints say of all partitions.
    package struct Checkpoints: Sendable {
        package var recoveryPoints: [TopicPartition: Offset] = [:]
        package var highWatermarks: [TopicPartition: Offset] = [:]
        package var startOffsets: [TopicPartition: Offset] = [:]
        package var cleanedOffsets: [TopicPartition: Offset] = [:]
        /// What is wrong with the file of the recovery points, which are not known then.
        package var lost: StorageError?

        package init() {}
    }

    /// Reads the checkpoints. A missing file says nothing; a damaged one is an error, for it must not be taken as
    /// zero. Without recovery points all is scanned, which is no harm.
    package func readCheckpoints() throws(StorageError) -> Checkpoints {
        var found = Checkpoints()
        do throws(StorageError) {
            found.recoveryPoints = try read(LogFolder.recoveryPoints)
        } catch {
            // Without them more is scanned.
            guard case .malformed = error else { throw error }
            found.lost = error
        }
        found.highWatermarks = try read(LogFolder.highWatermarks)
        found.startOffsets = try read(LogFolder.startOffsets)
        found.cleanedOffsets = try read(LogFolder.cleanedOffsets)
        return found
    }

    private func read(_ name: String) throws(StorageError) -> [TopicPartition: Offset] {
        do throws(StorageError) {
            return try CheckpointFile.readOffsets(path + "/" + name, fileSystem) ?? [:]
        } catch {
            guard case .malformed(let path, let reason) = error else { throw error }
            throw .malformed(path: path, reason: "\(reason); `martlet log repair` makes it anew")
        }
    }

    /// Writes what `collect` says; it is asked when the turn has come, so that no older state follows a newer one.
    package func write(_ collect: () -> Checkpoints) throws(StorageError) {
        try checkpointTurn.withLock { _ throws(StorageError) in
            let checkpoints = collect()
            try CheckpointFile.writeOffsets(
                checkpoints.recoveryPoints, to: LogFolder.recoveryPoints, in: path, fileSystem)
            try CheckpointFile.writeOffsets(
                checkpoints.highWatermarks, to: LogFolder.highWatermarks, in: path, fileSystem)
            try CheckpointFile.writeOffsets(
                checkpoints.startOffsets, to: LogFolder.startOffsets, in: path, fileSystem)
        }
    }

    /// Writes what `collect` says of compaction: it changes with each cleaning only.
    package func writeCleaned(_ collect: () -> [TopicPartition: Offset]) throws(StorageError) {
        try checkpointTurn.withLock { _ throws(StorageError) in
            try CheckpointFile.writeOffsets(collect(), to: LogFolder.cleanedOffsets, in: path, fileSystem)
        }
    }
}
