// How a leader changes its in-sync set: it proposes, the controller decides and writes it down, the answer or the image
// tells what was decided, whichever comes first (KIP-497).
//
// One proposal is under way at a time. What became of it is told by the partition epoch, which rises with every change
// of the partition: what carries an older or the same one is no news.

package import Basics

/// A change of the in-sync set, as the controller is asked for it. Asked again, it is asked for in the very same words.
package struct InSyncProposal: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package var id: NodeId
        /// The registration under which it is in sync; -1 where it is not known (KIP-903).
        package var brokerEpoch: Int64
    }

    package let leaderEpoch: LeaderEpoch
    /// The partition epoch that the change is made to.
    package let partitionEpoch: Int32
    package let members: [Member]
}

/// What the controller made of a proposal.
package enum InSyncAnswer: Hashable, Sendable {
    /// The partition is so now.
    case decided(InSyncDecision)
    /// Nothing was changed, and nothing will be; another proposal may be made.
    case refused
    /// The leader knows less than the controller: the image will tell.
    case outdated
    /// No answer came, or one that says to ask again.
    case unknown
}

/// A partition as the controller decided.
package struct InSyncDecision: Hashable, Sendable {
    package var leader: NodeId
    package var leaderEpoch: LeaderEpoch
    package var partitionEpoch: Int32
    package var inSync: [NodeId]
    package var isRecovering: Bool

    package init(
        leader: NodeId, leaderEpoch: LeaderEpoch, partitionEpoch: Int32, inSync: [NodeId], isRecovering: Bool
    ) {
        self.leader = leader
        self.leaderEpoch = leaderEpoch
        self.partitionEpoch = partitionEpoch
        self.inSync = inSync
        self.isRecovering = isRecovering
    }
}

/// What is to be done after an answer.
package enum InSyncStep: Hashable, Sendable {
    case done
    /// The same proposal is to be sent again.
    case again(InSyncProposal)
}

extension PartitionLeader {
    /// Whether a follower has all that it takes to be in sync: the high watermark, and the start of this epoch, below
    /// which its log may still differ (KIP-320); and a broker that the cluster lets in (KIP-841, KIP-903).
    func mayJoin(_ follower: FollowerProgress) -> Bool {
        !isMaximal(follower.id) && hasEnough(follower)
    }

    private func hasEnough(_ follower: FollowerProgress) -> Bool {
        guard follower.isEligible, let end = follower.end else { return false }
        return end >= highWatermark && end >= epochStart
    }

    /// The change that is due now, if none is under way: those who lag leave, else those who may join do.
    /// `eligible`: the registrations of brokers that may be in sync.
    package mutating func proposal(
        logEnd: Offset, at now: Instant, lagMax: Duration, eligible: [NodeId: Int64]
    ) -> InSyncProposal? {
        for index in followers.indices {
            let registered = eligible[followers[index].id]
            let known = followers[index].brokerEpoch
            followers[index].isEligible = registered != nil && (known < 0 || known == registered)
            look(at: index, logEnd: logEnd, now: now, lagMax: lagMax)
        }
        defer { advance() }
        guard pending == nil else { return nil }
        let lagging = followers.filter { !$0.isCaughtUp(leaderEnd: logEnd, at: now, lagMax: lagMax) }.map(\.id)
        // No request from so long ago can still be on its way to the controller.
        proposed.removeAll { lagging.contains($0) }
        let members = inSync.filter { !lagging.contains($0) }
        if members != inSync { return propose(members, eligible) }
        return join(eligible)
    }

    /// The addition that is due now.
    package mutating func join(_ eligible: [NodeId: Int64]) -> InSyncProposal? {
        guard pending == nil else { return nil }
        let joining = followers.filter { mayJoin($0) || (proposed.contains($0.id) && hasEnough($0)) }.map(\.id)
        guard !joining.isEmpty || isRecovering else { return nil }
        return propose(inSync + joining, eligible)
    }

    private mutating func propose(_ members: [NodeId], _ eligible: [NodeId: Int64]) -> InSyncProposal {
        for id in members where !isMaximal(id) { proposed.append(id) }
        for index in followers.indices where isMaximal(followers[index].id) { followers[index].isJoining = false }
        let proposal = InSyncProposal(
            leaderEpoch: epoch, partitionEpoch: partitionEpoch,
            members: members.map { id in
                let known = id == localId ? eligible[id] : follower(id)?.brokerEpoch
                return InSyncProposal.Member(id: id, brokerEpoch: known ?? -1)
            })
        pending = proposal
        return proposal
    }

    /// Takes the controller's answer to `proposal`.
    package mutating func answered(_ proposal: InSyncProposal, _ answer: InSyncAnswer) -> InSyncStep {
        // The image has told already, or the answer is to something older.
        guard pending == proposal else { return .done }
        switch answer {
        case .decided(let decision):
            guard decision.leader == localId, decision.leaderEpoch == epoch else { return .done }
            settle()
            if decision.partitionEpoch > partitionEpoch {
                let gone = Set(inSync + leaving).subtracting(decision.inSync).sorted()
                take(decision.partitionEpoch, decision.inSync, decision.isRecovering)
                leaving = gone
            }
            advance()
            return .done
        case .refused:
            settle()
            advance()
            return .done
        case .outdated: return .done
        case .unknown:
            isAmbiguous = true
            return .again(proposal)
        }
    }

    /// Takes what the image says, in this leader epoch; what is older is left aside.
    package mutating func follow(_ state: LeaderState, at now: Instant) {
        if state.partitionEpoch >= partitionEpoch { leaving = [] }
        guard state.partitionEpoch > partitionEpoch else { return advance() }
        pending = nil
        for id in state.replicas.sorted() where id != localId && follower(id) == nil {
            followers.append(FollowerProgress(id, isInSync: state.inSync.contains(id), at: now))
        }
        followers.removeAll { !state.replicas.contains($0.id) }
        take(state.partitionEpoch, state.inSync, state.isRecovering)
        advance()
    }

    /// The proposal is answered. What was lost on the way may still reach the controller.
    private mutating func settle() {
        pending = nil
        if !isAmbiguous { proposed = [] }
    }

    /// A new partition epoch makes void whatever was proposed in an older one.
    private mutating func take(_ partitionEpoch: Int32, _ inSync: [NodeId], _ isRecovering: Bool) {
        self.partitionEpoch = partitionEpoch
        self.inSync = inSync
        self.isRecovering = isRecovering
        proposed = []
        isAmbiguous = false
    }
}

extension PartitionLeader {
    /// In-sync followers that hold the record at `offset` or end there, those that hold most first (KIP-392).
    package func followersHolding(_ offset: Offset) -> [NodeId] {
        followers.filter { follower in
            guard inSync.contains(follower.id), let end = follower.end else { return false }
            return follower.start <= offset && offset <= end
        }.sorted { ($1.end ?? .none, $0.id) < ($0.end ?? .none, $1.id) }.map(\.id)
    }
}
