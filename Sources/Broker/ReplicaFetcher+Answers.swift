// What a follower makes of its leader's answer for one partition: batches are appended as they are, a log that departs from
// the leader's is cut, one that has fallen behind what the leader keeps begins anew.

internal import Basics
internal import Configuration
internal import Bytes
internal import Channel
internal import Environment
internal import Log
internal import Records
internal import Replication
internal import WireProtocol

extension ReplicaFetcher {
    /// Takes the answer for one partition.
    func take(_ data: FetchResponse.PartitionData, of id: FollowedId, asked: FollowerPosition) {
        guard let entry = current(id, asked.leaderEpoch) else { return }
        switch data.errorCode {
        case .none where data.divergingEpoch.epoch >= 0:
            cut(id, entry, to: (LeaderEpoch(data.divergingEpoch.epoch), Offset(data.divergingEpoch.endOffset)))
        case .none: append(data, of: id, entry, asked)
        case .offsetOutOfRange: beginAnew(id, entry)
        default: rest(id, asked.leaderEpoch)
        }
    }

    private func append(
        _ data: FetchResponse.PartitionData, of id: FollowedId, _ entry: Followed, _ asked: FollowerPosition
    ) {
        guard let batches = batches(data.records) else {
            log(entry, "the leader sent a damaged batch", [("offset", "\(asked.offset)")])
            return rest(id, entry.epoch)
        }
        followed[id]?.leaderHighWatermark = Offset(data.highWatermark)
        if entry.isThrottled {
            broker.quotas.follower.record(batches.reduce(0) { $0 + $1.header.byteCount }, at: loop.now)
        }
        let given = ReplicatedBatches(
            batches: batches, epoch: entry.epoch, highWatermark: Offset(data.highWatermark),
            startOffset: Offset(data.logStartOffset))
        let fetcher = Confined(self, to: loop)
        appendBegins()
        entry.replica.replicate(given, on: loop) { result in
            fetcher.value.appended(given, of: id, entry, result)
            fetcher.value.appendEnded()
        }
    }

    private func appended(_ given: ReplicatedBatches, of id: FollowedId, _ entry: Followed, _ result: FollowerResult) {
        switch result {
        case .done, .outdated: break
        case .misplaced:
            if let base = baseAround(entry.replica.log, given) { return begin(id, entry, given, at: base) }
            let sent = given.batches.first.map { "\($0.header.baseOffset) of epoch \($0.header.leaderEpoch)" } ?? "nothing"
            log(
                entry, "the leader sent a batch that does not continue the log",
                [("end", "\(entry.replica.log.endOffset)"), ("epoch", "\(entry.epoch)"), ("batch", sent)])
            rest(id, entry.epoch)
        case .failed(let error):
            log(entry, "cannot append", [("reason", "\(error)")])
            rest(id, entry.epoch)
        }
    }

    /// Where the first batch begins, if the log is empty and begins inside of it: the leader's does so, after its records were
    /// deleted up to there.
    private func baseAround(_ log: PartitionLog, _ given: ReplicatedBatches) -> Offset? {
        guard let first = given.batches.first?.header, log.startOffset == log.endOffset,
            first.baseOffset < log.endOffset, first.lastOffset >= log.endOffset
        else { return nil }
        return first.baseOffset
    }

    /// Begins the log where a batch begins, and appends it: the leader gives no other answer to where the log is now.
    private func begin(_ id: FollowedId, _ entry: Followed, _ given: ReplicatedBatches, at base: Offset) {
        followed[id]?.isAway = true
        let back = came(back: id, entry) { _, _ in }
        let loop = loop
        entry.replica.restart(
            at: base, in: entry.epoch, pool: broker.environment.pool, on: loop, checkpoint: checkpoint(entry)
        ) { result in
            guard case .done = result else { return back(result) }
            entry.replica.replicate(given, on: loop, completion: back)
        }
    }

    /// The whole batches; nil if one of them is damaged. The last may be cut off, and comes again.
    private func batches(_ records: RecordsField) -> [RecordBatch]? {
        var batches: [RecordBatch] = []
        for batch in RecordBatchSequence(records.slice ?? .empty) {
            guard batch.header.isPlausible, batch.hasValidChecksum else { return nil }
            batches.append(batch)
        }
        return batches
    }

    fileprivate func log(_ entry: Followed, _ text: String, _ fields: [(String, String)]) {
        broker.logger.error(
            "replica", text, [("partition", "\(entry.replica.id)"), ("leader", "\(leader)")] + fields)
    }

    // MARK: Cutting

    private func cut(_ id: FollowedId, _ entry: Followed, to diverging: (epoch: LeaderEpoch, end: Offset)) {
        cut(id, entry) { log in
            PartitionFollower.cut(log.epochs, end: log.endOffset, diverging: diverging)
        }
    }

    private func cut(_ id: FollowedId, _ entry: Followed, to target: @escaping @Sendable (PartitionLog) -> Offset) {
        let before = entry.replica.log.endOffset
        let committed = entry.replica.highWatermark
        followed[id]?.isAway = true
        entry.replica.cut(
            to: target, in: entry.epoch, pool: broker.environment.pool, on: loop, checkpoint: checkpoint(entry),
            completion: came(back: id, entry) { fetcher, end in
                let fields = [
                    ("partition", "\(entry.replica.id)"), ("leader", "\(fetcher.leader)"), ("from", "\(before)"),
                    ("to", "\(end)"),
                ]
                // Only after an unclean election.
                if end < committed {
                    fetcher.broker.logger.warning("replica", "committed records are gone with an unclean leader", fields)
                } else {
                    fetcher.broker.logger.info("replica", "cut what the leader does not have", fields)
                }
            })
    }

    private func checkpoint(_ entry: Followed) -> @Sendable () throws(StorageError) -> Void {
        let (replicas, id) = (broker.replicas, entry.replica.id)
        return { () throws(StorageError) in try replicas.noteCut(id) }
    }

    /// What ends a time away.
    private func came(
        back id: FollowedId, _ entry: Followed, _ done: @escaping (ReplicaFetcher, Offset) -> Void
    ) -> @Sendable (FollowerResult) -> Void {
        let fetcher = Confined(self, to: loop)
        let done = Confined(done, to: loop)
        return { result in
            let fetcher = fetcher.value
            guard fetcher.current(id, entry.epoch) != nil else { return }
            fetcher.followed[id]?.isAway = false
            switch result {
            case .done(let end): done.value(fetcher, end)
            case .outdated, .misplaced: break
            case .failed(let error):
                fetcher.log(entry, "cannot cut the log", [("reason", "\(error)")])
                fetcher.rest(id, entry.epoch)
            }
            fetcher.proceed()
        }
    }

    // MARK: Beginning anew

    /// The leader does not have what comes next: it has deleted it, or, after an unclean election, never had it.
    private func beginAnew(_ id: FollowedId, _ entry: Followed) {
        followed[id]?.isAway = true
        ask(id, entry, mark: ReplicaFetcher.latest) { end in
            if end < entry.replica.log.endOffset { return self.cut(id, entry) { _ in end } }
            self.ask(id, entry, mark: ReplicaFetcher.earliest) { start in
                guard start > entry.replica.log.endOffset else {
                    self.followed[id]?.isAway = false
                    return self.rest(id, entry.epoch)
                }
                entry.replica.restart(
                    at: start, in: entry.epoch, pool: self.broker.environment.pool, on: self.loop,
                    checkpoint: self.checkpoint(entry),
                    completion: self.came(back: id, entry) { fetcher, end in
                        fetcher.broker.logger.info(
                            "replica", "begins anew where the leader does",
                            [("partition", "\(entry.replica.id)"), ("leader", "\(fetcher.leader)"), ("at", "\(end)")])
                    })
            }
        }
    }

    private static let latest: Int64 = -1
    private static let earliest: Int64 = -2

    /// Asks the leader for an offset; if it has none to tell, the partition rests.
    private func ask(_ id: FollowedId, _ entry: Followed, mark: Int64, _ then: @escaping (Offset) -> Void) {
        let request = ListOffsetsRequest {
            $0.replicaId = broker.nodeId.rawValue
            $0.topics = [
                ListOffsetsRequest.ListOffsetsTopic {
                    $0.name = entry.replica.id.topic
                    $0.partitions = [
                        ListOffsetsRequest.ListOffsetsPartition {
                            $0.partitionIndex = id.partition
                            $0.currentLeaderEpoch = entry.epoch.rawValue
                            $0.timestamp = mark
                        }
                    ]
                }
            ]
        }
        let timeout = Duration.milliseconds(Int64(broker.node.int("replica.socket.timeout.ms")))
        channel?.send(request, timeout: timeout) { [weak self] result in
            guard let self, self.current(id, entry.epoch) != nil else { return }
            let answer = (try? result.get())?.topics.first?.partitions.first
            guard let answer, !answer.errorCode.isError, answer.offset >= 0 else {
                self.followed[id]?.isAway = false
                self.rest(id, entry.epoch)
                return self.proceed()
            }
            then(Offset(answer.offset))
        }
    }
}
