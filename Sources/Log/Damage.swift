// What is known of the bytes of a segment that were found on disk: nothing at first, then which are whole batches in
// their place, and which are damaged.
//
// What a process appends was checked when it came. What it found was checked by nobody in its life, so that every range
// is checked once before it is served (`SegmentReading`). A damaged place stays known until the process ends.

package import Basics
internal import Bytes
internal import Records

/// Bytes of a .log file that are not what was written there.
package struct Damage: Hashable, Sendable {
    package var bytes: Range<Int>
    /// The offsets that lay there: behind the batch before, below the good batch behind.
    package var offsets: Range<Offset>
    package var fault: SegmentScanner.Fault

    func error(in path: String) -> StorageError {
        let last = offsets.isEmpty ? offsets.lowerBound : offsets.upperBound + -1
        return .corrupt(
            path: path, position: bytes.lowerBound, reason: "\(fault); offsets \(offsets.lowerBound) to \(last)")
    }
}

/// Which of the bytes below `foundSize` were checked, and what came out.
struct Soundness: Sendable {
    /// Whole batches, one behind the other.
    private struct Span: Sendable {
        var bytes: Range<Int>
        var nextOffset: Offset
        var leaderEpoch: LeaderEpoch
    }

    enum Standing {
        case sound(until: Int)
        case damaged(Damage)
        case unknown
    }

    /// Everything behind was appended by this process.
    let foundSize: Int
    /// Both ascending and without overlap.
    private var spans: [Span] = []
    private var damages: [Damage] = []

    init(foundSize: Int) { self.foundSize = foundSize }

    func standing(at position: Int) -> Standing {
        guard position < foundSize else { return .sound(until: .max) }
        if let span = span(before: position + 1), span.bytes.contains(position) {
            return .sound(until: span.bytes.upperBound < foundSize ? span.bytes.upperBound : .max)
        }
        if let damage = damages.last(where: { $0.bytes.contains(position) }) { return .damaged(damage) }
        return .unknown
    }

    /// The last span that begins before `position`.
    private func span(before position: Int) -> Span? {
        let count = count(before: position)
        return count == 0 ? nil : spans[count - 1]
    }

    private func count(before position: Int) -> Int {
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].bytes.lowerBound < position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// How a walk begins at `position`, if what lies before is known.
    func start(at position: Int, base: Offset) -> SegmentWalk.Start? {
        if position == 0 { return SegmentWalk.Start(position: 0, nextOffset: base) }
        if let span = span(before: position), span.bytes.upperBound == position {
            return SegmentWalk.Start(position: position, nextOffset: span.nextOffset, leaderEpoch: span.leaderEpoch)
        }
        guard let damage = damages.last(where: { $0.bytes.upperBound == position }) else { return nil }
        return SegmentWalk.Start(position: position, nextOffset: damage.offsets.lowerBound)
    }

    mutating func note(_ step: SegmentWalk.Step) {
        switch step {
        case .damage(let damage):
            guard !damages.contains(where: { $0.bytes.overlaps(damage.bytes) }) else { return }
            let index = damages.firstIndex { $0.bytes.lowerBound > damage.bytes.lowerBound } ?? damages.count
            damages.insert(damage, at: index)
        case .batch(let batch, let position):
            let end = position + batch.bytes.count
            note(Span(bytes: position..<end, nextOffset: batch.header.nextOffset, leaderEpoch: batch.header.leaderEpoch))
        }
    }

    /// Adds a span; two walks may have checked the same bytes at the same time.
    private mutating func note(_ new: Span) {
        let index = count(before: new.bytes.lowerBound + 1)
        var joined = new
        var replaced = index..<index
        if index > 0, spans[index - 1].bytes.upperBound >= new.bytes.lowerBound {
            guard spans[index - 1].bytes.upperBound < new.bytes.upperBound else { return }
            joined.bytes = spans[index - 1].bytes.lowerBound..<new.bytes.upperBound
            replaced = index - 1..<index
        }
        while replaced.upperBound < spans.count,
            spans[replaced.upperBound].bytes.lowerBound <= joined.bytes.upperBound
        {
            let next = spans[replaced.upperBound]
            if next.bytes.upperBound >= joined.bytes.upperBound {
                joined.nextOffset = next.nextOffset
                joined.leaderEpoch = next.leaderEpoch
                joined.bytes = joined.bytes.lowerBound..<next.bytes.upperBound
            }
            replaced = replaced.lowerBound..<replaced.upperBound + 1
        }
        spans.replaceSubrange(replaced, with: [joined])
    }
}
