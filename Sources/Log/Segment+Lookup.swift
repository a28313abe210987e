// Looking into a segment: its indexes, the heads of its batches, and what is in memory of it.
//
// Who may not wait for the disk says so, and gets `.wouldWait` where the answer is not in memory. An index file that was not
// opened yet counts as not in memory.

package import Basics
internal import Bytes
internal import Environment
internal import Records
internal import Synchronization

extension Segment {
    private func withOffsets<Result>(
        mayWait: Bool, _ body: (OffsetIndex) throws(FileError) -> Result
    ) throws(StorageError) -> Result {
        try storage { () throws(FileError) in
            try using { state throws(FileError) -> Result in
                if let index = state.offsets { return try body(index) }
                guard mayWait else { throw .wouldWait }
                let index = OffsetIndex(window: try openWindow(.offsetIndex, entrySize: OffsetIndex.entrySize))
                state.offsets = index
                return try body(index)
            }
        }
    }

    func withTimes<Result>(
        mayWait: Bool, _ body: (TimeIndex) throws(FileError) -> Result
    ) throws(StorageError) -> Result {
        try storage { () throws(FileError) in
            try using { state throws(FileError) -> Result in
                if let index = state.times { return try body(index) }
                guard mayWait else { throw .wouldWait }
                let index = TimeIndex(window: try openWindow(.timeIndex, entrySize: TimeIndex.entrySize))
                state.times = index
                return try body(index)
            }
        }
    }

    private func openWindow(_ kind: SegmentFileKind, entrySize: Int) throws(FileError) -> any ReadWindow {
        let file = try fileSystem.open(path(kind), .read)
        let size = try file.size()
        return try file.window(count: size - size % entrySize)
    }

    // MARK: Indexes

    /// The start of a scan for `offset`: a batch begins there, and none that holds the offset lies before it.
    package func scanStart(for offset: Offset) throws(StorageError) -> Int {
        try withOffsets(mayWait: true) { index throws(FileError) in try index.position(atOrBelow: offset - base) }
    }

    /// How many entries of the offset index lie at or below `offset`.
    func entryCount(atOrBelow offset: Offset, mayWait: Bool) throws(StorageError) -> Int {
        try withOffsets(mayWait: mayWait) { index throws(FileError) in
            try index.count(atOrBelow: offset - base, mayWait: mayWait)
        }
    }

    /// The entry `number` of the offset index.
    func entry(_ number: Int, mayWait: Bool) throws(StorageError) -> OffsetIndex.Entry {
        try withOffsets(mayWait: mayWait) { index throws(FileError) in try index.entry(at: number, mayWait: mayWait) }
    }

    /// The last offset of a batch that begins at `position` or behind it, if the offset index has one.
    func offset(atOrBehind position: Int, mayWait: Bool) throws(StorageError) -> Offset? {
        try withOffsets(mayWait: mayWait) { index throws(FileError) in
            try index.relativeOffset(atOrBehind: position, mayWait: mayWait).map { base + Int64($0) }
        }
    }

    /// An offset up to which every record of the segment is older than `timestamp`.
    func offset(below timestamp: Timestamp, mayWait: Bool) throws(StorageError) -> Offset {
        let relative = try withTimes(mayWait: mayWait) { index throws(FileError) in
            try index.relativeOffset(below: timestamp, mayWait: mayWait)
        }
        return base + Int64(relative)
    }

    /// The last entry of the time index.
    func lastTimeEntry(mayWait: Bool) throws(StorageError) -> TimeIndex.Entry? {
        try withTimes(mayWait: mayWait) { index throws(FileError) in try index.last(mayWait: mayWait) }
    }

    // MARK: Batches

    private func window() throws(FileError) -> any ReadWindow {
        try using { state throws(FileError) -> any ReadWindow in
            if let window = state.window { return window }
            let window = try openFile(&state).window(count: capacity)
            state.window = window
            return window
        }
    }

    /// Whether all of the range is in memory; that of a closed file counts as not.
    func isResident(_ range: Range<Int>) -> Bool {
        guard state.withLock({ $0.file != nil }) else { return false }
        return (try? window())?.isResident(range) ?? false
    }

    /// The header of the batch at `position`, which must end below `end`, the published size.
    func header(at position: Int, end: Int, scratch: Memory) throws(StorageError) -> BatchHeader? {
        guard position + BatchHeader.size <= end else { return nil }
        let copied = try storage { () throws(FileError) -> ByteSlice in
            guard position + BatchHeader.size <= capacity else {
                return try using { state throws(FileError) in try openFile(&state) }
                    .read(at: position, count: BatchHeader.size)
            }
            try window().copy(at: position, count: BatchHeader.size, into: scratch)
            return ByteSlice(scratch, offset: 0, count: BatchHeader.size)
        }
        guard let header = BatchHeader(copied), header.isPlausible, header.byteCount <= end - position else {
            throw .corrupt(path: path(.log), position: position, reason: "no batch begins here")
        }
        return header
    }

    // MARK: Soundness

    func standing(at position: Int) -> Soundness.Standing {
        guard position < foundSize else { return .sound(until: .max) }
        return state.withLock { $0.soundness.standing(at: position) }
    }

    func walkStart(at position: Int) -> SegmentWalk.Start? {
        state.withLock { $0.soundness.start(at: position, base: base) }
    }

    func note(_ step: SegmentWalk.Step) { state.withLock { $0.soundness.note(step) } }
}
