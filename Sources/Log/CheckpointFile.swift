// Small text files that say where something stands; replaced as a whole, in one step.
//
// Order: write a temporary file, sync it, rename it over the old one, sync the folder. Whoever finds the file finds
// either the old content or the new one. All of Kafka's checkpoints have this form:
//
//     0                        version of the format
//     2                        count of the lines that follow
//     orders 0 1234            one entry per line, fields parted by a space
//     orders 1 77

package import Basics
package import Bytes
package import Environment

package enum CheckpointFile {
    /// Of the file that a checkpoint is written to before it takes the place of the old one.
    package static let temporarySuffix = ".tmp"

    /// Replaces the file `name` in `directory` by `content`, durably.
    package static func replace(
        _ name: String, in directory: String, with content: ByteSlice, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        try storage { () throws(FileError) in
            let temporary = directory + "/" + name + temporarySuffix
            let file = try fileSystem.open(temporary, .replace)
            try file.write([content], at: 0)
            try file.sync()
            try fileSystem.rename(temporary, to: directory + "/" + name)
            try fileSystem.syncDirectory(directory)
        }
    }

    /// The whole content of a file, or nil if it does not exist.
    package static func content(
        _ path: String, _ fileSystem: any FileSystem
    ) throws(StorageError) -> ByteSlice? {
        try storage { () throws(FileError) -> ByteSlice? in
            guard let attributes = try fileSystem.attributes(path) else { return nil }
            return try fileSystem.open(path, .read).read(at: 0, count: attributes.size)
        }
    }

    /// Replaces a checkpoint by `lines`.
    package static func write(
        _ lines: [String], to name: String, in directory: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        let text = "0\n\(lines.count)\n" + lines.map { $0 + "\n" }.joined()
        try replace(name, in: directory, with: ByteSlice(Array(text.utf8)), fileSystem)
    }

    /// The entries of a checkpoint, split into fields; nil if there is no such file. A file that is cut short or of
    /// another version is an error, never an empty list.
    package static func read(
        _ path: String, fieldCount: Int, _ fileSystem: any FileSystem
    ) throws(StorageError) -> [[Substring]]? {
        guard let content = try content(path, fileSystem) else { return nil }
        let lines = content.string.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 2, lines[0] == "0" else {
            throw .malformed(path: path, reason: "is not a checkpoint of version 0")
        }
        guard let count = Int(lines[1]), count >= 0, lines.count >= count + 2 else {
            throw .malformed(path: path, reason: "has fewer entries than it says")
        }
        let entries = lines[2..<count + 2].map { $0.split(separator: " ") }
        guard entries.allSatisfy({ $0.count == fieldCount }) else {
            throw .malformed(path: path, reason: "has an entry that is not \(fieldCount) fields")
        }
        return entries
    }

    /// Reads a checkpoint of one offset per partition.
    package static func readOffsets(
        _ path: String, _ fileSystem: any FileSystem
    ) throws(StorageError) -> [TopicPartition: Offset]? {
        guard let entries = try read(path, fieldCount: 3, fileSystem) else { return nil }
        var offsets: [TopicPartition: Offset] = [:]
        for entry in entries {
            guard let partition = Int32(entry[1]), let offset = Int64(entry[2]), offset >= 0 else {
                throw .malformed(path: path, reason: "has an entry that is no partition and offset")
            }
            offsets[TopicPartition(String(entry[0]), partition)] = Offset(offset)
        }
        return offsets
    }

    /// Writes a checkpoint of one offset per partition, sorted.
    package static func writeOffsets(
        _ offsets: [TopicPartition: Offset], to name: String, in directory: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        let sorted = offsets.sorted { $0.key < $1.key }
        try write(
            sorted.map { "\($0.key.topic) \($0.key.partition) \($0.value)" }, to: name, in: directory, fileSystem)
    }
}
