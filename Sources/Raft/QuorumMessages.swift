// What replicas of the quorum say to each other, without the wire: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and
// FetchSnapshot (KIP-595, KIP-630, KIP-996). Entries and pieces of snapshots travel beside these values.

package import Basics

/// A request of one replica to another.
package enum QuorumRequest: Hashable, Sendable {
    case vote(Vote)
    /// Tells `voter` who leads.
    case beginEpoch(LeaderEpoch, leader: NodeId, voter: ReplicaKey)
    /// The leader of the epoch gives up; the first of `successors` should stand for election next.
    case endEpoch(LeaderEpoch, leader: NodeId, successors: [ReplicaKey])
    case fetch(Fetch)
    case fetchSnapshot(FetchSnapshot)

    package struct Vote: Hashable, Sendable {
        package var epoch: LeaderEpoch
        package var candidate: ReplicaKey
        package var voter: ReplicaKey
        package var lastEpoch: LeaderEpoch
        package var end: Offset
        package var isPreVote: Bool

        package init(
            epoch: LeaderEpoch, candidate: ReplicaKey, voter: ReplicaKey, lastEpoch: LeaderEpoch, end: Offset,
            isPreVote: Bool
        ) {
            self.epoch = epoch
            self.candidate = candidate
            self.voter = voter
            self.lastEpoch = lastEpoch
            self.end = end
            self.isPreVote = isPreVote
        }

        /// A log holds nothing of an epoch that is still to be won.
        var isPlausible: Bool {
            epoch.rawValue < .max && end >= .zero && lastEpoch.rawValue >= 0 && (isPreVote ? lastEpoch <= epoch : lastEpoch < epoch)
        }
    }

    /// A fetch from `offset` says that everything below is durable at `replica`.
    package struct Fetch: Hashable, Sendable {
        package var epoch: LeaderEpoch
        package var replica: ReplicaKey
        package var offset: Offset
        package var lastEpoch: LeaderEpoch
        /// What the replica knows; the leader answers at once when it knows more (KIP-1166).
        package var highWatermark: Offset
        package var wait: Duration

        package init(
            epoch: LeaderEpoch, replica: ReplicaKey, offset: Offset, lastEpoch: LeaderEpoch, highWatermark: Offset,
            wait: Duration
        ) {
            self.epoch = epoch
            self.replica = replica
            self.offset = offset
            self.lastEpoch = lastEpoch
            self.highWatermark = highWatermark
            self.wait = wait
        }
    }

    package struct FetchSnapshot: Hashable, Sendable {
        package var epoch: LeaderEpoch
        package var replica: ReplicaKey
        package var snapshot: SnapshotId
        package var position: Int
        /// How many bytes the replica takes at a time.
        package var bytesMax: Int

        package init(
            epoch: LeaderEpoch, replica: ReplicaKey, snapshot: SnapshotId, position: Int, bytesMax: Int = .max
        ) {
            self.epoch = epoch
            self.replica = replica
            self.snapshot = snapshot
            self.position = position
            self.bytesMax = bytesMax
        }
    }
}

/// Why a request was refused.
package enum QuorumError: Hashable, Sendable {
    /// The sender's epoch is over.
    case fencedEpoch
    /// The receiver does not know the sender's epoch yet.
    case unknownEpoch
    case notLeader
    /// The request means another replica: this one lost its log, or never was the voter.
    case invalidVoterKey
    case invalidRequest
    case snapshotNotFound
    /// The snapshot does not reach so far.
    case positionOutOfRange
    /// Anything else; the request may be tried again.
    case other
}

/// An answer, with who leads as the answering replica knows it.
package struct QuorumAnswer: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        case none
        case vote(isGranted: Bool)
        /// The entries that come along, and what is committed.
        case entries([EntryBatch], highWatermark: Offset)
        case diverges(SnapshotId)
        case needsSnapshot(SnapshotId)
        /// The bytes that come along are of `snapshot`, which has `size` bytes.
        case snapshotPiece(SnapshotId, position: Int, count: Int, size: Int)
    }

    package var error: QuorumError?
    package var epoch: LeaderEpoch
    package var leader: NodeId
    package var body: Body

    package init(error: QuorumError? = nil, epoch: LeaderEpoch, leader: NodeId, body: Body = .none) {
        self.error = error
        self.epoch = epoch
        self.leader = leader
        self.body = body
    }
}
