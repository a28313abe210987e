// DeleteRecords (KIP-107): raises the log start offset of partitions. The leader's new start is durable first: the log is
// synced, so that it never ends before its start, and the log start checkpoint written. The answer leaves when all replicas
// that live begin there, too, as their fetches say, or with REQUEST_TIMED_OUT.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

enum DeleteRecordsHandler {
    static func handle(_ request: DeleteRecordsRequest, _ call: Call) {
        DeleteRecordsOperation(request, call).start()
    }
}

/// One DeleteRecords request under way. Owner: the loop of its connection.
final class DeleteRecordsOperation {
    /// A partition that is cut, and its place in the answer.
    private struct Cut: Sendable {
        var topic: Int
        var partition: Int
        var replica: Partition
        var offset: Offset
    }

    private struct Refused: Error {
        var code: ErrorCode
    }

    /// The offset that stands for all that is committed.
    private static let toHighWatermark: Int64 = -1
    private static let noWatermark: Int64 = -1

    private let request: DeleteRecordsRequest
    private let call: Call
    private let deadline: Instant
    private var response = DeleteRecordsResponse()
    /// What was cut here and is not known to be deleted everywhere.
    private var pending: [Cut] = []
    private var watches: [(replica: Partition, token: Partition.WatchToken)] = []
    private var timer: TimerToken?
    private var isDone = false

    init(_ request: DeleteRecordsRequest, _ call: Call) {
        self.request = request
        self.call = call
        deadline = call.loop.now + .milliseconds(Int64(max(0, request.timeoutMs)))
    }

    func start() {
        for (t, topic) in request.topics.enumerated() {
            let view = call.shard.view.topic(topic.name)
            response.topics.append(DeleteRecordsResponse.DeleteRecordsTopicResult { $0.name = topic.name })
            for (p, partition) in topic.partitions.enumerated() {
                var result = DeleteRecordsResponse.DeleteRecordsPartitionResult {
                    $0.partitionIndex = partition.partitionIndex
                }
                switch plan(partition, view) {
                case .success(let (replica, offset)):
                    pending.append(Cut(topic: t, partition: p, replica: replica, offset: offset))
                case .failure(let refusal):
                    result.lowWatermark = DeleteRecordsOperation.noWatermark
                    result.errorCode = refusal.code
                }
                response.topics[t].partitions.append(result)
            }
        }
        guard !pending.isEmpty else { return call.answer(response) }
        carryOut()
    }

    /// The replica to cut and the offset where it is to begin.
    private func plan(
        _ asked: DeleteRecordsRequest.DeleteRecordsPartition, _ topic: TopicView?
    ) -> Result<(Partition, Offset), Refused> {
        guard let topic, topic.image.partitions[asked.partitionIndex] != nil else {
            return .failure(Refused(code: .unknownTopicOrPartition))
        }
        guard !TopicName.isInternal(topic.name) else { return .failure(Refused(code: .invalidTopicException)) }
        guard let replica = topic.replicas[asked.partitionIndex], replica.leader != nil else {
            return .failure(Refused(code: .notLeaderOrFollower))
        }
        // Compaction alone keeps the last value of every key; nobody may take it away by offset.
        guard !topic.configuration.isCompacted || topic.configuration.isDeleted else {
            return .failure(Refused(code: .policyViolation))
        }
        let end = replica.highWatermark
        let offset = asked.offset == DeleteRecordsOperation.toHighWatermark ? end : Offset(asked.offset)
        guard offset >= .zero, offset <= end else { return .failure(Refused(code: .offsetOutOfRange)) }
        return .success((replica, offset))
    }

    // MARK: Here

    private func carryOut() {
        let (broker, cuts) = (call.shard.broker, pending)
        call.aside({ () -> [Bool] in
            let areCut = cuts.map { cut in
                DeleteRecordsOperation.guarded(broker, "cannot delete records") { () throws(StorageError) in
                    try cut.replica.log.sync()
                    cut.replica.log.advanceStart(to: cut.offset)
                }
            }
            let isNoted = DeleteRecordsOperation.guarded(broker, "cannot write checkpoints") { () throws(StorageError) in
                try broker.replicas.writeCheckpoints()
            }
            return areCut.map { $0 && isNoted }
        }) { areDone in
            for (cut, isDone) in zip(self.pending, areDone) where !isDone { self.settle(cut, .kafkaStorageError) }
            self.pending = zip(self.pending, areDone).filter(\.1).map(\.0)
            self.look()
        }
    }

    private static func guarded(
        _ broker: Broker, _ failure: String, _ body: () throws(StorageError) -> Void
    ) -> Bool {
        do throws(StorageError) {
            try body()
            return true
        } catch {
            broker.logger.error("log", failure, [("reason", "\(error)")])
            return false
        }
    }

    private func settle(_ cut: Cut, _ code: ErrorCode, _ lowWatermark: Int64 = DeleteRecordsOperation.noWatermark) {
        response.topics[cut.topic].partitions[cut.partition].errorCode = code
        response.topics[cut.topic].partitions[cut.partition].lowWatermark = lowWatermark
    }

    // MARK: Everywhere

    /// Answers if everything is deleted everywhere, or no more time is left for it; else waits for the followers.
    private func look(isLast: Bool = false) {
        guard !isDone else { return }
        stopWatching()
        watch()
        let view = call.shard.view
        pending.removeAll { cut in
            guard let low = cut.replica.lowWatermark(isLive: { view.isLive($0) }) else {
                settle(cut, view.reason(noLeader: cut.replica))
                return true
            }
            let isReached = low >= cut.offset
            settle(cut, isReached ? .none : .requestTimedOut, low.rawValue)
            return isReached
        }
        guard !pending.isEmpty, !isLast, call.loop.now < deadline else { return finish() }
        wait()
    }

    /// Before anything is looked at, so that nothing is missed.
    private func watch() {
        let (operation, loop) = (Confined(self, to: call.loop), call.loop)
        watches = pending.map { cut in
            (cut.replica, cut.replica.watchLowWatermark { loop.post { operation.value.look() } })
        }
    }

    private func wait() {
        call.park { end in
            if end == .abandoned { self.stop() } else { self.look(isLast: true) }
        }
        guard timer == nil else { return }
        timer = call.loop.schedule(at: deadline) {
            self.timer = nil
            self.look(isLast: true)
        }
    }

    private func finish() {
        stop()
        call.answer(response)
    }

    private func stopWatching() {
        for watch in watches { watch.replica.unwatch(watch.token) }
        watches = []
    }

    private func stop() {
        isDone = true
        stopWatching()
        if let timer { call.loop.cancel(timer) }
        timer = nil
    }
}

extension ClusterView {
    fileprivate func isLive(_ id: NodeId) -> Bool { image.brokers[id].map { !$0.isFenced } ?? false }

    /// Why `replica` does not lead any more.
    fileprivate func reason(noLeader replica: Partition) -> ErrorCode {
        guard byId[replica.topicId]?.image.partitions[replica.id.partition] != nil else { return .unknownTopicOrPartition }
        return replica.folder.isOffline ? .kafkaStorageError : .notLeaderOrFollower
    }
}
