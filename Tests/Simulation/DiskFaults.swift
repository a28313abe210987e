// What goes wrong with a virtual disk: parts of it that fail or are full, and a cut at one operation, as if the process
// had been killed, or the power gone, in that very system call.

import Environment

/// The faults of one disk, changed by a test while processes run on it.
final class DiskFaults {
    /// A part of the disk, below a folder.
    struct Volume {
        let path: String
        /// Bytes that fit; nil for any number.
        var capacity: Int?
        var failsWrites = false
        var failsReads = false
        var failsSyncs = false

        init(_ path: String) { self.path = path }

        var isSound: Bool { capacity == nil && !failsWrites && !failsReads && !failsSyncs }
    }

    private(set) var volumes: [Volume] = []
    /// Operations that change something, so far.
    private(set) var operations = 0
    /// The operation that does not happen, and what happens instead. Nothing happens after it until the cut is taken back.
    private var cut: (at: Int, action: () -> Void)?
    private(set) var isCut = false

    func volume(of path: String) -> Volume? { volumes.first { path == $0.path || path.hasPrefix($0.path + "/") } }

    /// Changes what goes wrong below `path`.
    func change(below path: String, _ body: (inout Volume) -> Void) {
        var volume = volume(of: path) ?? Volume(path)
        body(&volume)
        volumes.removeAll { $0.path == path }
        if !volume.isSound { volumes.append(volume) }
    }

    /// All is well again.
    func mend() { volumes = [] }

    /// Calls `action` in place of the change with this number.
    func cut(at operation: Int, _ action: @escaping () -> Void) { cut = (operation, action) }

    /// The process is gone; the next one finds the disk as it is.
    func endCut() {
        cut = nil
        isCut = false
    }

    // MARK: Operations

    func look(_ operation: String, _ path: String) throws(FileError) {
        if isCut { throw FileError(.inputOutput, operation, path: path) }
    }

    func read(_ operation: String, _ path: String) throws(FileError) {
        try look(operation, path)
        if volume(of: path)?.failsReads == true { throw FileError(.inputOutput, operation, path: path) }
    }

    /// A change of names.
    func change(_ operation: String, _ path: String) throws(FileError) { try count(operation, path) }

    func write(_ operation: String, _ path: String) throws(FileError) {
        try count(operation, path)
        if volume(of: path)?.failsWrites == true { throw FileError(.inputOutput, operation, path: path) }
    }

    func sync(_ operation: String, _ path: String) throws(FileError) {
        try count(operation, path)
        if volume(of: path)?.failsSyncs == true { throw FileError(.notSynced, operation, path: path) }
    }

    /// A sync of everything on the disk of `path`; `drop` if it fails.
    func syncAll(_ path: String, _ drop: () -> Void) throws(FileError) {
        try count("syncfs", path)
        guard volume(of: path)?.failsSyncs == true else { return }
        drop()
        throw FileError(.notSynced, "syncfs", path: path)
    }

    private func count(_ operation: String, _ path: String) throws(FileError) {
        try look(operation, path)
        operations += 1
        guard let cut, operations == cut.at else { return }
        isCut = true
        cut.action()
        throw FileError(.inputOutput, operation, path: path)
    }
}
