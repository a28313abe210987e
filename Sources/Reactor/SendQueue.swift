// What a connection still has to send, in order. A plain value; it makes no system call.
//
// Invariant: `unsentCount` is the sum of what is queued behind the first `headSent` bytes of the first piece. An empty
// queue holds no memory.

internal import Bytes

struct SendQueue {
    private var pieces: [Outgoing] = []
    private var head = 0
    private var headSent = 0
    private(set) var unsentCount = 0

    var isEmpty: Bool { unsentCount == 0 }

    mutating func append(_ more: [Outgoing]) {
        let added = more.reduce(0) { $0 + $1.count }
        guard added > 0 else { return }
        if unsentCount == 0 { pieces = more } else { pieces += more }
        unsentCount += added
    }

    /// What to send next.
    enum Next {
        /// The bytes that the scratch was filled with.
        case gathered
        case file(FileRegion)
        case nothing
    }

    /// The next bytes, gathered into `scratch`, or the next file region; at most `limit` bytes.
    mutating func next(limit: Int, into scratch: GatherScratch) -> Next {
        scratch.clear()
        guard unsentCount > 0, limit > 0 else { return .nothing }
        skipEmpty()
        if case .file(let region) = pieces[head] {
            let count = min(region.count - headSent, limit)
            return .file(FileRegion(source: region.source, position: region.position + headSent, count: count))
        }
        var index = head
        var skipped = headSent
        while index < pieces.count, !scratch.isFull, scratch.byteCount < limit, case .bytes(let slice) = pieces[index] {
            let count = min(slice.count - skipped, limit - scratch.byteCount)
            if count > 0 { scratch.append(slice[skipped..<skipped + count]) }
            skipped = 0
            index += 1
        }
        return .gathered
    }

    /// `count` bytes have been sent.
    mutating func advance(_ count: Int) {
        precondition(count <= unsentCount, "no more was sent than there was")
        unsentCount -= count
        guard unsentCount > 0 else { return removeAll() }
        headSent += count
        while head < pieces.count, headSent >= pieces[head].count {
            headSent -= pieces[head].count
            head += 1
        }
        if head >= 64, head * 2 > pieces.count {
            pieces.removeFirst(head)
            head = 0
        }
    }

    mutating func removeAll() {
        pieces = []
        head = 0
        headSent = 0
        unsentCount = 0
    }

    private mutating func skipEmpty() {
        while pieces[head].count == 0 { head += 1 }
    }
}
