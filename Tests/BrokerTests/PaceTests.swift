import Basics
import Broker
import Testing

@Suite struct PaceTests {
    @Test func `bytes are spent at the rate that is allowed, and time that was not used is gone`() {
        var pace = PaceOfBytes()
        func spend(_ bytes: Int, _ milliseconds: Int64) -> Int64 {
            pace.spend(bytes, perSecond: 1_000_000, now: Instant(nanoseconds: milliseconds * 1_000_000)).wholeMilliseconds
        }
        let waits = [spend(500_000, 0), spend(500_000, 500), spend(500_000, 600), spend(1_000_000, 10_000)]
        #expect(waits == [500, 500, 900, 1000])
    }

    @Test func `without a limit there is no wait`() {
        var pace = PaceOfBytes()
        let wait = pace.spend(1 << 40, perSecond: .greatestFiniteMagnitude, now: Instant(nanoseconds: 5))
        #expect(wait == .zero)
    }
}
