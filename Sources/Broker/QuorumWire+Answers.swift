// Answers of the quorum's messages, to the wire and from it. What makes no sense decodes to nil, and counts as no answer.

internal import Basics
internal import Bytes
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// An answer as it came, with what came beside it and the addresses that it names.
struct ReceivedAnswer {
    var answer: QuorumAnswer
    var payload = QuorumPayload.none
    var addresses: [(id: NodeId, host: String, port: UInt16)] = []

    init?(_ response: VoteResponse) {
        guard !response.errorCode.isError, let data = response.topics.first?.partitions.first else { return nil }
        answer = QuorumAnswer(
            error: QuorumError(data.errorCode), epoch: LeaderEpoch(data.leaderEpoch), leader: NodeId(data.leaderId),
            body: .vote(isGranted: data.voteGranted))
        addresses = response.nodeEndpoints.map { (NodeId($0.nodeId), $0.host, $0.port) }
    }

    init?(_ response: BeginQuorumEpochResponse) {
        guard !response.errorCode.isError, let data = response.topics.first?.partitions.first else { return nil }
        answer = QuorumAnswer(
            error: QuorumError(data.errorCode), epoch: LeaderEpoch(data.leaderEpoch), leader: NodeId(data.leaderId))
        addresses = response.nodeEndpoints.map { (NodeId($0.nodeId), $0.host, $0.port) }
    }

    init?(_ response: EndQuorumEpochResponse) {
        guard !response.errorCode.isError, let data = response.topics.first?.partitions.first else { return nil }
        answer = QuorumAnswer(
            error: QuorumError(data.errorCode), epoch: LeaderEpoch(data.leaderEpoch), leader: NodeId(data.leaderId))
        addresses = response.nodeEndpoints.map { (NodeId($0.nodeId), $0.host, $0.port) }
    }

    init?(_ response: FetchResponse) {
        guard !response.errorCode.isError, let data = response.responses.first?.partitions.first else { return nil }
        answer = QuorumAnswer(
            error: QuorumError(data.errorCode), epoch: LeaderEpoch(data.currentLeader.leaderEpoch),
            leader: NodeId(data.currentLeader.leaderId))
        addresses = response.nodeEndpoints.map { (NodeId($0.nodeId), $0.host, UInt16(clamping: $0.port)) }
        if data.divergingEpoch.epoch >= 0 {
            answer.body = .diverges(
                Raft.SnapshotId(end: Offset(data.divergingEpoch.endOffset), epoch: LeaderEpoch(data.divergingEpoch.epoch)))
        } else if data.snapshotId.endOffset >= 0 {
            answer.body = .needsSnapshot(
                Raft.SnapshotId(end: Offset(data.snapshotId.endOffset), epoch: LeaderEpoch(data.snapshotId.epoch)))
        } else {
            var batches: [RecordBatch] = []
            for batch in RecordBatchSequence(data.records.slice ?? .empty) {
                guard batch.hasValidChecksum, batch.header.hasPossibleOffsets else { return nil }
                batches.append(batch)
            }
            payload = .batches(batches)
            answer.body = .entries(
                batches.map { EntryBatch($0.header) }, highWatermark: Offset(data.highWatermark))
        }
    }

    init?(_ response: FetchSnapshotResponse) {
        guard !response.errorCode.isError, let data = response.topics.first?.partitions.first else { return nil }
        answer = QuorumAnswer(
            error: QuorumError(data.errorCode), epoch: LeaderEpoch(data.currentLeader.leaderEpoch),
            leader: NodeId(data.currentLeader.leaderId))
        addresses = response.nodeEndpoints.map { (NodeId($0.nodeId), $0.host, $0.port) }
        guard !data.errorCode.isError, let bytes = data.unalignedRecords.slice else { return }
        let id = Raft.SnapshotId(end: Offset(data.snapshotId.endOffset), epoch: LeaderEpoch(data.snapshotId.epoch))
        payload = .piece(bytes)
        answer.body = .snapshotPiece(id, position: Int(data.position), count: bytes.count, size: Int(data.size))
    }
}

extension EntryBatch {
    init(_ header: BatchHeader) {
        self.init(base: header.baseOffset, end: header.nextOffset, epoch: header.leaderEpoch)
    }
}

// MARK: To the wire

extension VoteResponse {
    init(_ answer: QuorumAnswer) {
        self.init {
            $0.topics = [
                TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionData {
                            $0.errorCode = answer.error?.code ?? .none
                            $0.leaderId = answer.leader.rawValue
                            $0.leaderEpoch = answer.epoch.rawValue
                            if case .vote(let isGranted) = answer.body { $0.voteGranted = isGranted }
                        }
                    ]
                }
            ]
        }
    }
}

extension BeginQuorumEpochResponse {
    init(_ answer: QuorumAnswer) {
        self.init {
            $0.topics = [
                TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionData {
                            $0.errorCode = answer.error?.code ?? .none
                            $0.leaderId = answer.leader.rawValue
                            $0.leaderEpoch = answer.epoch.rawValue
                        }
                    ]
                }
            ]
        }
    }
}

extension EndQuorumEpochResponse {
    init(_ answer: QuorumAnswer) {
        self.init {
            $0.topics = [
                TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionData {
                            $0.errorCode = answer.error?.code ?? .none
                            $0.leaderId = answer.leader.rawValue
                            $0.leaderEpoch = answer.epoch.rawValue
                        }
                    ]
                }
            ]
        }
    }
}

extension FetchResponse {
    /// `records`: the batches that the answer holds.
    init(_ answer: QuorumAnswer, _ records: RecordsField, logStart: Offset) {
        self.init {
            $0.responses = [
                FetchableTopicResponse {
                    $0.topic = MetadataStore.partition.topic
                    $0.topicId = .metadataTopic
                    $0.partitions = [PartitionData { $0.fill(answer, records, logStart) }]
                }
            ]
        }
    }
}

extension FetchResponse.PartitionData {
    fileprivate mutating func fill(_ answer: QuorumAnswer, _ field: RecordsField, _ start: Offset) {
        errorCode = answer.error?.code ?? .none
        highWatermark = -1
        logStartOffset = start.rawValue
        currentLeader.leaderId = answer.leader.rawValue
        currentLeader.leaderEpoch = answer.epoch.rawValue
        records = field
        switch answer.body {
        case .entries(_, let mark): highWatermark = mark.rawValue
        case .diverges(let other):
            divergingEpoch.epoch = other.epoch.rawValue
            divergingEpoch.endOffset = other.end.rawValue
        case .needsSnapshot(let id):
            snapshotId.epoch = id.epoch.rawValue
            snapshotId.endOffset = id.end.rawValue
        case .none, .vote, .snapshotPiece: break
        }
    }
}

extension FetchSnapshotResponse {
    /// The answer for a partition that has no snapshots.
    init(unknown topic: String, _ partition: Int32) {
        self.init {
            $0.topics = [
                TopicSnapshot {
                    $0.name = topic
                    $0.partitions = [
                        PartitionSnapshot {
                            $0.index = partition
                            $0.errorCode = .unknownTopicOrPartition
                        }
                    ]
                }
            ]
        }
    }

    init(_ answer: QuorumAnswer, _ bytes: RecordsField) {
        self.init {
            $0.topics = [
                TopicSnapshot {
                    $0.name = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionSnapshot {
                            $0.errorCode = answer.error?.code ?? .none
                            $0.currentLeader.leaderId = answer.leader.rawValue
                            $0.currentLeader.leaderEpoch = answer.epoch.rawValue
                            guard case .snapshotPiece(let id, let position, _, let size) = answer.body else { return }
                            $0.snapshotId.endOffset = id.end.rawValue
                            $0.snapshotId.epoch = id.epoch.rawValue
                            $0.position = Int64(position)
                            $0.size = Int64(size)
                            $0.unalignedRecords = bytes
                        }
                    ]
                }
            ]
        }
    }
}
