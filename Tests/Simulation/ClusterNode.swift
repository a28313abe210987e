// A node's machine in a world of clusters, and what may become of it: ended with order or without, without power, with a new
// disk, standing still, slow. It comes back by itself after a while.

import Basics
import Broker
import ClusterImage

/// One node.
final class ClusterNode {
    let plan: ClusterPlan.Node
    let machine: Machine
    private let world: World
    private(set) var restartsAt: Int64?
    private var stopsSince: Int64?
    /// It ended without order, and is not in sync everywhere since then.
    private(set) var isUnclean = false
    /// What it ended with may have cost records.
    private(set) var hasLost = false

    init(_ world: World, _ internet: VirtualInternet, _ cluster: ClusterPlan, _ plan: ClusterPlan.Node) {
        self.world = world
        self.plan = plan
        machine = Machine(world, internet, cluster.settings(of: plan), name: plan.name)
    }

    var isUp: Bool { machine.broker != nil && !machine.isOver }
    var isStopping: Bool { stopsSince != nil }
    /// It serves, and nobody is about to end it.
    var isSteady: Bool { isUp && machine.hasStarted && !isStopping }
    /// What it believes; before it serves it knows only what its disk holds, which may never have been committed.
    var image: ClusterImage? { isUp && machine.hasStarted ? machine.broker?.image : nil }

    func start() {
        restartsAt = nil
        world.note("START \(plan.name)")
        machine.start()
    }

    /// Ends what is to end and starts what is to start; tells of what should not have happened.
    func maintain() -> String? {
        if machine.hasHalted { return "\(plan.name) halted" }
        if let failure = machine.failure { return "\(plan.name) failed: \(failure)" }
        if isStopping, machine.isOver {
            stopsSince = nil
            machine.end()
        }
        if let at = restartsAt, !isStopping, at <= world.now { start() }
        return nil
    }

    func stop(downFor duration: Int64) {
        stopsSince = world.now
        restartsAt = world.now + duration
        machine.beginStop()
    }

    /// How long the stop has taken.
    var stopping: Int64 { stopsSince.map { world.now - $0 } ?? 0 }

    func kill(power: Bool, loses: Bool, downFor duration: Int64) {
        stopsSince = nil
        machine.kill(power: power)
        (isUnclean, hasLost) = (true, loses)
        restartsAt = world.now + duration
    }

    func wipe(downFor duration: Int64) {
        kill(power: true, loses: true, downFor: duration)
        world.note("NEW DISK \(plan.name)")
        machine.disk.erase()
    }

    func comeBackNow() {
        if restartsAt != nil { restartsAt = world.now }
        machine.life.stalledUntil = 0
        machine.life.poolDelayMax = nil
    }

    /// Whether the newest image has this life of the broker in sync wherever it has a replica.
    func review(_ newest: ClusterImage) {
        guard isUnclean, isSteady, let epoch = machine.broker?.brokerEpoch else { return }
        let id = NodeId(plan.id)
        let isBack = !plan.isBroker || (epoch >= 0 && newest.brokers[id]?.epoch == epoch && newest.brokers[id]?.isFenced == false
            && newest.topics.values.allSatisfy { topic in
                topic.partitions.values.allSatisfy { !$0.replicas.contains(id) || $0.inSync.contains(id) }
            })
        if isBack { (isUnclean, hasLost) = (false, false) }
    }

    /// The bytes of a partition's log.
    func log(of partition: TopicPartition) -> [UInt8] {
        machine.disk.files(in: "/data/\(partition)").filter { $0.hasSuffix(".log") }.flatMap { machine.disk[$0] ?? [] }
    }
}
