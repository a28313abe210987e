// Which brokers live, as the active controller hears them (KIP-631): a broker that sent no heartbeat for the session timeout is
// to be fenced. A new active controller has heard nobody yet; it gives each as long.
//
// A broker is known to live only when it was heard; so one that restarts after a change of the controller need not wait.

package import Basics

package struct BrokerSessions: Sendable {
    private struct Session: Sendable {
        /// When it has to be heard again at the latest.
        var deadline: Instant
        var isHeard = false
        var isStopping = false
    }

    private let timeout: Duration
    /// The broker in the controller's own process: it lives as long as the controller does.
    private let local: NodeId
    private var sessions: [NodeId: Session] = [:]

    package init(timeout: Duration, local: NodeId) {
        self.timeout = timeout
        self.local = local
    }

    /// Begins anew with the brokers that are registered and not fenced.
    package mutating func begin(_ brokers: [NodeId], now: Instant) {
        sessions = [:]
        for broker in brokers { sessions[broker] = Session(deadline: now + timeout) }
    }

    /// The broker was heard, and is about to stop or not.
    package mutating func heard(_ broker: NodeId, isStopping: Bool, now: Instant) {
        sessions[broker] = Session(deadline: now + timeout, isHeard: true, isStopping: isStopping)
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
