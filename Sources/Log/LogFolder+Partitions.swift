// How the folders of partitions come and go in a log folder: made for new ones, and renamed when their part changes.
//
//     <topic>-<partition>                          a partition
//     <topic>-<partition>.<32 digits>-future       what is to become one: a copy that is being made of it (KIP-113)
//     <topic>-<partition>.<32 digits>-delete       on its way out, removed a little later
//     <topic>-<partition>.<32 digits>-stray        put aside, for the cluster knows it no more; kept until somebody removes it
//
// A name changes in one step, and is durable when the call returns.

package import Basics
internal import Bytes
internal import Environment

extension LogFolder {
    private static let deletedSuffix = "-delete"
    private static let straySuffix = "-stray"
    private static let futureSuffix = "-future"
    private static let completeName = "copy-complete"
    /// The longest name of a file that Linux takes, in bytes.
    private static let nameMax = 255
    /// The longest name of a topic.
    private static let topicMax = 249

    /// Makes the folder of a partition, with the id of its topic, durably.
    func create(_ directory: String, topicId: Uuid, _ fileSystem: any FileSystem) throws(StorageError) {
        try storage { () throws(FileError) in
            try fileSystem.createDirectory(directory)
            try fileSystem.syncDirectory(path)
        }
        let text = "version: 0\ntopic_id: \(topicId)"
        try CheckpointFile.replace(
            LogFolder.metadataName, in: directory, with: ByteSlice(Array(text.utf8)), fileSystem)
    }

    private static let metadataName = "partition.metadata"

    /// The topic id that a partition's folder was made for; nil if it says none.
    package func topicId(of partition: TopicPartition) throws(StorageError) -> Uuid? {
        try topicId(in: directory(of: partition))
    }

    /// The same of any folder of a partition.
    package func topicId(in directory: String) throws(StorageError) -> Uuid? {
        let path = directory + "/" + LogFolder.metadataName
        guard let text = try CheckpointFile.content(path, fileSystem)?.string else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("topic_id: ") {
            return Uuid(String(line.dropFirst("topic_id: ".count)))
        }
        throw .malformed(path: path, reason: "has no topic_id")
    }

    // MARK: Out

    /// Renames the folder of a deleted partition out of the way, in one step. Answers its new path.
    package func retire(_ partition: TopicPartition, id: Uuid) throws(StorageError) -> String {
        try retire(directory(of: partition), of: partition, id: id)
    }

    /// The same for any folder of the partition.
    package func retire(_ directory: String, of partition: TopicPartition, id: Uuid) throws(StorageError) -> String {
        try rename(directory, of: partition, id, LogFolder.deletedSuffix)
    }

    /// Renames the folder of a partition that the cluster knows no more, in one step. Answers its new path.
    package func putAside(_ directory: String, of partition: TopicPartition, id: Uuid) throws(StorageError) -> String {
        try rename(directory, of: partition, id, LogFolder.straySuffix)
    }

    private func rename(
        _ directory: String, of partition: TopicPartition, _ id: Uuid, _ suffix: String
    ) throws(StorageError) -> String {
        let tail = "-\(partition.partition).\(LogFolder.hexadecimal(id))\(suffix)"
        let target = path + "/" + partition.topic.prefix(LogFolder.topicMax - tail.utf8.count) + tail
        try rename(directory, to: target)
        return target
    }

    /// The folders of deleted partitions that are still there.
    package func retired() throws(StorageError) -> [String] {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(path) }
        return entries.filter { $0.isDirectory && $0.name.hasSuffix(LogFolder.deletedSuffix) }.map { path + "/" + $0.name }
    }

    /// Renames a folder here, durably.
    package func rename(_ source: String, to target: String) throws(StorageError) {
        try storage { () throws(FileError) in
            try fileSystem.rename(source, to: target)
            try fileSystem.syncDirectory(path)
        }
    }

    private static func hexadecimal(_ id: Uuid) -> String {
        [id.high, id.low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    // MARK: Futures

    /// The name of the folder that a copy of `partition` is made in; nil if it is too long for a file system.
    package static func futureName(of partition: TopicPartition, id: Uuid) -> String? {
        let name = "\(partition).\(hexadecimal(id))\(futureSuffix)"
        return name.utf8.count <= nameMax ? name : nil
    }

    /// Makes the folder of a copy, durably; answers its path.
    package func createFuture(_ name: String, topicId: Uuid) throws(StorageError) -> String {
        let directory = path + "/" + name
        try create(directory, topicId: topicId, fileSystem)
        return directory
    }

    /// Notes, durably, that a copy lacks nothing: if its log is gone then, it takes its place.
    package func markComplete(_ copy: String) throws(StorageError) {
        try CheckpointFile.replace(LogFolder.completeName, in: copy, with: .empty, fileSystem)
    }

    package func isComplete(_ copy: String) throws(StorageError) -> Bool {
        try storage { () throws(FileError) in try fileSystem.attributes(copy + "/" + LogFolder.completeName) != nil }
    }

    /// Takes the mark away; it does no harm where the log is there.
    package func unmark(_ copy: String) throws(StorageError) {
        guard try isComplete(copy) else { return }
        try storage { () throws(FileError) in try fileSystem.remove(copy + "/" + LogFolder.completeName) }
    }

    /// The copies that are here, by their partitions.
    package func futures() throws(StorageError) -> [(partition: TopicPartition, path: String)] {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(path) }
        return entries.filter { $0.isDirectory && $0.name.hasSuffix(LogFolder.futureSuffix) }.compactMap { entry in
            guard let dot = entry.name.lastIndex(of: "."),
                let partition = LogFolder.partition(named: String(entry.name[..<dot]))
            else { return nil }
            return (partition, path + "/" + entry.name)
        }
    }
}
