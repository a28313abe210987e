// A process that reads as a member of a group: our real client, on a virtual loop of its own. It takes a while for each
// batch; it can stand still, fall silent, crash, leave, and give up for good when the broker says that it must.

import Basics
import Broker
import Bytes
import Channel
import Client
import Environment
import Records
import WireProtocol

/// What a member is started with.
struct MemberSettings {
    var group: String
    var name: String
    var groupProtocol: GroupProtocol
    var assignors: [ClassicAssignor]
    var instanceId: String?
    /// Microseconds that a batch may take.
    var slowness: Int
}

extension Environment {
    /// A process without a disk of its own.
    static func process(_ world: World, _ internet: VirtualInternet, _ life: Life) -> Environment {
        let loop = VirtualLoop(index: 0, world: world, life: life)
        return Environment(
            clock: VirtualClock(world: world), random: VirtualRandom(world: world), loops: [loop],
            fileSystem: VirtualDisk(world), network: VirtualNetwork(internet: internet, loops: [loop], life: life),
            pool: VirtualPool(world: world, life: life))
    }
}

/// One process of a member.
final class GroupMember: GroupReader {
    static let topic = "t"

    let settings: MemberSettings
    let name: String
    let life: Life
    private let world: World
    private let internet: VirtualInternet
    private let oracle: GroupOracle
    private let client: ClusterClient
    private let consumer: GroupConsumer
    private(set) var held: Set<Int32> = []
    /// It has crashed, left or ended; it owns nothing, and says nothing more.
    private(set) var isOver = false
    /// The process is gone.
    private(set) var isGone = false
    /// Whom it has been in the group, for ghosts.
    private(set) var identities: [MemberIdentity] = []

    var group: String { settings.group }
    var memberId: String { consumer.identity.memberId }
    var generation: Int32 { consumer.identity.generation }
    var identity: MemberIdentity { consumer.identity }

    init(_ world: World, _ internet: VirtualInternet, _ oracle: GroupOracle, _ settings: MemberSettings, number: Int) {
        self.world = world
        self.internet = internet
        self.oracle = oracle
        self.settings = settings
        name = "\(settings.name)/\(number)"
        life = Life(name)
        let environment = Environment.process(world, internet, life)
        var client = ClientSettings(bootstrap: [Machine.address])
        client.requestTimeout = .seconds(4)
        client.channel.clientId = settings.name
        client.channel.setupTimeout = .seconds(4)
        self.client = ClusterClient(environment, on: environment.loops[0], client)
        consumer = GroupConsumer(self.client, GroupMember.consumerSettings(settings))
    }

    private static func consumerSettings(_ settings: MemberSettings) -> GroupConsumerSettings {
        var consumer = GroupConsumerSettings(group: settings.group, topics: [topic])
        consumer.groupProtocol = settings.groupProtocol
        consumer.instanceId = settings.instanceId
        consumer.assignors = settings.assignors
        consumer.sessionTimeout = .seconds(6)
        consumer.heartbeatInterval = .milliseconds(1500)
        consumer.rebalanceTimeout = .seconds(8)
        consumer.commitInterval = .milliseconds(700)
        consumer.reset = .earliest
        consumer.fetch.fetchWait = .seconds(2)
        return consumer
    }

    private func inside(_ action: @escaping () -> Void) {
        (client.loop as? VirtualLoop)?.enter(after: world.delay(upTo: 1000), action)
    }

    func start() {
        world.note("\(name) starts, \(settings.groupProtocol.rawValue) \(settings.assignors.map(\.rawValue))")
        oracle.add(self)
        consumer.onEvent = { [weak self] event in self?.take(event) }
        inside { self.consumer.start() }
    }

    // MARK: What the consumer tells

    private func take(_ event: GroupConsumer.Event) {
        guard !isOver else { return }
        if identities.last != identity { identities.append(identity) }
        switch event {
        case .records(let records): work(on: records)
        case .end: break
        case .assigned(let begun):
            for entry in begun {
                held.insert(entry.partition.partition)
                oracle.told(self, begins: entry.partition.partition, at: entry.offset.rawValue)
            }
            world.note("\(name) reads \(begun.map { "\($0.partition.partition)@\($0.offset)" }) in \(generation)")
            if settings.groupProtocol == .consumer { oracle.told(self, epoch: generation) }
            _ = oracle.owners(of: group)
        case .revoked(let partitions, let isLost):
            for partition in partitions { held.remove(partition.partition) }
            world.note("\(name) \(isLost ? "lost" : "gave up") \(partitions.map(\.partition))")
        case .committed(let offsets):
            for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
                oracle.told(self, committed: partition.partition, offset.rawValue)
            }
        case .commitFailed(let error): world.note("\(name) commit: \(error)")
        case .failed(let error): failed(error)
        }
    }

    private func work(on records: FetchedRecords) {
        let loop = client.loop
        let pause = world.chance(2) ? 20 * settings.slowness : settings.slowness
        let delay = world.delay(upTo: pause)
        _ = loop.schedule(at: loop.now + .nanoseconds(delay)) { [self] in
            check(records)
            oracle.process(group, records.partition.partition, records.from.rawValue..<records.next.rawValue)
            consumer.release(records)
        }
    }

    private func check(_ records: FetchedRecords) {
        var walk = RecordWalk(records)
        var next = records.from
        while let record = try? walk.next() {
            if record.offset != next { oracle.violate("\(name) was given \(record.offset) instead of \(next)") }
            next = record.offset + 1
        }
        if next != records.next { oracle.violate("\(name) was given records up to \(next) instead of \(records.next)") }
    }

    /// Members end when another has taken their static name, or while nobody coordinates.
    private func failed(_ error: ClientError) {
        world.note("\(name) failed: \(error)")
        switch error {
        case .timedOut, .refused(.fencedInstanceId, _), .refused(.unreleasedInstanceId, _): break
        default: oracle.violate("\(name) failed: \(error)")
        }
        end()
    }

    // MARK: Ends

    private func end() {
        held = []
        isOver = true
        oracle.remove(self)
        inside { self.vanish() }
    }

    private func vanish() {
        client.close()
        die()
    }

    private func die() {
        isGone = true
        life.isAlive = false
        internet.died(life)
    }

    /// Ends without a word.
    func crash() {
        guard !isOver else { return }
        world.note("\(name) CRASH")
        (held, isOver) = ([], true)
        oracle.remove(self)
        die()
    }

    /// Leaves the group in order. From now on it reads nothing: what it was handed out is not released.
    func leave() {
        guard !isOver else { return }
        world.note("\(name) leaves")
        (held, isOver) = ([], true)
        inside {
            let deadline = self.client.loop.now + .seconds(5)
            self.consumer.close(deadline: deadline) {
                self.oracle.remove(self)
                self.inside { self.vanish() }
            }
        }
    }

    func stall(nanoseconds: Int64) {
        world.note("\(name) stands still for \(nanoseconds / 1_000_000) ms")
        life.stalledUntil = max(life.stalledUntil, world.now + nanoseconds + 1)
    }

    func silence(nanoseconds: Int64) {
        world.note("\(name) is cut off for \(nanoseconds / 1_000_000) ms")
        life.silentUntil = max(life.silentUntil, world.now + nanoseconds + 1)
    }
}
