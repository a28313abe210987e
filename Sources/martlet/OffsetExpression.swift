// Where reading begins and ends, as kcat, rpk and Kafka's own tools write it.
//
//     start beginning earliest | end latest | N        begin at a place
//     +N | -N                                          N after the start, N before the end
//     :end | N:M | FROM:TO                             a range; TO is not read any more
//     @TIME | @-1h | @TIME:@TIME | s@MS | e@MS         by time; see `TimeExpression`

import Basics
import Client

/// A place in every partition.
enum OffsetMark: Equatable {
    case start
    case end
    case absolute(Int64)
    case afterStart(Int64)
    case beforeEnd(Int64)
    case time(Timestamp)

    init?(_ text: String, now: Timestamp) {
        switch text {
        case "start", "beginning", "earliest", "smallest", "oldest": self = .start
        case "end", "latest", "largest", "newest": self = .end
        case _ where text.hasPrefix("@"):
            guard let time = TimeExpression.time(String(text.dropFirst()), now: now) else { return nil }
            self = .time(time)
        case _ where text.hasPrefix("+"):
            guard let count = Int64(text.dropFirst()), count >= 0 else { return nil }
            self = .afterStart(count)
        case _ where text.hasPrefix("-"):
            guard let count = Int64(text.dropFirst()), count >= 0 else { return nil }
            self = .beforeEnd(count)
        default:
            guard let offset = Int64(text), offset >= 0 else { return nil }
            self = .absolute(offset)
        }
    }

    /// What the broker must be asked for.
    var place: OffsetPlace? {
        switch self {
        case .start, .afterStart: .start
        case .end, .beforeEnd: .end
        case .absolute: nil
        case .time(let time): .time(time)
        }
    }

    /// The offset in a partition whose log goes from `start` to `end`; `found` is what the broker said of a time.
    func offset(start: Offset, end: Offset, found: Offset) -> Offset {
        switch self {
        case .start: start
        case .end: end
        case .absolute(let offset): Offset(offset)
        case .afterStart(let count): count < end - start ? start + count : end
        case .beforeEnd(let count): max(start, end + -count)
        case .time: found == .none ? end : found
        }
    }
}

/// A range of a partition; without an end it is followed.
struct OffsetExpression: Equatable {
    var from = OffsetMark.end
    var to: OffsetMark?

    /// Nil if malformed.
    init?(_ text: String, now: Timestamp) {
        if text.hasPrefix("s@") || text.hasPrefix("e@") {
            guard let time = TimeExpression.time(String(text.dropFirst(2)), now: now) else { return nil }
            if text.hasPrefix("s") { from = .time(time) } else { (from, to) = (.start, .time(time)) }
            return
        }
        if let whole = OffsetMark(text, now: now) {
            from = whole
            return
        }
        // Times hold colons themselves: the one that parts the range is the one that leaves two marks.
        for colon in text.indices where text[colon] == ":" {
            let head = String(text[..<colon])
            let tail = String(text[text.index(after: colon)...])
            let first = head.isEmpty ? .start : OffsetMark(head, now: now)
            guard let first, let second = tail.isEmpty ? .end : OffsetMark(tail, now: now) else { continue }
            (from, to) = (first, second)
            return
        }
        return nil
    }
}
