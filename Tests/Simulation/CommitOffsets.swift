// Groups in a world of their own: committers raise their groups' offsets step by step, and ask for them in between. The
// broker is stopped and killed now and then; what was acknowledged must be there afterwards, and nothing that nobody
// sent (I14). Then the faults stop, and everything must come to an end.

import Basics
import Broker
import Bytes
import Environment
import WireProtocol

/// Commits 1, 2, 3 and so on for one group.
final class SimulatedCommitter {
    private let world: World
    private let peer: Peer
    let group: String
    private let total: Int64
    private var acknowledged: Int64 = 0
    /// The greatest offset that was sent.
    private var sent: Int64 = 0
    private(set) var violations: [String] = []

    init(_ group: String, _ world: World, _ internet: VirtualInternet, total: Int) {
        self.world = world
        self.group = group
        self.total = Int64(total)
        peer = Peer("committer \(group)", world, internet)
    }

    var isDone: Bool { acknowledged >= total }

    func start() { peer.loop.enter(after: world.delay(upTo: 1000)) { self.connect() } }

    private func again() {
        peer.loop.enter(after: 20_000_000 + world.delay(upTo: 20_000)) { self.connect() }
    }

    private func connect() {
        guard !peer.isConnected else { return findCoordinator() }
        peer.connect { isThere in
            if isThere { self.createTopic() } else { self.again() }
        }
    }

    private func createTopic() {
        let request = CreateTopicsRequest {
            $0.topics = [
                CreateTopicsRequest.CreatableTopic {
                    $0.name = "t"
                    $0.numPartitions = 1
                    $0.replicationFactor = 1
                }
            ]
        }
        peer.call(request, version: 7) { response in
            if response == nil { self.again() } else { self.findCoordinator() }
        }
    }

    private func findCoordinator() {
        peer.call(FindCoordinatorRequest { $0.coordinatorKeys = [self.group] }, version: 6) { response in
            guard response?.coordinators.first?.errorCode == ErrorCode.none else { return self.again() }
            self.next()
        }
    }

    private func next() { if world.chance(30) { fetch() } else { commit() } }

    private func commit() {
        let offset = acknowledged + 1
        sent = max(sent, offset)
        let request = OffsetCommitRequest {
            $0.groupId = group
            $0.topics = [
                OffsetCommitRequest.OffsetCommitRequestTopic {
                    $0.name = "t"
                    $0.partitions = [
                        OffsetCommitRequest.OffsetCommitRequestPartition { $0.committedOffset = offset }
                    ]
                }
            ]
        }
        peer.call(request, version: 9) { response in
            let code = response?.topics.first?.partitions.first?.errorCode
            guard code == ErrorCode.none else {
                if let code { self.world.note("\(self.group) commit refused \(code)") }
                return self.again()
            }
            self.acknowledged = offset
            self.world.note("\(self.group) committed \(offset)")
            self.peer.loop.enter(after: self.world.delay(upTo: 5000)) { self.next() }
        }
    }

    /// Asks what is committed. Until it is done, further commits come behind.
    private func fetch() {
        let request = OffsetFetchRequest {
            $0.groups = [
                OffsetFetchRequest.OffsetFetchRequestGroup {
                    $0.groupId = group
                    $0.topics = [
                        OffsetFetchRequest.OffsetFetchRequestTopics {
                            $0.name = "t"
                            $0.partitionIndexes = [0]
                        }
                    ]
                }
            ]
        }
        peer.call(request, version: 9) { response in
            guard let found = response?.groups.first, found.errorCode == .none,
                let partition = found.topics.first?.partitions.first
            else { return self.again() }
            self.world.note("\(self.group) finds \(partition.committedOffset)")
            let known = self.acknowledged == 0 ? -1 : self.acknowledged
            if partition.committedOffset < known || partition.committedOffset > max(self.sent, known) {
                self.violations.append(
                    "\(self.group) finds \(partition.committedOffset), acknowledged \(known), sent \(self.sent)")
            }
            self.peer.loop.enter(after: self.world.delay(upTo: 5000)) { self.next() }
        }
    }
}

/// Runs one world of this kind.
package enum CommitOffsets {
    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        let world = World(seed: seed)
        let internet = VirtualInternet(world)
        internet.breakChance = world.chance(30) ? 1 : 0
        let settings = [
            (key: "offsets.topic.num.partitions", value: String(world.number(in: 1...4))),
            (key: "offsets.topic.compression.codec", value: String(world.number(in: 0...4))),
        ]
        let machine = Machine(world, internet, settings)
        let committers = (0..<world.number(in: 1...4)).map { number in
            SimulatedCommitter("g\(number)", world, internet, total: world.number(in: 10...60))
        }
        var violations: [String] = []
        machine.start()
        for committer in committers { committer.start() }
        for _ in 0..<world.number(in: 0...4) {
            let moment = world.now + 100_000_000 + world.delay(upTo: 500_000)
            _ = world.run(seconds: 2, until: { world.now >= moment })
            if world.chance(40), machine.isServing { machine.stop() } else { machine.kill(power: false) }
            _ = world.run(seconds: 1, until: { world.chance(1) })
            if machine.failure == nil { machine.start() }
            if let failure = machine.failure {
                violations.append(failure)
                break
            }
        }
        internet.breakChance = 0
        if !world.run(seconds: 60, until: { committers.allSatisfy(\.isDone) }) {
            violations.append("the committers do not come to an end")
        }
        violations += committers.flatMap(\.violations)
        return ProduceAndFetch.Outcome(
            violations: violations, trace: world.trace, traceHash: world.traceHash, events: world.eventCount,
            simulatedSeconds: Double(world.now) / 1e9)
    }
}
