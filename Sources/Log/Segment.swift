// One segment of a log: its .log file, how much of it readers may see, and its two indexes.
//
// The active segment grows at its end only; readers bound themselves by the end that the log published, never by the
// file's size. A sealed segment does not change any more.

package import Basics
internal import Bytes
package import Environment
internal import Synchronization

/// A segment. Shared by the log and its readers; the files close with the last of them, or when a sealed one was not used
/// for long.
package final class Segment: Sendable {
    package let base: Offset
    package let directory: String
    let fileSystem: any FileSystem
    let handles: SegmentHandles?
    /// Whether the files were used since that was asked last.
    private let isUsed = Atomic(false)
    let state: Mutex<State>
    /// Bytes that the window covers: room for the segment to grow.
    let capacity: Int
    /// Bytes at the beginning that were found on disk, and are checked before they are served.
    let foundSize: Int

    struct State {
        /// Nil while the file of a sealed segment is closed.
        var file: (any File)?
        var offsets: OffsetIndex?
        var times: TimeIndex?
        /// Nil until the file was read.
        var aborted: [AbortedTransaction]?
        var window: (any ReadWindow)?
        /// Bytes of a sealed segment.
        var size = 0
        /// Of a sealed segment, once somebody asked.
        var largestTimestamp: Timestamp?
        /// The files may have other names by now: what is open stays open.
        var isPinned = false
        /// Sealed and synced: the files may be closed and opened again.
        var mayClose = false
        /// The handles know that the files are open.
        var isListed = false
        var soundness: Soundness
    }

    /// A segment with its indexes in memory, to be appended to. `foundSize`: bytes that nobody has checked yet.
    package init(
        active file: any File, base: Offset, directory: String, fileSystem: any FileSystem, capacity: Int,
        offsets: OffsetIndex = OffsetIndex(), times: TimeIndex = TimeIndex(), aborted: [AbortedTransaction] = [],
        foundSize: Int = 0, handles: SegmentHandles? = nil
    ) {
        self.handles = handles
        self.base = base
        self.directory = directory
        self.fileSystem = fileSystem
        self.capacity = capacity
        self.foundSize = foundSize
        state = Mutex(
            State(
                file: file, offsets: offsets, times: times, aborted: aborted,
                soundness: Soundness(foundSize: foundSize)))
    }

    /// A sealed segment whose files are synced; they are opened when they are first asked for. `isChecked`: this process
    /// wrote it.
    package init(
        sealedAt size: Int, base: Offset, directory: String, fileSystem: any FileSystem, isChecked: Bool = false,
        handles: SegmentHandles? = nil
    ) {
        self.handles = handles
        self.base = base
        self.directory = directory
        self.fileSystem = fileSystem
        capacity = size
        foundSize = isChecked ? 0 : size
        state = Mutex(State(size: size, mayClose: true, soundness: Soundness(foundSize: foundSize)))
    }

    // MARK: Files

    /// The .log file, opened if it is not open.
    package func file() throws(StorageError) -> any File {
        try storage { () throws(FileError) in
            try using { state throws(FileError) in try openFile(&state) }
        }
    }

    func openFile(_ state: inout State) throws(FileError) -> any File {
        if let file = state.file { return file }
        let file = try fileSystem.open(path(.log), .update)
        state.file = file
        return file
    }

    /// Runs `body`, which may open files, and lets the handles know if it did.
    func using<Result>(
        _ body: (inout State) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        isUsed.store(true, ordering: .relaxed)
        var isNew = false
        defer { if isNew { handles?.add(self) } }
        return try state.withLock { state throws(FileError) in
            defer {
                isNew = state.mayClose && !state.isListed && !state.isPinned && state.isOpen
                if isNew { state.isListed = true }
            }
            return try body(&state)
        }
    }

    /// Whether the files were used since this was asked last.
    var wasUsed: Bool { isUsed.exchange(false, ordering: .relaxed) }

    /// Closes the files until they are asked for again; not those of a segment that is about to lose its names.
    func close() {
        let dropped = state.withLock { state -> State.Files? in
            state.isListed = false
            return state.mayClose && !state.isPinned ? state.takeFiles() : nil
        }
        _ = dropped
    }

    /// The segment is sealed and synced: from now on its files may be closed.
    package func allowClosing() {
        try? using { state throws(FileError) in state.mayClose = true }
    }

    /// Whether the files may be closed while nobody uses them.
    package var mayClose: Bool { state.withLock { $0.mayClose } }

    /// Keeps the .log file open for those who read it already: its name is about to go.
    package func pin() throws(StorageError) {
        _ = try storage { () throws(FileError) in
            try state.withLock { state throws(FileError) in
                state.isPinned = true
                return try openFile(&state)
            }
        }
    }

    /// Bytes of the segment, once it is sealed.
    package var sealedSize: Int { state.withLock { $0.size } }

    /// The segment ends at `size` bytes.
    package func end(at size: Int) { state.withLock { $0.size = size } }

    private static let indexKinds: [SegmentFileKind] = [.offsetIndex, .timeIndex, .transactionIndex]

    package func path(_ kind: SegmentFileKind) -> String { directory + "/" + SegmentFiles.name(base, kind) }

    /// Adds the entries that came with a published batch.
    package func addEntries(_ admission: LogTail.Admission) {
        guard admission.offsetEntry != nil || admission.timeEntry != nil else { return }
        state.withLock { state in
            if let entry = admission.offsetEntry { state.offsets?.append(entry) }
            if let entry = admission.timeEntry { state.times?.append(entry) }
        }
    }

    /// Adds a transaction whose abort marker was published here.
    package func addAborted(_ transaction: AbortedTransaction) {
        state.withLock { $0.aborted?.append(transaction) }
    }

    /// The transactions whose abort markers lie here. The file is read once; not by one who may not wait.
    package func abortedTransactions(mayWait: Bool = true) throws(StorageError) -> [AbortedTransaction] {
        if let aborted = state.withLock({ $0.aborted }) { return aborted }
        guard mayWait else { throw .file(.wouldWait) }
        let path = path(.transactionIndex)
        var found: [AbortedTransaction] = []
        if let content = try CheckpointFile.content(path, fileSystem) {
            do throws(DecodeError) {
                found = try TransactionIndex.decode(content)
            } catch {
                throw .malformed(path: path, reason: "\(error)")
            }
        }
        state.withLock { $0.aborted = found }
        return found
    }

    /// Writes the indexes to their files, the time index ended with `lastTimeEntry` if there is one.
    package func writeIndexes(endingWith lastTimeEntry: TimeIndex.Entry?) throws(StorageError) {
        let (offsets, times, aborted) = state.withLock { state in
            if let lastTimeEntry { state.times?.append(lastTimeEntry) }
            return (state.offsets, state.times, state.aborted)
        }
        guard let offsets, let times else { return }
        try writeIndex(offsets.encoded(), .offsetIndex)
        try writeIndex(times.encoded(), .timeIndex)
        guard let aborted else { return }
        guard aborted.isEmpty else { return try writeIndex(TransactionIndex.encode(aborted), .transactionIndex) }
        // One of records that were lost since must not be taken for one of those that came in their place.
        let old = path(.transactionIndex)
        try storage { () throws(FileError) in
            if try fileSystem.attributes(old) != nil { try fileSystem.remove(old) }
        }
    }

    private func writeIndex(_ bytes: ByteSlice, _ kind: SegmentFileKind) throws(StorageError) {
        try storage { () throws(FileError) in
            let file = try fileSystem.open(path(kind), .replace)
            try file.write([bytes], at: 0)
        }
    }

    /// Makes the segment durable. A sealed one with its indexes: below a recovery point they are believed.
    package func sync(withIndexes: Bool) throws(StorageError) {
        try storage { () throws(FileError) in
            try using { state throws(FileError) in try openFile(&state) }.sync()
            guard withIndexes else { return }
            for kind in Segment.indexKinds where try fileSystem.attributes(path(kind)) != nil {
                try fileSystem.open(path(kind), .update).sync()
            }
        }
    }

    /// Removes what a failed write left of the index files, so that a later start rebuilds them.
    package func keepIndexesInMemory() {
        state.withLock { $0.isPinned = true }
        for kind in Segment.indexKinds { try? fileSystem.remove(path(kind)) }
    }

    /// Lets go of the entries in memory; from now on the files answer.
    package func seal() {
        state.withLock { state in
            state.offsets = nil
            state.times = nil
        }
    }

    /// Opens what is still to be read by its name, so that the files may be renamed or replaced.
    package func openIndexes() throws(StorageError) {
        try pin()
        _ = try scanStart(for: base)
        try withTimes(mayWait: true) { _ in }
        _ = try abortedTransactions()
    }

    /// The greatest timestamp of a sealed segment's records; the last change of its file if none has one. Opens the time
    /// index for a moment only, where it is not open: retention asks about all segments.
    package func largestTimestamp() throws(StorageError) -> Timestamp {
        if let known = state.withLock({ $0.largestTimestamp }) { return known }
        let isOpen = state.withLock { $0.times != nil }
        let last = try withTimes(mayWait: true) { index throws(FileError) in try index.last() }
        let timestamp = if let last { last.timestamp } else { try lastChange() }
        state.withLock { state in
            state.largestTimestamp = timestamp
            if !isOpen, !state.isPinned { state.times = nil }
        }
        return timestamp
    }

    /// When the .log file was changed last.
    package func lastChange() throws(StorageError) -> Timestamp {
        let found = try storage { () throws(FileError) in try fileSystem.attributes(path(.log)) }
        return Timestamp(milliseconds: found?.modified ?? .max)
    }
}

extension Segment.State {
    struct Files {
        var file: (any File)?
        var window: (any ReadWindow)?
        var offsets: OffsetIndex?
        var times: TimeIndex?
    }

    var isOpen: Bool { file != nil || window != nil || offsets != nil || times != nil }

    /// Takes what is open of a sealed segment, for the caller to let go of outside of the lock.
    mutating func takeFiles() -> Files {
        defer {
            file = nil
            window = nil
            offsets = nil
            times = nil
        }
        return Files(file: file, window: window, offsets: offsets, times: times)
    }
}
