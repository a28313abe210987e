// Produce: batches are validated where they arrive and queued in the append lane of their partition. The answer leaves
// when all partitions of the request have answered or its time is up.

internal import ClusterImage
internal import Basics
internal import Bytes
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Records
internal import Replication
internal import WireProtocol

enum ProduceHandler {
    static func handle(_ request: ProduceRequest, _ call: Call) {
        let job = ProduceJob(request, call)
        job.start()
    }
}

/// One Produce request under way. Owner: the loop of its connection.
final class ProduceJob {
    private var request: ProduceRequest
    private let call: Call
    private var response = ProduceResponse()
    private var remaining = 0
    private var timer: TimerToken?
    private var hasError = false
    /// How long the client is asked to wait, as the disks of its partitions get full.
    private var delay: Duration = .zero

    init(_ request: ProduceRequest, _ call: Call) {
        self.request = request
        self.call = call
    }

    func start() {
        let hasLegalAcks = (-1...1).contains(request.acks)
        let byId = call.version >= 13
        mergeRepeated()
        response.responses.reserveCapacity(request.topicData.count)
        for topic in request.topicData {
            response.responses.append(
                ProduceResponse.TopicProduceResponse {
                    $0.name = topic.name
                    $0.topicId = topic.topicId
                    $0.partitionResponses = topic.partitionData.map { partition in
                        ProduceResponse.PartitionProduceResponse {
                            $0.index = partition.index
                            $0.baseOffset = ProduceJob.unsettled
                        }
                    }
                })
            remaining += topic.partitionData.count
        }
        guard remaining > 0 else { return finish() }
        for (t, topic) in request.topicData.enumerated() {
            let view = byId ? call.shard.view.topic(topic.topicId) : call.shard.view.topic(topic.name)
            for (p, partition) in topic.partitionData.enumerated() {
                guard hasLegalAcks else {
                    refuse(t, p, .invalidRequiredAcks)
                    continue
                }
                append(partition, view, t, p)
            }
        }
        // The answer may wait long for the followers, and not hold the records meanwhile.
        request.topicData = []
    }

    /// A partition that stands in the request twice is taken once, with what came last, as Kafka does.
    private func mergeRepeated() {
        guard request.topicData.count > 1 || request.topicData.first?.partitionData.count ?? 0 > 1 else { return }
        var seen: Set<PartitionKey> = []
        for t in request.topicData.indices.reversed() {
            let topic = request.topicData[t]
            var kept: [ProduceRequest.PartitionProduceData] = []
            for partition in topic.partitionData.reversed() {
                let key = PartitionKey(topicId: topic.topicId, topicName: topic.name, partition: partition.index)
                if seen.insert(key).inserted { kept.append(partition) }
            }
            guard kept.count < topic.partitionData.count else { continue }
            request.topicData[t].partitionData = kept.reversed()
            if kept.isEmpty { request.topicData.remove(at: t) }
        }
    }

    private func append(
        _ data: ProduceRequest.PartitionProduceData, _ topic: TopicView?, _ t: Int, _ p: Int
    ) {
        guard let topic else {
            return refuse(t, p, call.version >= 13 ? .unknownTopicId : .unknownTopicOrPartition)
        }
        guard topic.image.partitions[data.index] != nil else { return refuse(t, p, .unknownTopicOrPartition) }
        guard !TopicName.isInternal(topic.name) else { return refuse(t, p, .invalidTopicException) }
        guard let partition = topic.replicas[data.index] else {
            return refuse(t, p, topic.absence(of: data.index, at: call.shard.broker.nodeId))
        }
        guard request.transactionalId == nil else {
            return refuse(t, p, .invalidTxnState, "Transactions are not built yet.")
        }
        let intake = BatchIntake(
            topic.configuration, partition.id, version: call.version, now: call.shard.broker.wallClock)
        guard intake.takesLong(data.records) else { return take(intake.validate(data.records), partition, t, p) }
        let records = data.records
        call.away({ intake.validate(records) }) { self.take($0, partition, t, p) }
    }

    /// Queues a batch that is as it should be.
    private func take(_ result: Result<RecordBatch, IntakeRefusal>, _ partition: Partition, _ t: Int, _ p: Int) {
        switch result {
        case .failure(let refusal):
            let start = refusal.namesStart ? partition.log.startOffset : .none
            refuse(t, p, refusal.code, refusal.message, refusal.recordErrors, start: start)
        case .success(let batch) where batch.header.isTransactional:
            // Kafka refuses records of a transaction in a request that names none.
            refuse(t, p, .transactionalIdAuthorizationFailed)
        case .success(let batch):
            delay = max(delay, partition.folder.delayOfProducer())
            let job = Confined(self, to: call.loop)
            let loop = call.loop
            let stamp = batch.header.isLogAppendTime ? batch.header.maxTimestamp : Timestamp.none
            partition.append(
                AppendRequest(batches: [batch], acks: request.acks) { progress in
                    if loop.isInside { return job.value.progress(progress, t, p, stamp) }
                    loop.post { job.value.progress(progress, t, p, stamp) }
                }, on: loop)
        }
    }

    private func progress(_ progress: AppendProgress, _ t: Int, _ p: Int, _ stamp: Timestamp) {
        switch progress {
        case .parked: if remaining > 0, timer == nil { startTimer() }
        case .done(.appended(let base, let start)):
            settle(t, p) {
                $0.baseOffset = base.rawValue
                $0.logAppendTimeMs = stamp.milliseconds
                $0.logStartOffset = start.rawValue
            }
        case .done(.duplicate(let base, let timestamp, let start)):
            settle(t, p) {
                $0.baseOffset = base.rawValue
                $0.logAppendTimeMs = timestamp.milliseconds
                $0.logStartOffset = start.rawValue
            }
        case .done(.refused(let refusal)): refuse(t, p, refusal.code)
        }
    }

    private func startTimer() {
        let deadline = call.loop.now + .milliseconds(Int64(max(0, request.timeoutMs)))
        timer = call.loop.schedule(at: deadline) { [weak self] in self?.timeOut() }
    }

    private func timeOut() {
        timer = nil
        for t in response.responses.indices {
            for p in response.responses[t].partitionResponses.indices where !isSettled(t, p) {
                refuse(t, p, .requestTimedOut)
            }
        }
    }

    /// The base offset of an answer that is not there yet; no settled one has it.
    private static let unsettled = Int64.min

    private func isSettled(_ t: Int, _ p: Int) -> Bool {
        response.responses[t].partitionResponses[p].baseOffset != ProduceJob.unsettled
    }

    private func settle(_ t: Int, _ p: Int, _ fill: (inout ProduceResponse.PartitionProduceResponse) -> Void) {
        guard !isSettled(t, p) else { return }
        fill(&response.responses[t].partitionResponses[p])
        remaining -= 1
        if remaining == 0 { finish() }
    }

    private func refuse(
        _ t: Int, _ p: Int, _ code: ErrorCode, _ message: String? = nil,
        _ recordErrors: [ProduceResponse.BatchIndexAndErrorMessage] = [], start: Offset = .none
    ) {
        hasError = true
        let topic = response.responses[t]
        if code == .notLeaderOrFollower {
            let view = call.version >= 13 ? call.shard.view.topic(topic.topicId) : call.shard.view.topic(topic.name)
            hintLeader(view?.image.partitions[topic.partitionResponses[p].index], t, p)
        }
        settle(t, p) {
            $0.errorCode = code
            $0.errorMessage = message
            $0.baseOffset = -1
            $0.logStartOffset = start.rawValue
            $0.recordErrors = recordErrors
        }
    }

    /// Tells the client who leads (KIP-951).
    private func hintLeader(_ partition: PartitionImage?, _ t: Int, _ p: Int) {
        guard let partition, let leader = call.shard.view.image.brokers[partition.leader],
            let endpoint = call.shard.broker.endpoint(of: leader, for: call.context)
        else { return }
        response.responses[t].partitionResponses[p].currentLeader = ProduceResponse.LeaderIdAndEpoch {
            $0.leaderId = partition.leader.rawValue
            $0.leaderEpoch = partition.leaderEpoch.rawValue
        }
        guard !response.nodeEndpoints.contains(where: { $0.nodeId == leader.id.rawValue }) else { return }
        response.nodeEndpoints.append(
            ProduceResponse.NodeEndpoint {
                $0.nodeId = leader.id.rawValue
                $0.host = endpoint.host
                $0.port = Int32(endpoint.port)
                $0.rack = leader.rack
            })
    }

    private func finish() {
        if let timer { call.loop.cancel(timer) }
        defer { call.mute(for: delay) }
        if request.acks == 0 {
            // The client hears of an error only by the end of the connection.
            return hasError ? call.fail("a produce with acks=0 failed") : call.answerNothing()
        }
        if delay > .zero { response.throttleTimeMs = Int32(delay.wholeMilliseconds) }
        call.answer(response)
    }
}

extension AppendRefusal {
    var code: ErrorCode {
        switch self {
        case .notLeader: .notLeaderOrFollower
        case .notEnoughReplicas: .notEnoughReplicas
        case .notEnoughReplicasAfterAppend: .notEnoughReplicasAfterAppend
        case .outOfOrderSequence: .outOfOrderSequenceNumber
        case .fencedProducerEpoch: .invalidProducerEpoch
        case .fencedCoordinatorEpoch: .transactionCoordinatorFenced
        case .transactionIsOpen: .invalidTxnState
        case .storage: .kafkaStorageError
        }
    }
}
