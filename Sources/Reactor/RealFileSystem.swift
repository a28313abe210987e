// Names and folders of the real file system; what concerns one open file is in `RealFile`. Any thread may call.

internal import CLinux
package import Environment
internal import Glibc

/// The file system of the real environment.
package struct RealFileSystem: FileSystem {
    private let calls: any SystemCalls

    package init(calls: any SystemCalls = LinuxCalls()) { self.calls = calls }

    // Safety of all calls with a path: the text lives during the call, and the kernel keeps no pointer.

    private func check(_ result: Int32, _ operation: String, _ path: String) throws(FileError) {
        if result < 0 { throw FileError(errno: -result, operation, path: path) }
    }

    private func openDescriptor(_ path: String, _ mode: martlet_open_mode) throws(FileError) -> Descriptor {
        let number = unsafe martlet_open(path, mode)
        try check(number, "open", path)
        return Descriptor(number)
    }

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        let system =
            switch mode {
            case .read: MARTLET_READ
            case .update: MARTLET_UPDATE
            case .create: MARTLET_CREATE
            case .replace: MARTLET_REPLACE
            }
        return RealFile(try openDescriptor(path, system), path: path, calls: calls)
    }

    package func createDirectory(_ path: String) throws(FileError) {
        let result = unsafe martlet_make_directory(path)
        if result == -EEXIST, try attributes(path)?.isDirectory == true { return }
        guard result == -ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            return try check(result, "mkdir", path)
        }
        try createDirectory(String(path[..<slash]))
        let second = unsafe martlet_make_directory(path)
        if second != -EEXIST { try check(second, "mkdir", path) }
    }

    package func entries(_ path: String) throws(FileError) -> [DirectoryEntry] {
        var folder: OpaquePointer?
        try check(unsafe martlet_folder_open(path, &folder), "opendir", path)
        defer { unsafe martlet_folder_close(folder) }
        var found: [DirectoryEntry] = []
        while true {
            var name: UnsafePointer<CChar>?
            var isDirectory: Int32 = 0
            let result = unsafe martlet_folder_next(folder, &name, &isDirectory)
            try check(result, "readdir", path)
            guard result == 1, let text = unsafe name else { break }
            found.append(DirectoryEntry(name: unsafe String(cString: text), isDirectory: isDirectory != 0))
        }
        return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    package func attributes(_ path: String) throws(FileError) -> FileAttributes? {
        var found = martlet_attributes()
        let result = unsafe martlet_attributes_of(path, &found)
        if result == -ENOENT || result == -ENOTDIR { return nil }
        try check(result, "stat", path)
        return FileAttributes(
            size: Int(found.size), isDirectory: found.is_directory != 0, modified: found.modified_ms)
    }

    package func rename(_ source: String, to target: String) throws(FileError) {
        try check(unsafe martlet_rename(source, target), "rename", source)
    }

    package func remove(_ path: String) throws(FileError) {
        try check(unsafe martlet_remove(path), "unlink", path)
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        let folder = try openDescriptor(path, MARTLET_FOLDER)
        var result = calls.syncFolder(folder.raw)
        while result == -EINTR { result = calls.syncFolder(folder.raw) }
        if result < 0 { throw FileError(.notSynced, "fsync", path: path, errno: -result) }
    }

    package func disk(_ path: String) throws(FileError) -> (any Disk)? {
        guard martlet_sync_disk_reports() != 0 else { return nil }
        return RealDisk(folder: try openDescriptor(path, MARTLET_FOLDER), path: path, calls: calls)
    }

    package func lock(_ path: String) throws(FileError) -> any FileLock {
        let file = try openDescriptor(path, MARTLET_CREATE)
        let result = martlet_lock(file.raw)
        if result == -EAGAIN || result == -EACCES {
            throw FileError(.locked, "fcntl", path: path, errno: -result)
        }
        try check(result, "fcntl", path)
        return HeldLock(file)
    }

    package func space(_ path: String) throws(FileError) -> (total: Int, free: Int) {
        var total: Int64 = 0
        var free: Int64 = 0
        try check(unsafe martlet_space(path, &total, &free), "statvfs", path)
        return (Int(total), Int(free))
    }
}

/// The open lock file; the kernel gives up the lock when it is closed.
private final class HeldLock: FileLock {
    private let file: Descriptor

    init(_ file: Descriptor) { self.file = file }
}

/// The disk below a folder. The kernel tells each open descriptor of a failed write once, so it is kept open.
private final class RealDisk: Disk {
    private let folder: Descriptor
    private let path: String
    private let calls: any SystemCalls

    init(folder: Descriptor, path: String, calls: any SystemCalls) {
        self.folder = folder
        self.path = path
        self.calls = calls
    }

    func sync() throws(FileError) {
        let result = calls.syncDisk(folder.raw)
        if result < 0 { throw FileError(.notSynced, "syncfs", path: path, errno: -result) }
    }
}
