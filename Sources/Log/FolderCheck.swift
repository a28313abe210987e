// A check of a whole log folder: its checkpoints, and each partition in it; and the checkpoints after a repair.

package import Basics
package import Environment

package struct FolderCheck {
    private static let recoveryPoints = 0
    private static let highWatermarks = 1

    private let path: String
    private let fileSystem: any FileSystem
    private let isOnline: Bool
    /// The broker that wrote the folder stopped in order.
    package let isClean: Bool
    private var checkpoints: [[TopicPartition: Offset]?] = []
    package private(set) var findings: [LogFinding] = []

    /// Reads the checkpoints of the folder at `path`.
    package init(_ path: String, _ fileSystem: any FileSystem, isOnline: Bool) throws(StorageError) {
        self.path = path
        self.fileSystem = fileSystem
        self.isOnline = isOnline
        isClean = try CheckpointFile.content(path + "/" + LogFolder.cleanName, fileSystem) != nil
        for name in LogFolder.checkpointNames {
            do throws(StorageError) {
                checkpoints.append(try CheckpointFile.readOffsets(path + "/" + name, fileSystem) ?? [:])
            } catch .malformed(let file, let reason) {
                checkpoints.append(nil)
                findings.append(
                    LogFinding(.checkpoint, file, "\(reason); a node does not start with it, and repair makes it anew"))
            }
        }
    }

    /// The partitions that have a folder here, sorted.
    package func partitions() throws(StorageError) -> [TopicPartition] {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(path) }
        return entries.filter(\.isDirectory).compactMap { LogFolder.partition(named: $0.name) }.sorted()
    }

    package func directory(of partition: TopicPartition) -> String { path + "/" + partition.description }

    /// Checks one partition: its folder, and what the checkpoints say of it.
    package func check(_ partition: TopicPartition) throws(StorageError) -> LogReport {
        var check = LogCheck(directory(of: partition), fileSystem, isOnline: isOnline, isClean: isClean)
        var report = try check.run()
        // What is said while a broker is at work is older or newer than what was read.
        guard !isOnline, report.segments > 0, !report.findings.contains(where: { $0.kind == .damagedEnd }) else {
            return report
        }
        for (index, name) in LogFolder.checkpointNames.enumerated() {
            // After a crash a high watermark may be ahead of what was durable.
            guard index != FolderCheck.highWatermarks || isClean else { continue }
            guard let said = checkpoints[index]?[partition], said > report.end else { continue }
            let meaning =
                index == FolderCheck.recoveryPoints
                ? "records that were durable are gone" : "repair sets it to the end"
            report.findings.append(
                LogFinding(
                    .checkpoint, path + "/" + name, offset: said,
                    "says \(said) of \(partition), whose log ends at \(report.end); \(meaning)"))
        }
        return report
    }

    /// Whether the recovery points are lost, so that all logs must be made durable before new ones are written.
    package var lacksRecoveryPoints: Bool { checkpoints[FolderCheck.recoveryPoints] == nil }

    /// Writes the checkpoints for logs that were repaired, with where each of them ends now. All of them are durable.
    package func writeCheckpoints(_ ends: [TopicPartition: Offset]) throws(StorageError) {
        for (index, name) in LogFolder.checkpointNames.enumerated() {
            var offsets = checkpoints[index] ?? [:]
            for (partition, end) in ends {
                if index == FolderCheck.recoveryPoints {
                    offsets[partition] = end
                } else if index == FolderCheck.highWatermarks, checkpoints[index] == nil {
                    offsets[partition] = end
                } else if let known = offsets[partition] {
                    offsets[partition] = min(known, end)
                }
            }
            guard checkpoints[index] == nil || checkpoints[index] != offsets else { continue }
            try CheckpointFile.writeOffsets(offsets, to: name, in: path, fileSystem)
        }
    }
}
