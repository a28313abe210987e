// Verification, before it is opened, of a log whose every record was synced before anyone was told of it and whose
// offsets have no gaps: the metadata log.
//
// Rule: only what was never known to be durable may be cut off, and only at the end. A bad batch below the recovery
// point, or with a good batch anywhere behind it, is damage: it is reported with its place, and the log stays as it is.

package import Basics
internal import Bytes
package import Environment
internal import Records

/// Reads a whole log and says whether it may be opened.
package struct LogVerification {
    /// What was cut off the end.
    package struct Cut: Hashable, Sendable {
        package var path: String
        package var position: Int
        package var byteCount: Int
        /// Where the log ends now.
        package var offset: Offset
        package var fault: SegmentScanner.Fault
    }

    private let directory: String
    private let fileSystem: any FileSystem
    private let recoveryPoint: Offset
    private let isClean: Bool
    private let epochs: LeaderEpochs
    private let epochMax: LeaderEpoch

    /// `recoveryPoint`: everything below was durable; everything was, if `isClean`. `epochMax`: no later leader has
    /// written.
    package init(
        directory: String, fileSystem: any FileSystem, recoveryPoint: Offset, isClean: Bool, epochMax: LeaderEpoch
    ) throws(StorageError) {
        self.directory = directory
        self.fileSystem = fileSystem
        self.recoveryPoint = recoveryPoint
        self.isClean = isClean
        self.epochMax = epochMax
        do {
            epochs = try LeaderEpochs(reading: directory, fileSystem) ?? LeaderEpochs()
        } catch StorageError.malformed {
            // It is made anew from the batches.
            epochs = LeaderEpochs()
        }
    }

    /// The base offsets of the segments in a log's folder, ascending.
    package static func segments(
        in directory: String, _ fileSystem: any FileSystem
    ) throws(StorageError) -> [Offset] {
        try storage { () throws(FileError) in
            try fileSystem.entries(directory).compactMap { SegmentFiles.parse($0.name) }
                .filter { $0.kind == .log }.map(\.base).sorted()
        }
    }

    /// Reads every segment. Cuts off a tail that was never durable; fails with `.corrupt` if anything else is wrong.
    package func run() throws(StorageError) -> Cut? {
        let bases = try LogVerification.segments(in: directory, fileSystem)
        guard var end = bases.first else { return nil }
        for (index, base) in bases.enumerated() {
            let path = directory + "/" + SegmentFiles.name(base, .log)
            let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
                let file = try fileSystem.open(path, .update)
                return (file, try file.size())
            }
            let found =
                base == end
                ? try scan(file, from: base, size: size) : Scan(position: 0, end: end, fault: .badOffset(base))
            end = found.end
            guard let fault = found.fault else { continue }
            let cut = Cut(
                path: path, position: found.position, byteCount: size - found.position, offset: end, fault: fault)
            return try cutOff(cut, file: file, size: size, later: bases[(index + 1)...])
        }
        guard end >= recoveryPoint else {
            throw .corrupt(
                path: directory, position: 0,
                reason: "the log ends at offset \(end) and was durable below \(recoveryPoint)")
        }
        return nil
    }

    private struct Scan {
        var position: Int
        var end: Offset
        var fault: SegmentScanner.Fault?
    }

    /// Follows the batches as far as each continues the one before.
    private func scan(_ file: any File, from base: Offset, size: Int) throws(StorageError) -> Scan {
        var scanner = SegmentScanner(file, offset: base, fileSize: size)
        var found = Scan(position: 0, end: base, fault: nil)
        while let batch = try scanner.next() {
            let header = batch.header
            if header.baseOffset != found.end {
                found.fault = .badOffset(header.baseOffset)
            } else if !isPossible(header.leaderEpoch, at: header.baseOffset) {
                found.fault = .badEpoch(header.leaderEpoch)
            }
            if found.fault != nil { return found }
            found.end = header.nextOffset
            found.position = scanner.position
        }
        found.fault = scanner.fault
        return found
    }

    /// An epoch is noted durably before its first record is written; those of the log's forgotten beginning are not.
    private func isPossible(_ epoch: LeaderEpoch, at offset: Offset) -> Bool {
        guard let known = epochs.epoch(at: offset) else { return epoch <= epochs.entries.first?.epoch ?? epochMax }
        return epoch == known || (epoch > epochs.latest ?? .none && epoch <= epochMax)
    }

    private func cutOff(
        _ cut: Cut, file: any File, size: Int, later: ArraySlice<Offset>
    ) throws(StorageError) -> Cut {
        let place = "offset \(cut.offset): \(cut.fault)"
        if isClean || cut.offset < recoveryPoint {
            let end = isClean ? "the last stop was orderly" : "the log was durable below \(recoveryPoint)"
            throw .corrupt(path: cut.path, position: cut.position, reason: "\(place); \(end)")
        }
        let offsets = cut.offset..<Offset(.max)
        if let next = try BatchSearch.goodBatch(in: file, cut.position + 1..<size, offsets: offsets) {
            throw .corrupt(
                path: cut.path, position: cut.position, reason: "\(place); a good batch follows at byte \(next)")
        }
        for base in later {
            let path = directory + "/" + SegmentFiles.name(base, .log)
            let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
                let file = try fileSystem.open(path, .read)
                return (file, try file.size())
            }
            guard try BatchSearch.goodBatch(in: file, 0..<size, offsets: offsets) == nil else {
                throw .corrupt(
                    path: cut.path, position: cut.position, reason: "\(place); good batches follow in \(path)")
            }
        }
        try storage { () throws(FileError) in
            try file.truncate(to: cut.position)
            try file.sync()
        }
        return cut
    }
}
