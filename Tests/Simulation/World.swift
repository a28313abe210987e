// A simulated world: events in the order of a virtual clock, chosen by a seed. One seed gives one history, on every
// machine and in every process.
//
// Everything runs on the thread that calls `run`. Each callback, each step given to `proceed`, each message, each pool
// job and each arrival of bytes is an event of its own, so that other loops come in between as threads would.

import Basics

/// Time, chance and the queue of events.
///
/// Proof of `@unchecked Sendable`: a world and all that belongs to it is used on one thread only.
final class World: @unchecked Sendable {
    /// What is to be done stands apart: an event that moves in the heap is three numbers.
    private struct Event {
        var at: Int64
        var order: UInt64
        var slot: Int
    }

    /// A binary heap by time, then by order of scheduling.
    private var heap: [Event] = []
    private var actions: [(() -> Void)?] = []
    private var freeSlots: [Int] = []
    private var nextOrder: UInt64 = 0
    private(set) var now: Int64 = 0
    /// Microseconds that a job of a pool may wait: a slow disk, or a busy machine.
    var poolDelayMax = 3000
    /// How far the wall clock has jumped from the time that has passed, in milliseconds.
    var wallClockJump: Int64 = 0
    private(set) var random: SeededRandom
    private(set) var eventCount = 0
    /// One line per event that is worth a line.
    private(set) var trace: [String] = []
    private(set) var traceHash: UInt64 = 0xcbf2_9ce4_8422_2325

    /// The loop whose event runs now.
    var running: VirtualLoop?
    let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
    }

    func next() -> UInt64 { random.next() }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    func delay(upTo microseconds: Int) -> Int64 { Int64(number(in: 0...microseconds)) * 1000 }

    /// Runs `action` after `delay` nanoseconds.
    func after(_ delay: Int64, _ action: @escaping () -> Void) {
        let slot = freeSlots.popLast() ?? actions.count
        if slot == actions.count { actions.append(action) } else { actions[slot] = action }
        heap.append(Event(at: now + max(0, delay), order: nextOrder, slot: slot))
        nextOrder += 1
        var index = heap.count - 1
        while index > 0, isBefore(heap[index], heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private func isBefore(_ a: Event, _ b: Event) -> Bool { a.at != b.at ? a.at < b.at : a.order < b.order }

    private func pop() -> Event? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && isBefore(heap[child], heap[least]) {
                least = child
            }
            if least == index { return first }
            heap.swapAt(index, least)
            index = least
        }
    }

    /// Runs events until `isDone` says so, nothing is left, or the virtual time or the count of events is up.
    /// Answers whether it was done.
    func run(seconds: Int64, eventsMax: Int = 2_000_000, until isDone: () -> Bool) -> Bool {
        let end = now + seconds * 1_000_000_000
        var left = eventsMax
        while !isDone() {
            // What is later than the end keeps its place.
            guard left > 0, let next = heap.first, next.at <= end, let event = pop() else { return false }
            left -= 1
            now = event.at
            eventCount += 1
            let action = actions[event.slot]
            actions[event.slot] = nil
            freeSlots.append(event.slot)
            action?()
        }
        return true
    }

    func note(_ text: @autoclosure () -> String) {
        let line = "\(now / 1000) \(text())"
        trace.append(line)
        for byte in line.utf8 { traceHash = (traceHash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
}
