// A walk over the batches of a .log file that tells good from damaged and goes on behind the damage.
//
// The CRC covers a batch but for base offset, length, leader epoch and magic. A wrong length or magic is seen at once. A
// wrong base offset is seen by the neighbours: offsets rise, and stay below `bound`, so that where offsets have no holes
// any change of one is caught; a change that stays inside of a hole that compaction left is not. A wrong leader epoch is
// seen where it stands against a neighbour and the log's list of epochs says otherwise; in the first or last batch of a
// segment it may pass. So a batch counts as good only when the one behind it has been looked at.

package import Basics
internal import Bytes
package import Environment
package import Records

package struct SegmentWalk {
    /// Where a walk begins.
    package struct Start {
        package var position: Int
        /// No offset lies below.
        package var nextOffset: Offset
        package var leaderEpoch: LeaderEpoch?
        /// The offset of the first batch is known from elsewhere.
        package var isSure = false

        package init(position: Int, nextOffset: Offset, leaderEpoch: LeaderEpoch? = nil, isSure: Bool = false) {
            self.position = position
            self.nextOffset = nextOffset
            self.leaderEpoch = leaderEpoch
            self.isSure = isSure
        }
    }

    package enum Step {
        case batch(RecordBatch, position: Int)
        case damage(Damage)

        package var end: Int {
            switch self {
            case .batch(let batch, let position): position + batch.bytes.count
            case .damage(let damage): damage.bytes.upperBound
            }
        }
    }

    /// A good batch whose place is not confirmed yet.
    private struct Candidate {
        var batch: RecordBatch
        var position: Int
        /// It begins at the offset where the one before ends.
        var isSure: Bool

        var header: BatchHeader { batch.header }
        var bytes: Range<Int> { position..<position + batch.bytes.count }
    }

    private let file: any File
    private let end: Int
    private let bound: Offset
    private let epochs: LeaderEpochs
    private let readable: Int
    private var block = ByteSlice.empty
    private var blockStart = 0
    private var position: Int
    /// Behind the last batch that was given out.
    private var nextOffset: Offset
    private var leaderEpoch: LeaderEpoch?
    private var firstIsSure: Bool
    private var candidate: Candidate?
    /// Damage behind the candidate.
    private var open: (bytes: Range<Int>, fault: SegmentScanner.Fault)?
    private var ready: [Step] = []

    /// A walk to `end`, where all offsets stay below `bound`. What lies at `readable` or behind is not touched: a walk
    /// that needs it fails with `.wouldWait`.
    package init(
        _ file: any File, _ start: Start, end: Int, bound: Offset, epochs: LeaderEpochs, readable: Int = .max
    ) {
        self.file = file
        self.end = end
        self.bound = bound
        self.epochs = epochs
        self.readable = min(readable, end)
        position = start.position
        blockStart = start.position
        nextOffset = start.nextOffset
        leaderEpoch = start.leaderEpoch
        firstIsSure = start.isSure
    }

    /// The next good batch or damaged place; nil at the end.
    package mutating func next() throws(StorageError) -> Step? {
        while ready.isEmpty {
            guard position < end else {
                settle(below: bound)
                break
            }
            try advance()
        }
        return ready.isEmpty ? nil : ready.removeFirst()
    }

    private mutating func advance() throws(StorageError) {
        let start = position
        switch try batch() {
        case .success(let batch):
            position += batch.bytes.count
            take(batch, at: start)
        case .failure(let fault):
            position = try resumption(behind: start)
            extend(start..<position, fault)
        }
    }

    // MARK: Reading

    private mutating func bytes(_ count: Int) throws(StorageError) -> ByteSlice {
        let start = position - blockStart
        if start + count <= block.count { return block[start..<start + count] }
        guard min(position + count, end) <= readable else { throw .file(.wouldWait) }
        let wanted = min(max(count, SegmentScanner.blockSize), readable - position)
        block = try storage { () throws(FileError) in try file.read(at: position, count: wanted) }
        blockStart = position
        return block.prefix(count)
    }

    /// The batch at `position`, or what is wrong with it by itself.
    private mutating func batch() throws(StorageError) -> Result<RecordBatch, SegmentScanner.Fault> {
        guard let header = BatchHeader(try bytes(BatchHeader.size)) else { return .failure(.cutShort) }
        guard header.byteCount >= BatchHeader.size else { return .failure(.badLength(header.byteCount)) }
        guard header.magic == BatchHeader.currentMagic else { return .failure(.badMagic(header.magic)) }
        guard header.byteCount <= end - position else { return .failure(.cutShort) }
        guard let batch = RecordBatch(try bytes(header.byteCount)) else { return .failure(.cutShort) }
        guard batch.hasValidChecksum else { return .failure(.badChecksum) }
        guard header.isPlausible else {
            return .failure(.badOffset(header.baseOffset))
        }
        return .success(batch)
    }

    /// Where good batches go on behind the bad bytes at `start`: where its length says, or else wherever one is found.
    private func resumption(behind start: Int) throws(StorageError) -> Int {
        guard readable == end else { throw .file(.wouldWait) }
        let least = candidate?.header.nextOffset ?? nextOffset
        guard least < bound else { return end }
        let head = try storage { () throws(FileError) in
            try file.read(at: start, count: min(BatchHeader.size, end - start))
        }
        if let header = BatchHeader(head), header.byteCount >= BatchHeader.size, header.byteCount <= end - start {
            let next = start + header.byteCount
            if next == end { return end }
            let head = try storage { () throws(FileError) in try file.read(at: next, count: BatchHeader.size) }
            if let header = BatchHeader(head), header.isPlausible, header.byteCount <= end - next {
                let bytes = try storage { () throws(FileError) in try file.read(at: next, count: header.byteCount) }
                if RecordBatch(bytes)?.hasValidChecksum ?? false { return next }
            }
        }
        return try BatchSearch.goodBatch(in: file, start + 1..<end, offsets: least..<bound) ?? end
    }

    // MARK: Judging

    private mutating func extend(_ bytes: Range<Int>, _ fault: SegmentScanner.Fault) {
        open = ((open?.bytes.lowerBound ?? bytes.lowerBound)..<bytes.upperBound, open?.fault ?? fault)
    }

    private mutating func take(_ batch: RecordBatch, at start: Int) {
        let header = batch.header
        if let fault = misplacement(of: header) {
            let bytes = start..<start + batch.bytes.count
            guard let known = candidate, isMisplaced(known, before: header, fault) else {
                return extend(bytes, fault)
            }
            // The candidate goes, and with it the batch unless the two together fit behind what came before.
            let own: SegmentScanner.Fault =
                if case .badEpoch = fault { .badEpoch(known.header.leaderEpoch) } else {
                    .badOffset(known.header.baseOffset)
                }
            open = (known.position..<(open?.bytes.upperBound ?? known.bytes.upperBound), own)
            candidate = nil
            let fits = header.baseOffset == nextOffset + Int64(known.header.lastOffsetDelta) + 1
            if case .badOffset = fault, !fits { return extend(bytes, fault) }
            if misplacement(of: header) != nil { return extend(bytes, fault) }
        }
        let least = candidate?.header.nextOffset ?? nextOffset
        let isSure = firstIsSure || (open == nil && header.baseOffset == least)
        firstIsSure = false
        settle(below: header.baseOffset)
        candidate = Candidate(batch: batch, position: start, isSure: isSure)
    }

    /// What speaks against `header` behind what came before.
    private func misplacement(of header: BatchHeader) -> SegmentScanner.Fault? {
        let least = candidate?.header.nextOffset ?? nextOffset
        guard header.baseOffset >= least, header.lastOffset < bound else { return .badOffset(header.baseOffset) }
        guard let before = candidate?.header.leaderEpoch ?? leaderEpoch, header.leaderEpoch < before,
            isWrongEpoch(header) || (candidate.map { isWrongEpoch($0.header) } ?? false)
        else { return nil }
        return .badEpoch(header.leaderEpoch)
    }

    private func isWrongEpoch(_ header: BatchHeader) -> Bool {
        epochs.epoch(at: header.baseOffset).map { $0 != header.leaderEpoch } ?? false
    }

    /// Whether `fault`, seen at the batch behind, is the candidate's.
    private func isMisplaced(
        _ known: Candidate, before header: BatchHeader, _ fault: SegmentScanner.Fault
    ) -> Bool {
        if case .badEpoch = fault { return isWrongEpoch(known.header) && !isWrongEpoch(header) }
        return !known.isSure && header.lastOffset < bound && header.baseOffset >= nextOffset
    }

    /// Gives out the candidate, and the damage behind it, whose offsets end below `offset`.
    private mutating func settle(below offset: Offset) {
        if let known = candidate {
            ready.append(.batch(known.batch, position: known.position))
            nextOffset = known.header.nextOffset
            leaderEpoch = known.header.leaderEpoch
            candidate = nil
        }
        if let found = open {
            ready.append(
                .damage(Damage(bytes: found.bytes, offsets: nextOffset..<max(nextOffset, offset), fault: found.fault)))
            open = nil
        }
    }
}

extension SegmentScanner.Fault: Error {}
