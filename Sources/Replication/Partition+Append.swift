// The append lane: decision, write and publication as three steps, so that under the simulator other loops come in
// between, as they do between threads.

package import Basics
package import Environment
package import Log
package import Records
internal import Synchronization

/// Batches of one producer for one partition.
package struct AppendRequest: Sendable {
    /// Validated batches, in order.
    package var batches: [RecordBatch]
    /// 0: no answer; 1: when written; -1: when all in-sync replicas have it.
    package var acks: Int16
    /// Called once or, if the records wait for replication, twice: `.parked`, then `.done`. On any thread.
    package var completion: @Sendable (AppendProgress) -> Void

    package init(
        batches: [RecordBatch], acks: Int16, completion: @escaping @Sendable (AppendProgress) -> Void
    ) {
        self.batches = batches
        self.acks = acks
        self.completion = completion
    }
}

extension AppendRequest {
    /// Whether its answer waits, once the records are written.
    fileprivate func waits(forSync: Bool) -> Bool { acks == -1 || (acks != 0 && forSync) }
}

package enum AppendProgress: Sendable {
    /// Written; waits for the in-sync replicas, or for a sync.
    case parked
    case done(AppendResult)
}

/// What became of a request.
package enum AppendResult: Sendable {
    /// The offset of the first record, and the log start offset.
    case appended(baseOffset: Offset, startOffset: Offset)
    /// These very records stand in the log already (KIP-98).
    case duplicate(baseOffset: Offset, timestamp: Timestamp, startOffset: Offset)
    case refused(AppendRefusal)

    var isRefused: Bool { if case .refused = self { true } else { false } }
}

package enum AppendRefusal: Hashable, Sendable {
    case notLeader
    case notEnoughReplicas
    /// The records are written, and stand in fewer logs than `min.insync.replicas` by now.
    case notEnoughReplicasAfterAppend
    case outOfOrderSequence
    case fencedProducerEpoch
    /// A transaction's end from a coordinator that was replaced.
    case fencedCoordinatorEpoch
    /// A record outside of the transaction that its producer has open.
    case transactionIsOpen
    case storage(StorageError)
}

extension Partition {
    /// Queues `request`; `loop`, the calling one, writes if nobody else does.
    package func append(_ request: AppendRequest, on loop: any EventLoop) {
        enum Next { case nothing, write, refuse(AppendRefusal) }
        if let refusal = refusal(of: request) { return request.completion(.done(.refused(refusal))) }
        let next = state.withLock { state -> Next in
            guard let leader = state.leader else { return .refuse(.notLeader) }
            if request.acks == -1, !leader.hasEnoughInSync { return .refuse(.notEnoughReplicas) }
            state.queue.append(request)
            if state.isWriting { return .nothing }
            state.isWriting = true
            return .write
        }
        switch next {
        case .nothing: break
        case .write: loop.proceed { self.decide(on: loop) }
        case .refuse(let refusal): request.completion(.done(.refused(refusal)))
        }
    }

    /// Why the folder takes nothing: it is offline, or what is left of its room is kept for what must go on.
    private func refusal(of request: AppendRequest) -> AppendRefusal? {
        if let failure = folder.failure { return .storage(failure) }
        guard folder.admit(request.batches.reduce(0) { $0 + $1.header.byteCount }) else {
            return .storage(.file(FileError(.noSpace, "append", path: folder.path)))
        }
        return nil
    }

    /// Takes what is queued and plans where it goes; ends the writer's turn if there is nothing.
    func decide(on loop: any EventLoop) {
        enum Turn { case none, other(@Sendable () -> Void), append([AppendRequest], LeaderEpoch) }
        let turn = state.withLock { state -> Turn in
            if !state.laneWaiters.isEmpty { return .other(state.laneWaiters.removeFirst()) }
            guard !state.queue.isEmpty, let leader = state.leader else {
                state.isWriting = false
                return .none
            }
            let requests = state.queue
            state.queue = []
            return .append(requests, leader.epoch)
        }
        switch turn {
        case .none: break
        case .other(let body): body()
        case .append(let requests, let epoch): append(requests, epoch, on: loop)
        }
    }

    private func append(_ requests: [AppendRequest], _ epoch: LeaderEpoch, on loop: any EventLoop) {
        let batches = requests.count == 1 ? requests[0].batches : requests.flatMap(\.batches)
        let plan = log.plan(batches, epoch: epoch, at: loop.now)
        loop.proceed { self.write(plan, for: requests, on: loop) }
    }

    private func write(_ plan: PartitionLog.AppendPlan, for requests: [AppendRequest], on loop: any EventLoop) {
        var plan = plan
        do {
            try log.write(&plan)
            let written = plan
            loop.proceed { self.publish(written, for: requests, on: loop) }
        } catch {
            log.abandon(plan)
            for request in requests { request.completion(.done(.refused(.storage(error)))) }
            loop.post { self.decide(on: loop) }
        }
    }

    private func publish(_ plan: PartitionLog.AppendPlan, for requests: [AppendRequest], on loop: any EventLoop) {
        log.publish(plan)
        log.noteAppend(at: loop.now)
        if plan.rolls { onRoll(log) }
        let end = plan.endOffset
        let results = results(of: plan, for: requests)
        let unsynced = end - Offset(log.recoveryPoint.load(ordering: .acquiring))
        let (committed, waitsForSync, more, followers) = state.withLock { state -> (Offset?, Bool, Bool, [Watcher]) in
            let waitsForSync = unsynced >= state.syncPolicy.recordsMax
            let more = state.hasMore
            if !more { state.isWriting = false }
            guard state.leader != nil else { return (nil, waitsForSync, more, []) }
            if !waitsForSync { state.leader?.localLogEnded(at: end) }
            for index in requests.indices {
                state.hold(requests[index], results[index], end: end, waitsForSync: waitsForSync)
            }
            let followers = state.takeReplicaWatchers { _ in true }
            return (state.leader?.highWatermark, waitsForSync, more, followers)
        }
        for watcher in followers { watcher.notify() }
        // What was refused is written nowhere, and waits for nothing.
        func waits(_ index: Int) -> Bool { requests[index].waits(forSync: waitsForSync) && !results[index].isRefused }
        for index in requests.indices where !waits(index) { requests[index].completion(.done(results[index])) }
        if let committed {
            raiseHighWatermark(to: committed)
            releaseCommitted(at: committed)
            if committed < end {
                for index in requests.indices where waits(index) { requests[index].completion(.parked) }
                refuseTooFewInSync()
            }
        } else {
            for index in requests.indices where waits(index) { requests[index].completion(.done(.refused(.notLeader))) }
        }
        if waitsForSync { onSyncDue(self) } else { syncLater(on: loop) }
        if more { loop.post { self.decide(on: loop) } }
    }

    /// Answers requests that added nothing new, such as duplicates below the high watermark.
    private func releaseCommitted(at offset: Offset) {
        let released = state.withLock { state -> [Unacknowledged] in
            guard let first = state.unacknowledged.first, first.committedAt <= offset else { return [] }
            let count = state.unacknowledged.prefix { $0.committedAt <= offset }.count
            let released = Array(state.unacknowledged.prefix(count))
            state.unacknowledged.removeFirst(count)
            return released
        }
        for waiting in released { waiting.completion(.done(waiting.result)) }
    }

    /// Splits the outcomes of all batches of a turn by request. A request is what its first batch is.
    private func results(
        of plan: PartitionLog.AppendPlan, for requests: [AppendRequest]
    ) -> [AppendResult] {
        let start = log.startOffset
        var index = 0
        return requests.map { request in
            defer { index += request.batches.count }
            guard index < plan.outcomes.count, !request.batches.isEmpty else {
                return .appended(baseOffset: .none, startOffset: start)
            }
            let outcome = plan.outcomes[index]
            switch outcome.verdict {
            case .append: return .appended(baseOffset: outcome.baseOffset, startOffset: start)
            case .duplicate(let batch):
                return .duplicate(baseOffset: batch.baseOffset, timestamp: batch.timestamp, startOffset: start)
            case .outOfOrder: return .refused(.outOfOrderSequence)
            case .fencedEpoch: return .refused(.fencedProducerEpoch)
            case .fencedCoordinator: return .refused(.fencedCoordinatorEpoch)
            case .transactionIsOpen: return .refused(.transactionIsOpen)
            }
        }
    }
}
