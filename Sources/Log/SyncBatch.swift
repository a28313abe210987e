// Changes to many small files that become durable together: two syncs of the whole disk instead of three for each file.
//
// It is a file system that puts off what it is asked: a sync of a file or folder does nothing, and a rename waits. `commit`
// syncs the disk, so that all contents are durable, does the renames, and syncs the disk again. The order that replaces
// a checkpoint safely is kept by that for each of them.

internal import Bytes
package import Environment
internal import Synchronization

/// A file system whose syncs and renames take place in `commit`. For one thread.
package final class SyncBatch: FileSystem {
    private let fileSystem: any FileSystem
    private let disk: any Disk
    private let renames = Mutex<[(source: String, target: String)]>([])

    package init(_ fileSystem: any FileSystem, _ disk: any Disk) {
        self.fileSystem = fileSystem
        self.disk = disk
    }

    /// Makes everything durable and does the renames, in the order in which they were asked for.
    package func commit() throws(StorageError) {
        try storage { () throws(FileError) in
            try disk.sync()
            let due = renames.withLock { $0 }
            for rename in due { try fileSystem.rename(rename.source, to: rename.target) }
            if !due.isEmpty { try disk.sync() }
        }
        renames.withLock { $0 = [] }
    }

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        UnsyncedFile(try fileSystem.open(path, mode))
    }

    package func createDirectory(_ path: String) throws(FileError) { try fileSystem.createDirectory(path) }
    package func entries(_ path: String) throws(FileError) -> [DirectoryEntry] { try fileSystem.entries(path) }
    package func attributes(_ path: String) throws(FileError) -> FileAttributes? { try fileSystem.attributes(path) }
    package func rename(_ source: String, to target: String) { renames.withLock { $0.append((source, target)) } }
    package func remove(_ path: String) throws(FileError) { try fileSystem.remove(path) }
    package func syncDirectory(_ path: String) {}
    package func disk(_ path: String) throws(FileError) -> (any Disk)? { try fileSystem.disk(path) }
    package func lock(_ path: String) throws(FileError) -> any FileLock { try fileSystem.lock(path) }
    package func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { try fileSystem.space(path) }
}

/// A file that leaves its sync to the batch.
private final class UnsyncedFile: File {
    private let file: any File

    init(_ file: any File) { self.file = file }

    var path: String { file.path }
    func size() throws(FileError) -> Int { try file.size() }
    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice { try file.read(at: position, count: count) }
    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) { try file.write(slices, at: position) }
    func sync() {}
    func truncate(to size: Int) throws(FileError) { try file.truncate(to: size) }
    func window(count: Int) throws(FileError) -> any ReadWindow { try file.window(count: count) }
    func willNeed(_ range: Range<Int>) { file.willNeed(range) }
}
