// A simulated machine that runs a broker: its disk stays, its processes come and go.

import Basics
import Broker
import Configuration
import Environment

/// One node with its disk.
final class Machine {
    static let address = SocketAddress(host: "node", port: 9092)

    let name: String
    let world: World
    let internet: VirtualInternet
    let disk: VirtualDisk
    private let settings: [(key: String, value: String)]
    private(set) var broker: Broker?
    private(set) var life = Life("none")
    private var loops: [VirtualLoop] = []
    private(set) var failure: String?
    private var starts = 0
    /// The last process ended by itself, since it could not go on.
    private(set) var hasHalted = false
    /// How an empty disk is formatted before the process starts; nil leaves it to the process.
    var formation: Formation?
    /// A folder is not formatted yet, and others are.
    private var hasNewFolder = false
    /// How far its wall clock is off, in milliseconds.
    var wallClockJump: Int64 = 0 {
        didSet { life.wallClockJump = wallClockJump }
    }

    /// A machine with an empty disk, or with what `disk` holds now.
    init(
        _ world: World, _ internet: VirtualInternet, _ settings: [(key: String, value: String)] = [],
        disk: VirtualDisk? = nil, name: String = "node"
    ) {
        self.name = name
        self.world = world
        self.internet = internet
        self.settings = settings
        self.disk = disk?.copy(in: world) ?? VirtualDisk(world)
    }

    /// The broker has registered and answers.
    var isServing: Bool { life.isAlive && (broker?.brokerEpoch ?? -1) >= 0 }

    /// The start came to its end: the node serves what its roles say.
    private(set) var hasStarted = false

    /// Starts a process on the disk as it is.
    func start() {
        starts += 1
        hasHalted = false
        hasStarted = false
        failure = nil
        life = Life("broker-\(starts)", on: name)
        life.wallClockJump = wallClockJump
        let life = life
        loops = (0..<2).map { VirtualLoop(index: $0, world: world, life: life) }
        let environment = Environment(
            clock: VirtualClock(world: world, life: life), random: VirtualRandom(world: world), loops: loops, fileSystem: disk,
            network: VirtualNetwork(internet: internet, loops: loops, life: life),
            pool: VirtualPool(world: world, life: life))
        let noted = world
        let label = name == "node" ? "broker" : name
        let logger = Logger(clock: environment.clock) { line in
            noted.note("\(label) \(line.split(separator: " ").dropFirst().joined(separator: " ").dropLast())")
        }
        let halt: @Sendable (StartFailure) -> Void = { reason in
            noted.note("HALT \(reason)")
            self.hasHalted = true
            life.isAlive = false
        }
        do {
            let given = [
                ("listeners", "PLAINTEXT://\(name):9092"), ("log.dirs", "/data"),
                // Often enough for a short history.
                ("log.retention.check.interval.ms", "200"), ("log.cleaner.backoff.ms", "50"),
            ]
            let values = (given + settings).map { GivenValue(key: $0.0, value: $0.1, origin: .flag) }
            let configuration = try NodeConfiguration(values)
            try format(environment, configuration)
            broker = try Broker.start(environment, configuration, logger: logger, onHalt: halt) { failure in
                if let failure { self.fail("\(failure)") } else { self.hasStarted = life === self.life }
            }
        } catch {
            fail("\(error)")
        }
    }

    /// Formats an empty disk, or a folder that is empty beside others, as a program of its own that has ended when the node
    /// starts.
    private func format(_ environment: Environment, _ configuration: NodeConfiguration) throws {
        let isNew = disk.files(in: "/data").isEmpty
        guard isNew ? formation != nil : hasNewFolder else { return }
        let clusterId = configuration["cluster.id"] ?? ""
        _ = try Storage.format(
            environment, configuration, clusterId: clusterId, formation: formation ?? Formation(voters: .none),
            ignoresFormatted: !isNew)
        hasNewFolder = false
        disk.releaseLocks()
    }

    /// The process has ended, and one of its folders is on a new disk.
    func replace(_ folder: String) {
        disk.erase(folder)
        hasNewFolder = true
    }

    private func fail(_ reason: String) {
        // What was cut off in the middle has nothing to say any more.
        guard !disk.faults.isCut else { return }
        failure = reason
        world.note("broker did not start: \(reason)")
    }

    /// Stops the process in order; what is under way is answered first.
    func stop() {
        guard broker != nil, life.isAlive else { return }
        beginStop()
        guard world.run(seconds: 30, until: { !self.life.isAlive }) else { return fail("does not stop") }
        end()
    }

    /// Begins to stop the process in order; it `isOver` when it has.
    func beginStop() {
        guard let broker, life.isAlive else { return }
        world.note("STOP\(suffix)")
        let life = life
        broker.stop { failure in
            guard life === self.life else { return }
            if let failure { self.fail("\(failure)") }
            life.isAlive = false
        }
    }

    /// The process has ended, in order or by itself.
    var isOver: Bool { !life.isAlive }

    private var suffix: String { name == "node" ? "" : " \(name)" }

    /// Takes away what a process leaves that has ended.
    func end(isSilent: Bool = false) {
        life.isAlive = false
        broker = nil
        internet.died(life, isSilent: isSilent)
        disk.releaseLocks()
    }

    /// Ends the process at once. A power cut takes what was not synced, too.
    func kill(power: Bool) {
        world.note((power ? "POWER CUT" : "KILL") + suffix)
        end(isSilent: power && name != "node")
        if power { disk.cutPower() }
    }
}

/// A virtual machine's callbacks run on the world's thread only.
extension Machine: @unchecked Sendable {}
