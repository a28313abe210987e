// A segment that compaction writes: batches with their old offsets, under names with the suffix `.cleaned`. When it is
// finished, everything but the names is durable. `SegmentSwap` has what comes then.

internal import Basics
internal import Bytes
internal import Environment
internal import Records

/// The writer of one compacted segment.
struct CleanedSegment {
    /// Batches are gathered up to so many bytes.
    private static let gatheredMax = 1 << 20

    let base: Offset
    private let directory: String
    private let fileSystem: any FileSystem
    private let configuration: LogConfiguration
    private let file: any File
    private var tail: LogTail
    private var offsets = OffsetIndex()
    private var times = TimeIndex()
    private var gathered: [ByteSlice] = []
    private var gatheredCount = 0
    private var writtenCount = 0
    /// Whether anything is not as it was in the source.
    var isChanged = false

    init(
        at base: Offset, in directory: String, _ fileSystem: any FileSystem, _ configuration: LogConfiguration
    ) throws(StorageError) {
        self.base = base
        self.directory = directory
        self.fileSystem = fileSystem
        tail = LogTail(at: base)
        var configuration = configuration
        // What was grouped into this segment stays in it.
        configuration.segmentBytes = .max
        configuration.segmentIndexBytes = .max
        configuration.segmentAge = .seconds(Int64.max / 2_000_000_000)
        configuration.segmentJitter = .zero
        self.configuration = configuration
        let path = directory + "/" + SegmentFiles.name(base, .log) + SegmentFiles.cleanedSuffix
        file = try storage { () throws(FileError) in try fileSystem.open(path, .replace) }
    }

    mutating func append(_ batch: RecordBatch) throws(StorageError) {
        let admission = tail.admit(batch.header, configuration)
        precondition(!admission.rolls, "groups fit into a segment")
        if let entry = admission.offsetEntry { offsets.append(entry) }
        if let entry = admission.timeEntry { times.append(entry) }
        gathered.append(batch.bytes)
        gatheredCount += batch.bytes.count
        if gatheredCount >= CleanedSegment.gatheredMax { try write() }
    }

    private mutating func write() throws(StorageError) {
        guard !gathered.isEmpty else { return }
        try storage { () throws(FileError) in try file.write(gathered, at: writtenCount) }
        writtenCount += gatheredCount
        gathered = []
        gatheredCount = 0
    }

    /// Writes what is left and the indexes, and syncs all files and their names. Answers the size of the segment.
    mutating func finish(_ aborted: [AbortedTransaction]) throws(StorageError) -> Int {
        try write()
        if let entry = tail.nextTimeEntry() { times.append(entry) }
        var contents = [(SegmentFileKind.offsetIndex, offsets.encoded()), (.timeIndex, times.encoded())]
        if !aborted.isEmpty { contents.append((.transactionIndex, TransactionIndex.encode(aborted))) }
        try storage { () throws(FileError) in
            try file.sync()
            for (kind, content) in contents {
                let path = directory + "/" + SegmentFiles.name(base, kind) + SegmentFiles.cleanedSuffix
                let file = try fileSystem.open(path, .replace)
                try file.write([content], at: 0)
                try file.sync()
            }
            try fileSystem.syncDirectory(directory)
        }
        return writtenCount
    }

    /// Removes what was written.
    func discard() {
        for kind in SegmentFileKind.allCases {
            try? fileSystem.remove(directory + "/" + SegmentFiles.name(base, kind) + SegmentFiles.cleanedSuffix)
        }
    }
}
