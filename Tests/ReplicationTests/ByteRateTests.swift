// The rate that replication quotas are held against.

import Basics
import Replication
import Testing

@Suite struct ByteRateTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000) }

    @Test func `nothing passed is no rate, and a first burst counts over one sample`() {
        var rate = ByteRate(count: 11, length: .seconds(1))
        #expect(rate.rate(at: Self.at(0)) == 0)
        rate.record(500, at: Self.at(0))
        #expect(rate.rate(at: Self.at(10)) == 500)
        rate.record(500, at: Self.at(900))
        #expect(rate.rate(at: Self.at(999)) == 1000)
    }

    @Test func `the rate falls as time passes, and forgets what is older than all samples`() {
        var rate = ByteRate(count: 11, length: .seconds(1))
        rate.record(10_000, at: Self.at(0))
        #expect(rate.rate(at: Self.at(5000)) == 2000)
        #expect(rate.rate(at: Self.at(10_000)) == 1000)
        #expect(rate.rate(at: Self.at(11_000)) == 0)
    }

    @Test func `a steady stream has its own rate`() {
        var rate = ByteRate(count: 11, length: .seconds(1))
        for step in Int64(0)..<300 { rate.record(100, at: Self.at(step * 100)) }
        let found = rate.rate(at: Self.at(30_000))
        #expect(found > 950 && found < 1100)
    }
}
