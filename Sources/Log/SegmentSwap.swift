// Putting a compacted segment in the place of those that it was made of. The names alone say how far it got; each step is
// made durable by a sync of the folder before the next begins:
//
//     step | names on disk                           | a start that finds them
//     -----+-----------------------------------------+------------------------------------------------------------
//     1    | new: .cleaned           old: as ever    | removes the new: it may not be whole
//     2    | new: .cleaned and .swap old: as ever    | removes the new: its renames were not all made
//     3    | new: .swap              old: as ever    | removes the old below the end of the new, renames the new
//     4    | new: .swap              old: .deleted   | the same: of the old, none or some or all are left
//     5    | new: .swap and final    old: .deleted   | renames the rest; an index that is missing is built anew
//     6    | new: final              old: .deleted   | removes the old
//
// These are Kafka's rules: it opens our folders, and we open its. A .swap file whose base is not below that of a .cleaned
// file is of step 2. The .log is renamed first in steps 2 and 5.

internal import Basics
internal import Environment
internal import Records

enum SegmentSwap {
    /// Steps 2 and 5: renames the files of the segment at `base`, from one suffix to another, durably.
    static func rename(
        _ base: Offset, in directory: String, from old: String, to new: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        try storage { () throws(FileError) in
            for kind in SegmentFileKind.allCases where kind != .producerSnapshot {
                let path = directory + "/" + SegmentFiles.name(base, kind)
                guard try fileSystem.attributes(path + old) != nil else { continue }
                try fileSystem.rename(path + old, to: path + new)
            }
            try fileSystem.syncDirectory(directory)
        }
    }

    private struct Found {
        var cleaned: [(name: String, base: Offset)] = []
        var swaps: [(name: String, base: Offset, kind: SegmentFileKind)] = []
        var others: [(name: String, base: Offset)] = []
    }

    private static func look(_ directory: String, _ fileSystem: any FileSystem) throws(StorageError) -> Found {
        var found = Found()
        for entry in try storage({ () throws(FileError) in try fileSystem.entries(directory) }) {
            if let file = SegmentFiles.parse(entry.name, suffix: SegmentFiles.cleanedSuffix) {
                found.cleaned.append((entry.name, file.base))
            } else if let file = SegmentFiles.parse(entry.name, suffix: SegmentFiles.swapSuffix) {
                found.swaps.append((entry.name, file.base, file.kind))
            } else if let file = SegmentFiles.parse(entry.name) {
                found.others.append((entry.name, file.base))
            }
        }
        return found
    }

    /// Brings a swap that was interrupted to its end, or takes it back. To be called before the folder is loaded.
    static func recover(_ directory: String, _ fileSystem: any FileSystem) throws(StorageError) {
        let found = try look(directory, fileSystem)
        guard !found.cleaned.isEmpty || !found.swaps.isEmpty else { return }
        let unfinished = found.cleaned.map(\.base).min()
        let isValid = { (base: Offset) in unfinished.map { base < $0 } ?? true }
        let invalid = found.cleaned.map(\.name) + found.swaps.filter { !isValid($0.base) }.map(\.name)
        try remove(invalid, directory, fileSystem)
        let swaps = found.swaps.filter { isValid($0.base) }
        var replaced: [Range<Offset>] = []
        for swap in swaps where swap.kind == .log {
            let end = try end(of: directory + "/" + swap.name, base: swap.base, fileSystem)
            replaced.append(swap.base..<max(end, swap.base))
        }
        try remove(
            found.others.filter { file in replaced.contains { $0.contains(file.base) } }.map(\.name), directory,
            fileSystem)
        for base in Set(swaps.map(\.base)).sorted() {
            try rename(base, in: directory, from: SegmentFiles.swapSuffix, to: "", fileSystem)
        }
    }

    private static func remove(
        _ names: [String], _ directory: String, _ fileSystem: any FileSystem
    ) throws(StorageError) {
        guard !names.isEmpty else { return }
        try storage { () throws(FileError) in
            for name in names { try fileSystem.remove(directory + "/" + name) }
            try fileSystem.syncDirectory(directory)
        }
    }

    /// The offset behind the last batch of a .log file, all of whose batches must be good.
    private static func end(
        of path: String, base: Offset, _ fileSystem: any FileSystem
    ) throws(StorageError) -> Offset {
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .read)
            return (file, try file.size())
        }
        var scanner = SegmentScanner(file, offset: base, fileSize: size)
        var end = base
        while let batch = try scanner.next() { end = batch.header.nextOffset }
        guard let fault = scanner.fault else { return end }
        throw .corrupt(path: path, position: scanner.position, reason: fault.description)
    }
}
