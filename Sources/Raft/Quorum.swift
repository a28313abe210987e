// The metadata quorum's decisions, pull-based Raft (KIP-595, KIP-853, KIP-996): who leads, in which epoch, how far the log is
// committed. One replica, voter or observer, stepped with inputs; answers with effects.
//
// Invariant: nothing leaves that rests on what is not durable. State, cuts and snapshots are work for the owner; as long as
// any is under way, requests and answers are held in here. A fetch is sent when all that it claims is durable.
//
//     unattached -> prospective -> candidate -> leader -> resigned -> unattached      a lone voter goes the same way, at once
//          \------> follower ------^
//
// Elections: `Quorum+Election`; followers and observers: `Quorum+Follower`; leaders: `Quorum+Leader`.

package import Basics

/// One replica of the quorum.
package struct Quorum: Sendable {
    package enum Role: Hashable, Sendable {
        case unattached, prospective, candidate, leader, follower, resigned
    }

    /// Whom a request is for.
    package enum Destination: Hashable, Sendable {
        case voter(NodeId)
        /// An address of the configuration, by number.
        case bootstrap(Int)
    }

    package enum Effect: Hashable, Sendable {
        // Work: do one after the other, and call `worked` after each.
        case persist(QuorumState)
        case truncate(Offset)
        /// Write the piece that came with the answer.
        case storePiece(SnapshotId, position: Int)
        /// The snapshot is complete: it takes the place of the whole log.
        case install(SnapshotId)

        /// Send, then call `receive(_:to:)`, `failed` or `unsupported` once.
        case send(QuorumRequest, to: Destination, id: UInt64)
        case answer(QuorumAnswer, token: UInt64)
        /// Answer with entries from the offset on; `body` of the answer is to hold them.
        case serve(QuorumAnswer, from: Offset, token: UInt64)
        /// Answer with a piece of the snapshot, if it is there.
        case servePiece(QuorumRequest.FetchSnapshot, QuorumAnswer, token: UInt64)
        /// Write the entries that came with the answer, then call `persisted` when they are durable.
        case append
        /// This replica leads: append a leader change record as the first of the epoch.
        case lead(LeaderEpoch, granting: [ReplicaKey])
        /// It leads no more; what it decided and is not committed is void.
        case unlead
        /// Append the voters as a record of their own.
        case appendVoters(VoterSet)
        case answerChange(VoterChangeError?, token: UInt64)
        /// Everything below the offset is committed.
        case commit(Offset)
        /// A broken invariant: this replica must stop.
        case fault(String)
    }

    package let local: ReplicaKey
    let settings: QuorumSettings
    package internal(set) var state: QuorumState
    package internal(set) var role = Role.unattached
    package internal(set) var log: LogOutline
    package internal(set) var voterHistory: VoterHistory
    /// Everything below is committed.
    package internal(set) var highWatermark: Offset
    var random: SeededRandom

    // Elections
    /// Until then an election is waited for or goes on; of a follower, how long it trusts its leader.
    var patience = Instant.distantFuture
    var votes: [NodeId: Bool] = [:]
    var failedElections = 0
    var isBackingOff = false
    var successors: [ReplicaKey] = []
    var hasFetchedFromLeader = false

    // Requests under way
    var flights: [Flight] = []
    var pauses: [NodeId: Instant] = [:]
    var nextId: UInt64 = 1
    var asksElsewhere = false
    var snapshotInTransit: (id: SnapshotId, position: Int)?

    // Leading
    var epochStart = Offset.zero
    package internal(set) var followers: [ReplicaProgress] = []
    var parked: [ParkedFetch] = []
    var change: PendingChange?
    var hasLed = false

    // Holding back
    private var effects: [Effect] = []
    private var held: [Effect] = []
    private var workUnderWay: [Effect] = []
    private var isStateDirty = false

    /// A request that was sent and not answered.
    struct Flight: Sendable {
        var id: UInt64
        var peer: NodeId
        var request: QuorumRequest
    }

    /// A replica as it was left. The log is durable, its entries below `committed` are committed.
    package init(
        local: ReplicaKey, voters: VoterHistory, state: QuorumState, log: LogOutline, committed: Offset = .zero,
        settings: QuorumSettings, seed: UInt64
    ) {
        self.local = local
        self.settings = settings
        voterHistory = voters
        self.log = log
        self.state = state
        random = SeededRandom(seed: seed)
        highWatermark = max(committed, log.snapshot?.end ?? .zero)
    }

    package var voters: VoterSet { voterHistory.latest }
    package var isVoter: Bool { voters.contains(local) }
    /// Whether it stands for election. One whose removal is not committed does, without counting itself: perhaps no other has
    /// the log for it.
    var isCandidateToBe: Bool { voterHistory.mayVote(local, committed: highWatermark) }
    package var isLeader: Bool { role == .leader }
    /// Who leads, if that is known.
    package var leader: NodeId? { state.leader == .none || role == .resigned ? nil : state.leader }
    package var epoch: LeaderEpoch { state.epoch }
    /// Work of the owner is under way.
    var isWaiting: Bool { !workUnderWay.isEmpty }

    // MARK: Inputs

    /// Begins. A former leader does not go on in its epoch, for entries of it may be lost (KIP-595).
    package mutating func start(now: Instant) -> [Effect] {
        if log.lastEpoch > state.epoch {
            state = QuorumState(epoch: log.lastEpoch)
            isStateDirty = true
        }
        if state.leader == local.id {
            role = .resigned
        } else if state.leader != .none, voters[state.leader] != nil {
            role = .follower
        } else {
            state.leader = .none
        }
        let isAlone = voters.voters.count == 1 && isVoter
        patience = isAlone ? now : now + (role == .follower ? settings.fetchTimeout : electionTimeout())
        return advance(now)
    }

    /// To be called at `deadline` or later.
    package mutating func tick(now: Instant) -> [Effect] { advance(now) }

    /// The oldest work under way is done. A log that was cut ends at `end`.
    package mutating func worked(now: Instant) -> [Effect] {
        precondition(!workUnderWay.isEmpty, "there was work")
        let done = workUnderWay.removeFirst()
        if case .install(let id) = done { installed(id) }
        if workUnderWay.isEmpty { release() }
        return advance(now)
    }

    /// The log is durable below `end`.
    package mutating func persisted(upTo end: Offset, now: Instant) -> [Effect] {
        log.persisted(upTo: end)
        if isLeader { raiseHighWatermark(now) }
        return advance(now)
    }

    /// A snapshot was made, and the log may begin at `start` now, below which `startEpoch` wrote last.
    package mutating func snapshotted(_ id: SnapshotId, start: Offset, startEpoch: LeaderEpoch) {
        log.snapshotted(id, start: start, startEpoch: startEpoch)
        voterHistory.trim(below: highWatermark)
    }

    // MARK: Effects

    /// An effect that may leave only when all work is done.
    mutating func emit(_ effect: Effect) { held.append(effect) }

    /// An effect that rests on nothing.
    mutating func emitNow(_ effect: Effect) { effects.append(effect) }

    mutating func begin(work: Effect) {
        workUnderWay.append(work)
        effects.append(work)
    }

    mutating func change(_ body: (inout QuorumState) -> Void) {
        let before = state
        body(&state)
        if state != before { isStateDirty = true }
    }

    private mutating func release() {
        for effect in held {
            switch effect {
            case .lead(let epoch, _):
                guard isLeader, epoch == state.epoch else { continue }
                hasLed = true
            case .send(_, _, let id):
                // The answer is not waited for any more.
                guard flights.contains(where: { $0.id == id }) else { continue }
            default: break
            }
            effects.append(effect)
        }
        held = []
    }

    /// Does all that is due, and hands out the effects.
    mutating func advance(_ now: Instant) -> [Effect] {
        if !pauses.isEmpty { pauses = pauses.filter { $0.value > now } }
        while step(now) {}
        if isLeader, !isWaiting, !isStateDirty { serveParked(now) }
        if isStateDirty {
            isStateDirty = false
            begin(work: .persist(state))
        }
        if workUnderWay.isEmpty { release() }
        defer { effects = [] }
        return effects
    }

    /// One step; answers whether another may follow at once.
    private mutating func step(_ now: Instant) -> Bool {
        switch role {
        case .unattached: return stepUnattached(now)
        case .prospective, .candidate: return stepElection(now)
        case .resigned: return stepResigned(now)
        case .follower: return stepFollower(now)
        case .leader: return stepLeader(now)
        }
    }

    /// When `tick` is to be called at the latest.
    package var deadline: Instant {
        var earliest = patience
        if isLeader {
            earliest = min(checkQuorumAt, nextBeginEpoch)
            if !isWaiting { earliest = min(earliest, parked.map(\.deadline).min() ?? .distantFuture) }
            earliest = min(earliest, change?.deadline ?? .distantFuture)
        }
        // An observer that knows no leader waits for answers only.
        if !isCandidateToBe, role == .unattached { earliest = .distantFuture }
        for (_, pause) in pauses { earliest = min(earliest, pause) }
        return earliest
    }

    // MARK: Requests

    func isInFlight(to peer: NodeId) -> Bool { flights.contains { $0.peer == peer } }

    /// Whether `peer` may be asked something now.
    func mayAsk(_ peer: NodeId) -> Bool { pauses[peer] == nil && !isInFlight(to: peer) }

    mutating func send(_ request: QuorumRequest, to destination: Destination, as peer: NodeId) {
        flights.append(Flight(id: nextId, peer: peer, request: request))
        emit(.send(request, to: destination, id: nextId))
        nextId += 1
    }

    mutating func send(_ request: QuorumRequest, to peer: NodeId) { send(request, to: .voter(peer), as: peer) }

    /// A request came to nothing.
    package mutating func failed(_ id: UInt64, now: Instant) -> [Effect] {
        guard let index = flights.firstIndex(where: { $0.id == id }) else { return advance(now) }
        let flight = flights.remove(at: index)
        pauses[flight.peer] = now + settings.retryBackoff
        if case .endEpoch = flight.request { votes[flight.peer] = false }
        if case .fetch = flight.request { asksElsewhere = true }
        if case .fetchSnapshot = flight.request { asksElsewhere = true }
        return advance(now)
    }

    /// Forgets whom it waits for: the requests were of another role.
    mutating func forgetFlights() {
        flights = []
        pauses = [:]
        asksElsewhere = false
        snapshotInTransit = nil
    }

    mutating func electionTimeout() -> Duration {
        let base = settings.electionTimeout.wholeNanoseconds
        return .nanoseconds(base + Int64.random(in: 0...max(base, 1), using: &random))
    }
}
