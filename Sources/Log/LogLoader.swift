// Opening the folder of a partition: which files are there, what of them can be believed, and where the log ends.
//
// After a clean stop everything is believed; only the batches behind the last index entry are read. Otherwise every
// segment that reaches beyond the recovery point is scanned with its checksums, its indexes are built anew, and a log
// whose last written part is torn ends before the tear. Below the recovery point a bad batch is corruption, which is
// reported and never taken as the end of the log (durability rule 3).

package import Basics
internal import Bytes
package import Environment
internal import Records

/// What recovery did to a log, for the log line that tells of it.
package struct LogRecovery: Hashable, Sendable {
    /// Bytes that were read and checked.
    package var scannedBytes = 0
    /// Bytes that were cut off the end.
    package var truncatedBytes = 0
    /// Why they were.
    package var fault: SegmentScanner.Fault?
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
    package private(set) var recovery = LogRecovery()
    private var scannedEpochs = LeaderEpochs()
    private var sealedSizes: [Offset: Int] = [:]

    /// `isClean`: the broker that wrote the folder stopped in order. `recoveryPoint`: what it had synced.
    package init(
        partition: TopicPartition, directory: String, fileSystem: any FileSystem, configuration: LogConfiguration,
        isClean: Bool, recoveryPoint: Offset
    ) {
        self.partition = partition
        self.directory = directory
        self.fileSystem = fileSystem
        self.configuration = configuration
        self.isClean = isClean
        self.recoveryPoint = recoveryPoint
    }

    /// Opens the log; an empty folder becomes an empty log that starts at `startOffset`.
    package mutating func load(startOffset: Offset = .zero) throws(StorageError) -> PartitionLog {
        let files = try segmentFiles()
        var segments: [Segment] = []
        var tail = LogTail(at: startOffset)
        for (index, base) in files.logs.enumerated() {
            let next = index + 1 < files.logs.count ? files.logs[index + 1] : nil
            let loaded = try loadSegment(base, next: next, files.indexed)
            segments.append(loaded.segment)
            tail = loaded.tail
            if loaded.isTorn {
                try removeSegments(files.logs[(index + 1)...])
                break
            }
        }
        if segments.isEmpty { segments.append(try createSegment(at: startOffset)) }
        let epochs = try loadEpochs(end: tail.endOffset)
        let start = max(startOffset, segments[0].base)
        let log = PartitionLog(
            partition: partition, directory: directory, fileSystem: fileSystem, configuration: configuration,
            segments: segments, sealedSizes: sealedSizes, tail: tail, startOffset: start,
            recoveryPoint: isClean ? tail.endOffset : min(recoveryPoint, tail.endOffset),
            producers: try loadProducers(files.snapshots, segments: segments, tail: tail), epochs: epochs)
        return log
    }

    // MARK: Files

    private struct Found {
        var logs: [Offset] = []
        var snapshots: [Offset] = []
        /// Segments that have both index files.
        var indexed: Set<Offset> = []
    }

    private func segmentFiles() throws(StorageError) -> Found {
        let entries = try storage { () throws(FileError) in try fileSystem.entries(directory) }
        var found = Found()
        var kinds: [Offset: Set<SegmentFileKind>] = [:]
        for entry in entries where !entry.isDirectory {
            if entry.name.hasSuffix(".deleted") || entry.name.hasSuffix(".cleaned") || entry.name.hasSuffix(".tmp") {
                try storage { () throws(FileError) in try fileSystem.remove(directory + "/" + entry.name) }
            }
            guard let file = SegmentFiles.parse(entry.name) else { continue }
            kinds[file.base, default: []].insert(file.kind)
            if file.kind == .producerSnapshot { found.snapshots.append(file.base) }
        }
        found.logs = kinds.filter { $0.value.contains(.log) }.keys.sorted()
        found.indexed = Set(kinds.filter { $0.value.isSuperset(of: [.offsetIndex, .timeIndex]) }.keys)
        found.snapshots.sort()
        return found
    }

    private func createSegment(at base: Offset) throws(StorageError) -> Segment {
        try storage { () throws(FileError) in
            let file = try fileSystem.open(directory + "/" + SegmentFiles.name(base, .log), .create)
            return Segment(
                active: file, base: base, directory: directory, fileSystem: fileSystem,
                capacity: configuration.segmentBytes)
        }
    }

    private func removeSegments(_ bases: ArraySlice<Offset>) throws(StorageError) {
        for base in bases {
            for kind in SegmentFileKind.allCases {
                let path = directory + "/" + SegmentFiles.name(base, kind)
                try storage { () throws(FileError) in
                    if try fileSystem.attributes(path) != nil { try fileSystem.remove(path) }
                }
            }
        }
    }

    // MARK: Segments

    private struct Loaded {
        var segment: Segment
        var tail: LogTail
        var isTorn = false
    }

    private mutating func loadSegment(
        _ base: Offset, next: Offset?, _ indexed: Set<Offset>
    ) throws(StorageError) -> Loaded {
        let path = directory + "/" + SegmentFiles.name(base, .log)
        let (file, size) = try storage { () throws(FileError) -> (any File, Int) in
            let file = try fileSystem.open(path, .update)
            return (file, try file.size())
        }
        let isDurable = isClean || (next.map { $0 <= recoveryPoint } ?? false)
        if isDurable, let next, indexed.contains(base) {
            sealedSizes[base] = size
            let segment = Segment(
                sealed: file, base: base, directory: directory, fileSystem: fileSystem, size: size)
            return Loaded(segment: segment, tail: LogTail(at: next))
        }
        var offsets = OffsetIndex()
        var times = TimeIndex()
        if isDurable, indexed.contains(base) {
            offsets = OffsetIndex(decoding: try index(base, .offsetIndex))
            times = TimeIndex(decoding: try index(base, .timeIndex))
        } else if isDurable {
            recovery.rebuiltIndexes += 1
        }
        return try scan(file, base: base, size: size, sealedBefore: next, &offsets, &times)
    }

    private func index(_ base: Offset, _ kind: SegmentFileKind) throws(StorageError) -> ByteSlice {
        try CheckpointFile.content(directory + "/" + SegmentFiles.name(base, kind), fileSystem) ?? .empty
    }

    /// Reads the batches behind the last index entry, or all if there are no indexes.
    private mutating func scan(
        _ file: any File, base: Offset, size: Int, sealedBefore next: Offset?, _ offsets: inout OffsetIndex,
        _ times: inout TimeIndex
    ) throws(StorageError) -> Loaded {
        var tail = LogTail(at: base)
        try tail.resume(behind: offsets, times, file: file, fileSize: size)
        var scanner = SegmentScanner(file, from: tail.segmentSize, offset: tail.endOffset, fileSize: size)
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
        }
        recovery.scannedBytes += tail.segmentSize
        if let fault = scanner.fault {
            try cut(file, at: scanner.position, size: size, offset: tail.endOffset, fault, next: next)
        }
        // A hole before the next segment: what lay there was lost, and with it all that came behind.
        let hasHole = next.map { $0 > tail.endOffset && tail.endOffset >= recoveryPoint } ?? false
        let isTorn = scanner.fault != nil || (hasHole && !isClean)
        return try finish(file, base: base, tail: tail, next: isTorn ? nil : next, offsets, times, isTorn: isTorn)
    }

    private mutating func cut(
        _ file: any File, at position: Int, size: Int, offset: Offset, _ fault: SegmentScanner.Fault, next: Offset?
    ) throws(StorageError) {
        if offset < recoveryPoint || isClean {
            throw .corrupt(path: file.path, position: position, reason: fault.description)
        }
        recovery.fault = fault
        recovery.truncatedBytes += size - position
        try storage { () throws(FileError) in
            try file.truncate(to: position)
            try file.sync()
        }
    }

    private mutating func finish(
        _ file: any File, base: Offset, tail: LogTail, next: Offset?, _ offsets: OffsetIndex, _ times: TimeIndex,
        isTorn: Bool
    ) throws(StorageError) -> Loaded {
        let segment = Segment(
            active: file, base: base, directory: directory, fileSystem: fileSystem,
            capacity: max(configuration.segmentBytes, tail.segmentSize), offsets: offsets, times: times)
        guard next != nil else { return Loaded(segment: segment, tail: tail, isTorn: isTorn) }
        sealedSizes[base] = tail.segmentSize
        try segment.writeIndexes(endingWith: tail.nextTimeEntry())
        segment.seal()
        return Loaded(segment: segment, tail: tail)
    }

    // MARK: Epochs and producers

    private func loadEpochs(end: Offset) throws(StorageError) -> LeaderEpochs {
        var epochs: LeaderEpochs
        do {
            epochs = try LeaderEpochs(reading: directory, fileSystem) ?? scannedEpochs
        } catch StorageError.malformed {
            epochs = scannedEpochs
        }
        for entry in scannedEpochs.entries where entry.epoch > epochs.latest ?? .none {
            epochs.begin(entry.epoch, at: entry.start)
        }
        epochs.truncate(to: end + 1)
        return epochs
    }

    private func loadProducers(
        _ snapshots: [Offset], segments: [Segment], tail: LogTail
    ) throws(StorageError) -> ProducerStates {
        var states = ProducerStates()
        var from = segments[0].base
        for offset in snapshots.reversed() where offset <= tail.endOffset && offset >= from {
            let path = directory + "/" + SegmentFiles.name(offset, .producerSnapshot)
            guard let content = try CheckpointFile.content(path, fileSystem),
                let decoded = try? ProducerSnapshot.decode(content)
            else { continue }
            states = decoded
            from = offset
            break
        }
        for (index, segment) in segments.enumerated() {
            let end = index + 1 < segments.count ? segments[index + 1].base : tail.endOffset
            guard end > from else { continue }
            let size = index + 1 < segments.count ? sealedSizes[segment.base] ?? 0 : tail.segmentSize
            let start = try segment.scanStart(for: from)
            var scanner = SegmentScanner(segment.file, from: start, offset: segment.base, fileSize: size)
            while let batch = try scanner.next() {
                if batch.header.lastOffset >= from { states.note(batch.header) }
            }
        }
        return states
    }
}
