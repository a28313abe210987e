// Changing the voters, one at a time (KIP-853): the leader appends the new set, which counts from there on, and answers when
// it is committed, or when it is written if it was asked so.
//
// A quorum whose voters the configuration names has them named by the log once, with their folders; from then on they change.

package import Basics

/// A change of the voters.
package enum VoterChange: Hashable, Sendable {
    case add(Voter)
    case remove(ReplicaKey)
    case update(Voter)
    /// The log names the voters from now on, with their folders, where the configuration did (kraft.version 1).
    case name
}

/// Why the voters were not changed.
package enum VoterChangeError: Hashable, Sendable {
    case notLeader
    /// The quorum's version knows no changes.
    case unsupported
    case duplicateVoter
    case voterNotFound
    /// Not now: another change is under way, the epoch is young, or the new voter lags behind.
    case timedOut
}

/// A change that was appended.
struct PendingChange: Sendable {
    /// Who waits for the commit; nil if the answer has left.
    var token: UInt64?
    /// The answer leaves when the record is written, committed or not (KIP-853, AckWhenCommitted).
    var answersWhenWritten: Bool
    /// Where the record ends; nil until it is appended.
    var end: Offset?
    var deadline: Instant
}

extension Quorum {
    /// Changes the voters, one change at a time, and only when the epoch has committed something: else two changes of two
    /// leaders could have majorities that do not meet.
    package mutating func changeVoters(
        _ wanted: VoterChange, token: UInt64, deadline: Instant, answersWhenWritten: Bool = false, now: Instant
    ) -> [Effect] {
        switch wanted == .name ? namedVoters : voters(after: wanted, now) {
        case .failure(let refusal): emit(.answerChange(refusal.reason, token: token))
        case .success(let changed):
            change = PendingChange(token: token, answersWhenWritten: answersWhenWritten, deadline: deadline)
            emit(.appendVoters(changed))
        }
        return advance(now)
    }

    /// Why such a change would be refused now; nil if it would not be.
    package func objection(to wanted: VoterChange, now: Instant) -> VoterChangeError? {
        if case .failure(let refusal) = wanted == .name ? namedVoters : voters(after: wanted, now) { refusal.reason } else { nil }
    }

    /// What is known of voters by their ids alone holds for them under their full names.
    mutating func nameFollowers(as voters: VoterSet) {
        for index in followers.indices where followers[index].key.directory == .zero {
            if let voter = voters[followers[index].key.id] { followers[index].key = voter.key }
        }
    }

    /// The voters with their folders; not now if one of them has not fetched from this leader.
    private var namedVoters: Result<VoterSet, ChangeRefusal> {
        guard isLeader else { return .failure(ChangeRefusal(reason: .notLeader)) }
        guard !voters.isDynamic else { return .failure(ChangeRefusal(reason: .unsupported)) }
        guard committedInEpoch != nil, change == nil else { return .failure(ChangeRefusal(reason: .timedOut)) }
        let named = voters.voters.map { voter in
            var voter = voter
            let directory = voter.key.id == local.id ? local.directory : progress(voter.key)?.directory
            voter.key = ReplicaKey(id: voter.key.id, directory: directory ?? .zero)
            return voter
        }
        let isWhole = named.allSatisfy { $0.key.directory != .zero }
        return isWhole ? .success(VoterSet(named)) : .failure(ChangeRefusal(reason: .timedOut))
    }

    /// Tells who waits for the change under way, once.
    mutating func answerChange(_ error: VoterChangeError?) {
        guard let token = change?.token else { return }
        change?.token = nil
        emit(.answerChange(error, token: token))
    }

    private struct ChangeRefusal: Error {
        var reason: VoterChangeError
    }

    private func voters(after wanted: VoterChange, _ now: Instant) -> Result<VoterSet, ChangeRefusal> {
        func refuse(_ reason: VoterChangeError) -> Result<VoterSet, ChangeRefusal> { .failure(ChangeRefusal(reason: reason)) }
        guard isLeader else { return refuse(.notLeader) }
        guard committedInEpoch != nil, change == nil else { return refuse(.timedOut) }
        guard voters.isDynamic else { return refuse(.unsupported) }
        guard voterHistory.latestOffset < highWatermark else { return refuse(.timedOut) }
        switch wanted {
        case .name: return refuse(.unsupported)
        case .add(let voter):
            guard voters[voter.key.id] == nil else { return refuse(.duplicateVoter) }
            guard let known = progress(voter.key), known.caughtUpAt != nil, now - known.lastFetch < settings.fetchTimeout
            else { return refuse(.timedOut) }
            return .success(voters.adding(voter))
        case .remove(let key):
            guard voters.hasVoter(key), voters.voters.count > 1 else { return refuse(.voterNotFound) }
            return .success(voters.removing(key))
        case .update(let voter):
            guard voters.hasVoter(voter.key) else { return refuse(.voterNotFound) }
            return .success(voters.updating(voter))
        }
    }
}
