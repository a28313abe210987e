// The quorum's messages on the wire: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot of the one partition
// of the metadata log, and the voters as a control record.

internal import Basics
internal import Bytes
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// What travels beside an answer: batches of the log, or a piece of a snapshot.
enum QuorumPayload {
    case none
    case batches([RecordBatch])
    case piece(ByteSlice)
}

/// Who speaks, as its messages say.
struct QuorumSpeaker: Sendable {
    var clusterId: String
    var endpoints: [Voter.Endpoint]
    var fetchBytesMax: Int
    var snapshotBytesMax: Int
}

extension QuorumError {
    static let codes: [(error: QuorumError, code: ErrorCode)] = [
        (.fencedEpoch, .fencedLeaderEpoch), (.unknownEpoch, .unknownLeaderEpoch), (.notLeader, .notLeaderOrFollower),
        (.invalidVoterKey, .invalidVoterKey), (.invalidRequest, .invalidRequest),
        (.snapshotNotFound, .snapshotNotFound), (.positionOutOfRange, .positionOutOfRange), (.other, .unknownServerError),
    ]

    var code: ErrorCode { QuorumError.codes.first { $0.error == self }?.code ?? .unknownServerError }

    init?(_ code: ErrorCode) {
        guard code.isError else { return nil }
        self = QuorumError.codes.first { $0.code == code }?.error ?? .other
    }
}

// MARK: Requests

extension VoteRequest {
    init(_ vote: QuorumRequest.Vote, _ speaker: QuorumSpeaker) {
        self.init {
            $0.clusterId = speaker.clusterId
            $0.voterId = vote.voter.id.rawValue
            $0.topics = [
                TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionData {
                            $0.replicaEpoch = vote.epoch.rawValue
                            $0.replicaId = vote.candidate.id.rawValue
                            $0.replicaDirectoryId = vote.candidate.directory
                            $0.voterDirectoryId = vote.voter.directory
                            $0.lastOffsetEpoch = vote.lastEpoch.rawValue
                            $0.lastOffset = vote.end.rawValue
                            $0.preVote = vote.isPreVote
                        }
                    ]
                }
            ]
        }
    }

    /// Nil if it is not about the metadata log. `local`: who is meant where older versions do not say.
    func decoded(for local: ReplicaKey) -> QuorumRequest? {
        guard let data = topics.first?.partitions.first, topics[0].topicName == MetadataStore.partition.topic else { return nil }
        return .vote(
            QuorumRequest.Vote(
                epoch: LeaderEpoch(data.replicaEpoch),
                candidate: ReplicaKey(id: NodeId(data.replicaId), directory: data.replicaDirectoryId),
                voter: ReplicaKey(id: voterId < 0 ? local.id : NodeId(voterId), directory: data.voterDirectoryId),
                lastEpoch: LeaderEpoch(data.lastOffsetEpoch), end: Offset(data.lastOffset), isPreVote: data.preVote))
    }
}

extension BeginQuorumEpochRequest {
    init(_ epoch: LeaderEpoch, leader: NodeId, voter: ReplicaKey, _ speaker: QuorumSpeaker) {
        self.init {
            $0.clusterId = speaker.clusterId
            $0.voterId = voter.id.rawValue
            $0.topics = [
                TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionData {
                            $0.voterDirectoryId = voter.directory
                            $0.leaderId = leader.rawValue
                            $0.leaderEpoch = epoch.rawValue
                        }
                    ]
                }
            ]
            $0.leaderEndpoints = speaker.endpoints.map { endpoint in
                LeaderEndpoint {
                    $0.name = endpoint.name
                    $0.host = endpoint.host
                    $0.port = endpoint.port
                }
            }
        }
    }

    func decoded(for local: ReplicaKey) -> QuorumRequest? {
        guard let data = topics.first?.partitions.first, topics[0].topicName == MetadataStore.partition.topic else { return nil }
        let voter = ReplicaKey(id: voterId < 0 ? local.id : NodeId(voterId), directory: data.voterDirectoryId)
        return .beginEpoch(LeaderEpoch(data.leaderEpoch), leader: NodeId(data.leaderId), voter: voter)
    }
}

extension EndQuorumEpochRequest {
    init(_ epoch: LeaderEpoch, leader: NodeId, successors: [ReplicaKey], _ speaker: QuorumSpeaker) {
        self.init {
            $0.clusterId = speaker.clusterId
            $0.topics = [
                TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionData {
                            $0.leaderId = leader.rawValue
                            $0.leaderEpoch = epoch.rawValue
                            $0.preferredSuccessors = successors.map(\.id.rawValue)
                            $0.preferredCandidates = successors.map { key in
                                ReplicaInfo {
                                    $0.candidateId = key.id.rawValue
                                    $0.candidateDirectoryId = key.directory
                                }
                            }
                        }
                    ]
                }
            ]
            $0.leaderEndpoints = speaker.endpoints.map { endpoint in
                LeaderEndpoint {
                    $0.name = endpoint.name
                    $0.host = endpoint.host
                    $0.port = endpoint.port
                }
            }
        }
    }

    func decoded() -> QuorumRequest? {
        guard let data = topics.first?.partitions.first, topics[0].topicName == MetadataStore.partition.topic else { return nil }
        let successors =
            data.preferredCandidates.isEmpty
            ? data.preferredSuccessors.map { ReplicaKey(id: NodeId($0)) }
            : data.preferredCandidates.map { ReplicaKey(id: NodeId($0.candidateId), directory: $0.candidateDirectoryId) }
        return .endEpoch(LeaderEpoch(data.leaderEpoch), leader: NodeId(data.leaderId), successors: successors)
    }
}

extension FetchRequest {
    init(_ fetch: QuorumRequest.Fetch, _ speaker: QuorumSpeaker) {
        self.init {
            $0.clusterId = speaker.clusterId
            $0.replicaId = fetch.replica.id.rawValue
            $0.replicaState.replicaId = fetch.replica.id.rawValue
            $0.maxWaitMs = Int32(clamping: fetch.wait.wholeMilliseconds)
            $0.maxBytes = Int32(clamping: speaker.fetchBytesMax)
            $0.sessionEpoch = -1
            $0.topics = [
                FetchTopic {
                    $0.topic = MetadataStore.partition.topic
                    $0.topicId = .metadataTopic
                    $0.partitions = [
                        FetchPartition {
                            $0.currentLeaderEpoch = fetch.epoch.rawValue
                            $0.fetchOffset = fetch.offset.rawValue
                            $0.lastFetchedEpoch = fetch.lastEpoch.rawValue
                            $0.partitionMaxBytes = Int32(clamping: speaker.fetchBytesMax)
                            $0.replicaDirectoryId = fetch.replica.directory
                            $0.highWatermark = fetch.highWatermark.rawValue
                        }
                    ]
                }
            ]
        }
    }

    func decoded(version: Int16) -> QuorumRequest? {
        guard let topic = topics.first, let data = topic.partitions.first, maxWaitMs >= 0,
            version >= 13 ? topic.topicId == .metadataTopic : topic.topic == MetadataStore.partition.topic
        else { return nil }
        let id = NodeId(version >= 15 ? replicaState.replicaId : replicaId)
        return .fetch(
            QuorumRequest.Fetch(
                epoch: LeaderEpoch(data.currentLeaderEpoch),
                replica: ReplicaKey(id: id, directory: data.replicaDirectoryId), offset: Offset(data.fetchOffset),
                lastEpoch: LeaderEpoch(data.lastFetchedEpoch), highWatermark: Offset(data.highWatermark),
                wait: .milliseconds(maxWaitMs)))
    }
}

extension FetchSnapshotRequest {
    init(_ fetch: QuorumRequest.FetchSnapshot, _ speaker: QuorumSpeaker) {
        self.init {
            $0.clusterId = speaker.clusterId
            $0.replicaId = fetch.replica.id.rawValue
            $0.maxBytes = Int32(clamping: speaker.snapshotBytesMax)
            $0.topics = [
                TopicSnapshot {
                    $0.name = MetadataStore.partition.topic
                    $0.partitions = [
                        PartitionSnapshot {
                            $0.currentLeaderEpoch = fetch.epoch.rawValue
                            $0.snapshotId.endOffset = fetch.snapshot.end.rawValue
                            $0.snapshotId.epoch = fetch.snapshot.epoch.rawValue
                            $0.position = Int64(fetch.position)
                            $0.replicaDirectoryId = fetch.replica.directory
                        }
                    ]
                }
            ]
        }
    }

    func decoded() -> QuorumRequest? {
        guard let data = topics.first?.partitions.first else { return nil }
        let id = Raft.SnapshotId(end: Offset(data.snapshotId.endOffset), epoch: LeaderEpoch(data.snapshotId.epoch))
        return .fetchSnapshot(
            QuorumRequest.FetchSnapshot(
                epoch: LeaderEpoch(data.currentLeaderEpoch),
                replica: ReplicaKey(id: NodeId(replicaId), directory: data.replicaDirectoryId), snapshot: id,
                position: Int(data.position), bytesMax: Int(maxBytes)))
    }
}

// MARK: Voters

extension VoterSet {
    init(_ record: VotersRecord) {
        self.init(
            record.voters.map { voter in
                let (low, high) = (voter.kRaftVersionFeature.minSupportedVersion, voter.kRaftVersionFeature.maxSupportedVersion)
                return Voter(
                    key: ReplicaKey(id: NodeId(voter.voterId), directory: voter.voterDirectoryId),
                    endpoints: voter.endpoints.map { Voter.Endpoint(name: $0.name, host: $0.host, port: $0.port) },
                    versions: low...max(low, high))
            })
    }

    var record: VotersRecord {
        VotersRecord {
            $0.voters = voters.map { voter in
                VotersRecord.Voter {
                    $0.voterId = voter.key.id.rawValue
                    $0.voterDirectoryId = voter.key.directory
                    $0.endpoints = voter.endpoints.map { endpoint in
                        VotersRecord.Endpoint {
                            $0.name = endpoint.name
                            $0.host = endpoint.host
                            $0.port = endpoint.port
                        }
                    }
                    $0.kRaftVersionFeature.minSupportedVersion = voter.versions.lowerBound
                    $0.kRaftVersionFeature.maxSupportedVersion = voter.versions.upperBound
                }
            }
        }
    }
}
