// A check of one partition's folder without opening the log: every batch by CRC and order, and everything that is derived
// from the batches against them. Nothing is changed.
//
// Of a log that a broker has open, the last segment may be in the middle of a write and its indexes are in the broker's
// memory: there only what is certain is told.

package import Basics
internal import Bytes
package import Environment
internal import Records

package struct LogCheck {
    let directory: String
    let fileSystem: any FileSystem
    /// A broker may be at work, or ended without an orderly stop: the end may be torn, the last indexes are not written.
    let isSettled: Bool
    private let isOnline: Bool
    private let only: Offset?
    var report = LogReport()
    var epochs = LeaderEpochs()
    private var producers = ProducerStates()
    private var epochsTold: Set<LeaderEpoch> = []

    /// The batches of one segment, as far as indexes speak of them.
    struct Batches {
        var starts: [(position: Int, header: BatchHeader)] = []
        /// Transactions whose abort marker was met, as the replay of the log has them.
        var aborted: [AbortedTransaction] = []
    }

    /// `isOnline`: a broker has the folder open. `isClean`: it was stopped in order. `only`: the base of the one segment
    /// that is looked at.
    package init(
        _ directory: String, _ fileSystem: any FileSystem, isOnline: Bool, isClean: Bool, only: Offset? = nil
    ) {
        self.directory = directory
        self.fileSystem = fileSystem
        self.isOnline = isOnline
        self.only = only
        isSettled = isClean && !isOnline
    }

    package mutating func run() throws(StorageError) -> LogReport {
        readEpochs()
        let entries = try storage { () throws(FileError) in try fileSystem.entries(directory) }
        let files = entries.filter { !$0.isDirectory }.compactMap { SegmentFiles.parse($0.name) }
        let bases = files.filter { $0.kind == .log }.map(\.base).sorted()
        for (index, base) in bases.enumerated() where only == nil || only == base {
            let next = index + 1 < bases.count ? bases[index + 1] : nil
            do throws(StorageError) {
                try check(base, next: next, files.filter { $0.base == base }.map(\.kind))
            } catch .file(let error) where isOnline && error.kind == .notFound {
                // Removed while this ran.
            } catch {
                let path = directory + "/" + SegmentFiles.name(base, .log)
                report.findings.append(LogFinding(.unreadable, path, offset: base, "cannot be read: \(error)"))
            }
        }
        for file in files where file.kind == .producerSnapshot && only == nil { try checkSnapshot(file.base) }
        for entry in entries where entry.name.hasSuffix(".checkpoint") && only == nil {
            try checkMetadataSnapshot(directory + "/" + entry.name)
        }
        tellWhatIsBehind()
        return report
    }

    private mutating func readEpochs() {
        do throws(StorageError) {
            epochs = try LeaderEpochs(reading: directory, fileSystem) ?? LeaderEpochs()
        } catch {
            let path = directory + "/" + LeaderEpochs.fileName
            report.findings.append(
                LogFinding(.leaderEpochs, path, "\(error); it can be made anew from the batches"))
        }
    }

    // MARK: Batches

    private mutating func check(_ base: Offset, next: Offset?, _ kinds: [SegmentFileKind]) throws(StorageError) {
        let path = directory + "/" + SegmentFiles.name(base, .log)
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .read)
            return (file, try file.size())
        }
        var walk = SegmentWalk(
            file, SegmentWalk.Start(position: 0, nextOffset: base), end: size, bound: next ?? Offset(.max),
            epochs: epochs)
        var found = Batches()
        report.segments += 1
        report.bytes += size
        while let step = try walk.next() {
            switch step {
            case .batch(let batch, let position): note(batch, at: position, path, &found)
            case .damage(let damage): note(damage, path, isLast: next == nil, size: size)
            }
        }
        guard next != nil || isSettled else { return }
        try checkIndexes(base, found, kinds)
    }

    private mutating func note(_ batch: RecordBatch, at position: Int, _ path: String, _ found: inout Batches) {
        let header = batch.header
        report.batches += 1
        report.records += Int(header.recordCount)
        report.end = header.nextOffset
        found.starts.append((position, header))
        if let aborted = producers.note(batch, isReplay: true) { found.aborted.append(aborted) }
        if let known = epochs.epoch(at: header.baseOffset), known != header.leaderEpoch,
            epochsTold.insert(header.leaderEpoch).inserted
        {
            report.findings.append(
                LogFinding(
                    .leaderEpochs, directory + "/" + LeaderEpochs.fileName, offset: header.baseOffset,
                    "says epoch \(known) wrote offset \(header.baseOffset), and its batch says \(header.leaderEpoch);"
                        + " one of the two is wrong, and no record is lost"))
        }
    }

    private mutating func note(_ damage: Damage, _ path: String, isLast: Bool, size: Int) {
        let isEnd = isLast && damage.bytes.upperBound == size
        // A write under way looks like that.
        if isEnd, isOnline { return }
        let upper = damage.offsets.upperBound.rawValue == .max ? nil : damage.offsets.upperBound
        let offsets = upper.map { "offsets \(damage.offsets.lowerBound) to \($0 + -1)" }
            ?? "offset \(damage.offsets.lowerBound) and what followed"
        let meaning =
            isEnd && !isSettled
            ? "a start after a crash cuts it off" : "they are not served and cannot be had from this file"
        var finding = LogFinding(
            isEnd ? .damagedEnd : .damagedBatch, path, position: damage.bytes.lowerBound,
            offset: damage.offsets.lowerBound,
            "\(damage.fault): \(damage.bytes.count) bytes, \(offsets); \(meaning)")
        finding.damage = damage
        // For now what lies before; the rest is known at the end.
        finding.batchesBehind = report.batches
        finding.recordsBehind = report.records
        report.findings.append(finding)
    }

    private mutating func tellWhatIsBehind() {
        for index in report.findings.indices where report.findings[index].damage != nil {
            report.findings[index].batchesBehind = report.batches - report.findings[index].batchesBehind
            report.findings[index].recordsBehind = report.records - report.findings[index].recordsBehind
        }
    }

    /// A snapshot of a metadata log holds batches like a segment.
    private mutating func checkMetadataSnapshot(_ path: String) throws(StorageError) {
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .read)
            return (file, try file.size())
        }
        var scanner = SegmentScanner(file, offset: .zero, fileSize: size)
        while try scanner.next() != nil {}
        guard let fault = scanner.fault else { return }
        report.findings.append(
            LogFinding(
                .metadataSnapshot, path, position: scanner.position,
                "\(fault); a start that needs this snapshot fails, one that finds a newer or an older good one does not"))
    }
}
