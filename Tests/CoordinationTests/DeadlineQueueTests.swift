import Basics
import Coordination
import Testing

@Suite struct DeadlineQueueTests {
    @Test func `keys come out in the order of their deadlines`() {
        var queue = DeadlineQueue<Int>()
        var random = SeededRandom(seed: 4)
        var expected: [Int: Int64] = [:]
        for _ in 0..<3000 {
            let key = Int.random(in: 0..<50, using: &random)
            let time = Int64.random(in: 0..<1000, using: &random)
            if time < 100 {
                queue.set(key, nil)
                expected[key] = nil
            } else {
                queue.set(key, Instant(nanoseconds: time))
                expected[key] = time
            }
            // It may be too early, after a deadline was put off, and is never too late.
            #expect((queue.earliest == nil) == expected.isEmpty)
            if let earliest = queue.earliest, let least = expected.values.min() { #expect(earliest.nanoseconds <= least) }
        }
        var times: [Int64] = []
        while let key = queue.popDue(Instant(nanoseconds: 2000)) {
            times.append(expected.removeValue(forKey: key) ?? -1)
        }
        #expect(times == times.sorted() && !times.contains(-1))
        #expect(expected.isEmpty && queue.isEmpty)
    }

    @Test func `as time goes on, each key comes out at its last deadline`() {
        var queue = DeadlineQueue<Int>()
        var random = SeededRandom(seed: 5)
        var expected: [Int: Int64] = [:]
        for now in 0..<Int64(3000) {
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                let key = Int.random(in: 0..<40, using: &random)
                let time = Bool.random(using: &random) ? nil : now + Int64.random(in: 1..<60, using: &random)
                queue.set(key, time.map { Instant(nanoseconds: $0) })
                expected[key] = time
            }
            let due = expected.filter { $0.value <= now }
            var popped: [Int] = []
            while let key = queue.popDue(Instant(nanoseconds: now)) { popped.append(key) }
            #expect(Set(popped) == Set(due.keys) && popped.count == due.count)
            for key in popped { expected[key] = nil }
        }
    }

    @Test func `what was put off keeps its place among equals by the time of its last setting`() {
        var queue = DeadlineQueue<String>()
        queue.set("a", Instant(nanoseconds: 1))
        queue.set("b", Instant(nanoseconds: 5))
        queue.set("a", Instant(nanoseconds: 5))
        #expect(queue.popDue(Instant(nanoseconds: 5)) == "b")
        #expect(queue.popDue(Instant(nanoseconds: 5)) == "a")
        #expect(queue.isEmpty && queue.earliest == nil)
    }

    @Test func `nothing comes out before its time`() {
        var queue = DeadlineQueue<String>()
        queue.set("a", Instant(nanoseconds: 5))
        #expect(queue.popDue(Instant(nanoseconds: 4)) == nil)
        queue.set("a", Instant(nanoseconds: 9))
        #expect(queue.popDue(Instant(nanoseconds: 5)) == nil)
        #expect(queue.popDue(Instant(nanoseconds: 9)) == "a")
        #expect(queue.earliest == nil)
    }
}
