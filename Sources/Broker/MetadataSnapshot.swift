// Snapshots of the metadata log (KIP-630): files named by where they end and the epoch that wrote last below it.
//
//     control batch    snapshot header with the timestamp of the last record that it holds; kraft version; voters
//     batches          the image as records, with offsets of their own, counted from 0
//     control batch    snapshot footer: without it the file is not whole
//
// Order: written under another name, synced, renamed, the folder synced. Only then may what it holds be removed from
// the log, from the oldest on.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// Everything that the metadata log said below `end`.
struct MetadataSnapshot: Sendable {
    var end: Offset
    var epoch: LeaderEpoch
    /// Nil in a quorum whose voters are configured (kraft version 0).
    var voters: VotersRecord?
    var records: [VersionedRecord]
    /// Of the last record that it holds.
    var timestamp: Timestamp

    /// Bytes of records at which a batch ends.
    private static let batchBytesMax = 512 << 10

    /// The batches of the file.
    func batches(at time: Timestamp) -> [RecordBatch] {
        var controls = [
            ControlType.snapshotHeader.record(
                SnapshotHeaderRecord { $0.lastContainedLogTimestamp = timestamp.milliseconds })
        ]
        if let voters {
            controls.append(ControlType.kraftVersion.record(KRaftVersionRecord { $0.kRaftVersion = 1 }))
            controls.append(ControlType.voters.record(voters))
        }
        var batches: [RecordBatch] = []
        var next = Offset.zero
        func add(_ records: [PlainRecord], isControl: Bool) {
            batches.append(
                RecordBatch(plain: records, at: next, epoch: epoch, timestamp: time, isControl: isControl))
            next = next + Int64(records.count)
        }
        add(controls, isControl: true)
        var held: [PlainRecord] = []
        var bytes = 0
        for record in records {
            let plain = record.plain
            held.append(plain)
            bytes += plain.value?.count ?? 0
            guard bytes >= MetadataSnapshot.batchBytesMax else { continue }
            add(held, isControl: false)
            (held, bytes) = ([], 0)
        }
        if !held.isEmpty { add(held, isControl: false) }
        add([ControlType.snapshotFooter.record(SnapshotFooterRecord())], isControl: true)
        return batches
    }
}

extension MetadataStore {
    /// A snapshot file.
    struct SnapshotFile: Sendable {
        var end: Offset
        var epoch: LeaderEpoch
        var name: String
    }

    private static let suffix = ".checkpoint"

    static func snapshotName(end: Offset, epoch: LeaderEpoch) -> String {
        padded(end.rawValue, 20) + "-" + padded(Int64(epoch.rawValue), 10) + suffix
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func parse(_ name: String) -> SnapshotFile? {
        guard name.hasSuffix(suffix) else { return nil }
        let parts = name.dropLast(suffix.count).split(separator: "-")
        guard parts.count == 2, parts[0].count == 20, parts[1].count == 10, let end = Int64(parts[0]),
            let epoch = Int32(parts[1]), end >= 0
        else { return nil }
        return SnapshotFile(end: Offset(end), epoch: LeaderEpoch(epoch), name: name)
    }

    /// The snapshots that are there, the oldest first.
    func snapshots() throws(StorageError) -> [SnapshotFile] {
        try storage { () throws(FileError) in
            try fileSystem.entries(directory).compactMap { MetadataStore.parse($0.name) }
                .sorted { ($0.end, $0.epoch) < ($1.end, $1.epoch) }
        }
    }

    /// All batches of a snapshot; fails with `.corrupt` if it is not whole.
    func batches(of snapshot: SnapshotFile) throws(StorageError) -> [RecordBatch] {
        try batches(in: directory + "/" + snapshot.name)
    }

    /// What the format step of Kafka's earlier releases wrote beside the log; nothing if there is no such file.
    func formerBootstrap(in folder: String) throws(StorageError) -> [RecordBatch] {
        let path = folder + "/bootstrap.checkpoint"
        let isThere = try storage { () throws(FileError) in try fileSystem.attributes(path) != nil }
        return isThere ? try batches(in: path) : []
    }

    private func batches(in path: String) throws(StorageError) -> [RecordBatch] {
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .read)
            return (file, try file.size())
        }
        var scanner = SegmentScanner(file, offset: .zero, fileSize: size)
        var batches: [RecordBatch] = []
        while let batch = try scanner.next() { batches.append(batch) }
        if let fault = scanner.fault {
            throw .corrupt(path: path, position: scanner.position, reason: fault.description)
        }
        guard batches.first.flatMap(MetadataStore.controlTypes)?.first == .snapshotHeader,
            batches.last.flatMap(MetadataStore.controlTypes)?.last == .snapshotFooter
        else { throw .corrupt(path: path, position: size, reason: "the snapshot has no header or no footer") }
        return batches
    }

    private static func controlTypes(_ batch: RecordBatch) -> [ControlType?]? {
        guard batch.header.isControl else { return nil }
        return try? batch.plainRecords().map { ControlType(key: $0.record.key) }
    }

    /// Makes a snapshot durable under its name.
    func write(_ snapshot: MetadataSnapshot, at time: Timestamp) throws(StorageError) {
        let content = ByteSlice(snapshot.batches(at: time).flatMap(\.bytes.array))
        try CheckpointFile.replace(
            MetadataStore.snapshotName(end: snapshot.end, epoch: snapshot.epoch), in: directory, with: content,
            fileSystem)
    }

    // MARK: Pieces

    /// Bytes of a snapshot from `position` on, at most so many, and the size of all; empty at its end.
    func readPiece(of id: SnapshotId, at position: Int, bytesMax: Int) throws(StorageError) -> (bytes: ByteSlice, size: Int) {
        let path = directory + "/" + MetadataStore.snapshotName(end: id.end, epoch: id.epoch)
        return try storage { () throws(FileError) in
            let file = try fileSystem.open(path, .read)
            let size = try file.size()
            guard position >= 0, position < size else { return (.empty, size) }
            return (try file.read(at: position, count: min(bytesMax, size - position)), size)
        }
    }

    /// Writes a piece of a snapshot that another node sends; the first one begins anew.
    func writePiece(_ bytes: ByteSlice, of id: SnapshotId, at position: Int) throws(StorageError) {
        let path = partPath(of: id)
        try storage { () throws(FileError) in
            let file = try fileSystem.open(path, position == 0 ? .replace : .update)
            try file.write([bytes], at: position)
        }
    }

    /// All pieces are there: makes the snapshot durable under its name, if it is whole.
    func finishPieces(of id: SnapshotId) throws(StorageError) {
        let (path, name) = (partPath(of: id), MetadataStore.snapshotName(end: id.end, epoch: id.epoch))
        try storage { () throws(FileError) in try fileSystem.open(path, .update).sync() }
        _ = try batches(of: SnapshotFile(end: id.end, epoch: id.epoch, name: name + ".part"))
        try storage { () throws(FileError) in
            try fileSystem.rename(path, to: directory + "/" + name)
            try fileSystem.syncDirectory(directory)
        }
    }

    private func partPath(of id: SnapshotId) -> String {
        directory + "/" + MetadataStore.snapshotName(end: id.end, epoch: id.epoch) + ".part"
    }

    // MARK: Removal

    /// Removes snapshots of what the log has let go of: below `start`.
    func removeSnapshots(below start: Offset) throws(StorageError) {
        try remove { name in MetadataStore.parse(name).map { $0.end < start } ?? false }
    }

    /// Removes what a crash, or a leader that did not come back, left half-written. Not while a snapshot is received.
    func removePieces() throws(StorageError) { try remove { $0.hasSuffix(MetadataStore.suffix + ".part") } }

    private func remove(_ isNeedless: (String) -> Bool) throws(StorageError) {
        try storage { () throws(FileError) in
            for entry in try fileSystem.entries(directory) where isNeedless(entry.name) {
                try fileSystem.remove(directory + "/" + entry.name)
            }
        }
    }

    /// Removes the oldest snapshots, and the log below the oldest that stays, as far as `retention` says.
    func clean(_ log: PartitionLog, _ retention: SnapshotRetention, now: Timestamp) throws(StorageError) {
        var known: [SnapshotDescription] = []
        for snapshot in try snapshots() {
            let path = directory + "/" + snapshot.name
            let size = try storage { () throws(FileError) in try fileSystem.attributes(path)?.size ?? 0 }
            known.append(
                SnapshotDescription(end: snapshot.end, byteCount: size, timestamp: try timestamp(of: path)))
        }
        let start = retention.start(known, log.segmentSizes, start: log.startOffset, now: now)
        guard start > log.startOffset else { return }
        log.advanceStart(to: start)
        let segments = try log.removeBelowStart()
        try storage { () throws(FileError) in
            for path in segments { try fileSystem.remove(path) }
        }
        try removeSnapshots(below: start)
    }

    /// The timestamp in a snapshot's header.
    private func timestamp(of path: String) throws(StorageError) -> Timestamp {
        let head = try storage { () throws(FileError) in
            try fileSystem.open(path, .read).read(at: 0, count: SegmentScanner.blockSize)
        }
        guard let value = try? RecordBatch(head)?.plainRecords().first?.record.value,
            let header = try? SnapshotHeaderRecord(decoding: ByteSlice(value), version: 0)
        else { throw .corrupt(path: path, position: 0, reason: "the snapshot has no header") }
        return Timestamp(milliseconds: header.lastContainedLogTimestamp)
    }
}
