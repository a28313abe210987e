// Leading (KIP-595, KIP-853): followers' fetches are acknowledgements; what a majority of the voters has durably is committed,
// once an entry of the leader's own epoch is among it. How voters change: `Quorum+Voters`.
//
// A leader that no majority fetches from resigns, so that nobody goes on to decide alone.

package import Basics

/// How far another replica has come.
package struct ReplicaProgress: Hashable, Sendable {
    package internal(set) var key: ReplicaKey
    /// The folder that its fetches name, which the configuration of a voter does not know.
    package var directory: Uuid
    /// Everything below is durable there; none as long as it has not said.
    package var offset = Offset.none
    package var lastFetch: Instant
    /// When it last had all that the leader had.
    package var caughtUpAt: Instant?
    var lastBegin: Instant?

    init(key: ReplicaKey, at now: Instant) {
        self.key = key
        directory = key.directory
        lastFetch = now
    }
}

/// A fetch that waits for entries.
struct ParkedFetch: Sendable {
    var fetch: QuorumRequest.Fetch
    var token: UInt64
    var deadline: Instant
}

extension Quorum {
    /// Observers that were not heard of for so long are forgotten.
    package static let observerTimeout: Duration = .seconds(300)
    private static let followersMax = 1000

    // MARK: Coming and going

    mutating func becomeLeader(_ now: Instant) {
        let granting = voters.voters.map(\.key).filter { votes[$0.id] == true }
        leave()
        role = .leader
        failedElections = 0
        epochStart = log.end
        patience = .distantFuture
        followers = otherVoters.map { ReplicaProgress(key: $0.key, at: now) }
        let own = local.id
        change { $0.leader = own }
        emit(.lead(state.epoch, granting: granting))
    }

    /// Gives up leading; the best followers are asked to stand for election.
    package mutating func resign(now: Instant) -> [Effect] {
        if isLeader { stepDown(now) }
        return advance(now)
    }

    private mutating func stepDown(_ now: Instant) {
        let order = otherVoters.map(\.key).sorted {
            (progress($1)?.offset ?? .none, $0) < (progress($0)?.offset ?? .none, $1)
        }
        leave()
        role = .resigned
        successors = order
        patience = now + electionTimeout()
    }

    mutating func leaveLeadership() {
        role = .resigned
        for waiting in parked { emit(.answer(answer(.notLeader), token: waiting.token)) }
        parked = []
        answerChange(.notLeader)
        change = nil
        followers = []
        if hasLed { emitNow(.unlead) }
        hasLed = false
    }

    private var otherVoters: [Voter] { voters.voters.filter { !$0.key.means(local) } }

    /// Where the folder of a voter is known, who names another, or none, is another replica: what it has was not
    /// acknowledged by the voter.
    private func index(of key: ReplicaKey) -> Int? {
        followers.firstIndex { $0.key == key }
            ?? followers.firstIndex { $0.key.id == key.id && $0.key.directory == .zero }
    }

    func progress(_ voter: ReplicaKey) -> ReplicaProgress? {
        followers.first { $0.key.id == voter.id && (voter.directory == .zero || $0.key.directory == voter.directory) }
    }

    // MARK: Steps

    mutating func stepLeader(_ now: Instant) -> Bool {
        if now >= checkQuorumAt {
            stepDown(now)
            return true
        }
        if let pending = change, now >= pending.deadline {
            answerChange(.timedOut)
            change = nil
        }
        for voter in otherVoters where beginEpochAt(voter) <= now && mayAsk(voter.key.id) {
            send(.beginEpoch(state.epoch, leader: local.id, voter: voter.key), to: voter.key.id)
            update(voter.key, now) { $0.lastBegin = now }
        }
        return false
    }

    /// When a majority will have been silent for too long.
    var checkQuorumAt: Instant {
        let needed = voters.voters.count / 2 + (isVoter ? 0 : 1)
        guard needed > 0 else { return .distantFuture }
        let heard = otherVoters.map { progress($0.key)?.lastFetch ?? Instant(nanoseconds: 0) }.sorted(by: >)
        return needed <= heard.count ? heard[needed - 1] + settings.checkQuorumTimeout : .distantFuture
    }

    private func beginEpochAt(_ voter: Voter) -> Instant {
        guard let known = progress(voter.key), let begun = known.lastBegin else { return Instant(nanoseconds: 0) }
        return max(known.lastFetch, begun) + settings.beginEpochInterval
    }

    var nextBeginEpoch: Instant {
        let due = otherVoters.filter { !isInFlight(to: $0.key.id) }.map {
            max(beginEpochAt($0), pauses[$0.key.id] ?? Instant(nanoseconds: 0))
        }
        return due.min() ?? .distantFuture
    }

    private mutating func update(_ key: ReplicaKey, _ now: Instant, _ body: (inout ReplicaProgress) -> Void) {
        if let index = index(of: key) {
            body(&followers[index])
            return
        }
        let voters = voters
        followers.removeAll { !voters.contains($0.key) && now - $0.lastFetch > Quorum.observerTimeout }
        guard followers.count < Quorum.followersMax else { return }
        var added = ReplicaProgress(key: key, at: now)
        body(&added)
        followers.append(added)
        followers.sort { $0.key < $1.key }
    }

    // MARK: Fetches

    /// What a request for the leader of `epoch` is refused with.
    private func objection(to epoch: LeaderEpoch, from replica: ReplicaKey) -> QuorumError? {
        if epoch < state.epoch { return .fencedEpoch }
        if epoch > state.epoch { return .unknownEpoch }
        if !isLeader { return .notLeader }
        return replica.id == local.id ? .invalidRequest : nil
    }

    mutating func receive(_ fetch: QuorumRequest.Fetch, _ token: UInt64, _ now: Instant) {
        let error = objection(to: fetch.epoch, from: fetch.replica)
        guard error == nil, fetch.offset >= .zero, fetch.lastEpoch.rawValue >= 0, fetch.lastEpoch <= fetch.epoch else {
            return emit(.answer(answer(error ?? .invalidRequest), token: token))
        }
        let isPrefix = log.compare(end: fetch.offset, epoch: fetch.lastEpoch) == .prefix
        let hasAll = fetch.offset >= log.end
        if fetch.replica.id != .none {
            update(fetch.replica, now) { follower in
                follower.lastFetch = now
                if fetch.replica.directory != .zero { follower.directory = fetch.replica.directory }
                guard isPrefix else { return }
                follower.offset = fetch.offset
                if hasAll { follower.caughtUpAt = now }
            }
            if isPrefix { raiseHighWatermark(now) }
        }
        // Raising it may have ended the leadership.
        guard isLeader else { return emit(.answer(answer(.notLeader), token: token)) }
        parked.append(ParkedFetch(fetch: fetch, token: token, deadline: now + fetch.wait))
    }

    mutating func receive(_ fetch: QuorumRequest.FetchSnapshot, _ token: UInt64, _ now: Instant) {
        if let error = objection(to: fetch.epoch, from: fetch.replica) {
            return emit(.answer(answer(error), token: token))
        }
        if fetch.replica.id != .none { update(fetch.replica, now) { $0.lastFetch = now } }
        emit(.servePiece(fetch, answer(), token: token))
    }

    /// Answers the fetches that have something to be told, or waited long enough.
    mutating func serveParked(_ now: Instant) {
        guard !parked.isEmpty else { return }
        var left: [ParkedFetch] = []
        for waiting in parked {
            let fetch = waiting.fetch
            switch log.compare(end: fetch.offset, epoch: fetch.lastEpoch) {
            case .diverges(let other): emit(.answer(answer(nil, .diverges(other)), token: waiting.token))
            case .needs(let snapshot): emit(.answer(answer(nil, .needsSnapshot(snapshot)), token: waiting.token))
            case .prefix where fetch.offset < log.end || highWatermark > fetch.highWatermark || now >= waiting.deadline:
                let answer = answer(nil, .entries([], highWatermark: highWatermark))
                emit(.serve(answer, from: fetch.offset, token: waiting.token))
            case .prefix: left.append(waiting)
            }
        }
        parked = left
    }

    // MARK: Appending and committing

    /// What is committed, once this leader has committed something of its own epoch.
    package var committedInEpoch: Offset? { isLeader && highWatermark > epochStart ? highWatermark : nil }

    /// The leader's log goes on with `batch`, not yet durably; `voters` if it names them.
    package mutating func appended(_ batch: EntryBatch, voters: VoterSet? = nil, now: Instant) -> [Effect] {
        precondition(isLeader && batch.epoch == state.epoch, "only a leader appends, and in its epoch")
        log.append(batch)
        if let voters {
            if !self.voters.isDynamic { nameFollowers(as: voters) }
            voterHistory.append(voters, at: batch.base)
            if let pending = change, pending.end == nil {
                change?.end = batch.end
                if pending.answersWhenWritten { answerChange(nil) }
            }
        }
        return advance(now)
    }

    /// Commits what a majority of the voters has durably.
    mutating func raiseHighWatermark(_ now: Instant) {
        var ends = otherVoters.map { progress($0.key)?.offset ?? .none }
        if isVoter { ends.append(log.durableEnd) }
        ends.sort(by: >)
        guard !ends.isEmpty, case let end = min(ends[voters.voters.count / 2], log.end), end > epochStart,
            end > highWatermark
        else { return }
        commit(upTo: end)
        if let pending = change, let changed = pending.end, changed <= end {
            answerChange(nil)
            change = nil
        }
        // A leader that is no voter any more goes when that is certain.
        if !isVoter, voterHistory.latestOffset < end { stepDown(now) }
    }
}
