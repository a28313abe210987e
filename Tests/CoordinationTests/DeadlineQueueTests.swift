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
            #expect(queue.earliest?.nanoseconds == expected.values.min())
        }
        var times: [Int64] = []
        while let key = queue.popDue(Instant(nanoseconds: 2000)) {
            times.append(expected.removeValue(forKey: key) ?? -1)
        }
        #expect(times == times.sorted() && !times.contains(-1))
        #expect(expected.isEmpty && queue.isEmpty)
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
