// What the leader of a partition knows of its replicas, and how far records are committed: decisions as a plain value.
//
// The high watermark is the least end offset over the maximal in-sync set: the committed ISR and every replica whose
// addition is proposed, since the controller may have committed it already (KIP-497, KIP-966). A removal counts only
// when the image tells of it. The high watermark never moves back within an epoch, and not at all while fewer than
// `min.insync.replicas` are in sync, nor before all in-sync replicas have fetched in this epoch (KIP-320).
// Changes of the in-sync set are in `PartitionLeader+InSync`.

package import Basics

/// The leader's view of one partition in one leader epoch.
package struct PartitionLeader: Hashable, Sendable {
    package let localId: NodeId
    package let epoch: LeaderEpoch
    /// Where the log ended when this epoch began: a follower below it may still differ.
    package let epochStart: Offset
    package internal(set) var partitionEpoch: Int32
    /// The committed in-sync replicas, this node among them.
    package internal(set) var inSync: [NodeId]
    /// The leader came from an unclean election, and the controller does not know yet that it has recovered (KIP-704).
    package internal(set) var isRecovering: Bool
    /// Replicas whose addition was proposed to the controller, and may be committed.
    package internal(set) var proposed: [NodeId] = []
    /// Replicas that the controller has let go by its answer, before the image has told: it may judge by a greater
    /// `min.insync.replicas` than is known here, and hold them for eligible to lead (KIP-966).
    package internal(set) var leaving: [NodeId] = []
    /// The change that was proposed and is not answered yet: one at a time.
    var pending: InSyncProposal?
    /// An answer was lost: what was proposed may yet be committed, though it is refused when it is asked for again.
    var isAmbiguous = false
    package private(set) var highWatermark: Offset
    /// The assigned replicas but this one, by id.
    package internal(set) var followers: [FollowerProgress]
    private(set) var localEnd: Offset
    package var minimumInSync: Int

    /// A leader that begins with what its log holds. Records below `highWatermark` are known to be committed.
    package init(
        localId: NodeId, epoch: LeaderEpoch, state: LeaderState, minimumInSync: Int, epochStart: Offset,
        countedEnd: Offset, highWatermark: Offset, at now: Instant
    ) {
        self.localId = localId
        self.epoch = epoch
        self.epochStart = epochStart
        self.minimumInSync = minimumInSync
        partitionEpoch = state.partitionEpoch
        inSync = state.inSync
        isRecovering = state.isRecovering
        followers = state.replicas.filter { $0 != localId }.sorted().map {
            FollowerProgress($0, isInSync: state.inSync.contains($0), at: now)
        }
        localEnd = countedEnd
        self.highWatermark = min(highWatermark, epochStart)
        advance()
    }

    /// Whether a write with acks=all may be accepted now.
    package var hasEnoughInSync: Bool { inSync.count >= minimumInSync }

    /// What counts of the local log ends at `end` now.
    package mutating func localLogEnded(at end: Offset) {
        localEnd = max(localEnd, end)
        advance()
    }

    /// What a leader makes of a follower's fetch.
    package enum FetchVerdict: Hashable, Sendable {
        case noted
        /// The follower has what it needs to be in sync, and is not.
        case mayJoin
        /// The replica is not assigned to this partition, as far as this node knows.
        case unknownReplica
        /// The fetch is from a former life of the broker.
        case stale
    }

    /// A follower asked for an offset in this epoch, with a log that agrees with this one. `logEnd`: where this log ends;
    /// `lagMax`: `replica.lag.time.max.ms`.
    package mutating func fetched(
        _ fetch: ReplicaFetch, logEnd: Offset, at now: Instant, lagMax: Duration
    ) -> FetchVerdict {
        guard let index = followers.firstIndex(where: { $0.id == fetch.replica }) else { return .unknownReplica }
        guard followers[index].fetched(fetch, leaderEnd: logEnd, at: now) else { return .stale }
        look(at: index, logEnd: logEnd, now: now, lagMax: lagMax)
        advance()
        return pending == nil && mayJoin(followers[index]) ? .mayJoin : .noted
    }

    /// The low watermark: the least start offset of this log and of the followers that live. Below it everything has been
    /// deleted wherever it is kept (KIP-107). A follower that has not fetched in this epoch holds it at -1.
    package func lowWatermark(localStart: Offset, isLive: (NodeId) -> Bool) -> Offset {
        followers.reduce(localStart) { least, follower in isLive(follower.id) ? min(least, follower.start) : least }
    }

    /// Decides anew whether the high watermark waits for a follower that is not in sync.
    mutating func look(at index: Int, logEnd: Offset, now: Instant, lagMax: Duration) {
        let follower = followers[index]
        followers[index].isJoining = follower.isEligible && !isMaximal(follower.id)
            && follower.isCaughtUp(leaderEnd: logEnd, at: now, lagMax: lagMax)
    }

    // MARK: The high watermark

    /// Raises the high watermark as far as the maximal in-sync set holds records, and no further than those have come who
    /// are about to join: else one that is always a little behind would never reach it.
    mutating func advance() {
        guard hasEnoughInSync, var least = leastEnd(of: inSync), let others = leastEnd(of: proposed + leaving) else { return }
        least = min(least, others)
        for follower in followers where follower.isJoining { least = min(least, follower.end ?? least) }
        highWatermark = max(highWatermark, least)
    }

    func isMaximal(_ id: NodeId) -> Bool { inSync.contains(id) || proposed.contains(id) }

    func follower(_ id: NodeId) -> FollowerProgress? { followers.first { $0.id == id } }

    /// The end that all of `ids`, and this node, have reached; nil while one of them has not said.
    private func leastEnd(of ids: [NodeId]) -> Offset? {
        var least = localEnd
        for id in ids where id != localId {
            guard let end = follower(id)?.end else { return nil }
            least = min(least, end)
        }
        return least
    }
}

/// What the image says of a partition that this node leads.
package struct LeaderState: Hashable, Sendable {
    package var partitionEpoch: Int32
    package var replicas: [NodeId]
    package var inSync: [NodeId]
    package var isRecovering: Bool

    package init(partitionEpoch: Int32, replicas: [NodeId], inSync: [NodeId], isRecovering: Bool) {
        self.partitionEpoch = partitionEpoch
        self.replicas = replicas
        self.inSync = inSync
        self.isRecovering = isRecovering
    }
}
