// Which sealed segments have their files open: at most so many, those that were used last. A broker with years of data has
// more segments than the system allows open files, or mapped ranges.
//
// Only sealed segments are listed, and only once they are synced: the error of a write that fails later on is told to who
// has the file open. Order of locks: none is taken inside the list's own.

internal import Synchronization

/// The open sealed segments of all logs of a node.
package final class SegmentHandles: Sendable {
    /// How many segments may be open; each has up to three files mapped.
    package let limit: Int
    private let listed = Mutex(Listed())

    private struct Listed {
        /// In the order of opening, those before `first` dropped.
        var segments: [Entry] = []
        var first = 0

        var count: Int { segments.count - first }

        mutating func takeFirst() -> Entry {
            defer {
                first += 1
                if first > 64, first * 2 > segments.count {
                    segments.removeFirst(first)
                    first = 0
                }
            }
            return segments[first]
        }
    }

    private struct Entry: Sendable {
        weak var segment: Segment?
    }

    package init(limit: Int) { self.limit = max(limit, 1) }

    /// How many segments are listed as open.
    package var count: Int { listed.withLock { $0.count } }

    /// Takes up a segment that is open now, and closes the one that was not used for longest if there are too many.
    func add(_ segment: Segment) {
        listed.withLock { $0.segments.append(Entry(segment: segment)) }
        // A second chance for each that was used since it was listed or passed over; then the oldest goes.
        var chances = listed.withLock { $0.count }
        while let oldest = next() {
            guard let segment = oldest.segment else { continue }
            if chances > 0, segment.wasUsed {
                chances -= 1
                listed.withLock { $0.segments.append(oldest) }
            } else {
                segment.close()
            }
        }
    }

    /// The oldest, while there are too many.
    private func next() -> Entry? {
        listed.withLock { listed in listed.count > limit ? listed.takeFirst() : nil }
    }
}
