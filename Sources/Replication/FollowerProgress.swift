// What a leader knows of one follower, from its fetches in this leader epoch.
//
// A follower is caught up while it holds everything that the leader had at the time of one of its fetches: `caughtUpAt` is
// the latest such time. A fetch tells what is held below its offset, so the end that the leader had at the fetch before
// is reached, too, when a fetch asks for that offset or more (KIP-16).

package import Basics

/// One follower as its leader sees it.
package struct FollowerProgress: Hashable, Sendable {
    package let id: NodeId
    /// The end of the follower's log; nil until it has fetched in this epoch.
    package private(set) var end: Offset?
    /// The first offset that the follower has; -1 until it has said.
    package private(set) var start: Offset = .none
    /// The registration that the follower fetches under; -1 until it has said (KIP-903).
    package private(set) var brokerEpoch: Int64 = -1
    /// The cluster lets it be in sync: it is registered under this epoch, not fenced, and does not shut down (KIP-841).
    package var isEligible = false
    /// It is not in sync but close to it, so that the high watermark waits for it.
    var isJoining = false
    private var caughtUpAt: Instant?
    private var fetchedAt: Instant?
    /// The leader's end at the last fetch.
    private var endAtFetch: Offset = .none

    /// A follower that has not fetched yet. One that is in sync has the time of the lag to do so.
    init(_ id: NodeId, isInSync: Bool, at now: Instant) {
        self.id = id
        caughtUpAt = isInSync ? now : nil
    }

    /// It asked for `offset`, so it holds everything below. False if it did so in a former life of the broker.
    mutating func fetched(_ fetch: ReplicaFetch, leaderEnd: Offset, at now: Instant) -> Bool {
        guard fetch.brokerEpoch < 0 || fetch.brokerEpoch >= brokerEpoch else { return false }
        if fetch.offset >= leaderEnd {
            caughtUpAt = max(caughtUpAt ?? now, now)
        } else if let fetchedAt, fetch.offset >= endAtFetch {
            caughtUpAt = max(caughtUpAt ?? fetchedAt, fetchedAt)
        }
        end = fetch.offset
        start = fetch.startOffset
        brokerEpoch = max(brokerEpoch, fetch.brokerEpoch)
        isEligible = fetch.isEligible
        fetchedAt = now
        endAtFetch = leaderEnd
        return true
    }

    /// Whether it held all that the leader had, `lagMax` ago or later.
    func isCaughtUp(leaderEnd: Offset, at now: Instant, lagMax: Duration) -> Bool {
        if end == leaderEnd { return true }
        guard let caughtUpAt else { return false }
        return now - caughtUpAt <= lagMax
    }
}

/// A follower's fetch, as far as it concerns what the leader knows of the follower.
package struct ReplicaFetch: Hashable, Sendable {
    package var replica: NodeId
    /// Its registration; -1 where the version of the request carries none.
    package var brokerEpoch: Int64
    /// Everything below is held by the follower, and durable there if the topic asks for it.
    package var offset: Offset
    package var startOffset: Offset
    /// The cluster lets it be in sync.
    package var isEligible: Bool

    package init(replica: NodeId, brokerEpoch: Int64, offset: Offset, startOffset: Offset, isEligible: Bool) {
        self.replica = replica
        self.brokerEpoch = brokerEpoch
        self.offset = offset
        self.startOffset = startOffset
        self.isEligible = isEligible
    }
}
