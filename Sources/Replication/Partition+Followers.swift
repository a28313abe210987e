// What a leader does for its followers: notes what they hold, wakes their fetches, and changes the in-sync set.

package import Basics
internal import Log
internal import Synchronization

/// Why a fetch of a follower does not count.
package enum ReplicaFetchRefusal: Error, Hashable, Sendable {
    case notLeader
    case unknownReplica
    case stale
}

extension Partition {
    /// Notes what a follower holds, as its fetch in `epoch` says; true if it may join the in-sync set. The caller has made
    /// sure that the follower's log agrees with this one up to the offset.
    package func fetched(
        _ fetch: ReplicaFetch, in epoch: LeaderEpoch, at now: Instant, lagMax: Duration
    ) -> Result<Bool, ReplicaFetchRefusal> {
        let end = log.endOffset
        let (verdict, committed, watchers) = state.withLock {
            state -> (PartitionLeader.FetchVerdict?, Offset, [Watcher]) in
            guard state.leader?.epoch == epoch else { return (nil, .zero, []) }
            let start = state.leader?.follower(fetch.replica)?.start
            let verdict = state.leader?.fetched(fetch, logEnd: end, at: now, lagMax: lagMax)
            let isDeleted = start != state.leader?.follower(fetch.replica)?.start
            return (verdict, state.leader?.highWatermark ?? .zero, isDeleted ? state.takeStartWatchers() : [])
        }
        for watcher in watchers { watcher.notify() }
        switch verdict {
        case nil: return .failure(.notLeader)
        case .unknownReplica: return .failure(.unknownReplica)
        case .stale: return .failure(.stale)
        case .noted, .mayJoin:
            raiseHighWatermark(to: committed)
            return .success(verdict == .mayJoin)
        }
    }

    /// Where a log whose last record before `offset` is of `epoch` departs from this one: the greatest epoch that both may
    /// have, and its end here (KIP-595). Nil if they agree, or if this log does not have the offset any more.
    package func divergence(of epoch: LeaderEpoch, before offset: Offset) -> (epoch: LeaderEpoch, end: Offset)? {
        guard epoch.rawValue >= 0, offset >= log.startOffset,
            let answer = log.epochs.endOffset(forReader: epoch, end: log.endOffset),
            answer.epoch < epoch || answer.end < offset
        else { return nil }
        return answer
    }

    /// The change of the in-sync set that is due, if none is under way. `eligible`: registrations of brokers that may be in
    /// sync, this one's among them.
    package func proposal(at now: Instant, lagMax: Duration, eligible: [NodeId: Int64]) -> InSyncProposal? {
        let end = log.endOffset
        let (proposal, committed) = state.withLock { state in
            let proposal = state.leader?.proposal(logEnd: end, at: now, lagMax: lagMax, eligible: eligible)
            return (proposal, state.leader?.highWatermark)
        }
        if let committed { raiseHighWatermark(to: committed) }
        return proposal
    }

    /// Takes the controller's answer to a proposal.
    package func answered(_ proposal: InSyncProposal, _ answer: InSyncAnswer) -> InSyncStep {
        let (step, committed) = state.withLock { state in
            let step = state.leader?.answered(proposal, answer)
            return (step ?? .done, state.leader?.highWatermark)
        }
        if let committed { raiseHighWatermark(to: committed) }
        refuseTooFewInSync()
        return step
    }

    // MARK: Watching

    /// A follower's fetch that waits.
    struct ReplicaWatcher: Sendable {
        var id: UInt64
        /// The high watermark that the follower knows.
        var highWatermark: Offset
        var notify: @Sendable () -> Void
    }

    /// Calls `notify` once, on any thread, when the log ends behind `offset`, or the high watermark is above the one that the
    /// follower knows (KIP-1166); nil, and no call, if it is so already.
    package func watchForReplica(
        at offset: Offset, knowing highWatermark: Offset, notify: @escaping @Sendable () -> Void
    ) -> WatchToken? {
        state.withLock { state in
            guard log.endOffset <= offset, self.highWatermark <= highWatermark, state.leader != nil else { return nil }
            state.nextWatcher += 1
            state.replicaWatchers.append(
                ReplicaWatcher(id: state.nextWatcher, highWatermark: highWatermark, notify: notify))
            return WatchToken(id: state.nextWatcher)
        }
    }
}

extension Partition {
    /// How far records have been deleted on all replicas that live; nil if this one does not lead.
    package func lowWatermark(isLive: (NodeId) -> Bool) -> Offset? {
        let start = log.startOffset
        return leader?.lowWatermark(localStart: start, isLive: isLive)
    }

    /// Calls `notify` once, on any thread, when a follower begins at another offset than before, or this replica leads no
    /// more. What happened before the call is not told of: look afterwards.
    package func watchLowWatermark(notify: @escaping @Sendable () -> Void) -> WatchToken {
        state.withLock { state in
            state.nextWatcher += 1
            state.startWatchers.append(Watcher(id: state.nextWatcher, notify: notify))
            return WatchToken(id: state.nextWatcher)
        }
    }
}

extension Partition.State {
    mutating func takeStartWatchers() -> [Partition.Watcher] {
        defer { startWatchers = [] }
        return startWatchers
    }

    /// Takes out the watchers of followers that `isDue` says.
    mutating func takeReplicaWatchers(_ isDue: (Partition.ReplicaWatcher) -> Bool) -> [Partition.Watcher] {
        guard !replicaWatchers.isEmpty else { return [] }
        let due = replicaWatchers.filter(isDue)
        replicaWatchers.removeAll(where: isDue)
        return due.map { Partition.Watcher(id: $0.id, notify: $0.notify) }
    }
}
