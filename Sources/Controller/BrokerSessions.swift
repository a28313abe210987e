// Which brokers live, as the active controller hears them (KIP-631): a broker that sent no heartbeat for the session timeout is
// to be fenced. A new active controller has heard nobody yet; it gives each as long.
//
// A broker is known to live only when it was heard; so one that restarts after a change of the controller need not wait.
//
// A broker that stops and has handed over what it led may go when all others that serve have seen that: they say with each
// heartbeat how far they have seen the metadata.

package import Basics

package struct BrokerSessions: Sendable {
    private struct Session: Sendable {
        /// When it has to be heard again at the latest.
        var deadline: Instant
        var isHeard = false
        var isStopping = false
        /// The last record of the metadata that it has seen.
        var seen = Offset.none
        /// The last record of its handover, as far as this controller made it.
        var handover: Offset?
    }

    private let timeout: Duration
    /// The broker in the controller's own process: it lives as long as the controller does.
    private let local: NodeId
    private var sessions: [NodeId: Session] = [:]
    /// The last record that a former controller may have made.
    private var begunAt = Offset.none

    package init(timeout: Duration, local: NodeId) {
        self.timeout = timeout
        self.local = local
    }

    /// Begins anew with the brokers that are registered and not fenced, as the metadata up to `offset` have them.
    package mutating func begin(_ brokers: [NodeId], at offset: Offset, now: Instant) {
        sessions = [:]
        begunAt = offset
        for broker in brokers { sessions[broker] = Session(deadline: now + timeout) }
    }

    /// The broker was heard, is about to stop or not, and has seen the metadata up to the record at `seen`.
    package mutating func heard(_ broker: NodeId, isStopping: Bool, seen: Offset, now: Instant) {
        sessions[broker] = Session(
            deadline: now + timeout, isHeard: true, isStopping: isStopping, seen: seen, handover: sessions[broker]?.handover)
    }

    /// The broker stops, and the records up to `offset` hand over what it led.
    package mutating func handedOver(_ broker: NodeId, at offset: Offset) { sessions[broker]?.handover = offset }

    /// Whether `others` have seen what `broker` handed over. The controller's own broker sees it before the answer leaves.
    package func haveSeenHandover(of broker: NodeId, _ others: [NodeId]) -> Bool {
        let end = sessions[broker]?.handover ?? begunAt
        return others.allSatisfy { $0 == local || sessions[$0]?.seen ?? .none >= end }
    }

    /// The broker was to be fenced and could not be: it is overdue again after another timeout, unless it is heard.
    package mutating func postpone(_ broker: NodeId, now: Instant) { sessions[broker] = Session(deadline: now + timeout) }

    package mutating func forget(_ broker: NodeId) { sessions[broker] = nil }

    /// Whether another process of `broker` is known to run.
    package func isAlive(_ broker: NodeId, now: Instant) -> Bool {
        guard let session = sessions[broker], session.isHeard, !session.isStopping else { return false }
        return session.deadline > now
    }

    /// Brokers that were not heard in time, by id.
    package func overdue(at now: Instant) -> [NodeId] {
        sessions.filter { $0.key != local && $0.value.deadline <= now }.keys.sorted()
    }

    /// When the next one will be overdue.
    package var deadline: Instant {
        sessions.filter { $0.key != local }.values.map(\.deadline).min() ?? .distantFuture
    }
}
