// The real file system until a number of changes is used up; from then on every change of a name fails, as if the process
// had ended there.

import Environment
import Reactor
import Synchronization

final class CuttingFileSystem: FileSystem {
    private let real = RealFileSystem()
    private let left = Mutex(Int.max)

    /// Lets `count` more changes pass.
    func cut(after count: Int) { left.withLock { $0 = count } }

    private func spend(_ operation: String, _ path: String) throws(FileError) {
        let isLeft = left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        }
        if !isLeft { throw FileError(.inputOutput, operation, path: path) }
    }

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        if mode != .read { try spend("open", path) }
        return try real.open(path, mode)
    }

    func createDirectory(_ path: String) throws(FileError) { try real.createDirectory(path) }
    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] { try real.entries(path) }
    func attributes(_ path: String) throws(FileError) -> FileAttributes? { try real.attributes(path) }

    func rename(_ source: String, to target: String) throws(FileError) {
        try spend("rename", source)
        try real.rename(source, to: target)
    }

    func remove(_ path: String) throws(FileError) {
        try spend("remove", path)
        try real.remove(path)
    }

    func syncDirectory(_ path: String) throws(FileError) {
        try spend("sync", path)
        try real.syncDirectory(path)
    }

    func disk(_ path: String) throws(FileError) -> (any Disk)? { try real.disk(path) }
    func lock(_ path: String) throws(FileError) -> any FileLock { try real.lock(path) }
    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { try real.space(path) }
}
