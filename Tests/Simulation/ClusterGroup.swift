// A group in a world of clusters: members of one protocol that read the first topic, crash, leave and come back, while the
// coordinator's brokers are killed and cut off.
//
// I14, as `CommitOracle` holds it: no member begins beyond what was delivered to the group without a gap, nor before what was told
// to be committed before its question can have been asked. So commits survive their coordinator, and none goes back.

import Basics
import Bytes
import Client
import Environment
import Records

/// What a group was given and what it was told.
final class CommitOracle {
    /// No answer is older than this when it arrives: requests give up before.
    private static let answerAgeMax: Int64 = 5_000_000_000

    private let oracle: ClusterOracle
    private var delivered: [TopicPartition: (seen: Set<Int64>, prefix: Int64)] = [:]
    /// By partition: when which offset was told to be committed, the greatest last.
    private var told: [TopicPartition: [(at: Int64, offset: Int64)]] = [:]

    init(_ oracle: ClusterOracle) { self.oracle = oracle }

    /// How much of a partition was delivered without a gap, but for what may have been deleted.
    func prefix(_ partition: TopicPartition) -> Int64 {
        var (seen, prefix) = delivered[partition] ?? ([], 0)
        let bound = oracle.deletions.bound(partition)
        if prefix < bound {
            seen = seen.filter { $0 >= bound }
            prefix = bound
        }
        while seen.remove(prefix) != nil { prefix += 1 }
        delivered[partition] = (seen, prefix)
        return prefix
    }

    func deliver(_ partition: TopicPartition, _ offsets: Range<Int64>) {
        delivered[partition, default: ([], 0)].seen.formUnion(offsets)
        _ = prefix(partition)
    }

    func commit(_ member: String, _ partition: TopicPartition, _ offset: Int64) {
        if offset > prefix(partition) {
            oracle.violate("I14 \(member) was told that \(partition) is committed at \(offset); \(prefix(partition)) was delivered")
        }
        guard told[partition]?.last.map({ $0.offset < offset }) ?? true else { return }
        told[partition, default: []].append((oracle.world.now, offset))
    }

    func begin(_ member: String, _ partition: TopicPartition, at offset: Int64) {
        if offset > prefix(partition) {
            oracle.violate("I14 \(member) begins \(partition) at \(offset), and \(prefix(partition)) was delivered")
        }
        let horizon = oracle.world.now - CommitOracle.answerAgeMax
        if let known = told[partition]?.last(where: { $0.at <= horizon }), known.offset > offset {
            oracle.violate("I14 \(member) begins \(partition) at \(offset), and \(known.offset) was committed long ago")
        }
    }
}

/// One process of a member.
private final class ClusterMember: ClusterClientProcess {
    private(set) var isOver = false
    private let internet: VirtualInternet
    private let commits: CommitOracle
    private lazy var consumer = GroupConsumer(client, settings)
    private let groupProtocol: GroupProtocol
    private let assignors: [ClassicAssignor]

    init(
        _ name: String, _ internet: VirtualInternet, _ oracle: ClusterOracle, _ commits: CommitOracle, _ bootstrap: [SocketAddress],
        _ groupProtocol: GroupProtocol, _ assignors: [ClassicAssignor]
    ) {
        self.internet = internet
        self.commits = commits
        self.groupProtocol = groupProtocol
        self.assignors = assignors
        super.init(name, oracle.world, internet, oracle, bootstrap)
    }

    private var settings: GroupConsumerSettings {
        var settings = GroupConsumerSettings(group: ClusterGroup.id, topics: ["t0"])
        settings.groupProtocol = groupProtocol
        settings.assignors = assignors
        settings.sessionTimeout = .seconds(6)
        settings.heartbeatInterval = .milliseconds(1500)
        settings.rebalanceTimeout = .seconds(8)
        settings.commitInterval = .milliseconds(700)
        settings.reset = .earliest
        settings.fetch.fetchWait = .milliseconds(500)
        settings.fetch.outOfRange = .nearest
        return settings
    }

    func start() {
        consumer.onEvent = { [weak self] event in self?.take(event) }
        inside { self.consumer.start() }
    }

    private func take(_ event: GroupConsumer.Event) {
        guard !isOver else { return }
        switch event {
        case .records(let records):
            let loop = client.loop
            _ = loop.schedule(at: loop.now + .nanoseconds(world.delay(upTo: 50_000))) { [self] in
                guard !isOver else { return }
                commits.deliver(records.partition, records.from.rawValue..<records.next.rawValue)
                consumer.release(records)
            }
        case .end: break
        case .assigned(let begun):
            world.note("\(name) reads \(begun.map { "\($0.partition)@\($0.offset)" })")
            for entry in begun { commits.begin(name, entry.partition, at: entry.offset.rawValue) }
        case .revoked(let partitions, let isLost): world.note("\(name) \(isLost ? "lost" : "gave up") \(partitions)")
        case .committed(let offsets):
            for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) { commits.commit(name, partition, offset.rawValue) }
        case .commitFailed(let error): world.note("\(name) commit: \(error)")
        case .failed(let error):
            world.note("\(name) failed: \(error)")
            if case .timedOut = error {} else { oracle.violate("\(name) failed: \(error)") }
            crash()
        }
    }

    /// Ends without a word.
    func crash() {
        guard !isOver else { return }
        world.note("\(name) ends")
        isOver = true
        life.isAlive = false
        internet.died(life)
    }

    /// Leaves in order.
    func leave() {
        guard !isOver else { return }
        world.note("\(name) leaves")
        isOver = true
        inside {
            self.consumer.close(deadline: self.client.loop.now + .seconds(5)) {
                self.inside {
                    self.life.isAlive = false
                    self.internet.died(self.life)
                }
            }
        }
    }
}

/// The members of the world's group.
final class ClusterGroup {
    static let id = "g"

    private let internet: VirtualInternet
    private let oracle: ClusterOracle
    private let bootstrap: [SocketAddress]
    private let commits: CommitOracle
    private let groupProtocol: GroupProtocol
    private let assignors: [ClassicAssignor]
    private var members: [ClusterMember?]
    private var startsAt: [Int64]
    private var number = 0

    init(_ internet: VirtualInternet, _ oracle: ClusterOracle, _ bootstrap: [SocketAddress]) {
        let world = oracle.world
        (self.internet, self.oracle, self.bootstrap) = (internet, oracle, bootstrap)
        commits = CommitOracle(oracle)
        groupProtocol = world.chance(50) ? .consumer : .classic
        assignors = world.chance(50) ? [.range] : [.cooperativeSticky]
        let seats = world.number(in: 1...3)
        members = Array(repeating: nil, count: seats)
        startsAt = (0..<seats).map { _ in world.delay(upTo: 3_000_000) }
    }

    /// The topic is there: from now on members come.
    func open() { startsAt = startsAt.map { $0 + oracle.world.now } }

    /// Has members come back that ended.
    func maintain() {
        let world = oracle.world
        for index in members.indices {
            if let member = members[index], member.isOver {
                members[index] = nil
                startsAt[index] = world.now + 100_000_000 + world.delay(upTo: 4_000_000)
            }
            guard members[index] == nil, startsAt[index] <= world.now else { continue }
            number += 1
            let member = ClusterMember("m\(number)", internet, oracle, commits, bootstrap, groupProtocol, assignors)
            world.note("m\(number) starts, \(groupProtocol.rawValue)")
            members[index] = member
            member.start()
        }
    }

    func disturb() {
        let world = oracle.world
        let member = members[world.number(in: 0...members.count - 1)]
        if world.chance(50) { member?.crash() } else { member?.leave() }
    }

    /// What is still to be delivered or committed, of partitions that end at `ends`; nil if nothing is.
    func unsettled(_ ends: [TopicPartition: Int64], _ committed: [TopicPartition: Int64]) -> String? {
        for (partition, end) in ends.sorted(by: { $0.key < $1.key }) where partition.topic == "t0" {
            if commits.prefix(partition) < end { return "\(partition) is delivered up to \(commits.prefix(partition)) of \(end)" }
            if committed[partition] ?? 0 != end { return "\(partition) is committed at \(committed[partition] ?? -1) of \(end)" }
        }
        return nil
    }
}
