// What a follower decides: where its log departs from its leader's, and what of it is committed.
//
// Rule: a log is cut by leader epochs, never by the high watermark, which lags (KIP-101). The leader answers the fetch of
// a follower whose log departs with the greatest epoch that both may have, and where it ends there; the follower cuts,
// and asks again, until the logs agree (KIP-279, KIP-595).

package import Basics
package import Log

/// The follower's view of one partition in one leader epoch.
package struct PartitionFollower: Hashable, Sendable {
    package let leader: NodeId
    package let epoch: LeaderEpoch

    package init(leader: NodeId, epoch: LeaderEpoch) {
        self.leader = leader
        self.epoch = epoch
    }

    /// Where a log that ends at `end` is to be cut, when the leader's ends `diverging.epoch` at `diverging.end`, and
    /// nothing between that epoch and this log's last is known there.
    package static func cut(
        _ epochs: LeaderEpochs, end: Offset, diverging: (epoch: LeaderEpoch, end: Offset)
    ) -> Offset {
        guard let mine = epochs.endOffset(for: diverging.epoch, end: end) else { return min(diverging.end, end) }
        // An epoch that is not known here tells nothing of the one before it: the next answer will.
        guard mine.epoch == diverging.epoch else { return min(mine.end, end) }
        return min(mine.end, diverging.end, end)
    }
}

/// Where a follower stands: what its next fetch says.
package struct FollowerPosition: Hashable, Sendable {
    package var leaderEpoch: LeaderEpoch
    package var offset: Offset
    /// The epoch of the record before `offset`; -1 if there is none.
    package var lastEpoch: LeaderEpoch
    package var startOffset: Offset
    package var highWatermark: Offset
}
