// A world of one to five whole nodes: brokers and controllers together or apart, our own client as producers, consumers and
// operator. Nodes are killed, lose their power, stand still, stop in order one after the other, lose a disk, are slow, and
// are cut off from each other in one direction or both; the wall clock jumps. Then the faults stop: every partition must
// have a leader and all its replicas in sync, produces must succeed, and a new consumer must read it all. What must be true
// besides is in `ClusterOracle`.
//
// What the design promises, and no more is asked for (KIP-966): with `durability=fsync` any number of nodes may be killed or
// lose power at any time. In the page cache kills cost nothing by themselves, but the controller cannot tell a killed broker
// from one that lost its tail. So a node loses power only if with it at most min.insync.replicas − 1 have ended without
// order and are not in sync again; and until it is in sync again no more than these do. With a minimum of 1 no node loses
// power in the page cache. A lost disk counts as a loss of power in the page cache, in both levels, and befalls brokers
// that are no controllers: a voter that the configuration names must keep its log and its vote (KIP-595).

import Basics
import Broker
import ClusterImage

/// One world of this kind.
package final class ClusterWorld {
    private let world: World
    private let internet: VirtualInternet
    private let plan: ClusterPlan
    private let oracle: ClusterOracle
    private let nodes: [ClusterNode]
    private let producers: [ClusterProducer]
    private let consumer: ClusterConsumer
    private let administrator: ClusterOperator

    private init(seed: UInt64) {
        let world = World(seed: seed)
        let internet = VirtualInternet(world)
        let plan = ClusterPlan(world)
        let oracle = ClusterOracle(world, minInSync: plan.minInSync)
        (self.world, self.internet, self.plan, self.oracle) = (world, internet, plan, oracle)
        nodes = plan.nodes.map { ClusterNode(world, internet, plan, $0) }
        producers = (1...2).map { ClusterProducer("p\($0)", world, internet, oracle, plan.bootstrap) }
        consumer = ClusterConsumer("c1", world, internet, oracle, plan.bootstrap)
        administrator = ClusterOperator("o1", world, internet, oracle, plan.bootstrap)
        world.note(plan.description)
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
        create()
        guard step(seconds: 40, until: { !self.administrator.partitions.isEmpty }) else {
            return oracle.violate("no topic was made")
        }
        for producer in producers { producer.start { [administrator] in administrator.partitions } }
        for _ in 0..<world.number(in: 3...12) {
            pause()
            guard oracle.violations.isEmpty else { return }
            fault()
        }
        pause()
        if oracle.violations.isEmpty { finish() }
    }

    private func create() {
        administrator.create(plan) { [consumer] partitions in consumer.assign(partitions) }
    }

    /// Some faults come one upon the other.
    private func pause() { _ = step(milliseconds: world.chance(30) ? world.number(in: 10...400) : world.number(in: 400...6000)) { false } }

    private func step(seconds: Int, until isDone: () -> Bool) -> Bool { step(milliseconds: seconds * 1000, until: isDone) }

    /// Runs for a while, looks at every node again and again, and stops at the first violation.
    private func step(milliseconds: Int, until isDone: () -> Bool) -> Bool {
        let end = world.now + Int64(milliseconds) * 1_000_000
        while world.now < end, oracle.violations.isEmpty {
            let next = min(end, world.now + 20_000_000)
            // Something is due then, so that the time passes.
            world.after(next - world.now) {}
            guard world.run(seconds: 1, eventsMax: 300_000, until: { self.world.now >= next }) else {
                oracle.violate("too much happens in a moment")
                return false
            }
            look()
            if isDone() { return true }
        }
        return isDone()
    }

    private func look() {
        var newest: ClusterImage?
        for node in nodes {
            if let problem = node.maintain() { oracle.violate(problem) }
            if node.stopping > 20_000_000_000, mayEnd(node, loses: false) {
                node.kill(power: false, loses: false, downFor: 500_000_000)
            }
            if let state = node.machine.disk["/data/__cluster_metadata-0/quorum-state"], node.plan.isController {
                oracle.look(quorum: state, of: node.plan.name)
            }
            guard let image = node.image else { continue }
            oracle.look(at: image, of: node.plan.name)
            if image.endOffset > newest?.endOffset ?? .none { newest = image }
        }
        guard let newest else { return }
        for node in nodes { node.review(newest) }
    }

    // MARK: Faults

    private func fault() {
        let node = nodes[world.number(in: 0...nodes.count - 1)]
        let long = Int64(world.number(in: 300...(world.chance(30) ? 15_000 : 4000))) * 1_000_000
        switch world.number(in: 0...15) {
        case 0, 1: cut(node, isolates: true, long)
        case 2, 3: cut(node, isolates: false, long)
        case 4:
            world.note("\(node.plan.name) stands still for \(long / 1_000_000) ms")
            node.machine.life.stalledUntil = world.now + long
        case 5: world.wallClockJump += Int64(world.number(in: -3600...3600)) * 1000
        case 6: node.machine.life.poolDelayMax = world.chance(50) ? 200_000 : nil
        case 7: create()
        case 8: roll()
        case 9: if node.isSteady { node.stop(downFor: long) }
        case 10: wipe(node, long)
        case 11, 12: end(node, power: false, long)
        default: end(node, power: true, long)
        }
    }

    /// Cuts a node off from all others or from one, for clients or not, in one direction or both.
    private func cut(_ node: ClusterNode, isolates: Bool, _ long: Int64) {
        let other = nodes[world.number(in: 0...nodes.count - 1)]
        var others = (isolates ? nodes : [other]).map(\.plan.name).filter { $0 != node.plan.name }
        if world.chance(30) { others += ["p1", "c1"] }
        let direction = world.number(in: 0...3)
        world.note("CUT \(node.plan.name) \(["->", "<-", "<->", "<->"][direction]) \(others) for \(long / 1_000_000) ms")
        for other in others {
            if direction != 1 { internet.close(from: node.plan.name, to: other, for: long) }
            if direction != 0 { internet.close(from: other, to: node.plan.name, for: long) }
        }
    }

    /// Whether `node` may end without order; see the head of this file.
    private func mayEnd(_ node: ClusterNode, loses: Bool) -> Bool {
        let others = nodes.filter { $0 !== node && $0.plan.isBroker && $0.isUnclean }
        guard node.plan.isBroker else { return true }
        guard loses || node.hasLost || others.contains(where: \.hasLost) else { return true }
        return others.count + 1 <= plan.lossesMax
    }

    private func end(_ node: ClusterNode, power: Bool, _ long: Int64) {
        let loses = power && !plan.isStrict && node.plan.isBroker
        guard node.isUp, mayEnd(node, loses: loses) else { return }
        node.kill(power: power, loses: loses, downFor: long)
    }

    private func wipe(_ node: ClusterNode, _ long: Int64) {
        guard node.isUp, !node.plan.isController, mayEnd(node, loses: true) else { return }
        node.wipe(downFor: long)
    }

    /// Stops and starts all nodes, one after the other.
    private func roll() {
        world.note("ROLLING RESTART")
        for node in nodes where node.isSteady {
            node.stop(downFor: 300_000_000)
            _ = step(seconds: 15) { node.isSteady }
        }
    }

    // MARK: The end

    private func finish() {
        world.note("the faults stop")
        internet.openWays()
        for node in nodes { node.comeBackNow() }
        var problem: String?
        let isWhole = step(seconds: 90) {
            problem = self.missing()
            return problem == nil
        }
        guard isWhole else { return oracle.violate("does not come together: \(problem ?? "")") }
        for producer in producers { producer.forgetRecent() }
        let recent = { self.producers.reduce(into: Set()) { $0.formUnion($1.recent) } }
        guard step(seconds: 60, until: { recent().count == self.administrator.partitions.count }) else {
            return oracle.violate("nothing is acknowledged any more in some partitions: \(recent().sorted())")
        }
        for producer in producers { producer.isEnding = true }
        guard step(seconds: 40, until: { self.producers.allSatisfy(\.isDone) }) else {
            return oracle.violate("a producer does not come to its end")
        }
        compare()
    }

    /// What the cluster lacks to be whole; nil if nothing.
    private func missing() -> String? {
        for node in nodes where !node.isSteady { return "\(node.plan.name) is not there" }
        guard !administrator.isBusy else { return "a topic is not made" }
        for node in nodes {
            guard let image = node.image else { continue }
            for partition in administrator.partitions {
                guard let state = image.topic(named: partition.topic)?.partitions[partition.partition] else {
                    return "\(node.plan.name) does not know \(partition)"
                }
                guard state.leader != .none, Set(state.inSync) == Set(state.replicas) else {
                    return "\(partition) at \(node.plan.name) is led by \(state.leader) with \(state.inSync) of \(state.replicas)"
                }
            }
        }
        return nil
    }

    /// All read the same, to the end; all replicas hold the same bytes.
    private func compare() {
        let last = ClusterConsumer("last", world, internet, oracle, plan.bootstrap)
        let partitions = administrator.partitions
        last.assign(partitions)
        let isRead = step(seconds: 60) {
            partitions.allSatisfy { partition in
                [last, self.consumer].allSatisfy { reader in
                    let count = Int64(reader.values[partition]?.count ?? -1)
                    return reader.ends[partition] == count && count >= self.oracle.end(of: partition)
                }
            }
        }
        guard isRead else { return oracle.violate("a consumer does not come to the end") }
        for partition in partitions { oracle.final(last.values[partition] ?? [], of: partition) }
        var problem: String?
        let isEqual = step(seconds: 60) {
            problem = self.missing() ?? self.difference()
            return problem == nil
        }
        if !isEqual { oracle.violate("does not stay together: \(problem ?? "")") }
        world.note("end with \(oracle.acknowledgedCount) acknowledged")
    }

    /// Two replicas whose logs are not the same, byte by byte; nil if there are none.
    private func difference() -> String? {
        for partition in administrator.partitions {
            let replicas = nodes.first?.image?.topic(named: partition.topic)?.partitions[partition.partition]?.replicas ?? []
            let logs = nodes.filter { replicas.contains(NodeId($0.plan.id)) }.map { ($0.plan.name, $0.log(of: partition)) }
            for (name, log) in logs where log != logs[0].1 {
                return "\(partition): the log of \(name) differs from that of \(logs[0].0)"
            }
        }
        return nil
    }
}
