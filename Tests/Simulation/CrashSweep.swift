// One history, cut at one operation on the disk after the other: formatting, start, appends, rolls, compaction, retention,
// DeleteRecords, deletion of a topic, checkpoints, snapshots of the metadata, an orderly stop, another start. In place of
// the operation the process is killed, or the power goes. Afterwards the node must start, nothing may be gone that was
// promised, nothing be back that was deleted, and all must come to its end.

import Basics
import Broker
import Synchronization
import WireProtocol

/// The sweep: every seed names one place to cut at.
package enum CrashSweep {
    /// The cut that belongs to `seed`: each operation of a history is cut twice, by a kill and by a loss of power, then the
    /// next history begins.
    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        var index = Int(seed &- 1)
        var history: UInt64 = 1
        while index >= 2 * operations(of: history) {
            index -= 2 * operations(of: history)
            history += 1
        }
        return SweptHistory(seed: history, cut: index / 2 + 1, power: index % 2 == 0).run()
    }

    /// How many operations a history has that nothing cuts.
    package static func operations(of history: UInt64) -> Int {
        if let known = counts.withLock({ $0[history] }) { return known }
        let whole = SweptHistory(seed: history, cut: .max, power: false)
        let outcome = whole.run()
        precondition(outcome.violations.isEmpty, "a history without a cut: \(outcome.violations)")
        counts.withLock { $0[history] = whole.operations }
        return whole.operations
    }

    private static let counts = Mutex<[UInt64: Int]>([:])
}

/// One run of a history.
private final class SweptHistory {
    private let world: World
    private let internet: VirtualInternet
    private let machine: Machine
    private let power: Bool
    private let users: [(oracle: Oracle, producer: SimulatedProducer)]
    private let admin: Peer
    private var durable: [String: Int64] = [:]
    private var deletedBelow: Int64 = 0
    private var reader: SimulatedConsumer?
    /// The topic was said to be there, and to be gone.
    private var passing = (wasMade: false, isGone: false)

    var operations: Int { machine.disk.faults.operations }

    init(seed: UInt64, cut: Int, power: Bool) {
        let world = World(seed: seed)
        self.world = world
        self.power = power
        internet = VirtualInternet(world)
        machine = Machine(
            world, internet,
            [
                ("replica.high.watermark.checkpoint.interval.ms", "100"),
                ("metadata.log.max.record.bytes.between.snapshots", "600"),
                ("internal.metadata.log.segment.bytes", "500"), ("metadata.max.retention.bytes", "1500"),
            ])
        let policies: [(String, Policy, Bool)] = [("c", .compact, true), ("d", .delete, false), ("k", .keepAll, true)]
        users = policies.map { [internet] topic, policy, isStrict in
            let oracle = Oracle(world, policy, isStrict: isStrict, topic: topic)
            return (oracle, SimulatedProducer(world, internet, oracle, total: 40))
        }
        admin = Peer("admin", world, internet)
        if cut < .max { machine.disk.faults.cut(at: cut) { [weak self] in self?.strike() } }
    }

    private func strike() {
        noteDurable()
        world.note("CUT at operation \(operations)")
        machine.kill(power: power)
    }

    private func noteDurable() {
        for status in machine.broker?.replicaStatus ?? [] {
            durable[status.id.topic] = max(durable[status.id.topic] ?? 0, status.recoveryPoint.rawValue)
        }
    }

    private func violate(_ text: String) { users[0].oracle.violate(text) }

    // MARK: The history

    func run() -> ProduceAndFetch.Outcome {
        start()
        for user in users { user.producer.start() }
        _ = advance(30) { self.users.allSatisfy { $0.producer.hasTopic } }
        make("gone")
        _ = advance(60) { self.users.allSatisfy { $0.producer.isDone } }
        delete(topic: "gone")
        deleteRecords(of: "d")
        // Time for compaction and retention.
        _ = advance(1) { false }
        noteDurable()
        machine.stop()
        start()
        finish()
        return ProduceAndFetch.Outcome(
            violations: users.flatMap(\.oracle.violations), trace: world.trace, traceHash: world.traceHash,
            events: world.eventCount, simulatedSeconds: Double(world.now) / 1e9)
    }

    /// Starts the node, again if the cut comes meanwhile.
    private func start() {
        if machine.disk.faults.isCut { return recover() }
        machine.start()
        if machine.disk.faults.isCut { return recover() }
        if let failure = machine.failure { violate("did not start: \(failure)") }
    }

    private func recover() {
        machine.disk.faults.endCut()
        machine.start()
        if let failure = machine.failure { return violate("did not start after the cut: \(failure)") }
        let status = machine.broker?.replicaStatus ?? []
        for (oracle, producer) in users {
            let after = status.first { $0.id.topic == oracle.topic }
            if producer.hasTopic, after == nil { oracle.violate("the topic was created and is gone") }
            guard power else { continue }
            oracle.lostPower(durableBelow: durable[oracle.topic] ?? 0, end: after?.endOffset.rawValue ?? 0)
        }
        if power { reader?.rewind() }
        let isThere = status.contains { $0.id.topic == "gone" }
        if passing.isGone, isThere { violate("a deleted topic is back") }
        if passing.wasMade, !passing.isGone, !isThere, !isDeleting { violate("a topic was made and is gone") }
    }

    /// Runs the world; if the cut comes, starts the node again and goes on.
    private func advance(_ seconds: Int64, until isDone: () -> Bool) -> Bool {
        let isEnded = world.run(seconds: seconds, until: { isDone() || machine.disk.faults.isCut })
        guard machine.disk.faults.isCut else { return isEnded }
        recover()
        return machine.failure == nil && advance(seconds, until: isDone)
    }

    // MARK: Administration

    private var isDeleting = false

    /// Sends a request, again until it is answered well.
    private func ask<Request: RequestMessage>(
        _ what: String, _ request: Request, version: Int16, _ isGood: @escaping (Request.Response) -> Bool
    ) {
        var isDone = false
        func again() { admin.loop.enter(after: 20_000_000) { attempt() } }
        func attempt() {
            guard admin.isConnected else {
                return admin.connect { isThere in if isThere { attempt() } else { again() } }
            }
            admin.call(request, version: version) { response in
                if let response, isGood(response) { isDone = true } else { again() }
            }
        }
        admin.loop.enter(after: 0) { attempt() }
        if !advance(60, until: { isDone }) { violate("\(what) does not come to an end") }
    }

    private func make(_ topic: String) {
        let request = CreateTopicsRequest {
            $0.topics = [
                CreateTopicsRequest.CreatableTopic {
                    $0.name = topic
                    $0.numPartitions = 1
                    $0.replicationFactor = 1
                }
            ]
        }
        ask("the creation", request, version: 7) { response in
            let code = response.topics[0].errorCode
            self.passing.wasMade = code == ErrorCode.none || code == .topicAlreadyExists
            return self.passing.wasMade
        }
    }

    private func delete(topic: String) {
        isDeleting = true
        let request = DeleteTopicsRequest { $0.topicNames = [topic] }
        ask("the deletion", request, version: 4) { response in
            let code = response.responses[0].errorCode
            self.passing.isGone = code == ErrorCode.none || code == .unknownTopicOrPartition
            return self.passing.isGone
        }
    }

    private func deleteRecords(of topic: String) {
        let request = DeleteRecordsRequest {
            $0.timeoutMs = 1000
            $0.topics = [
                DeleteRecordsRequest.DeleteRecordsTopic {
                    $0.name = topic
                    $0.partitions = [DeleteRecordsRequest.DeleteRecordsPartition { $0.offset = -1 }]
                }
            ]
        }
        ask("the deletion of records", request, version: 1) { response in
            let answer = response.topics[0].partitions[0]
            guard answer.errorCode == .none else { return false }
            self.deletedBelow = answer.lowWatermark
            return true
        }
    }

    private func finish() {
        for (oracle, producer) in users where machine.failure == nil {
            guard advance(60, until: { producer.isDone }) else {
                return oracle.violate("the producer does not come to an end")
            }
            let last = SimulatedConsumer("last \(oracle.topic)", world, internet, oracle)
            reader = last
            last.start()
            let isWhole = advance(60) { last.highWatermark >= 0 && last.offset >= last.highWatermark }
            guard isWhole else { return oracle.violate("the last consumer does not come to the end") }
            let status = machine.broker?.replicaStatus.first { $0.id.topic == oracle.topic }
            let start = max(last.startOffset, status?.startOffset.rawValue ?? 0)
            oracle.final(last.records, from: start, to: last.offset)
            if oracle.policy == .delete, start < deletedBelow { oracle.violate("deleted records are back") }
        }
    }
}
