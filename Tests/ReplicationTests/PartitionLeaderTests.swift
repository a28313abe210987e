// The leader's decisions: what is committed, and who is in sync.

import Basics
import Replication
import Testing

/// A leader, node 1, of a log that the test says the end of.
private struct LeaderWorld {
    var leader: PartitionLeader
    var now = Instant(nanoseconds: 1_000_000_000)
    var end: Offset
    var brokers: [NodeId: Int64] = [NodeId(1): 11, NodeId(2): 12, NodeId(3): 13]
    static let lagMax = Duration.seconds(10)

    init(
        inSync: [Int32] = [1, 2, 3], replicas: [Int32] = [1, 2, 3], minimum: Int = 1, end: Int64 = 10,
        committed: Int64 = 0, isRecovering: Bool = false
    ) {
        self.end = Offset(end)
        leader = PartitionLeader(
            localId: NodeId(1), epoch: LeaderEpoch(5),
            state: LeaderState(
                partitionEpoch: 3, replicas: replicas.map { NodeId($0) }, inSync: inSync.map { NodeId($0) },
                isRecovering: isRecovering),
            minimumInSync: minimum, epochStart: Offset(end), countedEnd: Offset(end), highWatermark: Offset(committed), at: now)
    }

    mutating func append(to end: Int64) {
        self.end = Offset(end)
        leader.localLogEnded(at: self.end)
    }

    mutating func fetch(
        _ id: Int32, _ offset: Int64, from start: Int64 = 0, epoch: Int64? = nil
    ) -> PartitionLeader.FetchVerdict {
        let broker = NodeId(id)
        let under = epoch ?? brokers[broker] ?? -1
        return leader.fetched(
            ReplicaFetch(
                replica: broker, brokerEpoch: under, offset: Offset(offset), startOffset: Offset(start),
                isEligible: brokers[broker] == under), logEnd: end, at: now, lagMax: LeaderWorld.lagMax)
    }

    mutating func proposal() -> InSyncProposal? {
        leader.proposal(logEnd: end, at: now, lagMax: LeaderWorld.lagMax, eligible: brokers)
    }

    /// The proposal that must be due.
    mutating func due() throws -> InSyncProposal {
        let proposal = proposal()
        return try #require(proposal)
    }

    mutating func wait(_ seconds: Int) { now = now + .seconds(seconds) }

    mutating func commit(_ proposal: InSyncProposal) {
        let decision = InSyncDecision(
            leader: NodeId(1), leaderEpoch: LeaderEpoch(5), partitionEpoch: proposal.partitionEpoch + 1,
            inSync: proposal.members.map(\.id), isRecovering: false)
        _ = leader.answered(proposal, .decided(decision))
    }

    /// The image has the partition as it was proposed.
    mutating func tell(_ proposal: InSyncProposal) {
        let replicas = ([leader.localId] + leader.followers.map(\.id)).sorted()
        leader.follow(
            LeaderState(
                partitionEpoch: proposal.partitionEpoch + 1, replicas: replicas, inSync: proposal.members.map(\.id),
                isRecovering: false), at: now)
    }
}

private func ids(_ raw: Int32...) -> [NodeId] { raw.map { NodeId($0) } }

@Suite struct PartitionLeaderTests {
    @Test func `a new leader commits nothing before all in-sync replicas have fetched in its epoch`() {
        var world = LeaderWorld(committed: 4)
        #expect(world.leader.highWatermark == Offset(4))
        _ = world.fetch(2, 10)
        #expect(world.leader.highWatermark == Offset(4))
        _ = world.fetch(3, 8)
        #expect(world.leader.highWatermark == Offset(8))
    }

    @Test func `the high watermark is the least end of those in sync, and never goes back`() {
        var world = LeaderWorld()
        _ = world.fetch(2, 10)
        _ = world.fetch(3, 10)
        world.append(to: 20)
        _ = world.fetch(2, 20)
        #expect(world.leader.highWatermark == Offset(10))
        _ = world.fetch(3, 15)
        #expect(world.leader.highWatermark == Offset(15))
        _ = world.fetch(3, 12)
        #expect(world.leader.highWatermark == Offset(15))
    }

    @Test func `below the minimum nothing is committed`() {
        var world = LeaderWorld(inSync: [1], minimum: 2, committed: 10)
        #expect(!world.leader.hasEnoughInSync)
        world.append(to: 20)
        #expect(world.leader.highWatermark == Offset(10))
    }

    /// The controller may have let it go by a greater minimum than is known here, and hold it for eligible to lead.
    @Test func `a follower that lags leaves, and counts until the image says so`() throws {
        var world = LeaderWorld()
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        world.append(to: 20)
        #expect(world.proposal() == nil)
        world.wait(6)
        _ = world.fetch(2, 20)
        world.wait(6)
        let proposal = try world.due()
        #expect(proposal.members.map(\.id) == ids(1, 2) && proposal.partitionEpoch == 3)
        #expect(proposal.members.map(\.brokerEpoch) == [11, 12])
        #expect(world.leader.highWatermark == Offset(10))
        #expect(world.proposal() == nil)
        world.commit(proposal)
        #expect(world.leader.highWatermark == Offset(10) && world.leader.inSync == ids(1, 2))
        #expect(world.leader.leaving == ids(3))
        world.leader.minimumInSync = 3
        world.tell(proposal)
        #expect(world.leader.highWatermark == Offset(10) && world.leader.leaving.isEmpty)
        world.leader.minimumInSync = 2
        world.tell(proposal)
        #expect(world.leader.highWatermark == Offset(20))
    }

    @Test func `a follower at the end never lags, however long nothing is written`() {
        var world = LeaderWorld()
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        world.wait(1000)
        #expect(world.proposal() == nil)
    }

    @Test func `a follower joins when it has the high watermark and the start of the epoch`() throws {
        var world = LeaderWorld(inSync: [1, 2], end: 10, committed: 4)
        #expect(world.fetch(3, 9) == .noted)
        #expect(world.fetch(3, 10) == .mayJoin)
        let proposal = try world.due()
        #expect(proposal.members.map(\.id) == ids(1, 2, 3))
        world.commit(proposal)
        #expect(world.leader.inSync == ids(1, 2, 3))
    }

    @Test func `one that is about to join holds the high watermark as if it had`() throws {
        var world = LeaderWorld(inSync: [1, 2])
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        let proposal = try world.due()
        world.append(to: 20)
        _ = world.fetch(2, 20)
        #expect(world.leader.highWatermark == Offset(10))
        // Refused for good: it counts no more.
        _ = world.leader.answered(proposal, .refused)
        #expect(world.leader.highWatermark == Offset(20))
    }

    @Test func `an addition whose answer was lost counts though the next is refused, until it lags`() throws {
        var world = LeaderWorld(inSync: [1, 2])
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        let proposal = try world.due()
        #expect(world.leader.answered(proposal, .unknown) == .again(proposal))
        _ = world.leader.answered(proposal, .refused)
        world.brokers[NodeId(3)] = nil
        world.append(to: 20)
        _ = world.fetch(2, 20)
        #expect(world.leader.highWatermark == Offset(10))
        world.wait(11)
        _ = world.fetch(2, 20)
        _ = world.proposal()
        #expect(world.leader.highWatermark == Offset(20))
    }

    @Test func `one that came back with less than was committed is not asked for again`() throws {
        var world = LeaderWorld(inSync: [1, 2])
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        let proposal = try world.due()
        #expect(world.leader.highWatermark == Offset(10))
        #expect(world.leader.answered(proposal, .unknown) == .again(proposal))
        // It lost what it had not synced, and registered anew.
        world.brokers[NodeId(3)] = 20
        _ = world.leader.answered(proposal, .refused)
        #expect(world.fetch(3, 5) == .noted)
        #expect(world.proposal() == nil)
        _ = world.fetch(3, 10)
        #expect(try world.due().members.map(\.brokerEpoch) == [11, 12, 20])
    }

    @Test func `the high watermark waits for one that is close, so that it can come in`() {
        var world = LeaderWorld(inSync: [1])
        _ = world.fetch(2, 10)
        world.append(to: 20)
        #expect(world.leader.highWatermark == Offset(10))
        world.brokers[NodeId(2)] = nil
        _ = world.proposal()
        #expect(world.leader.highWatermark == Offset(20))
    }

    @Test func `fenced and reborn brokers do not join`() {
        var world = LeaderWorld(inSync: [1])
        world.brokers[NodeId(2)] = nil
        #expect(world.fetch(2, 10) == .noted)
        world.brokers[NodeId(2)] = 20
        #expect(world.fetch(2, 10, epoch: 12) == .noted)
        #expect(world.fetch(2, 10, epoch: 20) == .mayJoin)
        #expect(world.fetch(2, 10, epoch: 12) == .stale)
        world.brokers[NodeId(2)] = 21
        #expect(world.proposal() == nil)
    }

    @Test func `a fetch of a replica that is not assigned counts for nothing`() {
        var world = LeaderWorld(inSync: [1, 2], replicas: [1, 2])
        #expect(world.fetch(3, 10) == .unknownReplica)
    }

    @Test func `what the image says makes the proposal void, and an answer that comes later changes nothing`() throws {
        var world = LeaderWorld(inSync: [1, 2])
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        let proposal = try world.due()
        let state = LeaderState(partitionEpoch: 5, replicas: ids(1, 2, 3), inSync: ids(1), isRecovering: false)
        world.leader.follow(state, at: world.now)
        world.commit(proposal)
        #expect(world.leader.inSync == ids(1) && world.leader.partitionEpoch == 5)
        let older = LeaderState(partitionEpoch: 4, replicas: ids(1, 2, 3), inSync: ids(1, 2, 3), isRecovering: false)
        world.leader.follow(older, at: world.now)
        #expect(world.leader.inSync == ids(1))
    }

    @Test func `a leader that came from an unclean election says that it has recovered`() throws {
        var world = LeaderWorld(inSync: [1], replicas: [1, 2], isRecovering: true)
        let proposal = try world.due()
        #expect(proposal.members.map(\.id) == ids(1))
        world.commit(proposal)
        #expect(!world.leader.isRecovering && world.proposal() == nil)
    }

    @Test func `an answer of another leader's making leaves the proposal to the image`() throws {
        var world = LeaderWorld(inSync: [1, 2])
        for id: Int32 in [2, 3] { _ = world.fetch(id, 10) }
        let proposal = try world.due()
        let decision = InSyncDecision(
            leader: NodeId(2), leaderEpoch: LeaderEpoch(6), partitionEpoch: 9, inSync: ids(2), isRecovering: false)
        #expect(world.leader.answered(proposal, .decided(decision)) == .done)
        #expect(world.leader.inSync == ids(1, 2))
        #expect(world.leader.answered(proposal, .outdated) == .done)
        #expect(world.proposal() == nil)
    }

    @Test func `the low watermark is where the last of the live followers begins`() {
        var world = LeaderWorld(end: 10)
        func low(_ live: [Int32]) -> Int64 {
            world.leader.lowWatermark(localStart: Offset(7)) { live.contains($0.rawValue) }.rawValue
        }
        #expect(low([2, 3]) == -1 && low([]) == 7)
        _ = world.fetch(2, 10, from: 5)
        #expect(low([2]) == 5 && low([2, 3]) == -1)
        _ = world.fetch(3, 10, from: 8)
        #expect(low([2, 3]) == 5 && low([3]) == 7)
        _ = world.fetch(2, 10, from: 7)
        #expect(low([2, 3]) == 7)
    }
}
