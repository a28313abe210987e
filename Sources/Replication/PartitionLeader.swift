// What the leader of a partition knows of its replicas, and how far records are committed: decisions as a plain value.
//
// The high watermark is the least end offset over the maximal in-sync set: the committed ISR and every replica whose
// addition is proposed but not yet answered, since the controller may have committed it already (KIP-497, KIP-966).
// It never moves back within an epoch, and not at all while fewer than `min.insync.replicas` are in sync.

package import Basics

/// The leader's view of one partition in one leader epoch.
package struct PartitionLeader: Hashable, Sendable {
    package let localId: NodeId
    package let epoch: LeaderEpoch
    package private(set) var partitionEpoch: Int32
    /// The committed in-sync replicas, this node among them.
    package private(set) var inSync: [NodeId]
    /// Replicas whose addition was proposed to the controller and not answered yet.
    package private(set) var proposed: [NodeId] = []
    package private(set) var highWatermark: Offset
    /// End offsets that followers have confirmed by fetching in this epoch.
    private var followerEnds: [NodeId: Offset] = [:]
    private var localEnd: Offset
    package var minimumInSync: Int

    /// A leader that begins with what its log holds. Records below `highWatermark` are known to be committed.
    package init(
        localId: NodeId, epoch: LeaderEpoch, partitionEpoch: Int32, inSync: [NodeId], minimumInSync: Int,
        logEnd: Offset, highWatermark: Offset
    ) {
        self.localId = localId
        self.epoch = epoch
        self.partitionEpoch = partitionEpoch
        self.inSync = inSync
        self.minimumInSync = minimumInSync
        localEnd = logEnd
        self.highWatermark = min(highWatermark, logEnd)
        advance()
    }

    /// Whether a write with acks=all may be accepted now.
    package var hasEnoughInSync: Bool { inSync.count >= minimumInSync }

    /// What counts of the local log ends at `end` now.
    package mutating func localLogEnded(at end: Offset) {
        localEnd = max(localEnd, end)
        advance()
    }

    /// A follower has asked for `offset` in this epoch, so it holds everything below.
    package mutating func follower(_ id: NodeId, holdsBelow offset: Offset) {
        followerEnds[id] = offset
        advance()
    }

    private mutating func advance() {
        guard hasEnoughInSync else { return }
        guard let committed = leastEnd(of: inSync), let proposed = leastEnd(of: proposed) else { return }
        highWatermark = max(highWatermark, min(committed, proposed))
    }

    /// The end that all of `ids`, and this node, have reached; nil while one of them has not said.
    private func leastEnd(of ids: [NodeId]) -> Offset? {
        var least = localEnd
        for id in ids where id != localId {
            guard let end = followerEnds[id] else { return nil }
            least = min(least, end)
        }
        return least
    }
}
