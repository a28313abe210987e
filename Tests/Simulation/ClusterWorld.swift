// A world of one to seven whole nodes: brokers and controllers together or apart, our own client as producers, consumers,
// members of a group and operator. For more than a minute nodes are killed, lose their power, stand still, stop in order one
// after the other or all at once, lose a disk, have a log folder that is slow, full or fails, are slow to reach, and are cut off
// from each other in one direction or both; connections break, clocks jump (`ClusterWorld+Faults`). Meanwhile an operator has
// topics, replicas and voters come and go, moves replicas between folders, deletes records, changes the minimum in sync and
// throttles (`ClusterWorld+Operations`). Then the faults stop: every partition must have a leader and all its replicas in sync
// and where the cluster believes them, produces must succeed, new consumers must read it all, and the group must come to the end
// of its topic (`ClusterWorld+End`). What must be true besides, all the time, is in the oracles, which look at every node each
// 20 ms and at each read and acknowledgement.
//
// What the design promises, and no more is asked for (KIP-966): with `durability=fsync` any number of nodes may be killed or
// lose power at any time. In the page cache kills cost nothing by themselves, but the controller cannot tell a killed broker
// from one that lost its tail. So a node loses power only if with it at most min.insync.replicas − 1 have ended without
// order and are not in sync again; and until it is in sync again no more than these do. With a minimum of 1 no node loses
// power in the page cache. A lost disk counts as a loss of power in the page cache, in both levels. It befalls brokers, and one
// voter where the log names the voters (KIP-853): one that the configuration names must keep its log and its vote (KIP-595).
// With another minimum nobody is eligible any more, so that none ends with a loss before enough are in sync again.

import Basics
import Broker
import ClusterImage

/// One world of this kind.
package final class ClusterWorld {
    /// Faults last so long at least.
    private static let disturbedMin: Int64 = 60_000_000_000
    private static let interval: Int64 = 20_000_000

    let world: World
    let internet: VirtualInternet
    let plan: ClusterPlan
    let oracle: ClusterOracle
    let replicas: ReplicaOracle
    let nodes: [ClusterNode]
    let producers: [ClusterProducer]
    let consumer: ClusterConsumer
    let administrator: ClusterOperator
    let group: ClusterGroup
    /// The newest metadata that any node has known to be committed.
    private(set) var newest: ClusterImage?
    var hasWipedVoter = false
    /// Topics that are throttled.
    var throttled: Set<String> = []
    /// Topics with another `min.insync.replicas`, and when that is known to be over.
    var changedMinimums: [String: Int64] = [:]
    /// The chance of what came later than the world's own.
    let extra: Chance
    var connectionsBreakUntil: Int64 = 0

    private init(seed: UInt64) {
        let world = World(seed: seed)
        let internet = VirtualInternet(world)
        let plan = ClusterPlan(world)
        let oracle = ClusterOracle(world, minInSync: plan.minInSync)
        (self.world, self.internet, self.plan, self.oracle) = (world, internet, plan, oracle)
        extra = Chance(seed: seed ^ 0x6d6f_7265)
        replicas = ReplicaOracle(oracle)
        nodes = plan.nodes.map { ClusterNode(world, internet, plan, $0) }
        producers = ["p1", "p2", "q1"].map { ClusterProducer($0, world, internet, oracle, plan.bootstrap) }
        consumer = ClusterConsumer("c1", world, internet, oracle, plan.bootstrap)
        administrator = ClusterOperator("o1", world, internet, oracle, plan.bootstrap)
        group = ClusterGroup(internet, oracle, plan.bootstrap)
        world.note(plan.description)
        administrator.onPartitions = { [consumer] partitions in consumer.assign(partitions) }
        let committedEnd = { [replicas, nodes] (partition: TopicPartition) in
            for node in nodes { replicas.noteHighWatermarks(of: node) }
            return replicas.highWatermark(of: partition)
        }
        oracle.deletions.committedEnd = committedEnd
        oracle.isCommitted = { [replicas] partition, offset in
            if offset < replicas.highWatermark(of: partition) { return true }
            return offset < committedEnd(partition)
        }
    }

    /// Runs one world of this kind.
    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        let one = ClusterWorld(seed: seed)
        one.run()
        let world = one.world
        return ProduceAndFetch.Outcome(
            violations: one.oracle.violations, trace: world.trace, traceHash: world.traceHash, events: world.eventCount,
            simulatedSeconds: Double(world.now) / 1e9)
    }

    // MARK: The course of a world

    private func run() {
        for node in nodes { node.start() }
        administrator.create(plan)
        guard step(seconds: 40, until: { !self.administrator.partitions.isEmpty }) else {
            return oracle.violate("no topic was made")
        }
        for producer in producers { producer.start { [administrator] in administrator.partitions } }
        group.open()
        while world.now < ClusterWorld.disturbedMin {
            pause()
            guard oracle.violations.isEmpty else { return }
            disturb()
        }
        pause()
        if oracle.violations.isEmpty { finish() }
    }

    /// Some faults come one upon the other.
    private func pause() {
        _ = step(milliseconds: world.chance(30) ? world.number(in: 10...400) : world.number(in: 400...6000)) { false }
    }

    func step(seconds: Int, until isDone: () -> Bool) -> Bool { step(milliseconds: seconds * 1000, until: isDone) }

    /// Runs for a while, looks at every node again and again, and stops at the first violation.
    private func step(milliseconds: Int, until isDone: () -> Bool) -> Bool {
        let end = world.now + Int64(milliseconds) * 1_000_000
        while world.now < end, oracle.violations.isEmpty {
            let next = min(end, world.now + ClusterWorld.interval)
            // Something is due then, so that the time passes.
            world.after(next - world.now) {}
            guard world.run(seconds: 1, eventsMax: 300_000, until: { self.world.now >= next }) else {
                oracle.violate("too much happens in a moment")
                return false
            }
            look()
            maintain()
            if isDone() { return true }
        }
        return isDone()
    }

    /// Holds all nodes against the oracles.
    func look() {
        for node in nodes {
            if let state = node.machine.disk["/data/__cluster_metadata-0/quorum-state"], node.plan.isController {
                oracle.look(quorum: state, of: node.plan.name)
            }
            guard let image = node.image else { continue }
            oracle.look(at: image, of: node.plan.name, lives: node.lives)
            if image.endOffset > newest?.endOffset ?? .none { newest = image }
        }
        for node in nodes { replicas.look(at: node, newest: newest) }
    }

    private func maintain() {
        for node in nodes {
            if let problem = node.maintain() { oracle.violate(problem) }
            if node.stopping > 20_000_000_000, mayEnd(node, loses: false) {
                node.kill(power: false, loses: false, downFor: 500_000_000)
            }
            if let newest { node.review(newest) }
        }
        if let newest { settleMinimums(newest) }
        group.maintain()
        if connectionsBreakUntil <= world.now { internet.breakChance = 0 }
    }
}
