// One partition on this node: its log, its role, who waits for it, and the lane through which all writes pass.
//
// Threads: decisions stand behind one `Mutex`, never held over I/O or together with another lock. A request joins the
// lane's queue; whoever finds the lane idle becomes its writer, takes all that is queued, writes it with one gathered
// write outside the lock, publishes the new end, or cuts back and fails the rest. So there is never more than one
// write in flight, and readers wait for none.

package import Basics
package import Log
internal import Records
internal import Synchronization

/// A replica of a partition.
package final class Partition: Sendable {
    package let id: TopicPartition
    package let topicId: Uuid
    package let log: PartitionLog
    /// How the folder stands that the log is in; another one after a move.
    package var folder: FolderStanding { home.withLock { $0 } }
    let home: Mutex<FolderStanding>

    /// Called when a segment has ended, on the writer's thread; it must not block.
    let onRoll: @Sendable (PartitionLog) -> Void
    /// Called when records wait for a sync, on any thread; it must not block.
    let onSyncDue: @Sendable (Partition) -> Void
    let state: Mutex<State>
    let committedEnd: Atomic<Int64>

    struct State: Sendable {
        var leader: PartitionLeader?
        var follower: PartitionFollower?
        /// Counts changes of role: one that waits for the lane is void when another has come.
        var roleNumber: UInt64 = 0
        var queue: [AppendRequest] = []
        var isWriting = false
        /// Who needs the lane for something else than appending as the leader, in order; they come before the queue.
        var laneWaiters: [@Sendable () -> Void] = []
        /// Appended requests that wait for their records to be committed, in the order of their offsets.
        var unacknowledged: [Unacknowledged] = []
        var syncPolicy = SyncPolicy()
        /// Requests without need of replication that wait for a sync, in the order of their offsets.
        var unsynced: [Unsynced] = []
        var hasSyncTimer = false
        var watchers: [Watcher] = []
        /// Fetches of followers that found nothing new.
        var replicaWatchers: [ReplicaWatcher] = []
        /// Who waits for followers to delete what this leader has deleted.
        var startWatchers: [Watcher] = []
        var nextWatcher: UInt64 = 0

        /// Whether somebody waits for the lane.
        var hasMore: Bool { !queue.isEmpty || !laneWaiters.isEmpty }

        /// Keeps a written request whose answer waits.
        mutating func hold(_ request: AppendRequest, _ result: AppendResult, end: Offset, waitsForSync: Bool) {
            if result.isRefused { return }
            if request.acks == -1 {
                unacknowledged.append(
                    Unacknowledged(committedAt: end, result: result, completion: request.completion))
            } else if request.acks != 0, waitsForSync {
                unsynced.append(Unsynced(end: end, result: result, completion: request.completion))
            }
        }
    }

    struct Unacknowledged: Sendable {
        var committedAt: Offset
        var result: AppendResult
        var completion: @Sendable (AppendProgress) -> Void
    }

    /// A replica that is not leading yet. `highWatermark`: what the checkpoint said.
    package init(
        id: TopicPartition, topicId: Uuid, log: PartitionLog, folder: FolderStanding, highWatermark: Offset,
        onRoll: @escaping @Sendable (PartitionLog) -> Void, onSyncDue: @escaping @Sendable (Partition) -> Void
    ) {
        self.onRoll = onRoll
        self.onSyncDue = onSyncDue
        self.id = id
        self.topicId = topicId
        self.log = log
        home = Mutex(folder)
        state = Mutex(State())
        let committed = min(highWatermark, log.endOffset)
        committedEnd = Atomic(committed.rawValue)
        log.settleTransactions(below: committed)
    }

    /// Records below are committed: the only ones that a consumer sees.
    package var highWatermark: Offset { Offset(committedEnd.load(ordering: .acquiring)) }

    /// Records below are committed and not part of an open transaction.
    package var lastStableOffset: Offset {
        // In this order: a transaction that begins meanwhile begins at or above the high watermark that was read.
        let committed = highWatermark
        guard let unstable = log.firstUnstableOffset else { return committed }
        return max(min(committed, unstable), min(committed, log.startOffset))
    }

    /// The leader's state, or nil on a follower.
    package var leader: PartitionLeader? { state.withLock { $0.leader } }
    /// The epoch that this replica leads in; nil if it does not lead.
    package var leaderEpoch: LeaderEpoch? { state.withLock { $0.leader?.epoch } }
    /// The follower's state; nil on a leader, and where there is no leader to follow.
    package var follower: PartitionFollower? { state.withLock { $0.follower } }

    /// Raises the published high watermark, and wakes those who wait for it.
    func raiseHighWatermark(to offset: Offset) {
        let (before, _) = committedEnd.max(offset.rawValue, ordering: .acquiringAndReleasing)
        guard offset.rawValue > before else { return }
        log.settleTransactions(below: offset)
        let (released, watchers) = state.withLock { state -> ([Unacknowledged], [Watcher]) in
            var watchers = state.watchers
            if !watchers.isEmpty { state.watchers = [] }
            if !state.replicaWatchers.isEmpty {
                watchers += state.takeReplicaWatchers { $0.highWatermark < offset }
            }
            guard let first = state.unacknowledged.first, first.committedAt <= offset else { return ([], watchers) }
            let count = state.unacknowledged.prefix { $0.committedAt <= offset }.count
            let released = Array(state.unacknowledged.prefix(count))
            state.unacknowledged.removeFirst(count)
            return (released, watchers)
        }
        for waiting in released { waiting.completion(.done(waiting.result)) }
        for watcher in watchers { watcher.notify() }
    }

    // MARK: Watching

    struct Watcher: Sendable {
        var id: UInt64
        var notify: @Sendable () -> Void
    }

    /// Names one registration of a watcher.
    package struct WatchToken: Hashable, Sendable {
        let id: UInt64
    }

    /// Calls `notify` once, on any thread, when the high watermark rises above `offset`; nil, and no call, if it has
    /// already.
    package func watch(above offset: Offset, notify: @escaping @Sendable () -> Void) -> WatchToken? {
        state.withLock { state in
            guard highWatermark <= offset else { return nil }
            state.nextWatcher += 1
            state.watchers.append(Watcher(id: state.nextWatcher, notify: notify))
            return WatchToken(id: state.nextWatcher)
        }
    }

    /// Forgets a watcher; nothing happens if it was called already.
    package func unwatch(_ token: WatchToken) {
        state.withLock { state in
            state.watchers.removeAll { $0.id == token.id }
            state.replicaWatchers.removeAll { $0.id == token.id }
            state.startWatchers.removeAll { $0.id == token.id }
        }
    }
}
