// A file system of a few files in memory, for one input on one thread.

import Bytes
import Environment
import Synchronization

final class MemoryFiles: FileSystem {
    fileprivate let files = Mutex<[String: [UInt8]]>([:])

    init(_ files: [String: [UInt8]] = [:]) { self.files.withLock { $0 = files } }

    subscript(path: String) -> [UInt8]? { files.withLock { $0[path] } }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        let isThere = self[path] != nil
        if !isThere, mode == .read || mode == .update { throw FileError(.notFound, "open", path: path) }
        if !isThere || mode == .replace { files.withLock { $0[path] = [] } }
        return MemoryFile(path, self)
    }

    func createDirectory(_ path: String) throws(FileError) {}

    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] {
        files.withLock { files in
            files.keys.filter { $0.hasPrefix(path + "/") }.sorted()
                .map { DirectoryEntry(name: String($0.dropFirst(path.utf8.count + 1)), isDirectory: false) }
        }
    }

    func attributes(_ path: String) throws(FileError) -> FileAttributes? {
        self[path].map { FileAttributes(size: $0.count, isDirectory: false, modified: 0) }
    }

    func rename(_ source: String, to target: String) throws(FileError) {
        files.withLock { $0[target] = $0.removeValue(forKey: source) }
    }

    func remove(_ path: String) throws(FileError) { files.withLock { $0[path] = nil } }
    func syncDirectory(_ path: String) throws(FileError) {}
    func disk(_ path: String) throws(FileError) -> (any Disk)? { nil }
    func lock(_ path: String) throws(FileError) -> any FileLock { MemoryLock() }
    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { (1 << 40, 1 << 40) }
}

private final class MemoryLock: FileLock {}

final class MemoryFile: File {
    let path: String
    private let owner: MemoryFiles

    init(_ path: String, _ owner: MemoryFiles) {
        self.path = path
        self.owner = owner
    }

    private var content: [UInt8] { owner[path] ?? [] }

    func size() throws(FileError) -> Int { content.count }

    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice {
        guard position >= 0, count >= 0 else { throw FileError(.other, "pread", path: path, errno: 22) }
        return ByteSlice(content.dropFirst(position).prefix(count))
    }

    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) {
        var bytes = content
        let added = slices.flatMap(\.array)
        if bytes.count < position + added.count {
            bytes += [UInt8](repeating: 0, count: position + added.count - bytes.count)
        }
        bytes.replaceSubrange(position..<position + added.count, with: added)
        owner.files.withLock { $0[path] = bytes }
    }

    func sync() throws(FileError) {}

    func truncate(to size: Int) throws(FileError) {
        let kept = Array(content.prefix(size))
        owner.files.withLock { $0[path] = kept }
    }

    func window(count: Int) throws(FileError) -> any ReadWindow { MemoryWindow(self, count: count) }
    func willNeed(_ range: Range<Int>) {}
}

private final class MemoryWindow: ReadWindow {
    let count: Int
    private let file: MemoryFile

    init(_ file: MemoryFile, count: Int) {
        self.file = file
        self.count = count
    }

    private func bytes(at position: Int, _ length: Int) throws(FileError) -> ByteSlice {
        let slice = try file.read(at: position, count: length)
        guard slice.count == length else { throw FileError(.inputOutput, "read mapping", path: file.path) }
        return slice
    }

    func copy(at position: Int, count: Int, into memory: Memory) throws(FileError) {
        memory.copy(try bytes(at: position, count), to: 0)
    }

    func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, at position: Int
    ) throws(FileError) -> Value {
        try bytes(at: position, MemoryLayout<Value>.size).load(type, at: 0)
    }
    func isResident(_ range: Range<Int>) -> Bool { true }
}
