// Acknowledgements that wait for a sync. The lane goes on meanwhile: what is appended during a sync shares the next one.
//
// Invariant: whoever publishes records that wait for a sync asks for one afterwards, so that none waits for ever.

package import Basics
internal import Environment
package import Log
internal import Synchronization

extension Partition {
    /// A written request whose answer waits for a sync alone.
    struct Unsynced: Sendable {
        var end: Offset
        var result: AppendResult
        var completion: @Sendable (AppendProgress) -> Void
    }

    /// To be set before the partition leads for the first time, and when the topic's configuration changes.
    package func setSyncPolicy(_ policy: SyncPolicy) { state.withLock { $0.syncPolicy = policy } }

    /// The end of what counts as written here.
    func countedEnd(_ policy: SyncPolicy) -> Offset {
        policy.isStrict ? Offset(log.recoveryPoint.load(ordering: .acquiring)) : log.endOffset
    }

    /// Asks for a sync when the records that were just published are as old as the policy allows.
    func syncLater(on loop: any EventLoop) {
        let age = state.withLock { state -> Duration? in
            guard let age = state.syncPolicy.ageMax, !state.hasSyncTimer else { return nil }
            state.hasSyncTimer = true
            return age
        }
        guard let age else { return }
        _ = loop.schedule(at: loop.now + age) {
            self.state.withLock { $0.hasSyncTimer = false }
            self.onSyncDue(self)
        }
    }

    /// Everything below `end` is durable: it counts as written, and those who waited are answered.
    package func synced(upTo end: Offset) {
        let (released, committed) = state.withLock { state -> ([Unsynced], Offset?) in
            state.leader?.localLogEnded(at: end)
            let count = state.unsynced.prefix { $0.end <= end }.count
            let released = Array(state.unsynced.prefix(count))
            state.unsynced.removeFirst(count)
            return (released, state.leader?.highWatermark)
        }
        for waiting in released { waiting.completion(.done(waiting.result)) }
        if let committed { raiseHighWatermark(to: committed) }
    }

    /// What waits for a sync is refused: it cannot be had now, or never. The records stay in the log, and a later sync, if
    /// there can be one, covers them.
    package func syncFailed(_ error: StorageError) {
        let waiting = state.withLock { state in
            let waiting = state.unsynced.map(\.completion) + state.unacknowledged.map(\.completion)
            state.unsynced = []
            state.unacknowledged = []
            return waiting
        }
        for completion in waiting { completion(.done(.refused(.storage(error)))) }
    }
}
