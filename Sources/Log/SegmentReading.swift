// One read of one segment: from batch to batch, with what was found on disk checked before it is believed, and with the
// patience of the caller.
//
// Who may not wait (an event loop) gets `.wouldWait` as soon as a byte is needed that is not in memory, or more has to be
// checked than a moment allows; the read is then repeated where waiting hurts nobody.

internal import Basics
internal import Bytes
internal import Environment
internal import Records

/// Whether a read may wait for the disk.
package enum DiskWait: Hashable, Sendable {
    case allowed
    case refused
    /// As `refused`, by one who saw the log grow just now: the end of the active segment needs no question.
    case refusedAfterAppend
}

struct SegmentReading {
    /// The end of an active segment that is in memory after an append.
    private static let freshSize = 1 << 20
    /// What is asked about at once, since headers lie close together.
    private static let askedAtOnce = 64 << 10
    /// Bytes that are checked without leaving the event loop.
    private static let checkedInline = 128 << 10
    private static let loadedAtOnce = 256 << 10

    let segment: Segment
    private let log: PartitionLog
    private let end: Int
    private let bound: Offset
    private let isActive: Bool
    private let wait: DiskWait
    private let scratch = Memory(capacity: BatchHeader.size)
    /// In memory a moment ago.
    private var resident = 0..<0
    /// A batch that the offset index names begins here, and ends where the index says.
    private var anchor: (position: Int, base: Offset)?
    /// The last damaged place that `next` passed.
    private(set) var passed: Damage?

    init(_ log: PartitionLog, _ index: Int, in view: PartitionLog.Published, _ wait: DiskWait) {
        segment = view.segments[index]
        self.log = log
        self.wait = wait
        end = view.size(of: index)
        isActive = index == view.segments.count - 1
        bound = isActive ? view.end : view.segments[index + 1].base
    }

    var mayWait: Bool { wait == .allowed }

    // MARK: Patience

    /// Fails if the range is not in memory and the caller may not wait.
    private mutating func need(_ range: Range<Int>) throws(StorageError) {
        if mayWait || (range.lowerBound >= resident.lowerBound && range.upperBound <= resident.upperBound) { return }
        if wait == .refusedAfterAppend, isActive, range.lowerBound >= segment.foundSize,
            range.lowerBound >= end - SegmentReading.freshSize
        {
            return
        }
        let asked = range.lowerBound..<max(
            range.upperBound, min(end, range.lowerBound + SegmentReading.askedAtOnce))
        guard segment.isResident(asked) else { throw .file(.wouldWait) }
        resident = asked
    }

    /// Brings the range into memory, or fails if the caller may not wait for that.
    mutating func load(_ range: Range<Int>) throws(StorageError) {
        try need(range)
        guard mayWait, !segment.isResident(range) else { return }
        let file = try segment.file()
        file.willNeed(range)
        var position = range.lowerBound
        while position < range.upperBound {
            let count = min(SegmentReading.loadedAtOnce, range.upperBound - position)
            _ = try storage { () throws(FileError) in try file.read(at: position, count: count) }
            position += count
        }
    }

    // MARK: Batches

    /// The next good batch at `position` or, where that is damaged, behind it; nil at the end.
    mutating func next(at position: Int) throws(StorageError) -> (position: Int, header: BatchHeader)? {
        var position = position
        while position < end {
            switch segment.standing(at: position) {
            case .sound:
                guard position + BatchHeader.size <= end else { return nil }
                try need(position..<position + BatchHeader.size)
                return try segment.header(at: position, end: end, scratch: scratch).map { (position, $0) }
            case .damaged(let damage):
                passed = damage
                position = damage.bytes.upperBound
            case .unknown: try check(position, to: position + 1)
            }
        }
        return nil
    }

    /// The whole batch at `position`, to look at its records.
    mutating func batch(at position: Int, _ header: BatchHeader) throws(StorageError) -> RecordBatch {
        guard mayWait || header.byteCount <= SegmentReading.checkedInline else { throw .file(.wouldWait) }
        try need(position..<position + header.byteCount)
        let file = try segment.file()
        let bytes = try storage { () throws(FileError) in try file.read(at: position, count: header.byteCount) }
        guard let batch = RecordBatch(bytes) else {
            throw .corrupt(path: segment.path(.log), position: position, reason: "no batch begins here")
        }
        return batch
    }

    /// Up to where the batches from `range` on are good, at least to its end if all are.
    mutating func soundEnd(of range: Range<Int>) throws(StorageError) -> Int {
        var position = range.lowerBound
        while position < range.upperBound {
            switch segment.standing(at: position) {
            case .sound(let until): position = until
            case .damaged: return position
            case .unknown: try check(position, to: range.upperBound)
            }
        }
        return position
    }

    /// Checks the batches from `position` on, up to `target` or a little farther.
    private mutating func check(_ position: Int, to target: Int) throws(StorageError) {
        var readable = Int.max
        if !mayWait {
            guard target - position <= SegmentReading.checkedInline else { throw .file(.wouldWait) }
            readable = min(segment.foundSize, position + 2 * SegmentReading.checkedInline)
            guard segment.isResident(position..<readable) else { throw .file(.wouldWait) }
        }
        var start = segment.walkStart(at: position)
        if start == nil, let anchor, anchor.position == position {
            start = SegmentWalk.Start(position: position, nextOffset: anchor.base, isSure: true)
        }
        guard let start else {
            throw .corrupt(path: segment.path(.log), position: position, reason: "no batch is known to begin here")
        }
        var walk = SegmentWalk(
            try segment.file(), start, end: segment.foundSize, bound: try foundBound(), epochs: log.epochs,
            readable: readable)
        while let step = try walk.next() {
            segment.note(step)
            if step.end >= target { break }
        }
    }

    /// What was found on disk has offsets below this.
    private func foundBound() throws(StorageError) -> Offset {
        guard segment.foundSize < end else { return bound }
        return try segment.header(at: segment.foundSize, end: end, scratch: scratch)?.baseOffset ?? bound
    }

    // MARK: Index

    /// Where to begin to look for `offset`: a batch begins there, and none that holds the offset lies before it. An entry
    /// of the index that the log does not bear out is passed over.
    mutating func start(for offset: Offset) throws(StorageError) -> Int {
        var number = try segment.entryCount(atOrBelow: offset, mayWait: mayWait) - 1
        var stride = 1
        while number >= 0 {
            let entry = try segment.entry(number, mayWait: mayWait)
            let isInOrder = segment.base + Int64(entry.relativeOffset) <= offset
            if isInOrder, try isBorneOut(entry) { return Int(entry.position) }
            number -= stride
            stride *= 2
        }
        return 0
    }

    private mutating func isBorneOut(_ entry: OffsetIndex.Entry) throws(StorageError) -> Bool {
        let position = Int(entry.position)
        let last = segment.base + Int64(entry.relativeOffset)
        guard position >= 0, position + BatchHeader.size <= end else { return false }
        if position >= segment.foundSize { return true }
        switch segment.standing(at: position) {
        case .damaged: return false
        case .sound:
            try need(position..<position + BatchHeader.size)
            guard let header = try? segment.header(at: position, end: end, scratch: scratch) else { return false }
            return header.baseOffset >= segment.base && header.baseOffset <= last
        case .unknown:
            try need(position..<position + BatchHeader.size)
            guard let header = try? segment.header(at: position, end: segment.foundSize, scratch: scratch),
                header.lastOffset == last
            else { return false }
            try need(position..<position + header.byteCount)
            let file = try segment.file()
            let bytes = try storage { () throws(FileError) in try file.read(at: position, count: header.byteCount) }
            guard RecordBatch(bytes)?.hasValidChecksum ?? false else { return false }
            anchor = (position, header.baseOffset)
            return true
        }
    }
}
