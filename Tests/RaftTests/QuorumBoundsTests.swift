// What replicas refuse to believe: epochs, logs and acknowledgements that cannot be.

import Basics
import Raft
import Testing

@Suite struct QuorumBoundsTests {
    private static func key(_ id: Int32) -> ReplicaKey { ReplicaKey(id: NodeId(id), directory: Uuid(high: 1, low: UInt64(id))) }
    private static let voters = VoterSet([1, 2, 3].map { Voter(key: key($0)) })
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    /// Replica 1 of three, with five entries of epoch 1.
    private static func replica(leader: NodeId = .none, snapshot: SnapshotId? = nil) -> Quorum {
        Quorum(
            local: key(1), voters: VoterHistory(voters), state: QuorumState(epoch: LeaderEpoch(1), leader: leader),
            log: LogOutline(start: .zero, end: Offset(5), epochs: [(LeaderEpoch(1), .zero)], snapshot: snapshot),
            committed: .zero, settings: QuorumSettings(), seed: 7)
    }

    /// The same, elected by replica 2 in epoch 2; its sixth entry is durable here.
    private static func leader(snapshot: SnapshotId? = nil) throws -> Quorum {
        var quorum = replica(snapshot: snapshot)
        _ = quorum.start(now: at(0))
        var effects = quorum.tick(now: at(3000))
        while !quorum.isLeader {
            let asked = effects.compactMap { effect -> UInt64? in
                if case .send(.vote, to: .voter(NodeId(2)), let id) = effect { id } else { nil }
            }
            let granted = QuorumAnswer(epoch: quorum.epoch, leader: .none, body: .vote(isGranted: true))
            effects = quorum.receive(granted, to: try #require(asked.first), now: at(3001))
            if case .persist = effects.first { effects = quorum.worked(now: at(3002)) }
        }
        _ = quorum.appended(EntryBatch(base: Offset(5), end: Offset(6), epoch: quorum.epoch), now: at(3003))
        _ = quorum.persisted(upTo: Offset(6), now: at(3004))
        return quorum
    }

    private static func fetch(_ replica: ReplicaKey, _ offset: Int64, _ lastEpoch: Int32 = 2) -> QuorumRequest {
        .fetch(
            QuorumRequest.Fetch(
                epoch: LeaderEpoch(2), replica: replica, offset: Offset(offset), lastEpoch: LeaderEpoch(lastEpoch),
                highWatermark: .zero, wait: .zero))
    }

    private func refusal(_ effects: [Quorum.Effect]) -> QuorumError? {
        for case .answer(let answer, _) in effects { return answer.error }
        return nil
    }

    @Test(arguments: [(Int32.max, Int32(1)), (2, 2), (2, -1)])
    func `a vote for an epoch or a log that cannot be is refused`(epoch: Int32, lastEpoch: Int32) {
        var quorum = Self.replica()
        _ = quorum.start(now: Self.at(0))
        let vote = QuorumRequest.Vote(
            epoch: LeaderEpoch(epoch), candidate: Self.key(2), voter: Self.key(1), lastEpoch: LeaderEpoch(lastEpoch),
            end: Offset(9), isPreVote: false)
        #expect(refusal(quorum.receive(.vote(vote), token: 1, now: Self.at(1))) == .invalidRequest)
        #expect(quorum.epoch == LeaderEpoch(1))
    }

    @Test func `nobody follows into the last epoch that there is`() {
        var quorum = Self.replica()
        _ = quorum.start(now: Self.at(0))
        let begin = QuorumRequest.beginEpoch(LeaderEpoch(.max), leader: NodeId(2), voter: Self.key(1))
        #expect(refusal(quorum.receive(begin, token: 1, now: Self.at(1))) == .invalidRequest)
        #expect(quorum.epoch == LeaderEpoch(1))
    }

    @Test func `what a replica without a folder has is not acknowledged by the voter of its id`() throws {
        var quorum = try Self.leader()
        _ = quorum.receive(Self.fetch(ReplicaKey(id: NodeId(2)), 6), token: 1, now: Self.at(3010))
        #expect(quorum.highWatermark == .zero)
        let effects = quorum.receive(Self.fetch(Self.key(2), 6), token: 2, now: Self.at(3011))
        #expect(effects.contains(.commit(Offset(6))))
    }

    @Test func `who has nothing is given the snapshot, though the log still begins at the beginning`() throws {
        let snapshot = SnapshotId(end: Offset(3), epoch: LeaderEpoch(1))
        var quorum = try Self.leader(snapshot: snapshot)
        let effects = quorum.receive(Self.fetch(Self.key(3), 0, 0), token: 1, now: Self.at(3010))
        let bodies = effects.compactMap { effect -> QuorumAnswer.Body? in
            if case .answer(let answer, 1) = effect { answer.body } else { nil }
        }
        #expect(bodies == [.needsSnapshot(snapshot)])
    }

    @Test func `a former leader that comes back tells the others at once that it gave up`() {
        var quorum = Self.replica(leader: NodeId(1))
        let told = quorum.start(now: Self.at(0)).compactMap { effect -> Quorum.Destination? in
            if case .send(.endEpoch(LeaderEpoch(1), leader: NodeId(1), _), let to, _) = effect { to } else { nil }
        }
        #expect(told == [.voter(NodeId(2)), .voter(NodeId(3))])
    }

    @Test func `a voter that cannot be asked whether it would vote is asked for its vote`() throws {
        var quorum = Self.replica()
        _ = quorum.start(now: Self.at(0))
        func votes(_ effects: [Quorum.Effect]) -> [(vote: QuorumRequest.Vote, id: UInt64)] {
            effects.compactMap { if case .send(.vote(let vote), _, let id) = $0 { (vote, id) } else { nil } }
        }
        let asked = votes(quorum.tick(now: Self.at(3000)))
        #expect(asked.count == 2 && asked.allSatisfy(\.vote.isPreVote) && quorum.role == .prospective)
        _ = quorum.failed(asked[0].id, now: Self.at(3001))
        #expect(quorum.role == .prospective, "one that cannot be reached has not said that it cannot be asked")
        _ = quorum.unsupported(asked[1].id, now: Self.at(3002))
        #expect(quorum.role == .candidate && quorum.epoch == LeaderEpoch(2))
        let real = votes(quorum.worked(now: Self.at(3003)))
        #expect(real.count == 2 && real.allSatisfy { !$0.vote.isPreVote && $0.vote.epoch == LeaderEpoch(2) })
    }

    @Test func `a leader that gives up has told all when each other voter has heard it or cannot be reached`() throws {
        var quorum = try Self.leader()
        let told = quorum.resign(now: Self.at(4000)).compactMap { effect -> UInt64? in
            if case .send(.endEpoch, _, let id) = effect { id } else { nil }
        }
        #expect(told.count == 2 && !quorum.hasToldAll)
        _ = quorum.receive(QuorumAnswer(epoch: quorum.epoch, leader: .none), to: told[0], now: Self.at(4001))
        #expect(!quorum.hasToldAll)
        _ = quorum.failed(told[1], now: Self.at(4002))
        #expect(quorum.hasToldAll)
        let again = quorum.tick(now: Self.at(4100)).contains { effect in
            if case .send(.endEpoch, to: .voter(NodeId(3)), _) = effect { true } else { false }
        }
        #expect(again, "who could not be reached is told again")
    }

    @Test(arguments: [ReplicaKey(id: NodeId(2)), ReplicaKey(id: NodeId(2), directory: Uuid(high: 9, low: 9))])
    func `a voter is removed by its very folder`(named: ReplicaKey) throws {
        var quorum = try Self.leader()
        _ = quorum.receive(Self.fetch(Self.key(2), 6), token: 1, now: Self.at(3010))
        let effects = quorum.changeVoters(
            .remove(named), token: 9, deadline: Self.at(9000), now: Self.at(3011))
        #expect(effects.contains(.answerChange(.voterNotFound, token: 9)))
    }
}
