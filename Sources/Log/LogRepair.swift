// Saving what can be saved of a partition's folder, with no broker at work in it.
//
// Order, so that a crash at any point loses nothing: the damaged bytes are copied beside and synced; then the segment is
// written anew under other names and swapped in as compaction does it (`SegmentSwap`), or cut; derived files are made
// anew from the batches last. A second run goes on where the first one ended.
//
// Afterwards every file of the log is synced: the caller notes the end as its recovery point, since recovery takes a hole
// behind that point for lost data.

package import Basics
internal import Bytes
package import Environment
internal import Records

package struct LogRepair {
    package enum Mode: Hashable, Sendable {
        /// Damaged bytes go, the offsets of all good batches stay; a hole remains.
        case dropDamaged
        /// The log ends before the first damage.
        case truncate
    }

    /// Behind the names of what was taken out.
    package static let savedSuffix = KeptFiles.suffix

    /// Ends a swap that an earlier run, or a compaction, did not end. To be called before the check.
    package static func finishInterrupted(_ directory: String, _ fileSystem: any FileSystem) throws(StorageError) {
        try SegmentSwap.recover(directory, fileSystem)
    }

    private let directory: String
    private let fileSystem: any FileSystem
    private let configuration: LogConfiguration
    private let report: LogReport
    /// What was done, one line each.
    package private(set) var actions: [String] = []

    /// A repair of what `report` found in `directory`.
    package init(
        _ directory: String, _ fileSystem: any FileSystem, _ report: LogReport,
        configuration: LogConfiguration = LogConfiguration()
    ) {
        self.directory = directory
        self.fileSystem = fileSystem
        self.report = report
        self.configuration = configuration
    }

    /// Does it; answers where the log ends then. `mode` may be nil if no batch is damaged.
    package mutating func run(_ mode: Mode?) throws(StorageError) -> Offset {
        let damaged = report.findings.filter { $0.damage != nil }
        switch mode {
        case .dropDamaged:
            for base in Set(damaged.compactMap { base(of: $0.path) }).sorted() {
                try rewrite(base, without: damaged.filter { self.base(of: $0.path) == base }.compactMap(\.damage))
            }
        case .truncate: if let first = damaged.first, let damage = first.damage { try cut(first.path, damage) }
        case nil: precondition(damaged.isEmpty, "a damaged batch asks for a decision")
        }
        let isCut = mode == .truncate && !damaged.isEmpty
        try makeAnew(isCut: isCut)
        let end = try syncAll()
        if isCut, var epochs = try? LeaderEpochs(reading: directory, fileSystem), epochs.truncate(to: end) {
            try epochs.write(to: directory, fileSystem)
        }
        return end
    }

    private func base(of path: String) -> Offset? {
        path.split(separator: "/").last.flatMap { SegmentFiles.parse(String($0)) }?.base
    }

    private func path(_ base: Offset, _ kind: SegmentFileKind) -> String {
        directory + "/" + SegmentFiles.name(base, kind)
    }

    private func bases() throws(StorageError) -> [Offset] { try LogVerification.segments(in: directory, fileSystem) }

    private func open(_ path: String, _ mode: OpenMode = .read) throws(StorageError) -> (file: any File, size: Int) {
        try storage { () throws(FileError) in
            let file = try fileSystem.open(path, mode)
            return (file, try file.size())
        }
    }

    // MARK: Keeping

    /// Copies `range` of a file to a file of its own beside it, durably.
    private mutating func save(_ path: String, _ range: Range<Int>) throws(StorageError) {
        let target = try KeptFiles(directory, fileSystem).copy(range, of: path)
        actions.append("kept \(range.count) bytes in \(target)")
    }

    // MARK: Dropping

    private mutating func rewrite(_ base: Offset, without damages: [Damage]) throws(StorageError) {
        let log = path(base, .log)
        for damage in damages { try save(log, damage.bytes) }
        let (file, size) = try open(log)
        var cleaned = try CleanedSegment(at: base, in: directory, fileSystem, configuration)
        let aborted = try? TransactionIndex.decode(
            try CheckpointFile.content(path(base, .transactionIndex), fileSystem) ?? .empty)
        var position = 0
        for damage in damages.sorted(by: { $0.bytes.lowerBound < $1.bytes.lowerBound }) {
            try copy(file, position..<damage.bytes.lowerBound, base, &cleaned)
            position = damage.bytes.upperBound
        }
        try copy(file, position..<size, base, &cleaned)
        _ = try cleaned.finish(aborted ?? [])
        try SegmentSwap.rename(
            base, in: directory, from: SegmentFiles.cleanedSuffix, to: SegmentFiles.swapSuffix, fileSystem)
        try remove(base, [.log, .offsetIndex, .timeIndex, .transactionIndex])
        try SegmentSwap.rename(base, in: directory, from: SegmentFiles.swapSuffix, to: "", fileSystem)
        actions.append("wrote \(log) anew without \(damages.count) damaged places")
    }

    private func copy(
        _ file: any File, _ range: Range<Int>, _ base: Offset, _ cleaned: inout CleanedSegment
    ) throws(StorageError) {
        var scanner = SegmentScanner(file, from: range.lowerBound, offset: base, fileSize: range.upperBound)
        while let batch = try scanner.next() { try cleaned.append(batch) }
        if let fault = scanner.fault {
            throw .corrupt(path: path(base, .log), position: scanner.position, reason: "\(fault), since it was checked")
        }
    }

    private func remove(_ base: Offset, _ kinds: [SegmentFileKind]) throws(StorageError) {
        try storage { () throws(FileError) in
            for kind in kinds where try fileSystem.attributes(path(base, kind)) != nil {
                try fileSystem.remove(path(base, kind))
            }
            try fileSystem.syncDirectory(directory)
        }
    }

    // MARK: Cutting

    /// Ends the log before `damage`: later segments first, from the last one on, so that no hole is left on the way.
    private mutating func cut(_ log: String, _ damage: Damage) throws(StorageError) {
        guard let base = base(of: log) else { return }
        for later in try bases().reversed() where later > base {
            let old = path(later, .log)
            let kept = try KeptFiles(directory, fileSystem).rename(old)
            try remove(later, SegmentFileKind.allCases.filter { $0 != .log })
            actions.append("took \(old) out of the log; kept as \(kept)")
        }
        let (file, size) = try open(log, .update)
        try save(log, damage.bytes.lowerBound..<size)
        try storage { () throws(FileError) in
            try file.truncate(to: damage.bytes.lowerBound)
            try file.sync()
        }
        actions.append("cut \(log) at \(damage.bytes.lowerBound)")
    }

    // MARK: Derived files

    /// Writes anew what was found wrong, and after a cut what speaks of more than there is.
    private mutating func makeAnew(isCut: Bool) throws(StorageError) {
        let all = try bases()
        var wrong: Set<Offset> = isCut ? Set(all.suffix(1)) : []
        let indexes: Set<LogFinding.Kind> = [.offsetIndex, .timeIndex, .transactionIndex]
        for finding in report.findings where indexes.contains(finding.kind) {
            if let base = base(of: finding.path), all.contains(base) { wrong.insert(base) }
        }
        for finding in report.findings where finding.kind == .producerSnapshot {
            guard let base = base(of: finding.path) else { continue }
            try remove(base, [.producerSnapshot])
            actions.append("removed \(finding.path); the next start makes the producers anew")
        }
        var rebuild = IndexRebuild(configuration)
        // Where checkpoint and batch disagree, neither is known to be right.
        let needsEpochs = report.findings.contains { $0.kind == .leaderEpochs && $0.offset == nil }
        guard needsEpochs || !wrong.isEmpty else { return }
        for base in all {
            let (file, size) = try open(path(base, .log))
            var scanner = SegmentScanner(file, offset: base, fileSize: size)
            rebuild.begin(base)
            while let batch = try scanner.next() { rebuild.note(batch) }
            guard wrong.contains(base) else { continue }
            try remove(base, [.transactionIndex])
            for (kind, content) in rebuild.contents() {
                try CheckpointFile.replace(SegmentFiles.name(base, kind), in: directory, with: content, fileSystem)
            }
            actions.append("made the indexes of \(path(base, .log)) anew")
        }
        guard needsEpochs else { return }
        try rebuild.epochs.write(to: directory, fileSystem)
        actions.append("made \(directory)/\(LeaderEpochs.fileName) anew")
    }

    /// Makes all segments durable; answers where the log ends.
    private func syncAll() throws(StorageError) -> Offset {
        var end = Offset.zero
        for base in try bases() {
            end = max(end, base)
            let (file, size) = try open(path(base, .log), .update)
            var scanner = SegmentScanner(file, offset: base, fileSize: size)
            while let batch = try scanner.next() { end = batch.header.nextOffset }
            try storage { () throws(FileError) in
                try file.sync()
                for kind in [SegmentFileKind.offsetIndex, .timeIndex, .transactionIndex]
                where try fileSystem.attributes(path(base, kind)) != nil {
                    try fileSystem.open(path(base, kind), .update).sync()
                }
            }
        }
        try storage { () throws(FileError) in try fileSystem.syncDirectory(directory) }
        return end
    }
}

/// The indexes and epochs of a log, made from its batches.
private struct IndexRebuild {
    private let configuration: LogConfiguration
    private(set) var epochs = LeaderEpochs()
    private var producers = ProducerStates()
    private var tail = LogTail(at: .zero)
    private var offsets = OffsetIndex()
    private var times = TimeIndex()
    private var aborted: [AbortedTransaction] = []

    init(_ configuration: LogConfiguration) { self.configuration = configuration }

    mutating func begin(_ base: Offset) {
        tail = LogTail(at: base)
        offsets = OffsetIndex()
        times = TimeIndex()
        aborted = []
    }

    mutating func note(_ batch: RecordBatch) {
        let admission = tail.admit(batch.header, configuration, mayRoll: false)
        if let entry = admission.offsetEntry { offsets.append(entry) }
        if let entry = admission.timeEntry { times.append(entry) }
        if batch.header.leaderEpoch > epochs.latest ?? .none {
            epochs.begin(batch.header.leaderEpoch, at: batch.header.baseOffset)
        }
        if let ended = producers.note(batch, isReplay: true) { aborted.append(ended) }
    }

    mutating func contents() -> [(SegmentFileKind, ByteSlice)] {
        if let entry = tail.nextTimeEntry() { times.append(entry) }
        let always = [(SegmentFileKind.offsetIndex, offsets.encoded()), (.timeIndex, times.encoded())]
        return always + (aborted.isEmpty ? [] : [(.transactionIndex, TransactionIndex.encode(aborted))])
    }
}
