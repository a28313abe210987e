// What names a replica of the metadata quorum, and what it must not forget.
//
// A node that lost its log is not the voter that it was: a replica is named by its node and by the folder that holds its
// log (KIP-853). The state is kept in the file `quorum-state`; nothing leaves `Quorum` that rests on one that is not durable.

package import Basics

/// A replica of the quorum: its node, and the folder that holds its log; zero where the folder is not known.
package struct ReplicaKey: Hashable, Comparable, Sendable {
    package var id: NodeId
    package var directory: Uuid

    package init(id: NodeId, directory: Uuid = .zero) {
        self.id = id
        self.directory = directory
    }

    /// Whether a request that names `self` means the replica `other`: the folder counts where both know it.
    package func means(_ other: ReplicaKey) -> Bool {
        id == other.id && (directory == .zero || other.directory == .zero || directory == other.directory)
    }

    package static func < (left: ReplicaKey, right: ReplicaKey) -> Bool {
        (left.id, left.directory) < (right.id, right.directory)
    }
}

/// What a replica must not forget: the epoch, who leads in it, and whom it voted for.
package struct QuorumState: Hashable, Sendable {
    package var epoch: LeaderEpoch
    package var leader: NodeId
    package var votedFor: NodeId
    package var votedDirectory: Uuid

    package init(
        epoch: LeaderEpoch = LeaderEpoch(0), leader: NodeId = .none, votedFor: NodeId = .none,
        votedDirectory: Uuid = .zero
    ) {
        self.epoch = epoch
        self.leader = leader
        self.votedFor = votedFor
        self.votedDirectory = votedDirectory
    }

    /// The candidate that got the vote of the epoch.
    package var vote: ReplicaKey? {
        votedFor == .none ? nil : ReplicaKey(id: votedFor, directory: votedDirectory)
    }
}

/// The times of the quorum; `controller.quorum.*` of the configuration.
package struct QuorumSettings: Sendable {
    package var electionTimeout: Duration = .seconds(1)
    package var electionBackoffMax: Duration = .seconds(1)
    package var fetchTimeout: Duration = .seconds(2)
    package var retryBackoff: Duration = .milliseconds(20)
    /// How long the leader may keep a fetch that has nothing to bring.
    package var fetchWait: Duration = .milliseconds(500)
    /// Addresses at which a replica asks for the leader, besides those of the voters.
    package var bootstrapCount = 0

    package init() {}

    /// A leader that no majority fetched from for so long resigns: one and a half of their patience.
    var checkQuorumTimeout: Duration { fetchTimeout * 3 / 2 }
    /// A voter that did not fetch for so long is told again who leads.
    var beginEpochInterval: Duration { fetchTimeout / 2 }
}
