// The real file system with a page cache that is empty until somebody who may wait reads; counts who read what.

import Bytes
import Environment
import Reactor
import Synchronization

final class ColdFileSystem: FileSystem {
    private let real = RealFileSystem()
    let cache = Cache()

    final class Cache: Sendable {
        struct State {
            /// Paths of files that are in memory.
            var warm: Set<String> = []
            var coldReads = 0
            var readAhead: [Range<Int>] = []
        }

        let state = Mutex(State())

        /// A read of a file; from then on it is in memory.
        func read(_ path: String) {
            state.withLock { if $0.warm.insert(path).inserted { $0.coldReads += 1 } }
        }

        var coldReads: Int { state.withLock { $0.coldReads } }
        var readAhead: [Range<Int>] { state.withLock { $0.readAhead } }

        func drop() {
            state.withLock {
                $0.warm = []
                $0.coldReads = 0
                $0.readAhead = []
            }
        }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        ColdFile(try real.open(path, mode), cache)
    }

    func createDirectory(_ path: String) throws(FileError) { try real.createDirectory(path) }
    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] { try real.entries(path) }
    func attributes(_ path: String) throws(FileError) -> FileAttributes? { try real.attributes(path) }
    func rename(_ source: String, to target: String) throws(FileError) { try real.rename(source, to: target) }
    func remove(_ path: String) throws(FileError) { try real.remove(path) }
    func syncDirectory(_ path: String) throws(FileError) { try real.syncDirectory(path) }
    func disk(_ path: String) throws(FileError) -> (any Disk)? { try real.disk(path) }
    func lock(_ path: String) throws(FileError) -> any FileLock { try real.lock(path) }
    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { try real.space(path) }
}

private final class ColdFile: File {
    private let real: any File
    private let cache: ColdFileSystem.Cache

    init(_ real: any File, _ cache: ColdFileSystem.Cache) {
        self.real = real
        self.cache = cache
    }

    var path: String { real.path }
    func size() throws(FileError) -> Int { try real.size() }

    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice {
        cache.read(path)
        return try real.read(at: position, count: count)
    }

    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) { try real.write(slices, at: position) }
    func sync() throws(FileError) { try real.sync() }
    func truncate(to size: Int) throws(FileError) { try real.truncate(to: size) }

    func window(count: Int) throws(FileError) -> any ReadWindow {
        ColdWindow(try real.window(count: count), path, cache)
    }

    func willNeed(_ range: Range<Int>) { cache.state.withLock { $0.readAhead.append(range) } }
}

private final class ColdWindow: ReadWindow {
    private let real: any ReadWindow
    private let path: String
    private let cache: ColdFileSystem.Cache

    init(_ real: any ReadWindow, _ path: String, _ cache: ColdFileSystem.Cache) {
        self.real = real
        self.path = path
        self.cache = cache
    }

    var count: Int { real.count }

    func copy(at position: Int, count: Int, into memory: Memory) throws(FileError) {
        cache.read(path)
        try real.copy(at: position, count: count, into: memory)
    }

    func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, at position: Int
    ) throws(FileError) -> Value {
        cache.read(path)
        return try real.load(type, at: position)
    }

    func isResident(_ range: Range<Int>) -> Bool { cache.state.withLock { $0.warm.contains(path) } }
}
