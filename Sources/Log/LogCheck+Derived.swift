// What is derived from the batches, held against them: indexes, aborted transactions, producer snapshots.

internal import Basics
internal import Bytes
internal import Environment
internal import Records

extension LogCheck {
    private static let anew = "it can be made anew from the batches"

    mutating func checkIndexes(
        _ base: Offset, _ found: Batches, _ kinds: [SegmentFileKind]
    ) throws(StorageError) {
        for kind in [SegmentFileKind.offsetIndex, .timeIndex] where !kinds.contains(kind) {
            report.findings.append(
                LogFinding(
                    kind == .offsetIndex ? .offsetIndex : .timeIndex, directory + "/" + SegmentFiles.name(base, kind),
                    offset: base, "is missing; the next start makes it anew"))
        }
        if kinds.contains(.offsetIndex) { try checkOffsets(base, found) }
        if kinds.contains(.timeIndex) { try checkTimes(base, found) }
        try checkAborted(base, found, exists: kinds.contains(.transactionIndex))
    }

    private func content(_ base: Offset, _ kind: SegmentFileKind) throws(StorageError) -> ByteSlice {
        try CheckpointFile.content(directory + "/" + SegmentFiles.name(base, kind), fileSystem) ?? .empty
    }

    private mutating func tell(
        _ kind: LogFinding.Kind, _ base: Offset, _ file: SegmentFileKind, at position: Int, _ text: String
    ) {
        report.findings.append(
            LogFinding(
                kind, directory + "/" + SegmentFiles.name(base, file), position: position, offset: base,
                "\(text); \(LogCheck.anew)"))
    }

    /// One fault is told of each index: it is made anew as a whole.
    private mutating func checkOffsets(_ base: Offset, _ found: Batches) throws(StorageError) {
        let bytes = try content(base, .offsetIndex)
        let index = OffsetIndex(decoding: bytes)
        var next = 0
        for (number, entry) in index.entries.enumerated() {
            let offset = base + Int64(entry.relativeOffset)
            while next < found.starts.count, found.starts[next].position < Int(entry.position) { next += 1 }
            let at = number * OffsetIndex.entrySize
            guard next < found.starts.count, found.starts[next].position == Int(entry.position) else {
                return tell(.offsetIndex, base, .offsetIndex, at: at, "no batch begins at position \(entry.position)")
            }
            // Kafka's entries may name the last offset of several batches that were appended together.
            guard found.starts[next].header.lastOffset <= offset else {
                let last = found.starts[next].header.lastOffset
                return tell(
                    .offsetIndex, base, .offsetIndex, at: at,
                    "the batch at position \(entry.position) ends at \(last), not at \(offset)")
            }
        }
        checkRest(.offsetIndex, base, .offsetIndex, bytes, used: index.entries.count * OffsetIndex.entrySize)
    }

    private mutating func checkTimes(_ base: Offset, _ found: Batches) throws(StorageError) {
        let bytes = try content(base, .timeIndex)
        let index = TimeIndex(decoding: bytes)
        var next = 0
        var greatest = Timestamp.none
        for (number, entry) in index.entries.enumerated() {
            let offset = base + Int64(entry.relativeOffset)
            while next < found.starts.count, found.starts[next].header.baseOffset <= offset {
                greatest = max(greatest, found.starts[next].header.maxTimestamp)
                next += 1
            }
            let at = number * TimeIndex.entrySize
            guard next > 0, found.starts[next - 1].header.lastOffset >= offset else {
                return tell(.timeIndex, base, .timeIndex, at: at, "no batch holds offset \(offset)")
            }
            guard greatest == entry.timestamp else {
                return tell(
                    .timeIndex, base, .timeIndex, at: at,
                    "up to offset \(offset) the greatest timestamp is \(greatest), not \(entry.timestamp)")
            }
        }
        checkRest(.timeIndex, base, .timeIndex, bytes, used: index.entries.count * TimeIndex.entrySize)
    }

    /// Behind the entries may be zeros, as Kafka leaves them; anything else is out of order.
    private mutating func checkRest(
        _ kind: LogFinding.Kind, _ base: Offset, _ file: SegmentFileKind, _ bytes: ByteSlice, used: Int
    ) {
        guard !bytes.dropFirst(used).array.allSatisfy({ $0 == 0 }) else { return }
        tell(kind, base, file, at: used, "entries are out of order or cut short")
    }

    private mutating func checkAborted(_ base: Offset, _ found: Batches, exists: Bool) throws(StorageError) {
        let kind = LogFinding.Kind.transactionIndex
        var entries: [AbortedTransaction] = []
        if exists {
            let bytes = try content(base, .transactionIndex)
            do throws(DecodeError) {
                entries = try TransactionIndex.decode(bytes)
            } catch {
                return tell(kind, base, .transactionIndex, at: 0, "\(error)")
            }
        }
        let known = Set(entries.map(\.lastOffset))
        if let missing = found.aborted.first(where: { !known.contains($0.lastOffset) }) {
            return tell(
                kind, base, .transactionIndex, at: 0,
                "lacks the transaction that was aborted at offset \(missing.lastOffset): its records would be shown")
        }
        let markers = Set(found.starts.filter(\.header.isControl).map(\.header.lastOffset))
        let isDamaged = report.findings.contains { $0.damage != nil && $0.path.hasSuffix(SegmentFiles.name(base, .log)) }
        guard !isDamaged, let stray = entries.firstIndex(where: { !markers.contains($0.lastOffset) }) else { return }
        tell(
            kind, base, .transactionIndex, at: stray * TransactionIndex.entrySize,
            "no marker stands at offset \(entries[stray].lastOffset)")
    }

    mutating func checkSnapshot(_ offset: Offset) throws(StorageError) {
        let path = directory + "/" + SegmentFiles.name(offset, .producerSnapshot)
        let bytes = try content(offset, .producerSnapshot)
        do throws(DecodeError) {
            _ = try ProducerSnapshot.decode(bytes)
        } catch {
            report.findings.append(
                LogFinding(
                    .producerSnapshot, path, offset: offset,
                    "\(error); it is passed over, and the producers are made anew from the log behind an older one"))
        }
    }
}
