// A world of groups: the whole broker, one or two groups of our client's members in all kinds (both protocols, eager
// and cooperative, static, mixed, so that groups are converted while they work), a producer, an operator, and ghosts.
// Members stand still for longer than their sessions, fall silent, crash, leave and come back; connections break; the
// wall clock jumps; the disk is slow; the broker is stopped and killed, and loses its power where its topics sync
// before they acknowledge. Then the faults stop, and every group must settle. What must be true is in `GroupOracle`.

import Basics
import Broker
import Client

/// One world of this kind.
package final class GroupWorld {
    private let world: World
    private let internet: VirtualInternet
    private let machine: Machine
    private let oracle: GroupOracle
    private let producer: GroupProducer
    private let ghost: Ghost
    private let administrator: Operator
    private let groups: [SeatedGroup]
    private let partitions: Int
    /// When the broker comes back; nil while it is there.
    private var restartsAt: Int64?
    private var hasLostPower = false
    private var isReading = false

    private init(seed: UInt64) {
        let world = World(seed: seed)
        self.world = world
        internet = VirtualInternet(world)
        internet.breakChance = world.chance(20) ? 1 : 0
        if world.chance(25) { world.poolDelayMax = 200_000 }
        let isStrict = world.chance(40)
        oracle = GroupOracle(world, isStrict: isStrict)
        machine = Machine(world, internet, GroupWorld.settings(world, isStrict: isStrict))
        machine.disk.observer = oracle.log
        partitions = world.number(in: 1...5)
        producer = GroupProducer(world, internet, partitions: partitions)
        ghost = Ghost(world, internet, oracle, partitions: partitions)
        administrator = Operator(world, internet, oracle)
        groups = (0..<(world.chance(30) ? 2 : 1)).map { SeatedGroup(world, id: "g\($0)") }
        ghost.known = { [groups] in groups.flatMap(\.said) }
    }

    private static func settings(_ world: World, isStrict: Bool) -> [(key: String, value: String)] {
        func pick(_ values: [Int]) -> String { String(values[world.number(in: 0...values.count - 1)]) }
        return [
            // Rarer than in short histories.
            ("log.cleaner.backoff.ms", "400"), ("log.retention.check.interval.ms", "2000"),
            ("log.durability", isStrict ? "fsync" : "page-cache"),
            ("offsets.retention.minutes", pick([1, 10_080])), ("offsets.retention.check.interval.ms", "1500"),
            ("group.initial.rebalance.delay.ms", pick([0, 500, 3000])), ("group.min.session.timeout.ms", "1000"),
            ("group.consumer.min.session.timeout.ms", "1000"), ("group.consumer.session.timeout.ms", "6000"),
            ("group.consumer.min.heartbeat.interval.ms", "500"), ("group.consumer.heartbeat.interval.ms", "1500"),
            ("group.consumer.assignment.interval.ms", pick([0, 1000])),
        ]
    }

    /// Runs one world of this kind.
    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        let one = GroupWorld(seed: seed)
        one.run()
        let world = one.world
        return ProduceAndFetch.Outcome(
            violations: one.oracle.violations, trace: world.trace, traceHash: world.traceHash, events: world.eventCount,
            simulatedSeconds: Double(world.now) / 1e9)
    }

    // MARK: The course of a world

    private func run() {
        machine.start()
        producer.start()
        ghost.start()
        guard step(seconds: 20, until: { self.producer.hasTopic }) else { return oracle.violate("no topic was made") }
        for _ in 0..<world.number(in: 2...9) {
            pause(seconds: world.number(in: 1...9))
            fault()
            guard oracle.violations.isEmpty else { return }
        }
        finish()
    }

    /// Runs for a while, restarts what is to be restarted, and stops at the first violation.
    private func step(seconds: Int, until isDone: @escaping () -> Bool) -> Bool {
        let end = world.now + Int64(seconds) * 1_000_000_000
        var next = world.now
        while world.now < end, oracle.violations.isEmpty {
            next += 100_000_000
            // Something is due then, so that the time passes.
            world.after(next - world.now) {}
            let isReached = world.run(seconds: 1, eventsMax: 500_000) {
                self.look()
                return self.world.now >= next || !self.oracle.violations.isEmpty
            }
            guard isReached else {
                oracle.violate("too much happens in a tenth of a second")
                return false
            }
            if isDone() { return true }
            maintain()
        }
        return isDone()
    }

    private func pause(seconds: Int) { _ = step(seconds: seconds) { false } }

    /// After each event: reads the log as soon as the broker serves.
    private func look() {
        guard !isReading, machine.isServing else { return }
        isReading = true
        for fault in oracle.log.reload(machine.disk, lostPower: hasLostPower) { oracle.violate(fault) }
        hasLostPower = false
        oracle.servesSince = world.now
    }

    private func maintain() {
        if let failure = machine.failure { oracle.violate("the broker failed: \(failure)") }
        if let at = restartsAt, at <= world.now {
            restartsAt = nil
            machine.start()
        }
        for group in groups {
            for seat in group.seats {
                seat.supervise { GroupMember(world, internet, oracle, $0, number: $1) }
            }
        }
    }

    // MARK: Faults

    private func fault() {
        let group = groups[world.number(in: 0...groups.count - 1)]
        let seat = group.seats[world.number(in: 0...group.seats.count - 1)]
        let long = Int64(world.number(in: 500...20_000)) * 1_000_000
        switch world.number(in: 0...13) {
        case 0, 1: seat.present?.stall(nanoseconds: long)
        case 2: seat.present?.silence(nanoseconds: long)
        case 3: seat.present?.crash()
        case 4:
            if group.isMixed, world.chance(70) { seat.settings.groupProtocol.toggle() }
            seat.present?.leave()
        case 5, 6: double(seat, long)
        case 7: if let process = seat.present { internet.cut(process.life) }
        case 8: world.wallClockJump += Int64(world.number(in: -200...200)) * 1000
        case 9: reset(group)
        case 10: for other in group.seats { other.present?.stall(nanoseconds: long) }
        default: endBroker()
        }
    }

    /// The old process stands still, and a new one with the same name takes its place; it wakes up later.
    private func double(_ seat: Seat, _ long: Int64) {
        guard let old = seat.present else { return }
        old.stall(nanoseconds: long)
        if group(of: seat).isMixed, world.chance(30) { seat.settings.groupProtocol.toggle() }
        seat.start { GroupMember(world, internet, oracle, $0, number: $1) }
    }

    private func group(of seat: Seat) -> SeatedGroup {
        let group = groups.first { $0.seats.contains { $0 === seat } }
        guard let group else { preconditionFailure("a seat of another world") }
        return group
    }

    private func endBroker() {
        guard restartsAt == nil, machine.isServing else { return }
        let power = oracle.isStrict && world.chance(50)
        if !power, world.chance(30) { machine.stop() } else { machine.kill(power: power) }
        oracle.log.died(lostPower: power)
        (hasLostPower, isReading) = (power, false)
        restartsAt = world.now + world.delay(upTo: world.chance(20) ? 10_000_000 : 1_000_000)
    }

    /// All members go, the operator resets the offsets, all come back.
    private func reset(_ group: SeatedGroup) {
        for seat in group.seats {
            seat.isVacant = true
            if world.chance(70) { seat.present?.leave() } else { seat.present?.crash() }
        }
        if step(seconds: 30, until: { [oracle] in self.isReading && oracle.log[group.id].isEmpty }) {
            var isDone = false
            administrator.reset(group.id) { isDone = true }
            _ = step(seconds: 20) { isDone }
        }
        for seat in group.seats { seat.isVacant = false }
    }

    // MARK: The end

    private func finish() {
        world.note("the faults stop")
        internet.breakChance = 0
        producer.isEnding = true
        ghost.isEnding = true
        var problem: String?
        var settled: (owners: [String], since: Int64)?
        let isSettled = step(seconds: 150) {
            problem = self.unsettled()
            let owners = self.groups.map { "\(self.oracle.ownerNames($0.id))" }
            if problem != nil || settled?.owners != owners { settled = nil }
            guard problem == nil else { return false }
            let since = settled?.since ?? self.world.now
            settled = (owners, since)
            // Whoever takes turns with another in one place is not settled.
            return self.world.now - since >= 6_000_000_000
        }
        if !isSettled, oracle.violations.isEmpty {
            oracle.violate("does not settle: \(problem ?? "members take turns")")
        }
        world.note("end")
    }

    private func unsettled() -> String? {
        guard producer.isDone, isReading, let broker = machine.broker else { return "there is no broker" }
        let data = broker.replicaStatus.filter { $0.id.topic == GroupMember.topic }
        let ends = Dictionary(uniqueKeysWithValues: data.map { ($0.id.partition, $0.endOffset.rawValue) })
        for group in groups {
            if let problem = oracle.unsettled(group.id, ends) { return problem }
        }
        return nil
    }
}

extension GroupProtocol {
    fileprivate mutating func toggle() { self = self == .classic ? .consumer : .classic }
}
