// Which leader epoch wrote from which offset on (KIP-101), and the file `leader-epoch-checkpoint` that keeps it:
//
//     0
//     2
//     0 0          epoch 0 begins at offset 0
//     3 1200       epoch 3 begins at offset 1200

package import Basics
package import Environment

/// The epochs of a log with their start offsets, both ascending.
package struct LeaderEpochs: Hashable, Sendable {
    package static let fileName = "leader-epoch-checkpoint"

    package struct Entry: Hashable, Sendable {
        package var epoch: LeaderEpoch
        package var start: Offset

        package init(epoch: LeaderEpoch, start: Offset) {
            self.epoch = epoch
            self.start = start
        }
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    package var latest: LeaderEpoch? { entries.last?.epoch }

    /// Notes that `epoch` begins at `start`; answers whether that was news. An epoch that began later, or at the same
    /// offset without a record, gives way.
    @discardableResult
    package mutating func begin(_ epoch: LeaderEpoch, at start: Offset) -> Bool {
        if let last = entries.last, last.epoch == epoch, last.start <= start { return false }
        entries.removeAll { $0.epoch >= epoch || $0.start >= start }
        entries.append(Entry(epoch: epoch, start: start))
        return true
    }

    /// The greatest epoch at or below `epoch` and the offset where the next one begins, or `end` for the latest.
    /// Nil if all epochs of this log are greater (KIP-101, KIP-279).
    package func endOffset(for epoch: LeaderEpoch, end: Offset) -> (epoch: LeaderEpoch, end: Offset)? {
        guard let index = entries.lastIndex(where: { $0.epoch <= epoch }) else { return nil }
        let next = index + 1 < entries.count ? entries[index + 1].start : end
        return (entries[index].epoch, next)
    }

    /// The same for one who reads on behind a record of `epoch`: where all epochs of this log are greater, that one ends
    /// where the first begins. Nil if the log has no epochs at all.
    package func endOffset(forReader epoch: LeaderEpoch, end: Offset) -> (epoch: LeaderEpoch, end: Offset)? {
        endOffset(for: epoch, end: end) ?? entries.first.map { (epoch, $0.start) }
    }

    /// The epoch that wrote `offset`.
    package func epoch(at offset: Offset) -> LeaderEpoch? { entries.last { $0.start <= offset }?.epoch }

    /// Forgets everything at or behind `end`. Answers whether something changed.
    @discardableResult
    package mutating func truncate(to end: Offset) -> Bool {
        let before = entries.count
        entries.removeAll { $0.start >= end }
        return entries.count != before
    }

    /// Forgets what lies before `start`, but for the epoch that is in force there.
    @discardableResult
    package mutating func trim(to start: Offset) -> Bool {
        guard let index = entries.lastIndex(where: { $0.start <= start }) else { return false }
        guard index > 0 || entries[index].start < start else { return false }
        entries.removeFirst(index)
        entries[0].start = start
        return true
    }

    // MARK: File

    package init?(reading directory: String, _ fileSystem: any FileSystem) throws(StorageError) {
        let path = directory + "/" + LeaderEpochs.fileName
        guard let lines = try CheckpointFile.read(path, fieldCount: 2, fileSystem) else { return nil }
        for line in lines {
            guard let epoch = Int32(line[0]), let start = Int64(line[1]) else {
                throw .malformed(path: path, reason: "has an entry that is no epoch and offset")
            }
            entries.append(Entry(epoch: LeaderEpoch(epoch), start: Offset(start)))
        }
    }

    package func write(to directory: String, _ fileSystem: any FileSystem) throws(StorageError) {
        try CheckpointFile.write(
            entries.map { "\($0.epoch) \($0.start)" }, to: LeaderEpochs.fileName, in: directory, fileSystem)
    }
}
