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
        sessions.begin([one, two], at: .none, now: Self.at(0))
        #expect(sessions.deadline == Self.at(9) && sessions.overdue(at: Self.at(8)).isEmpty)
        #expect(sessions.overdue(at: Self.at(9)) == [two])
        sessions.heard(two, isStopping: false, seen: .zero, now: Self.at(8))
        #expect(sessions.overdue(at: Self.at(16)).isEmpty && sessions.overdue(at: Self.at(17)) == [two])
        sessions.forget(two)
        #expect(sessions.deadline == .distantFuture)
    }

    @Test func `a broker that could not be fenced is overdue again later`() {
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([two], at: .none, now: Self.at(0))
        sessions.forget(two)
        sessions.postpone(two, now: Self.at(9))
        #expect(sessions.overdue(at: Self.at(17)).isEmpty && sessions.overdue(at: Self.at(18)) == [two])
        #expect(!sessions.isAlive(two, now: Self.at(10)))
    }

    @Test func `only who was heard is known to live, so that a restart after a change of the controller need not wait`() {
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([two], at: .none, now: Self.at(0))
        #expect(!sessions.isAlive(two, now: Self.at(1)))
        sessions.heard(two, isStopping: false, seen: .zero, now: Self.at(1))
        #expect(sessions.isAlive(two, now: Self.at(2)) && !sessions.isAlive(two, now: Self.at(11)))
        sessions.heard(two, isStopping: true, seen: .zero, now: Self.at(2))
        #expect(!sessions.isAlive(two, now: Self.at(3)))
    }

    @Test func `a broker that stops goes when all others have seen its handover, but for the controller's own`() {
        let three = NodeId(3)
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([one, two, three], at: Offset(10), now: Self.at(0))
        sessions.heard(three, isStopping: true, seen: Offset(20), now: Self.at(1))
        sessions.handedOver(three, at: Offset(25))
        #expect(!sessions.haveSeenHandover(of: three, [one, two]), "who was not heard has seen nothing")
        sessions.heard(two, isStopping: false, seen: Offset(24), now: Self.at(1))
        #expect(!sessions.haveSeenHandover(of: three, [one, two]))
        sessions.heard(three, isStopping: true, seen: Offset(26), now: Self.at(2))
        sessions.heard(two, isStopping: false, seen: Offset(25), now: Self.at(2))
        #expect(sessions.haveSeenHandover(of: three, [one, two]))
    }

    @Test func `under a new controller a broker that stops waits until others have seen all that the former one decided`() {
        var sessions = BrokerSessions(timeout: .seconds(9), local: one)
        sessions.begin([one, two], at: Offset(10), now: Self.at(0))
        sessions.heard(two, isStopping: false, seen: Offset(9), now: Self.at(1))
        #expect(!sessions.haveSeenHandover(of: NodeId(3), [two]))
        sessions.heard(two, isStopping: false, seen: Offset(10), now: Self.at(2))
        #expect(sessions.haveSeenHandover(of: NodeId(3), [two]))
    }
}
