// Files of the virtual disk: what a process sees of one, what of it is durable, and what a failed sync forgot.

import Basics
import Bytes
import Environment

/// Content of a file, whatever its name.
final class Inode {
    private(set) var content: [UInt8] = []
    private var synced: [UInt8] = []
    /// Changes since the last sync, in order.
    private var pending: [Change] = []
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

    private func apply(_ change: Change, to target: inout [UInt8]) {
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
        for change in pending { apply(change, to: &synced) }
        pending = []
    }

    /// By a chance of the file's own, so that a question changes nothing else: other processes press on the memory.
    func isResident() -> Bool { Int.random(in: 0..<100, using: &pressure) < 70 }

    /// A sync failed: the kernel takes the pages for clean, and they never reach the disk.
    func drop() { pending = [] }

    /// Other content, all of it durable.
    func replace(with bytes: [UInt8]) {
        content = bytes
        synced = bytes
        pending = []
    }

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
        replace(with: kept)
    }
}

/// The names in a folder, of files and of other folders.
final class Folder {
    enum Node {
        case file(Inode)
        case folder(Folder)
    }

    private(set) var nodes: [String: Node] = [:]
    private var durable: [String: Node] = [:]
    /// Changes since the last sync; the parts of one happen together.
    private var pending: [[(name: String, node: Node?)]] = []

    func change(_ change: [(name: String, node: Node?)]) {
        for (name, node) in change { nodes[name] = node }
        pending.append(change)
    }

    func sync() {
        durable = nodes
        pending = []
    }

    private var sorted: [(name: String, node: Node)] { nodes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    func cutPower(_ world: World) {
        let count = pending.isEmpty ? 0 : world.number(in: 0...pending.count)
        for change in pending.prefix(count) {
            for (name, node) in change { durable[name] = node }
        }
        nodes = durable
        pending = []
        for (_, node) in sorted {
            switch node {
            case .file(let inode): inode.cutPower(world)
            case .folder(let folder): folder.cutPower(world)
            }
        }
    }

    private func each(_ file: (Inode) -> Void, _ folder: (Folder) -> Void) {
        for (_, node) in sorted {
            switch node {
            case .file(let inode): file(inode)
            case .folder(let inner): folder(inner)
            }
        }
    }

    /// Makes everything below durable.
    func syncAll() {
        sync()
        each({ $0.sync() }, { $0.syncAll() })
    }

    /// Forgets all unsynced data below.
    func drop() { each({ $0.drop() }, { $0.drop() }) }

    func copy(in world: World) -> Folder {
        let copy = Folder()
        for (name, node) in sorted {
            switch node {
            case .file(let inode):
                let twin = Inode(world)
                twin.replace(with: inode.content)
                copy.nodes[name] = .file(twin)
            case .folder(let folder): copy.nodes[name] = .folder(folder.copy(in: world))
            }
        }
        copy.sync()
        return copy
    }

    func paths(below path: String) -> [String] {
        sorted.flatMap { name, node in
            if case .folder(let folder) = node { return folder.paths(below: path + "/" + name) }
            return [path + "/" + name]
        }
    }

    var byteCount: Int {
        var count = 0
        each({ count += $0.content.count }, { count += $0.byteCount })
        return count
    }
}

/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualFile: File, @unchecked Sendable {
    let path: String
    let inode: Inode
    private let disk: VirtualDisk

    init(_ path: String, _ inode: Inode, _ disk: VirtualDisk) {
        self.path = path
        self.inode = inode
        self.disk = disk
    }

    func size() throws(FileError) -> Int {
        try disk.faults.look("fstat", path)
        return inode.content.count
    }

    func read(at position: Int, count: Int) throws(FileError) -> ByteSlice {
        try disk.faults.read("pread", path)
        let start = min(position, inode.content.count)
        return ByteSlice(Array(inode.content[start..<min(start + max(0, count), inode.content.count)]))
    }

    func write(_ slices: [ByteSlice], at position: Int) throws(FileError) {
        let bytes = slices.flatMap(\.array)
        do throws(FileError) {
            try disk.faults.write("pwritev", path)
        } catch {
            // A part of it may have been written, whatever ended it.
            put(Array(bytes.prefix(disk.world.number(in: 0...bytes.count))), at: position)
            throw error
        }
        let fresh = position + bytes.count - inode.content.count
        if fresh > 0, let room = disk.room(path), room < fresh {
            put(Array(bytes.prefix(max(0, bytes.count - (fresh - max(0, room))))), at: position)
            throw FileError(.noSpace, "pwritev", path: path)
        }
        var at = position
        for slice in slices {
            put(slice.array, at: at)
            at += slice.count
        }
        disk.observer?.wrote(bytes, to: path)
    }

    private func put(_ bytes: [UInt8], at position: Int) {
        if !bytes.isEmpty { inode.change(.write(position: position, bytes: bytes)) }
    }

    func sync() throws(FileError) {
        do throws(FileError) {
            try disk.faults.sync("fdatasync", path)
        } catch {
            if error.kind == .notSynced { inode.drop() }
            throw error
        }
        inode.sync()
        disk.observer?.synced(path)
    }

    func truncate(to size: Int) throws(FileError) {
        try disk.faults.write("ftruncate", path)
        inode.change(.truncate(size))
    }

    func window(count: Int) throws(FileError) -> any ReadWindow { VirtualWindow(self, count: count) }
    func willNeed(_ range: Range<Int>) {}

    /// Whether a region of the file could be sent.
    var canBeSent: Bool { disk.faults.volume(of: path)?.failsReads != true }
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
