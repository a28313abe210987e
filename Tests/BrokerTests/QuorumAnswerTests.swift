// What the leader of the quorum answers, field by field and refusal by refusal as Kafka's does (KIP-595, KIP-630, KIP-853).

import Basics
import Bytes
import Testing
import WireProtocol

@Suite struct QuorumAnswerTests {
    private static let settings = [
        "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0", "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "metadata.log.max.record.bytes.between.snapshots": "1",
    ]
    private static let metadata = "__cluster_metadata"
    private static let directory = Uuid(high: 7, low: 7)

    private static func describe(_ peer: Peer) throws -> DescribeQuorumResponse.PartitionData {
        let partition = DescribeQuorumRequest.PartitionData()
        let request = DescribeQuorumRequest {
            $0.topics = [
                DescribeQuorumRequest.TopicData {
                    $0.topicName = metadata
                    $0.partitions = [partition]
                }
            ]
        }
        return try peer.call(request, version: 2).topics[0].partitions[0]
    }

    /// Fetches as a replica that is no voter, and has all below `offset`.
    private static func fetch(
        _ peer: Peer, _ epoch: Int32, from offset: Int64, lastEpoch: Int32
    ) throws -> FetchResponse.PartitionData {
        let request = FetchRequest {
            $0.replicaState.replicaId = 9
            $0.maxBytes = 1 << 20
            $0.topics = [
                FetchRequest.FetchTopic {
                    $0.topicId = .metadataTopic
                    $0.partitions = [
                        FetchRequest.FetchPartition {
                            $0.currentLeaderEpoch = epoch
                            $0.fetchOffset = offset
                            $0.lastFetchedEpoch = lastEpoch
                            $0.partitionMaxBytes = 1 << 20
                            $0.replicaDirectoryId = directory
                        }
                    ]
                }
            ]
        }
        return try peer.call(request, version: 17).responses[0].partitions[0]
    }

    private static func piece(
        _ peer: Peer, _ epoch: Int32, of end: Int64, _ snapshotEpoch: Int32, at position: Int64, topic: String = metadata
    ) throws -> FetchSnapshotResponse.PartitionSnapshot {
        let request = FetchSnapshotRequest {
            $0.replicaId = 9
            $0.maxBytes = 10
            $0.topics = [
                FetchSnapshotRequest.TopicSnapshot {
                    $0.name = topic
                    $0.partitions = [
                        FetchSnapshotRequest.PartitionSnapshot {
                            $0.currentLeaderEpoch = epoch
                            $0.snapshotId.endOffset = end
                            $0.snapshotId.epoch = snapshotEpoch
                            $0.position = position
                        }
                    ]
                }
            ]
        }
        return try peer.call(request, version: 1).topics[0].partitions[0]
    }

    @Test func `a snapshot is given in pieces of the size that was asked for, and not beyond its end`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            let epoch = try Self.describe(peer).leaderEpoch
            var offered = try Self.fetch(peer, epoch, from: 0, lastEpoch: 0).snapshotId
            while offered.endOffset < 0 { offered = try Self.fetch(peer, epoch, from: 0, lastEpoch: 0).snapshotId }
            let first = try Self.piece(peer, epoch, of: offered.endOffset, offered.epoch, at: 0)
            #expect(first.errorCode == .none && first.unalignedRecords.slice?.count == 10 && first.size > 10)
            #expect(first.currentLeader.leaderEpoch == epoch && first.currentLeader.leaderId == 1)
            for position in [-1, first.size] {
                let beyond = try Self.piece(peer, epoch, of: offered.endOffset, offered.epoch, at: position)
                #expect(beyond.errorCode == .positionOutOfRange)
            }
            #expect(try Self.piece(peer, epoch, of: 1 << 40, 1, at: 0).errorCode == .snapshotNotFound)
            #expect(try Self.piece(peer, epoch, of: 0, 0, at: 0).errorCode == .snapshotNotFound, "what formatting wrote is none")
            #expect(try Self.piece(peer, epoch, of: 1, 1, at: 0, topic: "t").errorCode == .unknownTopicOrPartition)
            #expect(try Self.piece(peer, epoch - 1, of: 1, 1, at: 0).errorCode == .fencedLeaderEpoch)
            #expect(try Self.piece(peer, epoch + 1, of: 1, 1, at: 0).errorCode == .unknownLeaderEpoch)
        }
    }

    @Test func `an update of a voter is answered with the leader, and refused for levels that are not the quorum's`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            let quorum = try Self.describe(peer)
            func update(_ epoch: Int32, levels: ClosedRange<Int16> = 0...1) throws -> UpdateRaftVoterResponse {
                let request = UpdateRaftVoterRequest {
                    $0.clusterId = nil
                    $0.currentLeaderEpoch = epoch
                    $0.voterId = 1
                    $0.voterDirectoryId = quorum.currentVoters[0].replicaDirectoryId
                    $0.kRaftVersionFeature.minSupportedVersion = levels.lowerBound
                    $0.kRaftVersionFeature.maxSupportedVersion = levels.upperBound
                    $0.listeners = [
                        UpdateRaftVoterRequest.Listener {
                            $0.name = "CONTROLLER"
                            $0.host = "127.0.0.1"
                            $0.port = broker.port
                        }
                    ]
                }
                return try peer.call(request, version: 0)
            }
            let (old, new) = (try update(quorum.leaderEpoch - 1), try update(quorum.leaderEpoch + 1))
            #expect(old.errorCode == .fencedLeaderEpoch && new.errorCode == .unknownLeaderEpoch)
            #expect(try update(quorum.leaderEpoch, levels: 0...0).errorCode == .invalidRequest)
            let done = try update(quorum.leaderEpoch)
            #expect(done.errorCode == .none)
            for answer in [old, new, done] {
                #expect(answer.currentLeader.leaderId == 1 && answer.currentLeader.leaderEpoch == quorum.leaderEpoch)
            }
        }
    }

    @Test func `a voter is added only if it answers where it says that it is`() throws {
        try withFolder { folder in
            let broker = try TestBroker(folder: folder, Self.settings)
            defer { broker.kill() }
            let peer = try Peer(port: broker.port)
            func add(_ port: UInt16) throws -> ErrorCode {
                // A voter must have all that the leader has.
                var quorum = try Self.describe(peer)
                repeat {
                    quorum = try Self.describe(peer)
                    _ = try Self.fetch(peer, quorum.leaderEpoch, from: quorum.highWatermark, lastEpoch: quorum.leaderEpoch)
                } while try Self.describe(peer).observers.contains { $0.replicaId == 9 && $0.lastCaughtUpTimestamp < 0 }
                let request = AddRaftVoterRequest {
                    $0.clusterId = nil
                    $0.voterId = 9
                    $0.voterDirectoryId = Self.directory
                    $0.timeoutMs = 5000
                    $0.ackWhenCommitted = false
                    $0.listeners = [
                        AddRaftVoterRequest.Listener {
                            $0.name = "CONTROLLER"
                            $0.host = "127.0.0.1"
                            $0.port = port
                        }
                    ]
                }
                return try peer.call(request, version: 1).errorCode
            }
            #expect(try add(1) == .requestTimedOut)
            #expect(try add(broker.port) == .none)
        }
    }
}
