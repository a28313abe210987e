// A disk that forgets what was not synced. What a process sees is one thing, what is durable another: a write becomes
// durable by `sync` of its file, a name, of a folder too, by `syncDirectory` of the folder that it stands in.
//
// A killed process leaves everything that it wrote. A power cut leaves of each file its synced content and, by chance,
// a part of the later writes, the last of them perhaps torn; and of the names in each folder those that were synced and
// a prefix of the later changes there, whatever became of other folders.

import Basics
import Bytes
import Environment

/// Sees what becomes of files.
protocol DiskObserver: AnyObject {
    func wrote(_ bytes: [UInt8], to path: String)
    /// What was written to the file is durable; of all files if none is named.
    func synced(_ path: String?)
}

/// The disk of one simulated machine; it outlives the processes that use it.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualDisk: FileSystem, @unchecked Sendable {
    let world: World
    private var root: Folder
    private var locks: Set<String> = []
    let faults = DiskFaults()
    /// Told of each write and sync that succeeded.
    weak var observer: (any DiskObserver)?

    init(_ world: World) {
        self.world = world
        root = Folder()
    }

    private static func parts(_ path: String) -> [Substring] { path.split(separator: "/") }

    /// What stands at a path.
    private func node(_ parts: some Sequence<Substring>) -> Folder.Node? {
        var node = Folder.Node.folder(root)
        for part in parts {
            guard case .folder(let folder) = node, let next = folder.nodes[String(part)] else { return nil }
            node = next
        }
        return node
    }

    private func folder(_ path: String, _ operation: String) throws(FileError) -> Folder {
        guard case .folder(let folder)? = node(VirtualDisk.parts(path)) else {
            throw FileError(.notFound, operation, path: path)
        }
        return folder
    }

    /// The folder that a path's last name stands in, and that name.
    private func place(_ path: String, _ operation: String) throws(FileError) -> (folder: Folder, name: String) {
        let parts = VirtualDisk.parts(path)
        guard let name = parts.last, case .folder(let folder)? = node(parts.dropLast()) else {
            throw FileError(.notFound, operation, path: path)
        }
        return (folder, String(name))
    }

    // MARK: Content

    /// Another disk with the same content, all of it durable.
    func copy(in world: World) -> VirtualDisk {
        let copy = VirtualDisk(world)
        copy.root = root.copy(in: world)
        return copy
    }

    /// The paths of all files below `folder`, sorted.
    func files(in folder: String) -> [String] {
        guard case .folder(let found)? = node(VirtualDisk.parts(folder)) else { return [] }
        return found.paths(below: folder).sorted()
    }

    /// Bytes of all files below `folder`.
    func used(_ folder: String) -> Int {
        guard case .folder(let found)? = node(VirtualDisk.parts(folder)) else { return 0 }
        return found.byteCount
    }

    /// What is in a file, to be looked at and to be damaged.
    subscript(path: String) -> [UInt8]? {
        get {
            guard case .file(let inode)? = node(VirtualDisk.parts(path)) else { return nil }
            return inode.content
        }
        set {
            guard let newValue, case .file(let inode)? = node(VirtualDisk.parts(path)) else { return }
            inode.replace(with: newValue)
        }
    }

    // MARK: Faults

    /// The process that held locks is dead.
    func releaseLocks() { locks = [] }

    func cutPower() { root.cutPower(world) }

    /// A new disk takes the place of this one.
    func erase() { root = Folder() }

    /// The same for what stands below a folder at the top.
    func erase(_ path: String) {
        root.change([(String(path.dropFirst()), nil)])
        root.sync()
    }

    /// Room left where `path` is; nil if it has no end.
    func room(_ path: String) -> Int? {
        faults.volume(of: path).flatMap { volume in volume.capacity.map { $0 - used(volume.path) } }
    }

    private func requireRoom(_ operation: String, _ path: String) throws(FileError) {
        if let room = room(path), room <= 0 { throw FileError(.noSpace, operation, path: path) }
    }

    // MARK: FileSystem

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        let (folder, name) = try place(path, "open")
        if case .file(let inode)? = folder.nodes[name] {
            if mode == .replace {
                try faults.change("open", path)
                inode.change(.truncate(0))
            } else {
                try faults.look("open", path)
            }
            return VirtualFile(path, inode, self)
        }
        guard mode == .create || mode == .replace else { throw FileError(.notFound, "open", path: path) }
        try faults.change("open", path)
        try requireRoom("open", path)
        let inode = Inode(world)
        folder.change([(name, .file(inode))])
        return VirtualFile(path, inode, self)
    }

    func createDirectory(_ path: String) throws(FileError) {
        var folder = root
        for part in VirtualDisk.parts(path) {
            let name = String(part)
            if case .folder(let next)? = folder.nodes[name] {
                folder = next
                continue
            }
            guard folder.nodes[name] == nil else { throw FileError(.exists, "mkdir", path: path) }
            try faults.change("mkdir", path)
            try requireRoom("mkdir", path)
            let made = Folder()
            folder.change([(name, .folder(made))])
            folder = made
        }
    }

    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] {
        try faults.look("opendir", path)
        return try folder(path, "opendir").nodes.map { name, node in
            if case .folder = node { return DirectoryEntry(name: name, isDirectory: true) }
            return DirectoryEntry(name: name, isDirectory: false)
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    func attributes(_ path: String) throws(FileError) -> FileAttributes? {
        try faults.look("stat", path)
        switch node(VirtualDisk.parts(path)) {
        case .file(let inode):
            return FileAttributes(size: inode.content.count, isDirectory: false, modified: inode.modified)
        case .folder: return FileAttributes(size: 0, isDirectory: true, modified: 0)
        case nil: return nil
        }
    }

    func rename(_ source: String, to target: String) throws(FileError) {
        let from = try place(source, "rename")
        let to = try place(target, "rename")
        guard let node = from.folder.nodes[from.name] else { throw FileError(.notFound, "rename", path: source) }
        precondition(from.folder === to.folder, "names move inside their folder only")
        try faults.change("rename", source)
        from.folder.change([(from.name, nil), (to.name, node)])
    }

    func remove(_ path: String) throws(FileError) {
        let (folder, name) = try place(path, "unlink")
        guard let node = folder.nodes[name] else { throw FileError(.notFound, "unlink", path: path) }
        if case .folder(let inner) = node, !inner.nodes.isEmpty { throw FileError(.notEmpty, "unlink", path: path) }
        try faults.change("unlink", path)
        folder.change([(name, nil)])
    }

    func syncDirectory(_ path: String) throws(FileError) {
        let folder = try folder(path, "fsync")
        try faults.sync("fsync", path)
        folder.sync()
    }

    func disk(_ path: String) throws(FileError) -> (any Disk)? {
        VirtualVolume(self, "/" + (VirtualDisk.parts(path).first ?? ""))
    }

    /// Makes everything durable below `path`.
    fileprivate func syncAll(_ path: String) throws(FileError) {
        let folder = try folder(path, "syncfs")
        try faults.syncAll(path) { folder.drop() }
        folder.syncAll()
        observer?.synced(nil)
    }

    func lock(_ path: String) throws(FileError) -> any FileLock {
        try faults.look("lock", path)
        guard locks.insert(path).inserted else { throw FileError(.locked, "lock", path: path) }
        let (folder, name) = try place(path, "lock")
        if folder.nodes[name] == nil { folder.change([(name, .file(Inode(world)))]) }
        return VirtualLock()
    }

    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) {
        guard let total = faults.volume(of: path)?.capacity else { return (1 << 40, 1 << 39) }
        return (total, max(0, total - used(path)))
    }
}

final class VirtualLock: FileLock {}

/// What stands below a folder at the top is on a disk of its own.
///
/// Proof of `@unchecked Sendable`: as for `World`.
private final class VirtualVolume: Disk, @unchecked Sendable {
    private let disk: VirtualDisk
    private let path: String

    init(_ disk: VirtualDisk, _ path: String) { (self.disk, self.path) = (disk, path) }

    func sync() throws(FileError) { try disk.syncAll(path) }
}
