// A node with two log folders, of which one or the other gets full or fails for a while, with a topic in each. What is
// full or cannot be written or read recovers by itself. A sync that fails takes its folder out of service until the
// machine is started again, or, where it is the metadata's, ends the process.

import Basics
import Broker

/// Runs one world of this kind.
package enum FailingDisk {
    private static let other = "/more"
    private static let own = "/data"

    private enum Fault: CaseIterable { case full, writes, reads, syncs }

    /// A topic with those who use it.
    private struct Users {
        let oracle: Oracle
        let producer: SimulatedProducer
        let consumer: SimulatedConsumer

        init(_ topic: String, _ world: World, _ internet: VirtualInternet) {
            let policy: Policy = world.chance(50) ? .keepAll : world.chance(50) ? .delete : .compact
            oracle = Oracle(world, policy, isStrict: world.chance(60), topic: topic)
            producer = SimulatedProducer(world, internet, oracle, total: world.number(in: 40...120))
            consumer = SimulatedConsumer("consumer \(topic)", world, internet, oracle)
        }

        func start() {
            producer.start()
            consumer.start()
        }
    }

    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        let world = World(seed: seed)
        let internet = VirtualInternet(world)
        let machine = Machine(
            world, internet,
            [
                ("log.dirs", "\(other),\(own)"), ("metadata.log.dir", own),
                ("martlet.disk.reserve.bytes", world.chance(50) ? "0" : "2000"),
                ("replica.high.watermark.checkpoint.interval.ms", "300"),
                ("metadata.log.max.record.bytes.between.snapshots", world.chance(50) ? "1000" : "20000000"),
            ])
        // The first topic goes to the first folder, the second to the other one.
        let users = [Users("t", world, internet), Users("u", world, internet)]
        machine.start()
        for user in users {
            user.start()
            _ = world.run(seconds: 20, until: { user.producer.hasTopic })
        }
        for _ in 0..<world.number(in: 1...4) {
            _ = world.run(seconds: 1, until: { world.chance(1) })
            fault(world, machine, users)
        }
        finish(world, internet, machine, users)
        return ProduceAndFetch.Outcome(
            violations: users.flatMap(\.oracle.violations), trace: world.trace, traceHash: world.traceHash,
            events: world.eventCount, simulatedSeconds: Double(world.now) / 1e9)
    }

    private static func fault(_ world: World, _ machine: Machine, _ users: [Users]) {
        let path = world.chance(50) ? other : own
        let fault = Fault.allCases[world.number(in: 0...Fault.allCases.count - 1)]
        world.note("FAULT \(fault) of \(path)")
        let before = durableEnds(machine)
        machine.disk.faults.change(below: path) { volume in
            switch fault {
            case .full: volume.capacity = machine.disk.used(path) + world.number(in: 0...4000)
            case .writes: volume.failsWrites = true
            case .reads: volume.failsReads = true
            case .syncs: volume.failsSyncs = true
            }
        }
        _ = world.run(seconds: Int64(world.number(in: 1...3)), until: { false })
        if fault == .syncs, path == other, machine.isServing { requireService(world, users[1]) }
        if fault != .syncs, machine.hasHalted { users[0].oracle.violate("the process ended, and no sync had failed") }
        machine.disk.faults.mend()
        world.note("MENDED")
        // Syncs work again, and the node must not believe those of what the kernel has dropped.
        if fault == .syncs { _ = world.run(seconds: Int64(world.number(in: 0...2)), until: { false }) }
        // A start that met the fault has failed.
        if fault == .syncs || machine.hasHalted || machine.failure != nil { restart(world, machine, users, before) }
    }

    /// A topic whose folder is sound is served while the other folder is not.
    private static func requireService(_ world: World, _ users: Users) {
        let known = users.oracle.acknowledged.count
        let isServed = world.run(
            seconds: 20, until: { users.producer.isDone || users.oracle.acknowledged.count > known })
        if !isServed { users.oracle.violate("is not served while another folder is offline") }
    }

    private static func durableEnds(_ machine: Machine) -> [String: Int64] {
        var ends: [String: Int64] = [:]
        for status in machine.broker?.replicaStatus ?? [] { ends[status.id.topic] = status.recoveryPoint.rawValue }
        return ends
    }

    /// The machine is started anew with a sound disk: what the kernel had not written is gone.
    private static func restart(
        _ world: World, _ machine: Machine, _ users: [Users], _ before: [String: Int64]
    ) {
        machine.kill(power: true)
        machine.start()
        if let failure = machine.failure { return users[0].oracle.violate("did not start: \(failure)") }
        for user in users {
            let after = machine.broker?.replicaStatus.first { $0.id.topic == user.oracle.topic }
            if user.producer.hasTopic, after == nil { user.oracle.violate("the topic was created and is gone") }
            user.oracle.lostPower(
                durableBelow: before[user.oracle.topic] ?? 0, end: after?.endOffset.rawValue ?? 0)
            user.consumer.rewind()
        }
    }

    /// No more faults: the producers must finish without another start, and new consumers read everything.
    private static func finish(
        _ world: World, _ internet: VirtualInternet, _ machine: Machine, _ users: [Users]
    ) {
        for user in users {
            let oracle = user.oracle
            guard world.run(seconds: 60, until: { user.producer.isDone }) else {
                return oracle.violate("the producer does not come to an end")
            }
            let last = SimulatedConsumer("last \(oracle.topic)", world, internet, oracle)
            last.start()
            let isWhole = world.run(
                seconds: 60, until: { last.highWatermark >= 0 && last.offset == last.highWatermark })
            guard isWhole else {
                let status = machine.broker?.replicaStatus.first { $0.id.topic == oracle.topic }
                return oracle.violate("the last consumer stays at \(last.offset): \(status.map { "\($0)" } ?? "no replica")")
            }
            oracle.final(last.records, from: last.startOffset, to: last.offset)
            world.note("\(oracle.topic) ends at \(last.offset)")
        }
        machine.stop()
        if let failure = machine.failure { users[0].oracle.violate("did not stop: \(failure)") }
    }
}
