// A disk that forgets what was not synced. What a process sees is one thing, what is durable another: a write becomes
// durable by `sync` of its file, a name by `syncDirectory` of its folder.
//
// A killed process leaves everything that it wrote. A power cut leaves of each file its synced content and, by chance,
// a part of the later writes, the last of them perhaps torn; and of the names those that were synced and a prefix of
// the later changes.

import Basics
import Bytes
import Environment

/// Content of a file, whatever its name.
final class Inode {
    var content: [UInt8] = []
    var synced: [UInt8] = []
    /// Changes since the last sync, in order.
    var pending: [Change] = []
    /// Wall-clock milliseconds of the last change.
    private(set) var modified: Int64 = 0
    private let world: World
    private var pressure: SeededRandom

    init(_ world: World) {
        self.world = world
        pressure = SeededRandom(seed: world.seed)
    }

    enum Change {
        case write(position: Int, bytes: [UInt8])
        case truncate(Int)
    }

    func apply(_ change: Change, to target: inout [UInt8]) {
        switch change {
        case .write(let position, let bytes):
            if target.count < position { target += [UInt8](repeating: 0, count: position - target.count) }
            let end = min(target.count, position + bytes.count)
            target.replaceSubrange(position..<end, with: bytes)
        case .truncate(let size):
            if size < target.count { target.removeLast(target.count - size) } else {
                target += [UInt8](repeating: 0, count: size - target.count)
            }
        }
    }

    func change(_ change: Change) {
        apply(change, to: &content)
        pending.append(change)
        modified = VirtualClock(world: world).wallClock.milliseconds
    }

    func sync() {
        synced = content
        pending = []
    }

    /// By a chance of the file's own, so that a question changes nothing else: other processes press on the memory.
    func isResident() -> Bool { Int.random(in: 0..<100, using: &pressure) < 70 }

    /// What a power cut leaves.
    func cutPower(_ world: World) {
        var kept = synced
        let count = pending.isEmpty ? 0 : world.number(in: 0...pending.count)
        for (index, change) in pending.prefix(count).enumerated() {
            if index == count - 1, case .write(let position, let bytes) = change, world.chance(50) {
                // Torn: a part was written; the rest is missing, or zeros where only the size became durable.
                let part = Array(bytes.prefix(world.number(in: 0...bytes.count)))
                let zeros = world.chance(50) ? [UInt8](repeating: 0, count: bytes.count - part.count) : []
                apply(.write(position: position, bytes: part + zeros), to: &kept)
            } else {
                apply(change, to: &kept)
            }
        }
        content = kept
        synced = kept
        pending = []
    }
}

/// The disk of one simulated machine; it outlives the processes that use it.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualDisk: FileSystem, Disk, @unchecked Sendable {
    private enum NameChange {
        case bind(String, Inode)
        case unbind(String)
    }

    private let world: World
    private var names: [String: Inode] = [:]
    private var durableNames: [String: Inode] = [:]
    private var pendingNames: [(folder: String, change: NameChange)] = []
    private var folders: Set<String> = ["/"]
    private var locks: Set<String> = []

    init(_ world: World) { self.world = world }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func resolve(_ path: String) -> String { path.hasPrefix("/") ? path : "/" + path }

    // MARK: Content

    /// Another disk with the same content, all of it durable.
    func copy(in world: World) -> VirtualDisk {
        let copy = VirtualDisk(world)
        for (name, inode) in names {
            let twin = Inode(world)
            twin.content = inode.content
            twin.synced = inode.content
            copy.names[name] = twin
        }
        copy.durableNames = copy.names
        copy.folders = folders
        return copy
    }

    /// The paths of all files below `folder`, sorted.
    func files(in folder: String) -> [String] { names.keys.filter { $0.hasPrefix(folder + "/") }.sorted() }

    /// What is in a file, to be looked at and to be damaged.
    subscript(path: String) -> [UInt8]? {
        get { names[path]?.content }
        set {
            guard let newValue else { return }
            names[path]?.content = newValue
            names[path]?.sync()
        }
    }

    // MARK: Faults

    /// The process that held locks is dead.
    func releaseLocks() { locks = [] }

    func cutPower() {
        let count = pendingNames.isEmpty ? 0 : world.number(in: 0...pendingNames.count)
        for (_, change) in pendingNames.prefix(count) { apply(change, to: &durableNames) }
        pendingNames = []
        names = durableNames
        for name in names.keys.sorted() { names[name]?.cutPower(world) }
    }

    private func apply(_ change: NameChange, to table: inout [String: Inode]) {
        switch change {
        case .bind(let path, let inode): table[path] = inode
        case .unbind(let path): table[path] = nil
        }
    }

    private func change(_ change: NameChange, in folder: String) {
        apply(change, to: &names)
        pendingNames.append((folder, change))
    }

    // MARK: FileSystem

    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        let path = VirtualDisk.resolve(path)
        if let inode = names[path] {
            if mode == .replace { inode.change(.truncate(0)) }
            return VirtualFile(path, inode)
        }
        guard mode == .create || mode == .replace else { throw FileError(.notFound, "open", path: path) }
        guard folders.contains(VirtualDisk.parent(path)) else { throw FileError(.notFound, "open", path: path) }
        let inode = Inode(world)
        change(.bind(path, inode), in: VirtualDisk.parent(path))
        return VirtualFile(path, inode)
    }

    func createDirectory(_ path: String) throws(FileError) {
        var path = VirtualDisk.resolve(path)
        while path != "/", folders.insert(path).inserted { path = VirtualDisk.parent(path) }
    }

    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] {
        let path = VirtualDisk.resolve(path)
        guard folders.contains(path) else { throw FileError(.notFound, "opendir", path: path) }
        let inside = { (name: String) in name != "/" && VirtualDisk.parent(name) == path }
        let base = { (name: String) in String(name.split(separator: "/").last ?? "") }
        let files = names.keys.filter(inside).map { DirectoryEntry(name: base($0), isDirectory: false) }
        let nested = folders.filter(inside).map { DirectoryEntry(name: base($0), isDirectory: true) }
        return (files + nested).sorted { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    }

    func attributes(_ path: String) throws(FileError) -> FileAttributes? {
        let path = VirtualDisk.resolve(path)
        if let inode = names[path] { return FileAttributes(size: inode.content.count, isDirectory: false, modified: inode.modified) }
        return folders.contains(path) ? FileAttributes(size: 0, isDirectory: true, modified: 0) : nil
    }

    func rename(_ source: String, to target: String) throws(FileError) {
        let source = VirtualDisk.resolve(source)
        let target = VirtualDisk.resolve(target)
        if let inode = names[source] {
            change(.unbind(source), in: VirtualDisk.parent(source))
            change(.bind(target, inode), in: VirtualDisk.parent(target))
            return
        }
        guard folders.contains(source) else { throw FileError(.notFound, "rename", path: source) }
        folders.remove(source)
        folders.insert(target)
        for name in names.keys.filter({ $0.hasPrefix(source + "/") }).sorted() {
            guard let inode = names[name] else { continue }
            change(.unbind(name), in: source)
            change(.bind(target + name.dropFirst(source.count), inode), in: target)
        }
    }

    func remove(_ path: String) throws(FileError) {
        let path = VirtualDisk.resolve(path)
        if names[path] != nil { return change(.unbind(path), in: VirtualDisk.parent(path)) }
        guard folders.remove(path) != nil else { throw FileError(.notFound, "unlink", path: path) }
    }

    func syncDirectory(_ path: String) throws(FileError) {
        let path = VirtualDisk.resolve(path)
        for (folder, change) in pendingNames where folder == path { apply(change, to: &durableNames) }
        pendingNames.removeAll { $0.folder == path }
    }

    func disk(_ path: String) throws(FileError) -> (any Disk)? { self }

    func sync() throws(FileError) {
        for (_, change) in pendingNames { apply(change, to: &durableNames) }
        pendingNames = []
        for inode in names.values { inode.sync() }
    }

    func lock(_ path: String) throws(FileError) -> any FileLock {
        let path = VirtualDisk.resolve(path)
        guard locks.insert(path).inserted else { throw FileError(.locked, "lock", path: path) }
        if names[path] == nil { change(.bind(path, Inode(world)), in: VirtualDisk.parent(path)) }
        return VirtualLock()
    }

    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { (1 << 40, 1 << 39) }
}

final class VirtualLock: FileLock {}

/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualFile: File, @unchecked Sendable {
    let path: String
    let inode: Inode

    init(_ path: String, _ inode: Inode) {
        self.path = path
        self.inode = inode
    }

    func size() throws(FileError) -> Int { inode.content.count }

    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice {
        let start = min(position, inode.content.count)
        return ByteSlice(Array(inode.content[start..<min(start + max(0, count), inode.content.count)]))
    }

    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) {
        var at = position
        for slice in slices {
            inode.change(.write(position: at, bytes: slice.array))
            at += slice.count
        }
    }

    func sync() throws(FileError) { inode.sync() }
    func truncate(to size: Int) throws(FileError) { inode.change(.truncate(size)) }
    func window(count: Int) throws(FileError) -> any ReadWindow { VirtualWindow(self, count: count) }
    func willNeed(_ range: Range<Int>) {}
}

final class VirtualWindow: ReadWindow {
    let count: Int
    private let file: VirtualFile

    init(_ file: VirtualFile, count: Int) {
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

    func isResident(_ range: Range<Int>) -> Bool { file.inode.isResident() }
}
