// A node's machine in a world of clusters, and what may become of it: ended with order or without, without power, with a new
// disk, standing still, slow, with a disk that is full or fails. It comes back by itself after a while.

import Basics
import Broker
import ClusterImage

/// One node.
final class ClusterNode {
    enum DiskFault: CaseIterable { case full, writes, reads, syncs }

    struct Harm {
        var fault: DiskFault
        var folder: String
        var until: Int64
        /// The life of the node in which it began.
        var life: Int

        /// What cannot be written or read may cost the folder; where there is no room, one waits for it.
        var isLasting: Bool { fault != .full }
    }

    let plan: ClusterPlan.Node
    let machine: Machine
    private let world: World
    private(set) var restartsAt: Int64?
    private var stopsSince: Int64?
    /// It ended without order or was taken out of the cluster, and is not in sync everywhere since then.
    private(set) var isUnclean = false
    /// What it ended with may have cost records.
    private(set) var hasLost = false
    /// What its disk does wrong now, and until when.
    private(set) var harm: Harm?
    /// An operator is about to take it out of the cluster.
    private var isBeingUnregistered = false
    /// How many processes it has had.
    private(set) var lives = 0
    /// A replica was to move between its folders; what fails then may cost both of them.
    var moves = false

    init(_ world: World, _ internet: VirtualInternet, _ cluster: ClusterPlan, _ plan: ClusterPlan.Node) {
        self.world = world
        self.plan = plan
        machine = Machine(world, internet, cluster.settings(of: plan), name: plan.name)
        machine.formation = cluster.formation(of: plan)
    }

    var isUp: Bool { machine.broker != nil && !machine.isOver }
    var isStopping: Bool { stopsSince != nil }
    /// It serves, and nobody is about to end it.
    var isSteady: Bool { isUp && machine.hasStarted && !isStopping && harm == nil }
    /// What it believes; before it serves it knows only what its disk holds, which may never have been committed. A node without a
    /// broker serves at once, and knows more when it has heard more.
    var image: ClusterImage? {
        guard isUp, machine.hasStarted, let image = machine.broker?.image else { return nil }
        return plan.isBroker || image.endOffset > firstEnd ? image : nil
    }

    /// Where the metadata on its disk ended when it began.
    private var firstEnd = Offset.none

    func start() {
        restartsAt = nil
        lives += 1
        world.note("START \(plan.name)")
        machine.start()
        firstEnd = machine.broker?.image.endOffset ?? .none
    }

    /// Without this folder the node ends by itself.
    private func isVital(_ folder: String) -> Bool { folder == plan.folders[0] || moves }

    /// Whether it can go on, and start, with its disk as it is.
    var isViable: Bool { harm.map { !isVital($0.folder) } ?? true }

    /// Ends what is to end and starts what is to start; tells of what should not have happened.
    func maintain() -> String? {
        if let harm, harm.until <= world.now { mend() }
        if machine.hasHalted, isViable || harm?.isLasting != true, restartsAt == nil { return "\(plan.name) halted" }
        // Nobody starts on a bad disk.
        let mustServe = harm == nil || (isViable && !machine.hasStarted)
        if let failure = machine.failure, mustServe, restartsAt == nil { return "\(plan.name) failed: \(failure)" }
        if isStopping, machine.isOver {
            stopsSince = nil
            machine.end()
        }
        if let at = restartsAt, !isStopping, at <= world.now, isViable { start() }
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
        (isUnclean, hasLost) = (true, hasLost || loses)
        restartsAt = world.now + duration
    }

    func wipe(downFor duration: Int64) {
        kill(power: true, loses: true, downFor: duration)
        world.note("NEW DISK \(plan.name)")
        machine.disk.erase()
        // Who has voted joins anew, under another name of its folder.
        if machine.formation != nil { machine.formation = Formation(voters: .none) }
    }

    /// One of its folders gets a new disk.
    func replace(_ folder: String, downFor duration: Int64) {
        kill(power: false, loses: true, downFor: duration)
        world.note("NEW DISK \(plan.name) \(folder)")
        machine.replace(folder)
    }

    /// An operator will take the broker out of the cluster while it serves.
    func unregister() -> () -> Void {
        (isUnclean, isBeingUnregistered) = (true, true)
        return { self.isBeingUnregistered = false }
    }

    // MARK: The disk

    /// The disk of a folder does something wrong for a while; `loses`: what it forgets may have been acknowledged.
    func damage(_ fault: DiskFault, of folder: String, loses: Bool, for duration: Int64) {
        world.note("DISK \(plan.name) \(folder) \(fault) for \(duration / 1_000_000) ms")
        let harm = Harm(fault: fault, folder: folder, until: world.now + duration, life: lives)
        if harm.isLasting { (isUnclean, hasLost) = (true, hasLost || loses) }
        self.harm = harm
        machine.disk.faults.change(below: folder) { volume in
            switch fault {
            case .full: volume.capacity = machine.disk.used(folder) + world.number(in: 0...4000)
            case .writes: volume.failsWrites = true
            case .reads: volume.failsReads = true
            case .syncs: volume.failsSyncs = true
            }
        }
    }

    /// The disk is sound again. What the kernel had dropped is gone for good, so that the machine is started anew; a folder that
    /// may be out of service comes back with the next start.
    private func mend() {
        guard let harm else { return }
        world.note("MENDED \(plan.name)")
        machine.disk.faults.mend()
        self.harm = nil
        let mayBeOffline = harm.life != lives || (harm.isLasting && moves)
        if harm.fault == .syncs {
            kill(power: true, loses: false, downFor: 200_000_000)
        } else if machine.hasHalted || machine.failure != nil || (mayBeOffline && isUp) {
            kill(power: false, loses: false, downFor: 200_000_000)
        }
    }

    func comeBackNow() {
        if harm != nil { mend() }
        if restartsAt != nil { restartsAt = world.now }
        machine.life.stalledUntil = 0
        machine.life.poolDelayMax = nil
        // Records that seem to be of a time far ahead are refused, and rightly.
        machine.wallClockJump = 0
    }

    /// Whether the newest image has this life of the broker in sync wherever it has a replica.
    func review(_ newest: ClusterImage) {
        guard isUnclean, isSteady, !isBeingUnregistered, let epoch = machine.broker?.brokerEpoch else { return }
        let id = NodeId(plan.id)
        let isBack = !plan.isBroker || (epoch >= 0 && newest.brokers[id]?.epoch == epoch && newest.brokers[id]?.isFenced == false
            && newest.topics.values.allSatisfy { topic in
                topic.partitions.values.allSatisfy { !$0.replicas.contains(id) || $0.inSync.contains(id) }
            })
        if isBack { (isUnclean, hasLost) = (false, false) }
    }

    // MARK: Folders

    /// The bytes of a partition's log.
    func log(of partition: TopicPartition) -> [UInt8] {
        plan.folders.flatMap { machine.disk.files(in: "\($0)/\(partition)") }.filter { $0.hasSuffix(".log") }
            .flatMap { machine.disk[$0] ?? [] }
    }

    /// The log folders that hold the partition.
    func folders(of partition: TopicPartition) -> [String] {
        plan.folders.filter { !machine.disk.files(in: "\($0)/\(partition)").isEmpty }
    }

    /// The id of a log folder, as its `meta.properties` says.
    func directory(_ folder: String) -> String? {
        let lines = String(decoding: machine.disk[folder + "/meta.properties"] ?? [], as: UTF8.self).split(separator: "\n")
        return lines.first { $0.hasPrefix("directory.id=") }.map { String($0.dropFirst("directory.id=".count)) }
    }

    /// Copies of replicas on their way to another folder.
    var copies: [String] {
        plan.folders.flatMap { machine.disk.files(in: $0) }.filter { $0.contains("-future/") }
    }
}
