// Who lives, as the active controller hears it.

import Basics
import Controller
import Testing

@Suite struct BrokerSessionsTests {
    private static func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
    private let one = NodeId(1)
    private let two = NodeId(2)

    @Test func `a broker is overdue when it was silent for the timeout, but not the controller's own`() {
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([one, two], now: Self.at(0))
        #expect(sessions.deadline == Self.at(9) && sessions.overdue(at: Self.at(8)).isEmpty)
        #expect(sessions.overdue(at: Self.at(9)) == [two])
        sessions.heard(two, isStopping: false, now: Self.at(8))
        #expect(sessions.overdue(at: Self.at(16)).isEmpty && sessions.overdue(at: Self.at(17)) == [two])
        sessions.forget(two)
        #expect(sessions.deadline == .distantFuture)
    }

    @Test func `a broker that could not be fenced is overdue again later`() {
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([two], now: Self.at(0))
        sessions.forget(two)
        sessions.postpone(two, now: Self.at(9))
        #expect(sessions.overdue(at: Self.at(17)).isEmpty && sessions.overdue(at: Self.at(18)) == [two])
        #expect(!sessions.isAlive(two, now: Self.at(10)))
    }

    @Test func `only who was heard is known to live, so that a restart after a change of the controller need not wait`() {
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([two], now: Self.at(0))
        #expect(!sessions.isAlive(two, now: Self.at(1)))
        sessions.heard(two, isStopping: false, now: Self.at(1))
        #expect(sessions.isAlive(two, now: Self.at(2)) && !sessions.isAlive(two, now: Self.at(11)))
        sessions.heard(two, isStopping: true, now: Self.at(2))
        #expect(!sessions.isAlive(two, now: Self.at(3)))
    }
}
