// Opening the folder of a partition: which files are there, what of them can be believed, and where the log ends.
//
// After a clean stop everything is believed; only the batches behind the last index entry are read. Otherwise every
// segment that reaches to the recovery point is scanned with its checksums, its indexes are built anew, and a log
// whose last written part is torn ends before the tear; what is cut off is kept beside it (`KeptFiles`). Below the recovery
// point a bad batch is corruption, which is reported and never taken as the end of the log (durability rule 3).

package import Basics
internal import Bytes
package import Environment
internal import Records
internal import Synchronization

/// What recovery did to a log, for the log line that tells of it.
package struct LogRecovery: Hashable, Sendable {
    /// Bytes that were read and checked.
    package var scannedBytes = 0
    /// Bytes that were cut off the end.
    package var truncatedBytes = 0
    /// Why they were.
    package var fault: SegmentScanner.Fault?
    /// Where they are now: files, and segments that lay behind the tear.
    package var kept: [String] = []
    /// Index files that were missing and made anew.
    package var rebuiltIndexes = 0
}

/// Loads one partition's log.
package struct LogLoader {
    private let partition: TopicPartition
    private let directory: String
    private let fileSystem: any FileSystem
    private let configuration: LogConfiguration
    private let isClean: Bool
    private let recoveryPoint: Offset
    private let handles: SegmentHandles?
    package private(set) var recovery = LogRecovery()
    private var hasRemoved = false
    /// An index was made that is believed from now on.
    private var hasMade = false
    private var scannedEpochs = LeaderEpochs()
    /// Producers at the end of what was scanned; nil as long as nothing had to be.
    private var producers: ProducerStates?

    /// `isClean`: the broker that wrote the folder stopped in order. `recoveryPoint`: what it had synced. `handles`: who
    /// bounds the open files; without, all that were opened stay so.
    package init(
        partition: TopicPartition, directory: String, fileSystem: any FileSystem, configuration: LogConfiguration,
        isClean: Bool, recoveryPoint: Offset, handles: SegmentHandles? = nil
    ) {
        self.handles = handles
        self.partition = partition
        self.directory = directory
        self.fileSystem = fileSystem
        self.configuration = configuration
        self.isClean = isClean
        self.recoveryPoint = recoveryPoint
    }

    /// Opens the log; an empty folder becomes an empty log that starts at `startOffset`.
    package mutating func load(startOffset: Offset = .zero) throws(StorageError) -> PartitionLog {
        try SegmentSwap.recover(directory, fileSystem)
        var files = try segmentFiles()
        var segments: [Segment] = []
        // A roll leaves a snapshot; where it is not there, a segment could not be removed without losing the producers.
        var missing: [(offset: Offset, producers: ProducerStates)] = []
        var tail = LogTail(at: startOffset)
        for (index, base) in files.logs.enumerated() {
            let next = index + 1 < files.logs.count ? files.logs[index + 1] : nil
            let isBelieved = try isBelieved(base, next: next, files)
            if !isBelieved, producers == nil {
                producers = try replayProducers(files.snapshots, segments: segments, end: base)
            }
            if let producers, !segments.isEmpty, !files.snapshots.contains(base) { missing.append((base, producers)) }
            let loaded = try loadSegment(base, next: next, isDurable: isBelieved, files.indexed)
            segments.append(loaded.segment)
            tail = loaded.tail
            if loaded.isTorn {
                try putAside(files.logs[(index + 1)...])
                break
            }
        }
        if tail.endOffset < startOffset {
            guard !isClean else {
                throw .malformed(path: directory, reason: "ends at \(tail.endOffset), before its log start \(startOffset)")
            }
            // The records up to the log start were lost before they were deleted. No offset gets another record.
            try removeSegments(files.logs[...])
            for offset in files.snapshots { try remove(SegmentFiles.name(offset, .producerSnapshot)) }
            files.snapshots = []
            segments = []
            producers = ProducerStates()
            tail = LogTail(at: startOffset)
        }
        if segments.isEmpty { segments.append(try createSegment(at: startOffset)) }
        let (epochs, areWritten) = try loadEpochs(end: tail.endOffset)
        let start = max(startOffset, segments[0].base)
        let log = PartitionLog(
            partition: partition, directory: directory, fileSystem: fileSystem, configuration: configuration,
            segments: segments, tail: tail, startOffset: start,
            recoveryPoint: isClean ? tail.endOffset : min(recoveryPoint, tail.endOffset),
            producers: try allProducers(files.snapshots, segments: segments, end: tail.endOffset), epochs: epochs,
            handles: handles)
        log.snapshots.withLock { $0 = missing.filter { $0.offset <= tail.endOffset } }
        log.hasUnwrittenEpochs.store(!areWritten, ordering: .relaxed)
        // As a clean stop leaves it: with the indexes of the active segment, and the producers at the end.
        let end = tail.endOffset
        if isClean, files.indexed.contains(log.view.active.base), end == .zero || files.snapshots.last == end {
            log.closedAt.store(end.rawValue, ordering: .relaxed)
        }
        try removeStraySnapshots(files.snapshots, segments: segments, end: tail.endOffset)
        // Else what was removed could come back behind records that are written meanwhile.
        if hasRemoved || hasMade { try storage { () throws(FileError) in try fileSystem.syncDirectory(directory) } }
        return log
    }

    // MARK: Files

    private struct Found {
        var logs: [Offset] = []
        var snapshots: [Offset] = []
        /// Segments that have both index files.
        var indexed: Set<Offset> = []
        var withAborted: Set<Offset> = []
    }

    private mutating func segmentFiles() throws(StorageError) -> Found {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(directory) }
        var found = Found()
        var kinds: [Offset: Set<SegmentFileKind>] = [:]
        for entry in entries where !entry.isDirectory {
            if entry.name.hasSuffix(SegmentFiles.deletedSuffix) || entry.name.hasSuffix(".tmp") {
                try storage { () throws(FileError) in try fileSystem.remove(directory + "/" + entry.name) }
            }
            guard let file = SegmentFiles.parse(entry.name) else { continue }
            kinds[file.base, default: []].insert(file.kind)
            if file.kind == .producerSnapshot { found.snapshots.append(file.base) }
        }
        try removeOrphans(kinds)
        found.logs = kinds.filter { $0.value.contains(.log) }.keys.sorted()
        found.indexed = Set(kinds.filter { $0.value.isSuperset(of: [.offsetIndex, .timeIndex]) }.keys)
        found.withAborted = Set(kinds.filter { $0.value.contains(.transactionIndex) }.keys)
        found.snapshots.sort()
        return found
    }

    /// Removes index files that lost their .log: a crash came between the renames of a removal.
    private mutating func removeOrphans(_ kinds: [Offset: Set<SegmentFileKind>]) throws(StorageError) {
        for (base, present) in kinds.sorted(by: { $0.key < $1.key }) where !present.contains(.log) {
            for kind in SegmentFileKind.allCases where kind != .producerSnapshot && present.contains(kind) {
                try remove(SegmentFiles.name(base, kind))
            }
        }
    }

    private func createSegment(at base: Offset) throws(StorageError) -> Segment {
        try storage { () throws(FileError) in
            let file = try fileSystem.open(directory + "/" + SegmentFiles.name(base, .log), .create)
            return Segment(
                active: file, base: base, directory: directory, fileSystem: fileSystem,
                capacity: configuration.segmentBytes, handles: handles)
        }
    }

    private mutating func removeSegments(_ bases: ArraySlice<Offset>) throws(StorageError) {
        for base in bases {
            for kind in SegmentFileKind.allCases { try remove(SegmentFiles.name(base, kind)) }
        }
    }

    /// Takes the segments behind a tear out of the log, the last one first, so that no hole is left on the way.
    private mutating func putAside(_ bases: ArraySlice<Offset>) throws(StorageError) {
        for base in bases.reversed() {
            let path = directory + "/" + SegmentFiles.name(base, .log)
            recovery.truncatedBytes += try storage { () throws(FileError) in try fileSystem.attributes(path)?.size ?? 0 }
            recovery.kept.append(try KeptFiles(directory, fileSystem).rename(path))
            hasRemoved = true
            for kind in SegmentFileKind.allCases where kind != .log { try remove(SegmentFiles.name(base, kind)) }
        }
    }

    private mutating func remove(_ name: String) throws(StorageError) {
        let path = directory + "/" + name
        try storage { () throws(FileError) in
            if try fileSystem.attributes(path) != nil { try fileSystem.remove(path) }
        }
        hasRemoved = true
    }

    // MARK: Segments

    private struct Loaded {
        var segment: Segment
        var tail: LogTail
        var isTorn = false
    }

    /// Whether the files of a segment are what a sync or a clean stop left. If not, it is scanned and its indexes made
    /// anew, with the producers as they were at its base.
    private func isBelieved(_ base: Offset, next: Offset?, _ files: Found) throws(StorageError) -> Bool {
        // One that ends at the recovery point may have been synced before it was sealed, without its indexes.
        guard isClean || (next.map { $0 < recoveryPoint } ?? false) else { return false }
        guard files.withAborted.contains(base) else { return true }
        return (try? TransactionIndex.decode(try index(base, .transactionIndex))) != nil
    }

    private mutating func loadSegment(
        _ base: Offset, next: Offset?, isDurable: Bool, _ indexed: Set<Offset>
    ) throws(StorageError) -> Loaded {
        let path = directory + "/" + SegmentFiles.name(base, .log)
        if isDurable, let next, indexed.contains(base) {
            let found = try storage { () throws(FileError) in try fileSystem.attributes(path) }
            let segment = Segment(
                sealedAt: found?.size ?? 0, base: base, directory: directory, fileSystem: fileSystem, handles: handles)
            return Loaded(segment: segment, tail: LogTail(at: next))
        }
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .update)
            return (file, try file.size())
        }
        var offsets = OffsetIndex()
        var times = TimeIndex()
        if isDurable, indexed.contains(base) {
            offsets = OffsetIndex(decoding: try index(base, .offsetIndex))
            times = TimeIndex(decoding: try index(base, .timeIndex))
        } else if isDurable {
            recovery.rebuiltIndexes += 1
        }
        return try scan(file, base: base, size: size, sealedBefore: next, isDurable: isDurable, &offsets, &times)
    }

    private func index(_ base: Offset, _ kind: SegmentFileKind) throws(StorageError) -> ByteSlice {
        try CheckpointFile.content(directory + "/" + SegmentFiles.name(base, kind), fileSystem) ?? .empty
    }

    /// Reads the batches behind the last index entry, or all if there are no indexes.
    private mutating func scan(
        _ file: any File, base: Offset, size: Int, sealedBefore next: Offset?, isDurable: Bool,
        _ offsets: inout OffsetIndex, _ times: inout TimeIndex
    ) throws(StorageError) -> Loaded {
        var aborted = isDurable ? try decodeAborted(base) : []
        var tail = LogTail(at: base)
        try tail.resume(behind: offsets, times, file: file, fileSize: size)
        let foundSize = tail.segmentSize
        var scanner = SegmentScanner(file, from: foundSize, offset: tail.endOffset, fileSize: size)
        while let batch = try scanner.next() {
            guard batch.header.lastOffset - base <= Int64(Int32.max) else {
                throw .corrupt(path: file.path, position: tail.segmentSize, reason: "an offset too far from its segment")
            }
            let admission = tail.admit(batch.header, configuration, mayRoll: false)
            if let entry = admission.offsetEntry { offsets.append(entry) }
            if let entry = admission.timeEntry { times.append(entry) }
            if batch.header.leaderEpoch > scannedEpochs.latest ?? .none {
                scannedEpochs.begin(batch.header.leaderEpoch, at: batch.header.baseOffset)
            }
            if !isDurable, let entry = producers?.note(batch, isReplay: true) { aborted.append(entry) }
        }
        recovery.scannedBytes += tail.segmentSize
        if let fault = scanner.fault {
            try cut(file, at: scanner.position, size: size, offset: tail.endOffset, fault)
        }
        // A hole before the next segment: what lay there was lost, and with it all that came behind.
        let hasHole = next.map { $0 > tail.endOffset && tail.endOffset >= recoveryPoint } ?? false
        let isTorn = scanner.fault != nil || (hasHole && !isClean)
        let segment = Segment(
            active: file, base: base, directory: directory, fileSystem: fileSystem,
            capacity: max(configuration.segmentBytes, tail.segmentSize), offsets: offsets, times: times,
            aborted: aborted, foundSize: foundSize, handles: handles)
        if let next, !isTorn {
            try seal(segment, tail)
            // The next start believes what lies below the recovery point, the indexes that were made now among it.
            if isClean || next <= recoveryPoint {
                try segment.sync(withIndexes: true)
                segment.allowClosing()
                hasMade = true
            }
        }
        return Loaded(segment: segment, tail: tail, isTorn: isTorn)
    }

    private func decodeAborted(_ base: Offset) throws(StorageError) -> [AbortedTransaction] {
        (try? TransactionIndex.decode(try index(base, .transactionIndex))) ?? []
    }

    private mutating func cut(
        _ file: any File, at position: Int, size: Int, offset: Offset, _ fault: SegmentScanner.Fault
    ) throws(StorageError) {
        if offset < recoveryPoint || isClean {
            throw .corrupt(path: file.path, position: position, reason: "offset \(offset): \(fault)")
        }
        recovery.fault = fault
        recovery.truncatedBytes += size - position
        do throws(StorageError) {
            recovery.kept.append(try KeptFiles(directory, fileSystem).copy(position..<size, of: file.path))
        } catch {
            // A full disk shall not keep the log from being opened.
            guard case .file(let reason) = error, reason.kind == .noSpace else { throw error }
        }
        try storage { () throws(FileError) in
            try file.truncate(to: position)
            try file.sync()
        }
    }

    private mutating func seal(_ segment: Segment, _ tail: LogTail) throws(StorageError) {
        segment.end(at: tail.segmentSize)
        try segment.writeIndexes(endingWith: tail.nextTimeEntry())
        segment.seal()
    }

    // MARK: Epochs and producers

    /// The epochs, and whether the checkpoint says just the same.
    private func loadEpochs(end: Offset) throws(StorageError) -> (epochs: LeaderEpochs, areWritten: Bool) {
        var written: LeaderEpochs?
        do {
            written = try LeaderEpochs(reading: directory, fileSystem)
        } catch StorageError.malformed {}
        var epochs = written ?? scannedEpochs
        for entry in scannedEpochs.entries where entry.epoch > epochs.latest ?? .none {
            epochs.begin(entry.epoch, at: entry.start)
        }
        epochs.truncate(to: end + 1)
        return (epochs, epochs == written)
    }

    private func allProducers(
        _ snapshots: [Offset], segments: [Segment], end: Offset
    ) throws(StorageError) -> ProducerStates {
        if let producers { return producers }
        return try replayProducers(snapshots, segments: segments, end: end)
    }

    /// The producers at `end`, which lies in or behind the last of `segments`: from the newest snapshot at or below it,
    /// and the batches behind that.
    private func replayProducers(
        _ snapshots: [Offset], segments: [Segment], end: Offset
    ) throws(StorageError) -> ProducerStates {
        var (states, from) = try newestSnapshot(snapshots, upTo: end)
        for (index, segment) in segments.enumerated() {
            let segmentEnd = index + 1 < segments.count ? segments[index + 1].base : end
            guard segmentEnd > from else { continue }
            let file = try segment.file()
            let size = try storage { () throws(FileError) in try file.size() }
            let start = try segment.scanStart(for: max(from, segment.base))
            var scanner = SegmentScanner(file, from: start, offset: segment.base, fileSize: size)
            while let batch = try scanner.next() {
                if batch.header.lastOffset >= from { states.note(batch, isReplay: true) }
            }
            if let fault = scanner.fault {
                throw .corrupt(path: file.path, position: scanner.position, reason: fault.description)
            }
            from = segmentEnd
        }
        return states
    }

    private func newestSnapshot(
        _ snapshots: [Offset], upTo end: Offset
    ) throws(StorageError) -> (states: ProducerStates, offset: Offset) {
        for offset in snapshots.reversed() where offset <= end {
            let path = directory + "/" + SegmentFiles.name(offset, .producerSnapshot)
            guard let content = try CheckpointFile.content(path, fileSystem),
                let states = try? ProducerSnapshot.decode(content)
            else { continue }
            return (states, offset)
        }
        return (ProducerStates(), .zero)
    }

    /// Snapshots stay where a segment begins, and the newest; one behind the end tells of what was cut off.
    private mutating func removeStraySnapshots(
        _ snapshots: [Offset], segments: [Segment], end: Offset
    ) throws(StorageError) {
        let kept = Set(segments.map(\.base) + [snapshots.last { $0 <= end }].compactMap(\.self))
        for offset in snapshots where !kept.contains(offset) {
            try remove(SegmentFiles.name(offset, .producerSnapshot))
        }
    }
}
