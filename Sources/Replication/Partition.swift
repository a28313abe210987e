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
    /// How the folder stands that the log is in.
    package let folder: FolderStanding

    /// Called when a segment has ended, on the writer's thread; it must not block.
    let onRoll: @Sendable (PartitionLog) -> Void
    /// Called when records wait for a sync, on any thread; it must not block.
    let onSyncDue: @Sendable (Partition) -> Void
    let state: Mutex<State>
    private let committedEnd: Atomic<Int64>

    struct State: Sendable {
        var leader: PartitionLeader?
        var queue: [AppendRequest] = []
        var isWriting = false
        /// Appended requests that wait for their records to be committed, in the order of their offsets.
        var unacknowledged: [Unacknowledged] = []
        var syncPolicy = SyncPolicy()
        /// Requests without need of replication that wait for a sync, in the order of their offsets.
        var unsynced: [Unsynced] = []
        var hasSyncTimer = false
        var watchers: [Watcher] = []
        var nextWatcher: UInt64 = 0

        /// Keeps a written request whose answer waits.
        mutating func hold(_ request: AppendRequest, _ result: AppendResult, end: Offset, waitsForSync: Bool) {
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
        self.folder = folder
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

    /// Leads from now on, in `epoch`.
    package func lead(
        as localId: NodeId, epoch: LeaderEpoch, partitionEpoch: Int32, inSync: [NodeId], minimumInSync: Int
    ) {
        log.beginEpoch(epoch)
        let end = countedEnd(state.withLock { $0.syncPolicy })
        let committed = highWatermark
        let leader = PartitionLeader(
            localId: localId, epoch: epoch, partitionEpoch: partitionEpoch, inSync: inSync,
            minimumInSync: minimumInSync, logEnd: end, highWatermark: committed)
        state.withLock { $0.leader = leader }
        raiseHighWatermark(to: leader.highWatermark)
        if end < log.endOffset { onSyncDue(self) }
    }

    /// Leads no more: what is queued is refused, waiting producers are told, watchers look anew.
    package func resign() {
        let (waiting, watchers) = state.withLock { state in
            let completions = state.queue.map(\.completion) + state.unacknowledged.map(\.completion)
                + state.unsynced.map(\.completion)
            let watchers = state.watchers
            state.leader = nil
            state.queue = []
            state.unacknowledged = []
            state.unsynced = []
            state.watchers = []
            return (completions, watchers)
        }
        for completion in waiting { completion(.done(.refused(.notLeader))) }
        for watcher in watchers { watcher.notify() }
    }

    /// Changes what the topic's configuration says.
    package func setMinimumInSync(_ count: Int) {
        state.withLock { $0.leader?.minimumInSync = count }
    }

    /// Raises the published high watermark, and wakes those who wait for it.
    func raiseHighWatermark(to offset: Offset) {
        let (before, _) = committedEnd.max(offset.rawValue, ordering: .acquiringAndReleasing)
        guard offset.rawValue > before else { return }
        log.settleTransactions(below: offset)
        let (released, watchers) = state.withLock { state -> ([Unacknowledged], [Watcher]) in
            let watchers = state.watchers
            if !watchers.isEmpty { state.watchers = [] }
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
        state.withLock { state in state.watchers.removeAll { $0.id == token.id } }
    }
}
