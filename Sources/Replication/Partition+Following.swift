// What a follower does: it appends its leader's batches as they are, cuts what the leader does not have, and begins anew
// where the leader has deleted what comes next. All of it in the lane, and only in the epoch that the leader was asked in.

package import Basics
package import Environment
package import Log
package import Records
internal import Synchronization

/// What a leader gave to a follower.
package struct ReplicatedBatches: Sendable {
    package var batches: [RecordBatch]
    package var epoch: LeaderEpoch
    /// The leader's.
    package var highWatermark: Offset
    package var startOffset: Offset

    package init(batches: [RecordBatch], epoch: LeaderEpoch, highWatermark: Offset, startOffset: Offset) {
        self.batches = batches
        self.epoch = epoch
        self.highWatermark = highWatermark
        self.startOffset = startOffset
    }
}

/// What became of a follower's work.
package enum FollowerResult: Sendable {
    /// The log ends here now, and is synced so far if the topic asks for it.
    case done(end: Offset)
    /// The replica does not follow in that epoch any more.
    case outdated
    /// The batches do not continue this log.
    case misplaced
    case failed(StorageError)
}

extension Partition {
    /// Where the log stands; nil if the replica does not follow in `epoch`.
    package func position(in epoch: LeaderEpoch) -> FollowerPosition? {
        guard state.withLock({ $0.follower?.epoch == epoch }) else { return nil }
        let (end, epochs) = (log.endOffset, log.epochs)
        return FollowerPosition(
            leaderEpoch: epoch, offset: end, lastEpoch: epochs.epoch(at: end + -1) ?? .none,
            startOffset: log.startOffset, highWatermark: highWatermark)
    }

    /// Appends what the leader gave. `completion` runs inside `loop`, the calling one.
    package func replicate(
        _ given: ReplicatedBatches, on loop: any EventLoop, completion: @escaping @Sendable (FollowerResult) -> Void
    ) {
        guard !given.batches.isEmpty else {
            let isCurrent = state.withLock { $0.follower?.epoch == given.epoch }
            if isCurrent { learn(given) }
            return completion(isCurrent ? .done(end: log.endOffset) : .outdated)
        }
        takeLane { _ in
            if loop.isInside { return self.write(given, on: loop, completion) }
            loop.post { self.write(given, on: loop, completion) }
        }
    }

    private func write(
        _ given: ReplicatedBatches, on loop: any EventLoop, _ completion: @escaping @Sendable (FollowerResult) -> Void
    ) {
        func end(_ result: FollowerResult) {
            endTurn(on: loop)
            completion(result)
        }
        guard state.withLock({ $0.follower?.epoch == given.epoch }) else { return end(.outdated) }
        if let failure = folder.failure { return end(.failed(failure)) }
        guard continuesLog(given) else { return end(.misplaced) }
        guard folder.admit(given.batches.reduce(0) { $0 + $1.header.byteCount }) else {
            return end(.failed(.file(FileError(.noSpace, "append", path: folder.path))))
        }
        var plan = log.planReplicated(given.batches, at: loop.now)
        do {
            try log.write(&plan)
            let written = plan
            loop.proceed { self.publish(written, given, on: loop, completion) }
        } catch {
            log.abandon(plan)
            end(.failed(error))
        }
    }

    /// Whether each batch begins behind the one before, and none is of a later epoch than its leader's.
    private func continuesLog(_ given: ReplicatedBatches) -> Bool {
        var end = log.endOffset
        var epoch = log.epochs.latest ?? .none
        for batch in given.batches {
            guard batch.header.baseOffset >= end, batch.header.leaderEpoch >= epoch,
                batch.header.leaderEpoch <= given.epoch
            else { return false }
            end = batch.header.nextOffset
            epoch = batch.header.leaderEpoch
        }
        return true
    }

    private func publish(
        _ plan: PartitionLog.AppendPlan, _ given: ReplicatedBatches, on loop: any EventLoop,
        _ completion: @escaping @Sendable (FollowerResult) -> Void
    ) {
        log.publish(plan)
        log.noteAppend(at: loop.now)
        if plan.rolls { onRoll(log) }
        endTurn(on: loop)
        let end = plan.endOffset
        guard state.withLock({ $0.follower?.epoch == given.epoch }) else { return completion(.outdated) }
        learn(given)
        let unsynced = end - Offset(log.recoveryPoint.load(ordering: .acquiring))
        let mustSync = state.withLock { unsynced >= $0.syncPolicy.recordsMax }
        guard mustSync else {
            syncLater(on: loop)
            return completion(.done(end: end))
        }
        // The next fetch says that the leader may count on these records.
        state.withLock { state in
            state.unsynced.append(
                Unsynced(end: end, result: .appended(baseOffset: plan.firstOffset, startOffset: log.startOffset)) { progress in
                    loop.post { completion(FollowerResult(progress, end: end)) }
                })
        }
        onSyncDue(self)
    }

    /// Takes the leader's high watermark and log start, as far as this log reaches.
    private func learn(_ given: ReplicatedBatches) {
        raiseHighWatermark(to: min(given.highWatermark, log.endOffset))
        if given.startOffset > log.startOffset { log.advanceStart(to: min(given.startOffset, highWatermark)) }
    }

    // MARK: Cutting

    /// Cuts the log where it departs from the leader's. `checkpoint` is called when the log is shorter, before anything can
    /// be appended. On `pool`; `completion` runs inside `loop`.
    package func cut(
        to target: @escaping @Sendable (PartitionLog) -> Offset, in epoch: LeaderEpoch, pool: any Pool, on loop: any EventLoop,
        checkpoint: @escaping @Sendable () throws(StorageError) -> Void,
        completion: @escaping @Sendable (FollowerResult) -> Void
    ) {
        alter(epoch, pool, loop, checkpoint, completion) { log throws(StorageError) in
            let end = target(log)
            // Where nothing of it stays, it begins anew: a log cannot be cut below its first segment.
            if end < log.view.segments[0].base { try log.restart(at: end) } else { _ = try log.truncate(to: end) }
            // What has an epoch and no record is not known to the leader either.
            log.forgetEmptyEpochs()
        }
    }

    /// Begins the log anew at `offset`, where the leader's begins.
    package func restart(
        at offset: Offset, in epoch: LeaderEpoch, pool: any Pool, on loop: any EventLoop,
        checkpoint: @escaping @Sendable () throws(StorageError) -> Void,
        completion: @escaping @Sendable (FollowerResult) -> Void
    ) {
        alter(epoch, pool, loop, checkpoint, completion) { log throws(StorageError) in try log.restart(at: offset) }
    }

    private func alter(
        _ epoch: LeaderEpoch, _ pool: any Pool, _ loop: any EventLoop,
        _ checkpoint: @escaping @Sendable () throws(StorageError) -> Void,
        _ completion: @escaping @Sendable (FollowerResult) -> Void,
        _ body: @escaping @Sendable (PartitionLog) throws(StorageError) -> Void
    ) {
        takeLane { _ in
            pool.run {
                let result = self.altered(epoch, checkpoint, body)
                self.endTurn(on: loop)
                loop.post { completion(result) }
            }
        }
    }

    private func altered(
        _ epoch: LeaderEpoch, _ checkpoint: @Sendable () throws(StorageError) -> Void,
        _ body: @Sendable (PartitionLog) throws(StorageError) -> Void
    ) -> FollowerResult {
        guard state.withLock({ $0.follower?.epoch == epoch }) else { return .outdated }
        do throws(StorageError) {
            try body(log)
            // Only an unclean election makes a leader without records that were committed.
            committedEnd.min(log.endOffset.rawValue, ordering: .acquiringAndReleasing)
            try checkpoint()
            return .done(end: log.endOffset)
        } catch {
            return .failed(error)
        }
    }
}

extension FollowerResult {
    /// What a sync made of records that wait for it.
    fileprivate init(_ progress: AppendProgress, end: Offset) {
        switch progress {
        case .done(.refused(.storage(let error))): self = .failed(error)
        case .done(.refused): self = .outdated
        case .parked, .done: self = .done(end: end)
        }
    }
}
