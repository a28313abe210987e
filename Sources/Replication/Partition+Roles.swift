// The roles of a replica: leader, follower, or neither while the partition has no leader.
//
// A role begins when the lane is free, so that what a former role still writes lies before the new one in the log, and
// under the old epoch. A change that waits for the lane is void when another one has come.

package import Basics
package import Environment
internal import Log
internal import Synchronization

extension Partition {
    /// Leads from now on, in `epoch`, or takes what has changed in the epoch that it leads in. `late` is called when the
    /// role has begun, if it had to wait for the lane.
    package func lead(
        as localId: NodeId, epoch: LeaderEpoch, _ image: LeaderState, minimumInSync: Int, at now: Instant,
        on loop: any EventLoop, late: @escaping @Sendable () -> Void = {}
    ) {
        enum Next { case take(Offset), begin(UInt64) }
        let next = state.withLock { state -> Next in
            if state.leader?.epoch == epoch {
                state.leader?.minimumInSync = minimumInSync
                state.leader?.follow(image, at: now)
                return .take(state.leader?.highWatermark ?? .zero)
            }
            state.follower = nil
            state.roleNumber += 1
            return .begin(state.roleNumber)
        }
        switch next {
        case .take(let committed):
            raiseHighWatermark(to: committed)
            refuseTooFewInSync()
        case .begin(let number):
            takeLane { isLate in
                defer { if isLate { late() } }
                self.beginLeading(
                    number, at: now, on: loop
                ) { start, counted, committed in
                    PartitionLeader(
                        localId: localId, epoch: epoch, state: image, minimumInSync: minimumInSync, epochStart: start,
                        countedEnd: counted, highWatermark: committed, at: now)
                }
            }
        }
    }

    private func beginLeading(
        _ number: UInt64, at now: Instant, on loop: any EventLoop,
        _ make: @escaping @Sendable (_ start: Offset, _ counted: Offset, _ committed: Offset) -> PartitionLeader
    ) {
        defer { endTurn(on: loop) }
        let policy = state.withLock { $0.roleNumber == number ? $0.syncPolicy : nil }
        guard let policy else { return }
        let end = log.endOffset
        let counted = countedEnd(policy)
        let leader = make(end, counted, highWatermark)
        log.beginEpoch(leader.epoch)
        state.withLock { $0.leader = leader }
        raiseHighWatermark(to: leader.highWatermark)
        refuseTooFewInSync()
        if counted < end { onSyncDue(self) }
    }

    /// Follows `leader` from now on: what is queued is refused, waiting producers are told, watchers look anew.
    package func follow(_ leader: NodeId, epoch: LeaderEpoch, on loop: any EventLoop) {
        let follower = PartitionFollower(leader: leader, epoch: epoch)
        let number = state.withLock { state -> UInt64? in
            guard state.follower != follower else { return nil }
            state.roleNumber += 1
            return state.roleNumber
        }
        guard let number else { return }
        standDown()
        takeLane { _ in
            defer { self.endTurn(on: loop) }
            guard self.state.withLock({ $0.roleNumber == number }) else { return }
            self.log.forgetEmptyEpochs()
            self.state.withLock { $0.follower = follower }
        }
    }

    /// Neither leads nor follows any more.
    package func resign() {
        state.withLock { $0.roleNumber += 1 }
        standDown()
    }

    private func standDown() {
        let (waiting, watchers) = state.withLock { state in
            let completions = state.queue.map(\.completion) + state.unacknowledged.map(\.completion)
                + state.unsynced.map(\.completion)
            let watchers = state.watchers + state.takeReplicaWatchers { _ in true } + state.takeStartWatchers()
            state.leader = nil
            state.follower = nil
            state.queue = []
            state.unacknowledged = []
            state.unsynced = []
            state.watchers = []
            return (completions, watchers)
        }
        for completion in waiting { completion(.done(.refused(.notLeader))) }
        for watcher in watchers { watcher.notify() }
    }

    /// Tells producers whose records stand in fewer logs than `min.insync.replicas` since the in-sync set has shrunk.
    func refuseTooFewInSync() {
        let waiting = state.withLock { state -> [Unacknowledged] in
            guard !state.unacknowledged.isEmpty, let leader = state.leader, !leader.hasEnoughInSync else { return [] }
            defer { state.unacknowledged = [] }
            return state.unacknowledged
        }
        for entry in waiting { entry.completion(.done(.refused(.notEnoughReplicasAfterAppend))) }
    }

    // MARK: The lane

    /// Runs `body` as the lane's only user: now if it is free, else late, when it is, on the thread that frees it. `body`
    /// must see to it that `endTurn` is called.
    func takeLane(_ body: @escaping @Sendable (_ isLate: Bool) -> Void) {
        let isMine = state.withLock { state in
            guard !state.isWriting else {
                state.laneWaiters.append { body(true) }
                return false
            }
            state.isWriting = true
            return true
        }
        if isMine { body(false) }
    }

    /// Gives the lane on, or frees it. Any thread.
    func endTurn(on loop: any EventLoop) {
        let hasMore = state.withLock { state in
            state.isWriting = state.hasMore
            return state.isWriting
        }
        if hasMore { loop.post { self.decide(on: loop) } }
    }
}
