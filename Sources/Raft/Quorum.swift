// The metadata quorum's decisions (KIP-595): who leads, in which epoch, and how far the log is committed.
//
// Entries are opaque here. What must be durable first is held back inside: an election is told only after the quorum
// state was persisted, a commit only after the entries were.

package import Basics

/// What a voter must not forget, kept in the file `quorum-state`.
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
}

/// A voter: the id of its node and of the folder that holds its log (KIP-853).
package struct VoterKey: Hashable, Sendable {
    package var id: NodeId
    package var directory: Uuid

    package init(id: NodeId, directory: Uuid) {
        self.id = id
        self.directory = directory
    }
}

/// One replica of the quorum, stepped with inputs; answers with effects.
package struct Quorum: Sendable {
    package enum Effect: Hashable, Sendable {
        /// Make the state durable, then call `statePersisted`.
        case persist(QuorumState)
        /// This replica leads; append a leader change record as the first of the epoch.
        case lead(LeaderEpoch)
        /// Everything below the offset is committed.
        case commit(Offset)
    }

    package let local: VoterKey
    package private(set) var voters: [VoterKey]
    package private(set) var state: QuorumState
    /// Everything below is committed.
    package private(set) var highWatermark: Offset = .zero
    private var isLeader = false
    private var epochStart: Offset = .zero
    private var logEnd: Offset
    private var persistedEnd: Offset

    /// A replica as it was left. `logEnd` is durable.
    package init(local: VoterKey, voters: [VoterKey], state: QuorumState, logEnd: Offset) {
        self.local = local
        self.voters = voters
        self.state = state
        self.logEnd = logEnd
        persistedEnd = logEnd
    }

    /// Whether this replica alone is a majority.
    package var isAlone: Bool { voters == [local] }

    /// Stands for election. Alone among the voters, the own vote is enough.
    package mutating func campaign() -> [Effect] {
        precondition(isAlone, "an election among several voters needs their votes")
        state = QuorumState(
            epoch: LeaderEpoch(state.epoch.rawValue + 1), leader: local.id, votedFor: .none)
        return [.persist(state)]
    }

    /// The last state that was handed out is durable.
    package mutating func statePersisted() -> [Effect] {
        guard state.leader == local.id, !isLeader else { return [] }
        isLeader = true
        epochStart = logEnd
        return [.lead(state.epoch)]
    }

    /// The local log ends at `end`, not yet durably.
    package mutating func appended(to end: Offset) {
        precondition(isLeader && end >= logEnd, "only a leader appends, and logs do not shrink under it")
        logEnd = end
    }

    /// The local log is durable below `end`. A leader commits only entries of its own epoch, and with them all before.
    package mutating func persisted(upTo end: Offset) -> [Effect] {
        persistedEnd = max(persistedEnd, min(end, logEnd))
        guard isLeader, isAlone, persistedEnd > epochStart, persistedEnd > highWatermark else { return [] }
        highWatermark = persistedEnd
        return [.commit(highWatermark)]
    }
}
