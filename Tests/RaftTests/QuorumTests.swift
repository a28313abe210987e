// Rules of the quorum, one by one, on a single replica.

import Basics
import Raft
import Testing

@Suite struct QuorumTests {
    private static func key(_ id: Int32) -> ReplicaKey { ReplicaKey(id: NodeId(id), directory: Uuid(high: 1, low: UInt64(id))) }
    private static let voters = VoterSet([1, 2, 3].map { Voter(key: key($0)) })
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    /// Replica 1 of three, with `count` entries of epoch 1, of which `committed` are.
    private static func replica(
        _ id: Int32 = 1, entries count: Int64 = 5, committed: Int64 = 0, state: QuorumState = QuorumState(epoch: LeaderEpoch(1))
    ) -> Quorum {
        let epochs = count > 0 ? [(epoch: LeaderEpoch(1), start: Offset.zero)] : []
        return Quorum(
            local: key(id), voters: VoterHistory(voters), state: state,
            log: LogOutline(start: .zero, end: Offset(count), epochs: epochs, snapshot: nil), committed: Offset(committed),
            settings: QuorumSettings(), seed: 7)
    }

    private static func vote(
        _ epoch: Int32, from candidate: Int32, for voter: Int32 = 1, end: Int64 = 5, isPreVote: Bool = false
    ) -> QuorumRequest {
        .vote(
            QuorumRequest.Vote(
                epoch: LeaderEpoch(epoch), candidate: key(candidate), voter: key(voter), lastEpoch: LeaderEpoch(1),
                end: Offset(end), isPreVote: isPreVote))
    }

    private func isGranted(_ effects: [Quorum.Effect]) -> Bool? {
        for case .answer(let answer, _) in effects {
            if case .vote(let isGranted) = answer.body { return isGranted }
        }
        return nil
    }

    @Test func `a vote leaves only when it cannot be forgotten any more, and there is one in an epoch`() {
        var quorum = Self.replica()
        _ = quorum.start(now: Self.at(0))
        let effects = quorum.receive(Self.vote(2, from: 2), token: 1, now: Self.at(1))
        let state = QuorumState(
            epoch: LeaderEpoch(2), votedFor: NodeId(2), votedDirectory: Self.key(2).directory)
        #expect(effects == [.persist(state)])
        #expect(isGranted(quorum.worked(now: Self.at(2))) == true)
        #expect(isGranted(quorum.receive(Self.vote(2, from: 3), token: 2, now: Self.at(3))) == false)
        #expect(isGranted(quorum.receive(Self.vote(2, from: 2), token: 3, now: Self.at(4))) == true)
    }

    @Test func `nobody votes for a log that lacks something, nor as a voter that it is not any more`() {
        var quorum = Self.replica()
        _ = quorum.start(now: Self.at(0))
        _ = quorum.receive(Self.vote(2, from: 2, end: 4), token: 1, now: Self.at(1))
        #expect(isGranted(quorum.worked(now: Self.at(2))) == false)
        let lost = QuorumRequest.vote(
            QuorumRequest.Vote(
                epoch: LeaderEpoch(2), candidate: Self.key(3), voter: ReplicaKey(id: NodeId(1), directory: Uuid(high: 9, low: 9)),
                lastEpoch: LeaderEpoch(1), end: Offset(5), isPreVote: false))
        let effects = quorum.receive(lost, token: 2, now: Self.at(3))
        guard case .answer(let answer, 2) = effects.last else {
            Issue.record("no answer: \(effects)")
            return
        }
        #expect(answer.error == .invalidVoterKey)
    }

    @Test func `who fetches from a leader says that it would not vote, and raises no epoch for the question`() {
        var quorum = Self.replica(state: QuorumState(epoch: LeaderEpoch(1), leader: NodeId(2)))
        let effects = quorum.start(now: Self.at(0))
        guard case .send(.fetch(let fetch), to: .voter(NodeId(2)), let id) = effects.first else {
            Issue.record("no fetch: \(effects)")
            return
        }
        #expect(fetch.offset == Offset(5) && fetch.lastEpoch == LeaderEpoch(1))
        #expect(isGranted(quorum.receive(Self.vote(1, from: 3, isPreVote: true), token: 1, now: Self.at(1))) == true)
        let empty = QuorumAnswer(
            epoch: LeaderEpoch(1), leader: NodeId(2), body: .entries([], highWatermark: Offset(5)))
        #expect(quorum.receive(empty, to: id, now: Self.at(2)).contains(.commit(Offset(5))))
        #expect(isGranted(quorum.receive(Self.vote(1, from: 3, isPreVote: true), token: 2, now: Self.at(3))) == false)
        #expect(quorum.epoch == LeaderEpoch(1))
    }

    @Test func `a fetch is sent when what it claims is durable`() {
        var quorum = Self.replica(state: QuorumState(epoch: LeaderEpoch(1), leader: NodeId(2)))
        guard case .send(_, _, let id) = quorum.start(now: Self.at(0)).first else { return }
        let batch = EntryBatch(base: Offset(5), end: Offset(8), epoch: LeaderEpoch(1))
        let answer = QuorumAnswer(
            epoch: LeaderEpoch(1), leader: NodeId(2), body: .entries([batch], highWatermark: Offset(5)))
        #expect(quorum.receive(answer, to: id, now: Self.at(1)) == [.append, .commit(Offset(5))])
        #expect(quorum.persisted(upTo: Offset(7), now: Self.at(2)).isEmpty)
        guard case .send(.fetch(let fetch), _, _) = quorum.persisted(upTo: Offset(8), now: Self.at(3)).first else {
            Issue.record("no fetch of what follows")
            return
        }
        #expect(fetch.offset == Offset(8) && fetch.highWatermark == Offset(5))
    }

    @Test func `what is committed is not cut, whoever asks for it`() {
        var quorum = Self.replica(committed: 5, state: QuorumState(epoch: LeaderEpoch(1), leader: NodeId(2)))
        guard case .send(_, _, let id) = quorum.start(now: Self.at(0)).first else { return }
        let answer = QuorumAnswer(
            epoch: LeaderEpoch(1), leader: NodeId(2), body: .diverges(SnapshotId(end: Offset(3), epoch: LeaderEpoch(1))))
        guard case .fault = quorum.receive(answer, to: id, now: Self.at(1)).first else {
            Issue.record("it was cut")
            return
        }
        #expect(quorum.log.end == Offset(5))
    }

    @Test func `a leader commits with an entry of its own epoch, and resigns when no majority fetches`() throws {
        var quorum = Self.replica()
        _ = quorum.start(now: Self.at(0))
        // Long enough for any election timeout.
        var effects = quorum.tick(now: Self.at(3000))
        for step in 0..<2 {
            let votes = effects.compactMap { effect -> UInt64? in
                guard case .send(.vote(let vote), to: .voter(NodeId(2)), let id) = effect, vote.isPreVote == (step == 0) else {
                    return nil
                }
                return id
            }
            let answer = QuorumAnswer(epoch: quorum.epoch, leader: .none, body: .vote(isGranted: true))
            effects = quorum.receive(answer, to: try #require(votes.first), now: Self.at(3001))
            guard case .persist = effects.first else { continue }
            effects = quorum.worked(now: Self.at(3002))
        }
        #expect(effects.contains { if case .lead(LeaderEpoch(2), _) = $0 { true } else { false } })
        // Entries of the former epoch are durable at two, and that alone commits nothing.
        let fetch = QuorumRequest.Fetch(
            epoch: LeaderEpoch(2), replica: Self.key(2), offset: Offset(5), lastEpoch: LeaderEpoch(1),
            highWatermark: .zero, wait: .milliseconds(500))
        _ = quorum.receive(.fetch(fetch), token: 1, now: Self.at(3010))
        #expect(quorum.highWatermark == .zero)
        _ = quorum.appended(EntryBatch(base: Offset(5), end: Offset(6), epoch: LeaderEpoch(2)), now: Self.at(3011))
        _ = quorum.persisted(upTo: Offset(6), now: Self.at(3012))
        #expect(quorum.highWatermark == .zero)
        var next = fetch
        next.offset = Offset(6)
        next.lastEpoch = LeaderEpoch(2)
        #expect(quorum.receive(.fetch(next), token: 2, now: Self.at(3013)).contains(.commit(Offset(6))))
        #expect(quorum.tick(now: Self.at(6013)).contains(.unlead))
        #expect(quorum.role == .resigned && quorum.leader == nil)
    }

    /// Replica 1, which leads alone and has committed the first entry of its epoch; replica 2 has fetched all.
    private static func loneLeader() throws -> Quorum {
        var quorum = Quorum(
            local: key(1), voters: VoterHistory(VoterSet([Voter(key: key(1))])), state: QuorumState(epoch: LeaderEpoch(1)),
            log: LogOutline(start: .zero, end: .zero, epochs: [], snapshot: nil), committed: .zero,
            settings: QuorumSettings(), seed: 7)
        _ = quorum.start(now: at(0))
        var now = at(1)
        while !quorum.isLeader {
            now = max(now + .milliseconds(1), quorum.deadline < .distantFuture ? quorum.deadline : now)
            _ = quorum.tick(now: now)
            _ = quorum.worked(now: now)
            try #require(now < at(60_000))
        }
        _ = quorum.worked(now: now)
        _ = quorum.appended(EntryBatch(base: .zero, end: Offset(1), epoch: quorum.epoch), now: now)
        _ = quorum.persisted(upTo: Offset(1), now: now)
        let fetch = QuorumRequest.Fetch(
            epoch: quorum.epoch, replica: key(2), offset: Offset(1), lastEpoch: quorum.epoch, highWatermark: Offset(1),
            wait: .zero)
        _ = quorum.receive(.fetch(fetch), token: 1, now: now)
        return quorum
    }

    @Test(arguments: [false, true])
    func `who asks for it hears of a new voter when it is written, all others when it is committed`(isWritten: Bool) throws {
        var quorum = try Self.loneLeader()
        let now = Self.at(100_000)
        let fetch = QuorumRequest.Fetch(
            epoch: quorum.epoch, replica: Self.key(2), offset: Offset(1), lastEpoch: quorum.epoch,
            highWatermark: Offset(1), wait: .zero)
        _ = quorum.receive(.fetch(fetch), token: 2, now: now)
        let change = quorum.changeVoters(
            .add(Voter(key: Self.key(2))), token: 9, deadline: now + .seconds(5), answersWhenWritten: isWritten, now: now)
        guard case .appendVoters(let voters)? = change.first else {
            Issue.record("the change was refused: \(change)")
            return
        }
        let told = Quorum.Effect.answerChange(nil, token: 9)
        let batch = EntryBatch(base: Offset(1), end: Offset(2), epoch: quorum.epoch)
        #expect(quorum.appended(batch, voters: voters, now: now).contains(told) == isWritten)
        #expect(!quorum.persisted(upTo: Offset(2), now: now).contains(told))
        var next = fetch
        next.offset = Offset(2)
        let last = quorum.receive(.fetch(next), token: 3, now: now)
        #expect(last.contains(.commit(Offset(2))) && last.contains(told) == !isWritten)
    }

    @Test func `voters that the configuration names are named by the log when all have fetched, and go on committing`() throws {
        let names = [1, 2, 3].map { Voter(key: ReplicaKey(id: NodeId($0))) }
        var quorum = Quorum(
            local: Self.key(1), voters: VoterHistory(VoterSet(names)), state: QuorumState(epoch: LeaderEpoch(1)),
            log: LogOutline(start: .zero, end: .zero, epochs: [], snapshot: nil), committed: .zero,
            settings: QuorumSettings(), seed: 7)
        _ = quorum.start(now: Self.at(0))
        var effects = quorum.tick(now: Self.at(3000))
        for step in 0..<2 {
            let votes = effects.compactMap { effect -> UInt64? in
                guard case .send(.vote(let vote), to: .voter(NodeId(2)), let id) = effect, vote.isPreVote == (step == 0) else {
                    return nil
                }
                return id
            }
            let answer = QuorumAnswer(epoch: quorum.epoch, leader: .none, body: .vote(isGranted: true))
            effects = quorum.receive(answer, to: try #require(votes.first), now: Self.at(3001))
            if case .persist = effects.first { effects = quorum.worked(now: Self.at(3002)) }
        }
        #expect(quorum.isLeader)
        let now = Self.at(3010)
        func fetch(_ id: Int32, _ offset: Int64) -> [Quorum.Effect] {
            quorum.receive(
                .fetch(
                    QuorumRequest.Fetch(
                        epoch: quorum.epoch, replica: Self.key(id), offset: Offset(offset),
                        lastEpoch: offset > 0 ? quorum.epoch : LeaderEpoch(0), highWatermark: .zero, wait: .zero)),
                token: UInt64(id), now: now)
        }
        func append(_ base: Int64, _ voters: VoterSet? = nil) {
            _ = quorum.appended(
                EntryBatch(base: Offset(base), end: Offset(base + 1), epoch: quorum.epoch), voters: voters, now: now)
            _ = quorum.persisted(upTo: Offset(base + 1), now: now)
        }
        func name() -> [Quorum.Effect] { quorum.changeVoters(.name, token: 9, deadline: now + .seconds(5), now: now) }
        append(0)
        #expect(fetch(2, 1).contains(.commit(Offset(1))))
        // The third has not said where its log is.
        #expect(name().contains(.answerChange(.timedOut, token: 9)))
        _ = fetch(3, 0)
        guard case .appendVoters(let voters)? = name().first else {
            Issue.record("the voters were not named")
            return
        }
        #expect(voters.voters.map(\.key) == [1, 2, 3].map { Self.key($0) })
        append(1, voters)
        let last = fetch(2, 2)
        #expect(last.contains(.commit(Offset(2))) && last.contains(.answerChange(nil, token: 9)))
        append(2)
        #expect(fetch(3, 3).contains(.commit(Offset(3))))
        #expect(name().contains(.answerChange(.unsupported, token: 9)))
    }

    @Test func `a log whose epochs are known from its snapshot on counts from there`() {
        let snapshot = SnapshotId(end: Offset(38), epoch: LeaderEpoch(1))
        let log = LogOutline(start: Offset(32), end: Offset(38), epochs: [], snapshot: snapshot)
        #expect(log.start == Offset(38) && log.lastEpoch == LeaderEpoch(1))
        let epochs = [(epoch: LeaderEpoch(3), start: Offset(38))]
        let longer = LogOutline(start: Offset(32), end: Offset(40), epochs: epochs, snapshot: snapshot)
        #expect(longer.epoch(before: Offset(38)) == LeaderEpoch(1) && longer.lastEpoch == LeaderEpoch(3))
    }
}
