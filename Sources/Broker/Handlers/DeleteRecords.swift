// DeleteRecords (KIP-107): raises the log start offset of partitions. The answer leaves when the new start is durable:
// the log is synced, so that it never ends before its start, and the log start checkpoint written.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

enum DeleteRecordsHandler {
    private typealias Result = DeleteRecordsResponse.DeleteRecordsPartitionResult

    /// The offset that stands for all that is committed.
    private static let toHighWatermark: Int64 = -1

    static func handle(_ request: DeleteRecordsRequest, _ call: Call) {
        var response = DeleteRecordsResponse()
        var cuts: [Cut] = []
        for (t, topic) in request.topics.enumerated() {
            let view = call.shard.view.topic(topic.name)
            response.topics.append(
                DeleteRecordsResponse.DeleteRecordsTopicResult {
                    $0.name = topic.name
                    for (p, partition) in topic.partitions.enumerated() {
                        switch plan(partition, view) {
                        case .success(let (replica, offset)):
                            cuts.append(Cut(topic: t, partition: p, replica: replica, offset: offset))
                            $0.partitions.append(Result { $0.partitionIndex = partition.partitionIndex })
                        case .failure(let refusal):
                            $0.partitions.append(failed(partition.partitionIndex, refusal.code))
                        }
                    }
                })
        }
        guard !cuts.isEmpty else { return call.answer(response) }
        carryOut(cuts, response, call)
    }

    private struct Cut: Sendable {
        var topic: Int
        var partition: Int
        var replica: Partition
        var offset: Offset
    }

    private struct Refused: Error {
        var code: ErrorCode
    }

    private static func failed(_ index: Int32, _ code: ErrorCode) -> Result {
        Result {
            $0.partitionIndex = index
            $0.lowWatermark = -1
            $0.errorCode = code
        }
    }

    /// The replica to cut and the offset where it is to begin.
    private static func plan(
        _ asked: DeleteRecordsRequest.DeleteRecordsPartition, _ topic: TopicView?
    ) -> Swift.Result<(Partition, Offset), Refused> {
        guard let topic, topic.image.partitions[asked.partitionIndex] != nil else {
            return .failure(Refused(code: .unknownTopicOrPartition))
        }
        guard let replica = topic.replicas[asked.partitionIndex], replica.leader != nil else {
            return .failure(Refused(code: .notLeaderOrFollower))
        }
        // Compaction alone keeps the last value of every key; nobody may take it away by offset.
        guard !topic.configuration.isCompacted || topic.configuration.isDeleted else {
            return .failure(Refused(code: .policyViolation))
        }
        let end = replica.highWatermark
        let offset = asked.offset == toHighWatermark ? end : Offset(asked.offset)
        guard offset >= .zero, offset <= end else { return .failure(Refused(code: .offsetOutOfRange)) }
        return .success((replica, offset))
    }

    private static func carryOut(_ cuts: [Cut], _ response: DeleteRecordsResponse, _ call: Call) {
        let broker = call.shard.broker
        let loop = call.loop
        let waiting = Confined(call, to: loop)
        broker.environment.pool.run {
            var response = response
            var failed: Set<Int> = []
            for (index, cut) in cuts.enumerated() {
                do throws(StorageError) {
                    try cut.replica.log.sync()
                    cut.replica.log.advanceStart(to: cut.offset)
                } catch {
                    failed.insert(index)
                    broker.logger.error("log", "cannot delete records", [("reason", "\(error)")])
                }
            }
            let isNoted = noteStarts(broker)
            for (index, cut) in cuts.enumerated() {
                let isDone = isNoted && !failed.contains(index)
                response.topics[cut.topic].partitions[cut.partition].errorCode = isDone ? .none : .kafkaStorageError
                response.topics[cut.topic].partitions[cut.partition].lowWatermark =
                    isDone ? cut.replica.log.startOffset.rawValue : -1
            }
            let finished = response
            loop.post { waiting.value.answer(finished) }
        }
    }

    private static func noteStarts(_ broker: Broker) -> Bool {
        do throws(StorageError) {
            try broker.replicas.writeCheckpoints()
            return true
        } catch {
            broker.logger.error("log", "cannot write checkpoints", [("reason", "\(error)")])
            return false
        }
    }
}
