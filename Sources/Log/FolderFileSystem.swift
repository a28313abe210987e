// The file system as one log folder sees it. The first sync that fails, of whatever file, takes the folder offline, and
// from then on nothing is written, synced or read in it: what the kernel dropped then, a later sync would not tell of
// (durability rule 1). All that the log does in a folder goes through here, so that no failed sync can be overlooked.

internal import Bytes
package import Environment

/// Watches over the syncs of a folder.
package struct FolderFileSystem: FileSystem {
    private let inner: any FileSystem
    private let standing: FolderStanding

    package init(_ inner: any FileSystem, _ standing: FolderStanding) {
        self.inner = inner
        self.standing = standing
    }

    private func guarded<Result>(
        _ operation: String, _ path: String, _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        try standing.guarded(operation, path, body)
    }

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        try guarded("open", path) { () throws(FileError) in FolderFile(try inner.open(path, mode), standing) }
    }

    package func createDirectory(_ path: String) throws(FileError) {
        try guarded("mkdir", path) { () throws(FileError) in try inner.createDirectory(path) }
    }

    package func entries(_ path: String) throws(FileError) -> [DirectoryEntry] {
        try guarded("opendir", path) { () throws(FileError) in try inner.entries(path) }
    }

    package func attributes(_ path: String) throws(FileError) -> FileAttributes? {
        try guarded("stat", path) { () throws(FileError) in try inner.attributes(path) }
    }

    package func rename(_ source: String, to target: String) throws(FileError) {
        try guarded("rename", source) { () throws(FileError) in try inner.rename(source, to: target) }
    }

    package func remove(_ path: String) throws(FileError) {
        try guarded("unlink", path) { () throws(FileError) in try inner.remove(path) }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        try guarded("fsync", path) { () throws(FileError) in try inner.syncDirectory(path) }
    }

    package func lock(_ path: String) throws(FileError) -> any FileLock { try inner.lock(path) }

    package func disk(_ path: String) throws(FileError) -> (any Disk)? {
        try inner.disk(path).map { FolderDisk($0, standing, path) }
    }

    package func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { try inner.space(path) }
}

extension FolderStanding {
    /// Runs `body` unless the folder is offline, and takes it offline if a sync fails.
    fileprivate func guarded<Result>(
        _ operation: String, _ path: String, _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        guard !isOffline else { throw FileError(.offline, operation, path: path) }
        do throws(FileError) {
            return try body()
        } catch {
            if error.kind == .notSynced { fail(.file(error)) }
            throw error
        }
    }
}

private final class FolderDisk: Disk {
    private let inner: any Disk
    private let standing: FolderStanding
    private let path: String

    init(_ inner: any Disk, _ standing: FolderStanding, _ path: String) {
        self.inner = inner
        self.standing = standing
        self.path = path
    }

    func sync() throws(FileError) {
        try standing.guarded("syncfs", path) { () throws(FileError) in try inner.sync() }
    }
}

private final class FolderFile: File {
    private let inner: any File
    private let standing: FolderStanding

    init(_ inner: any File, _ standing: FolderStanding) {
        self.inner = inner
        self.standing = standing
    }

    var path: String { inner.path }
    var source: any FileSource { inner.source }

    private func guarded<Result>(
        _ operation: String, _ body: () throws(FileError) -> Result
    ) throws(FileError) -> Result {
        try standing.guarded(operation, path, body)
    }

    func size() throws(FileError) -> Int {
        try guarded("fstat") { () throws(FileError) in try inner.size() }
    }

    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice {
        try guarded("pread") { () throws(FileError) in try inner.read(at: position, count: count) }
    }

    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) {
        try guarded("pwritev") { () throws(FileError) in try inner.write(slices, at: position) }
    }

    func sync() throws(FileError) {
        try guarded("fdatasync") { () throws(FileError) in try inner.sync() }
    }

    func truncate(to size: Int) throws(FileError) {
        try guarded("ftruncate") { () throws(FileError) in try inner.truncate(to: size) }
    }

    func window(count: Int) throws(FileError) -> any ReadWindow {
        try guarded("mmap") { () throws(FileError) in try inner.window(count: count) }
    }

    func willNeed(_ range: Range<Int>) { inner.willNeed(range) }
}
