// One bit of a sealed segment is not what was written: it is found before it is served, named, and nothing else suffers.

import Basics
import Bytes
import Environment
import Foundation
import Log
import Reactor
import Records
import Testing

@Suite struct FlippedBitTests {
    /// A batch as it was written.
    private struct Written {
        var path: String
        var range: Range<Int>
        var header: BatchHeader
        var bytes: [UInt8]
        /// It stands at one of the two ends of its segment.
        var isOutermost: Bool
    }

    private let folder = Folder()
    private var directory: String { folder.path + "/t-0" }

    private func configuration() -> LogConfiguration {
        var configuration = LogConfiguration()
        configuration.segmentBytes = 12_000
        configuration.indexIntervalBytes = 1_000
        return configuration
    }

    /// Several segments with batches of many sizes under two leaders, closed in order. Answers what the sealed ones hold.
    private func write(_ random: inout SeededRandom) throws -> [Written] {
        let log = try openLog(directory, configuration()).log
        for index in 0..<90 {
            if index == 0 || index == 50 { log.beginEpoch(LeaderEpoch(Int32(index))) }
            let values = (0...Int.random(in: 0...4, using: &random)).map { record in
                "\(index)-\(record)-" + String(repeating: "x", count: Int.random(in: 0...200, using: &random))
            }
            _ = try log.append([try makeBatch(values, timestamp: Int64(index))], epoch: index < 50 ? 0 : 50)
        }
        try log.close()
        let segments = log.view.segments
        #expect(segments.count >= 3)
        return try segments.dropLast().flatMap { segment in
            var scanner = SegmentScanner(try segment.file(), offset: segment.base, fileSize: segment.sealedSize)
            var found: [Written] = []
            while let batch = try scanner.next() {
                let start = scanner.position - batch.bytes.count
                found.append(
                    Written(
                        path: segment.path(.log), range: start..<scanner.position, header: batch.header,
                        bytes: batch.bytes.array,
                        isOutermost: start == 0 || scanner.position == segment.sealedSize))
            }
            return found
        }
    }

    private func flip(_ path: String, _ position: Int, _ bit: Int) throws {
        let file = try RealFileSystem().open(path, .update)
        let byte = try file.read(at: position, count: 1)[0]
        try file.write([ByteSlice([byte ^ UInt8(1 << bit)])], at: position)
    }

    /// What a consumer that goes on behind each damage meets: whole batches, and the damages.
    private func consume(
        _ log: PartitionLog, from start: Offset, countMax: Int
    ) throws -> (batches: [RecordBatch], damages: [(damage: Damage, path: String)]) {
        var batches: [RecordBatch] = []
        var damages: [(damage: Damage, path: String)] = []
        var next = start
        while next < log.endOffset {
            do {
                let read = try log.read(from: next, limit: log.endOffset, countMax: countMax, wholeFirst: true)
                let region = try #require(read.region)
                let file = try #require(region.source as? any File)
                let before = next
                for batch in RecordBatchSequence(try file.read(at: region.position, count: region.count)) {
                    batches.append(batch)
                    next = batch.header.nextOffset
                }
                try #require(next > before, "a read brings the reader on")
            } catch ReadFailure.damaged(let damage, let path) {
                try #require(damage.offsets.contains(next))
                damages.append((damage, path))
                next = damage.offsets.upperBound
            }
        }
        return (batches, damages)
    }

    @Test func `each of 1,000 flipped bits is found and named, never served, and never the end of the log`() throws {
        var random = SeededRandom(seed: 77)
        let written = try write(&random)
        let sealedEnd = try #require(written.last).header.nextOffset
        var unseenEpochs = 0
        for round in 0..<1_000 {
            let victim = try #require(written.randomElement(using: &random))
            let position = Int.random(in: victim.range, using: &random)
            let bit = Int.random(in: 0..<8, using: &random)
            // At rest before the start, or later, when nothing was read yet.
            let isBefore = round % 2 == 0
            if isBefore { try flip(victim.path, position, bit) }
            let log = try openLog(directory, configuration()).log
            if !isBefore { try flip(victim.path, position, bit) }
            let isFromStart = round % 3 != 0
            let start = isFromStart ? .zero : victim.header.baseOffset
            let found = try consume(log, from: start, countMax: [1, 700, 5_000, 1 << 20][round % 4])
            let place = "round \(round): bit \(bit) of byte \(position - victim.range.lowerBound) of \(victim.header)"
            if found.damages.isEmpty {
                // Only a leader epoch that no neighbour contradicts may pass; nothing else of the batch differs then.
                #expect((12..<16).contains(position - victim.range.lowerBound) && victim.isOutermost, "\(place)")
                unseenEpochs += 1
            } else {
                #expect(found.damages.count == 1, "\(place)")
                let damage = found.damages[0].damage
                #expect(found.damages[0].path == victim.path && damage.bytes.contains(position), "\(place)")
                #expect(damage.bytes == victim.range, "\(place)")
                #expect(damage.offsets == victim.header.baseOffset..<victim.header.nextOffset, "\(place)")
            }
            let served = found.batches.filter { $0.header.baseOffset < sealedEnd }
            let wanted = written.filter {
                $0.header.nextOffset > start && (found.damages.isEmpty || $0.range != victim.range || $0.path != victim.path)
            }
            #expect(served.count == wanted.count, "\(place)")
            for (batch, original) in zip(served, wanted) where batch.bytes.array != original.bytes {
                let (own, other) = (batch.bytes.array, original.bytes)
                let isSame = own.prefix(12) == other.prefix(12) && own.dropFirst(16) == other.dropFirst(16)
                #expect(isSame && found.damages.isEmpty, "\(place)")
            }
            try flip(victim.path, position, bit)
        }
        #expect(unseenEpochs < 20)
    }

    @Test func `a damaged place stays known, and appends go on`() throws {
        var random = SeededRandom(seed: 3)
        let written = try write(&random)
        let victim = written[5]
        try flip(victim.path, victim.range.upperBound - 1, 0)
        let log = try openLog(directory, configuration()).log
        #expect(try consume(log, from: .zero, countMax: 1 << 20).damages.count == 1)
        // Whatever the disk says later: it cannot be trusted at this place.
        try flip(victim.path, victim.range.upperBound - 1, 0)
        #expect(try consume(log, from: .zero, countMax: 1 << 20).damages.count == 1)
        let end = log.endOffset
        _ = try log.append([try makeBatch(["new"])], epoch: 50)
        #expect(log.endOffset == end + 1)
        #expect(try consume(log, from: end, countMax: 100).batches.count == 1)
    }

    @Test func `a look-up by time that would need a damaged batch names it`() throws {
        var random = SeededRandom(seed: 4)
        let written = try write(&random)
        let victim = written[7]
        try flip(victim.path, victim.range.lowerBound + 70, 3)
        let log = try openLog(directory, configuration()).log
        let failure = #expect(throws: StorageError.self) {
            try log.firstOffset(atOrAfter: victim.header.maxTimestamp, limit: log.endOffset)
        }
        guard case .corrupt(let path, let position, _) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(path == victim.path && position == victim.range.lowerBound)
        let later = written[written.count - 1]
        #expect(
            try log.firstOffset(atOrAfter: later.header.maxTimestamp, limit: log.endOffset)?.offset
                == later.header.baseOffset)
    }

    @Test func `an entry of an index that the log does not bear out is passed over`() throws {
        var random = SeededRandom(seed: 5)
        let written = try write(&random)
        let path = String(written[0].path.dropLast(3)) + "index"
        for round in 0..<40 {
            let entry = Int.random(in: 0..<4, using: &random)
            let position = entry * OffsetIndex.entrySize + Int.random(in: 0..<8, using: &random)
            let bit = Int.random(in: 0..<8, using: &random)
            try flip(path, position, bit)
            let log = try openLog(directory, configuration()).log
            for batch in written.prefix(30) {
                let read = try log.read(
                    from: batch.header.lastOffset, limit: log.endOffset, countMax: 1, wholeFirst: true)
                let region = try #require(read.region)
                #expect(region.position == batch.range.lowerBound, "round \(round) at \(batch.header.lastOffset) entry \(entry) byte \(position % 8) bit \(bit) \(batch.header)")
            }
            try flip(path, position, bit)
        }
    }
}
