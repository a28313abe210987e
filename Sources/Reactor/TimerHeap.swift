// Timers of one loop: a binary heap by instant, then by the order of scheduling. Owned by the loop's thread.
//
//     heap:    (instant, sequence, slot) ... the earliest on top
//     actions: slot -> action and generation; a token is generation << 32 | slot
//
// Cancelling empties the slot at once, so that the action's captures go, and leaves the heap entry to be dropped when
// it comes up; when more than half of the heap is such entries, it is built anew.

internal import Basics
internal import Environment

struct TimerHeap {
    private struct Entry {
        var instant: Instant
        var sequence: UInt64
        var slot: UInt32
        var generation: UInt32

        func precedes(_ other: Entry) -> Bool {
            instant != other.instant ? instant < other.instant : sequence < other.sequence
        }
    }

    private struct Slot {
        var action: (() -> Void)?
        var generation: UInt32 = 1
    }

    private var heap: [Entry] = []
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var cancelled = 0
    /// Counts the timers that were ever scheduled.
    private(set) var sequence: UInt64 = 0

    /// Timers that have not run and are not cancelled.
    var count: Int { heap.count - cancelled }

    mutating func schedule(at instant: Instant, _ action: @escaping () -> Void) -> TimerToken {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot())
        }
        slots[Int(slot)].action = action
        let generation = slots[Int(slot)].generation
        sequence += 1
        heap.append(Entry(instant: instant, sequence: sequence, slot: slot, generation: generation))
        siftUp(heap.count - 1)
        return TimerToken(rawValue: UInt64(generation) << 32 | UInt64(slot))
    }

    /// Gives back the action that will not run. The caller drops it when the heap is not being changed any more: the
    /// end of its captures may cancel other timers.
    mutating func cancel(_ token: TimerToken) -> (() -> Void)? {
        let slot = UInt32(truncatingIfNeeded: token.rawValue)
        guard Int(slot) < slots.count, slots[Int(slot)].generation == UInt32(token.rawValue >> 32) else { return nil }
        let action = slots[Int(slot)].action
        free(slot)
        cancelled += 1
        if cancelled > 64, cancelled * 2 > heap.count { dropCancelled() }
        return action
    }

    /// When the next timer is due.
    mutating func nextInstant() -> Instant? {
        skipCancelled()
        return heap.first?.instant
    }

    /// Takes the next timer that is due at `now` and was scheduled as number `last` or before.
    mutating func takeDue(at now: Instant, scheduledUpTo last: UInt64) -> (() -> Void)? {
        skipCancelled()
        guard let top = heap.first, top.instant <= now, top.sequence <= last else { return nil }
        let action = slots[Int(top.slot)].action
        free(top.slot)
        removeTop()
        return action
    }

    private func isCancelled(_ entry: Entry) -> Bool { slots[Int(entry.slot)].generation != entry.generation }

    private mutating func free(_ slot: UInt32) {
        slots[Int(slot)].action = nil
        slots[Int(slot)].generation &+= 1
        freeSlots.append(slot)
    }

    private mutating func skipCancelled() {
        while cancelled > 0, let top = heap.first, isCancelled(top) {
            cancelled -= 1
            removeTop()
        }
    }

    private mutating func dropCancelled() {
        heap = heap.filter { !isCancelled($0) }
        cancelled = 0
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    private mutating func removeTop() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        siftDown(0)
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        let entry = heap[index]
        while index > 0 {
            let parent = (index - 1) / 2
            guard entry.precedes(heap[parent]) else { break }
            heap[index] = heap[parent]
            index = parent
        }
        heap[index] = entry
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        let entry = heap[index]
        while true {
            var child = index * 2 + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(entry) else { break }
            heap[index] = heap[child]
            index = child
        }
        heap[index] = entry
    }
}
