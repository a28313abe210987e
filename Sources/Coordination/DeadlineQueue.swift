// Deadlines by key: each key has one at most, and putting one off costs little, since members put theirs off with every
// heartbeat.
//
// Rule: what is due comes out in the order of time, then of the setting, never in the order of a hash. `earliest` is
// never later than the earliest deadline; it may be earlier, since one that was put off stays where it was in the heap
// until its old time comes.

public import Basics

/// A queue of deadlines. Cancelled ones stay in the heap until they reach its top, or are too many. It is public, as are
/// the other generic types here, since the compiler makes other modules their own copy of what is package and inlinable only.
@usableFromInline
package struct DeadlineQueue<Key: Hashable & Sendable>: Sendable {
    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline var instant: Instant
        @usableFromInline var number: UInt64
        @usableFromInline var key: Key

        @inlinable
        init(instant: Instant, number: UInt64, key: Key) {
            self.instant = instant
            self.number = number
            self.key = key
        }

        @inlinable
        func isBefore(_ other: Entry) -> Bool { (instant, number) < (other.instant, other.number) }
    }

    @usableFromInline
    struct Deadline: Sendable {
        @usableFromInline var instant: Instant
        /// Counts the settings.
        @usableFromInline var number: UInt64
        /// The entry that stands for it in the heap, at its time or before.
        @usableFromInline var entry: (instant: Instant, number: UInt64)

        @inlinable
        init(instant: Instant, number: UInt64, entry: (instant: Instant, number: UInt64)) {
            self.instant = instant
            self.number = number
            self.entry = entry
        }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var current: [Key: Deadline] = [:]
    @usableFromInline var nextNumber: UInt64 = 0

    @inlinable
    package init() {}

    @inlinable
    package var isEmpty: Bool { current.isEmpty }

    /// A moment before which nothing is due; nil while there is no deadline.
    @inlinable
    package var earliest: Instant? { heap.first?.instant }

    /// Sets the deadline of `key`, in place of an older one; nil cancels it.
    @inlinable
    package mutating func set(_ key: Key, _ instant: Instant?) {
        guard let instant else {
            guard current.removeValue(forKey: key) != nil else { return }
            return dropStale()
        }
        nextNumber += 1
        if let known = current.index(forKey: key), current.values[known].entry.instant <= instant {
            current.values[known].instant = instant
            current.values[known].number = nextNumber
            return
        }
        current[key] = Deadline(instant: instant, number: nextNumber, entry: (instant, nextNumber))
        push(Entry(instant: instant, number: nextNumber, key: key))
        if heap.count > 64 + 2 * current.count { rebuild() } else { dropStale() }
    }

    /// Takes the next key whose deadline has come.
    @inlinable
    package mutating func popDue(_ now: Instant) -> Key? {
        while let first = heap.first, first.instant <= now {
            removeFirst()
            // The top of the heap counts.
            guard let deadline = current[first.key] else { continue }
            if deadline.number == first.number {
                current[first.key] = nil
                dropStale()
                return first.key
            }
            current[first.key]?.entry = (deadline.instant, deadline.number)
            push(Entry(instant: deadline.instant, number: deadline.number, key: first.key))
            dropStale()
        }
        return nil
    }

    /// Keeps the invariant that the top of the heap counts.
    @inlinable
    mutating func dropStale() {
        while let first = heap.first, current[first.key]?.entry.number != first.number { removeFirst() }
    }

    @inlinable
    mutating func rebuild() {
        let kept = heap.filter { current[$0.key]?.entry.number == $0.number }
        heap = []
        for entry in kept { push(entry) }
    }

    @inlinable
    mutating func push(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    @inlinable
    mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
