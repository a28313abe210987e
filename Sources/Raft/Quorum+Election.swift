// Elections (KIP-595, KIP-996): a voter that misses its leader asks first whether it could win, and raises the epoch only if
// it could. So one that was cut off does not depose a leader when it comes back.

package import Basics

extension Quorum {
    // MARK: Roles

    /// Takes part in `epoch`, whose leader is not known. A voter that was waiting goes on to wait.
    mutating func becomeUnattached(_ epoch: LeaderEpoch, _ now: Instant) {
        precondition(epoch > state.epoch, "epochs rise")
        let keepsWaiting = role == .unattached || role == .prospective || (role == .candidate && !isBackingOff)
        leave()
        role = .unattached
        if !keepsWaiting { patience = now + electionTimeout() }
        change { $0 = QuorumState(epoch: epoch) }
    }

    /// Follows `leader` in `epoch`.
    mutating func becomeFollower(of leader: NodeId, in epoch: LeaderEpoch, _ now: Instant) {
        leave()
        role = .follower
        failedElections = 0
        hasFetchedFromLeader = false
        patience = now + settings.fetchTimeout
        change { state in
            if epoch > state.epoch { state = QuorumState(epoch: epoch) }
            state.leader = leader
        }
    }

    mutating func becomeProspective(_ now: Instant) {
        leave()
        role = .prospective
        patience = now + electionTimeout()
        voteForSelf()
    }

    /// A voter of the same id with another folder is not this replica.
    private mutating func voteForSelf() { if isVoter { votes = [local.id: true] } }

    private mutating func becomeCandidate(_ now: Instant) {
        leave()
        role = .candidate
        isBackingOff = false
        patience = now + electionTimeout()
        voteForSelf()
        let own = local
        change {
            $0 = QuorumState(
                epoch: LeaderEpoch($0.epoch.rawValue + 1), votedFor: own.id, votedDirectory: own.directory)
        }
    }

    /// Puts down what belongs to a role.
    mutating func leave() {
        if isLeader { leaveLeadership() }
        forgetFlights()
        votes = [:]
        successors = []
        isBackingOff = false
    }

    /// What a message says of epoch and leader. False if it cannot be.
    mutating func learn(_ epoch: LeaderEpoch, leader: NodeId, _ now: Instant) -> Bool {
        // There would be no epoch behind it to stand for election in.
        guard epoch.rawValue < .max else { return false }
        if leader == local.id { return epoch <= state.epoch }
        if epoch == state.epoch, leader != .none, state.leader != .none, leader != state.leader { return false }
        if leader != .none, epoch > state.epoch || (epoch == state.epoch && state.leader == .none) {
            becomeFollower(of: leader, in: epoch, now)
        } else if epoch > state.epoch {
            becomeUnattached(epoch, now)
        }
        return true
    }

    // MARK: Steps

    mutating func stepUnattached(_ now: Instant) -> Bool {
        if isCandidateToBe, now >= patience {
            becomeProspective(now)
            return true
        }
        askAnyone(now)
        return false
    }

    mutating func stepElection(_ now: Instant) -> Bool {
        guard isCandidateToBe else {
            endElection(now)
            return true
        }
        if isBackingOff {
            guard now >= patience else { return false }
            becomeProspective(now)
            return true
        }
        let granted = voters.voters.count { votes[$0.key.id] == true }
        let refused = voters.voters.count { votes[$0.key.id] == false }
        if voters.isMajority(granted) {
            if role == .prospective { becomeCandidate(now) } else { becomeLeader(now) }
            return true
        }
        // With so many refusals the rest is no majority any more.
        if now >= patience || !voters.isMajority(voters.voters.count - refused) {
            if role == .prospective { endElection(now) } else { backOff(now) }
            return true
        }
        for voter in voters.voters where votes[voter.key.id] == nil && mayAsk(voter.key.id) {
            send(
                .vote(
                    QuorumRequest.Vote(
                        epoch: state.epoch, candidate: local, voter: voter.key, lastEpoch: log.lastEpoch, end: log.end,
                        isPreVote: role == .prospective)), to: voter.key.id)
        }
        return false
    }

    /// The peer knows no such request. A voter that cannot be asked beforehand whether it would vote is asked for its vote
    /// (KIP-996).
    package mutating func unsupported(_ id: UInt64, now: Instant) -> [Effect] {
        let isQuestion = flights.contains { flight in
            guard flight.id == id, case .vote(let vote) = flight.request else { return false }
            return vote.isPreVote
        }
        guard isQuestion, role == .prospective, isCandidateToBe else { return failed(id, now: now) }
        becomeCandidate(now)
        return advance(now)
    }

    /// A prospective candidate that cannot win goes back to where it came from.
    private mutating func endElection(_ now: Instant) {
        if state.leader != .none {
            becomeFollower(of: state.leader, in: state.epoch, now)
        } else {
            leave()
            role = .unattached
            patience = now + electionTimeout()
        }
    }

    /// A candidate that lost waits, longer each time, so that one of several comes first.
    private mutating func backOff(_ now: Instant) {
        failedElections += 1
        isBackingOff = true
        forgetFlights()
        let most = settings.electionBackoffMax.wholeNanoseconds
        let base = min(settings.retryBackoff.wholeNanoseconds << min(failedElections, 16), most)
        patience = now + .nanoseconds(Int64.random(in: 0...max(base, 1), using: &random))
    }

    /// A leader that gave up tells the voters, and is silent for an election timeout. It cannot follow in an epoch in which
    /// it led.
    mutating func stepResigned(_ now: Instant) -> Bool {
        if now >= patience {
            becomeUnattached(LeaderEpoch(state.epoch.rawValue + 1), now)
            if voters.voters.count == 1 { patience = now }
            return true
        }
        for voter in voters.voters where voter.key.id != local.id && votes[voter.key.id] != true {
            guard mayAsk(voter.key.id) else { continue }
            send(.endEpoch(state.epoch, leader: local.id, successors: successors), to: voter.key.id)
        }
        return false
    }

    /// A leader that gave up has told all voters that can be reached, and those that can have heard it.
    package var hasToldAll: Bool {
        role != .resigned || voters.voters.allSatisfy { $0.key.id == local.id || votes[$0.key.id] != nil }
    }

    // MARK: Messages

    /// A request came; `token` names it in the effect that answers.
    package mutating func receive(_ request: QuorumRequest, token: UInt64, now: Instant) -> [Effect] {
        switch request {
        case .vote(let vote): receive(vote, token, now)
        case .beginEpoch(let epoch, let leader, let voter):
            receiveTurn(epoch, leader, voter, token, now) { quorum in
                if quorum.role == .follower { quorum.patience = now + quorum.settings.fetchTimeout }
            }
        case .endEpoch(let epoch, let leader, let successors):
            receiveTurn(epoch, leader, local, token, now) { quorum in
                guard quorum.role == .follower, quorum.state.leader == leader else { return }
                quorum.patience = now + quorum.succession(among: successors)
            }
        case .fetch(let fetch): receive(fetch, token, now)
        case .fetchSnapshot(let fetch): receive(fetch, token, now)
        }
        return advance(now)
    }

    func answer(_ error: QuorumError? = nil, _ body: QuorumAnswer.Body = .none) -> QuorumAnswer {
        QuorumAnswer(error: error, epoch: state.epoch, leader: leader ?? .none, body: body)
    }

    private mutating func receive(_ vote: QuorumRequest.Vote, _ token: UInt64, _ now: Instant) {
        var error: QuorumError?
        var isGranted = false
        if vote.epoch < state.epoch {
            error = .fencedEpoch
        } else if vote.candidate.id.rawValue < 0 || vote.candidate.id == local.id || !vote.isPlausible {
            error = .invalidRequest
        } else {
            if vote.epoch > state.epoch { becomeUnattached(vote.epoch, now) }
            if vote.voter.means(local) {
                let isUpToDate = (vote.lastEpoch, vote.end) >= (log.lastEpoch, log.end)
                isGranted = grants(vote, isUpToDate)
                if isGranted, !vote.isPreVote, state.vote == nil {
                    change { $0.votedFor = vote.candidate.id; $0.votedDirectory = vote.candidate.directory }
                    patience = now + electionTimeout()
                }
            } else {
                error = .invalidVoterKey
            }
        }
        emit(.answer(answer(error, .vote(isGranted: isGranted)), token: token))
    }

    /// One vote in an epoch, for a log that has all that this one has. The question whether one would vote binds to nothing;
    /// who hears a leader says no.
    private func grants(_ vote: QuorumRequest.Vote, _ isUpToDate: Bool) -> Bool {
        if vote.isPreVote {
            return isUpToDate && !isLeader && !(role == .follower && hasFetchedFromLeader)
        }
        if let given = state.vote { return given.means(vote.candidate) }
        switch role {
        case .unattached, .prospective: return isUpToDate && state.leader == .none
        case .candidate, .leader, .follower, .resigned: return false
        }
    }

    private mutating func receiveTurn(
        _ epoch: LeaderEpoch, _ leader: NodeId, _ voter: ReplicaKey, _ token: UInt64, _ now: Instant,
        _ then: (inout Quorum) -> Void
    ) {
        var error: QuorumError?
        if epoch < state.epoch {
            error = .fencedEpoch
        } else if leader.rawValue < 0 || leader == local.id || !learn(epoch, leader: leader, now) {
            error = .invalidRequest
        } else if !voter.means(local) {
            error = .invalidVoterKey
        } else {
            then(&self)
        }
        emit(.answer(answer(error), token: token))
    }

    /// How long to wait before standing for election when the leader gave up: the best successor does so at once.
    private func succession(among successors: [ReplicaKey]) -> Duration {
        guard let position = successors.firstIndex(where: { $0.means(local) }), position > 0 else { return .zero }
        let most = settings.electionBackoffMax.wholeNanoseconds
        return .nanoseconds(min(most, (most >> Int64(min(successors.count - 1, 62))) << Int64(min(position - 1, 20))))
    }

    /// An answer came to the request `id`.
    package mutating func receive(_ answer: QuorumAnswer, to id: UInt64, now: Instant) -> [Effect] {
        let index = flights.firstIndex { $0.id == id }
        let flight = index.map { flights.remove(at: $0) }
        let before = state
        guard answer.epoch >= state.epoch, learn(answer.epoch, leader: answer.leader, now) else {
            if let flight { pauses[flight.peer] = now + settings.retryBackoff }
            return advance(now)
        }
        // What was asked in another role or epoch is answered by what was just learnt.
        guard let flight, state == before else { return advance(now) }
        switch (flight.request, answer.body) {
        case (.vote(let vote), .vote(let isGranted)):
            guard vote.epoch == state.epoch, role == (vote.isPreVote ? .prospective : .candidate) else { break }
            // Who cannot judge has not refused: it is asked again.
            if answer.error == nil { votes[flight.peer] = isGranted } else { pauses[flight.peer] = now + settings.retryBackoff }
        case (.endEpoch, _): votes[flight.peer] = true
        case (.beginEpoch, _):
            if answer.error != nil { pauses[flight.peer] = now + settings.retryBackoff }
        case (.fetch(let fetch), _): receive(answer, to: fetch, of: flight.peer, now)
        case (.fetchSnapshot(let fetch), _): receive(answer, to: fetch, of: flight.peer, now)
        default: pauses[flight.peer] = now + settings.retryBackoff
        }
        return advance(now)
    }
}
