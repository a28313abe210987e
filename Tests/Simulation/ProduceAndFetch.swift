// The first kind of world: one broker, a producer and a consumer. The broker is killed now and then, with or without
// its unsynced data, and started again; then the faults stop, everything must come to an end, and the whole log is read.

import Basics
import Broker
import Bytes
import Environment
import Records
import WireProtocol

/// Sends numbered records, one batch at a time, again until it is acknowledged.
final class SimulatedProducer {
    private let world: World
    private let peer: Peer
    private let oracle: Oracle
    private let total: Int
    private var next = 0
    private(set) var isDone = false
    /// The broker said that the topic is there.
    private(set) var hasTopic = false

    init(_ world: World, _ internet: VirtualInternet, _ oracle: Oracle, total: Int) {
        self.world = world
        self.oracle = oracle
        self.total = total
        peer = Peer("producer \(oracle.topic)", world, internet)
    }

    func start() {
        peer.loop.enter(after: world.delay(upTo: 1000)) { self.connect() }
    }

    private func again() {
        peer.loop.enter(after: 20_000_000 + world.delay(upTo: 20_000)) { self.connect() }
    }

    private func connect() {
        guard !peer.isConnected else { return send() }
        peer.connect { isThere in
            guard isThere else { return self.again() }
            let creation = CreateTopicsRequest {
                $0.topics = [
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = self.oracle.topic
                        $0.numPartitions = 1
                        $0.replicationFactor = 1
                        var configs = self.oracle.policy.settings
                        if self.oracle.isStrict { configs.append(("durability", "fsync")) }
                        $0.configs = configs.map { pair in
                            CreateTopicsRequest.CreatableTopicConfig {
                                $0.name = pair.0
                                $0.value = pair.1
                            }
                        }
                    }
                ]
            }
            self.peer.call(creation, version: 7) { response in
                let code = response?.topics.first?.errorCode
                self.hasTopic = self.hasTopic || code == ErrorCode.none || code == .topicAlreadyExists
                self.send()
            }
        }
    }

    private func send() {
        guard next < total else {
            isDone = true
            return world.note("producer done")
        }
        let values = (0..<min(world.number(in: 1...5), total - next)).map { "v\(next + $0)" }
        let records = values.map { value in
            PlainRecord(key: oracle.policy.key(of: value).map { Array($0.utf8) }, value: Array(value.utf8))
        }
        let batch = RecordBatch(
            plain: records, at: .zero, epoch: .none, timestamp: VirtualClock(world: world).wallClock, isControl: false)
        let request = ProduceRequest {
            $0.acks = world.chance(50) ? 1 : -1
            $0.timeoutMs = 5000
            $0.topicData = [
                ProduceRequest.TopicProduceData {
                    $0.name = self.oracle.topic
                    $0.partitionData = [
                        ProduceRequest.PartitionProduceData { $0.records = .bytes(batch.bytes) }
                    ]
                }
            ]
        }
        let powerCuts = oracle.powerCuts
        peer.call(request, version: 9) { response in
            guard let answer = response?.responses.first?.partitionResponses.first else { return self.again() }
            guard answer.errorCode == .none else {
                self.world.note("produce refused \(answer.errorCode)")
                return self.again()
            }
            self.world.note("acknowledged \(values[0]) x\(values.count) at \(answer.baseOffset)")
            let isOverrun = powerCuts != self.oracle.powerCuts && !self.oracle.isStrict
            for (index, value) in values.enumerated() where !isOverrun {
                self.oracle.acknowledge(value, at: answer.baseOffset + Int64(index))
            }
            self.next += values.count
            self.peer.loop.enter(after: self.world.delay(upTo: 5000)) { self.send() }
        }
    }
}

/// Reads from an offset on, as far as it gets, and checks every record.
final class SimulatedConsumer {
    private let world: World
    private let peer: Peer
    private let oracle: Oracle
    private(set) var offset: Int64 = 0
    private(set) var records: [(offset: Int64, value: String)] = []
    private(set) var startOffset: Int64 = 0
    private(set) var highWatermark: Int64 = -1
    private var rewinds = 0

    init(_ name: String, _ world: World, _ internet: VirtualInternet, _ oracle: Oracle) {
        self.world = world
        self.oracle = oracle
        peer = Peer(name, world, internet)
    }

    func start() { peer.loop.enter(after: world.delay(upTo: 1000)) { self.connect() } }

    private func again() {
        peer.loop.enter(after: 20_000_000 + world.delay(upTo: 20_000)) { self.connect() }
    }

    private func connect() {
        guard !peer.isConnected else { return fetch() }
        peer.connect { isThere in
            if isThere { self.fetch() } else { self.again() }
        }
    }

    private func fetch() {
        let request = FetchRequest {
            $0.maxWaitMs = 100
            $0.minBytes = 1
            $0.maxBytes = Int32(world.number(in: 1...5000))
            $0.sessionEpoch = -1
            $0.topics = [
                FetchRequest.FetchTopic {
                    $0.topic = oracle.topic
                    $0.partitions = [
                        FetchRequest.FetchPartition {
                            $0.fetchOffset = offset
                            $0.partitionMaxBytes = Int32(world.number(in: 1...5000))
                        }
                    ]
                }
            ]
        }
        let asked = rewinds
        peer.call(request, version: 11) { response in
            // What was asked before a rewind is not what is wanted now.
            guard self.rewinds == asked else { return self.again() }
            guard let data = response?.responses.first?.partitions.first else { return self.again() }
            if data.errorCode == .offsetOutOfRange {
                self.world.note("consumer out of range at \(self.offset)")
                return self.seekEarliest()
            }
            guard data.errorCode == .none else { return self.again() }
            self.take(data)
            self.peer.loop.enter(after: self.world.delay(upTo: 3000)) { self.fetch() }
        }
    }

    /// Begins anew at the first offset that there is.
    private func seekEarliest() {
        rewind()
        let asked = rewinds
        let request = ListOffsetsRequest {
            $0.replicaId = -1
            $0.topics = [
                ListOffsetsRequest.ListOffsetsTopic {
                    $0.name = self.oracle.topic
                    $0.partitions = [ListOffsetsRequest.ListOffsetsPartition { $0.timestamp = -2 }]
                }
            ]
        }
        peer.call(request, version: 5) { response in
            let found = response?.topics.first?.partitions.first
            if let found, found.errorCode == .none, self.rewinds == asked { self.offset = found.offset }
            self.again()
        }
    }

    /// The log became shorter by a power cut: what was read behind its end is not part of it any more.
    func rewind() {
        rewinds += 1
        offset = 0
        records = []
    }

    private func take(_ data: FetchResponse.PartitionData) {
        highWatermark = data.highWatermark
        startOffset = max(startOffset, data.logStartOffset)
        for batch in RecordBatchSequence(data.records.slice ?? .empty) {
            if !batch.hasValidChecksum { oracle.violate("a batch with a wrong checksum at \(batch.header.baseOffset)") }
            guard let records = try? batch.plainRecords() else {
                oracle.violate("a batch that does not decode at \(batch.header.baseOffset)")
                continue
            }
            for (at, record) in records where at.rawValue >= offset {
                if at.rawValue != offset, oracle.policy != .compact {
                    oracle.violate("skipped from \(offset) to \(at)")
                }
                if at.rawValue >= data.highWatermark { oracle.violate("read \(at) beyond the high watermark") }
                let value = String(decoding: record.value ?? [], as: UTF8.self)
                oracle.see(value, at: at.rawValue)
                self.records.append((at.rawValue, value))
                offset = at.rawValue + 1
            }
            // What compaction took from the end of a batch was there.
            offset = max(offset, batch.header.nextOffset.rawValue)
        }
    }
}

/// Runs one world of this kind.
package enum ProduceAndFetch {
    /// How a world went.
    package struct Outcome: Sendable {
        package var violations: [String]
        package var trace: [String]
        package var traceHash: UInt64
        package var events: Int
        package var simulatedSeconds: Double
    }

    package static func run(seed: UInt64) -> Outcome {
        let world = World(seed: seed)
        let internet = VirtualInternet(world)
        internet.breakChance = world.chance(30) ? 1 : 0
        let machine = Machine(world, internet, metadataSettings(world))
        let policy: Policy = world.chance(40) ? .compact : world.chance(30) ? .delete : .keepAll
        let oracle = Oracle(world, policy, isStrict: world.chance(40))
        let producer = SimulatedProducer(world, internet, oracle, total: world.number(in: 20...120))
        let consumer = SimulatedConsumer("consumer", world, internet, oracle)
        machine.start()
        producer.start()
        consumer.start()
        for _ in 0..<world.number(in: 0...4) {
            _ = world.run(seconds: 0, until: { false })
            let moment = world.now + 200_000_000 + world.delay(upTo: 1_000_000)
            _ = world.run(seconds: 2, until: { world.now >= moment })
            fault(world, machine, oracle, producer, consumer)
            if machine.failure != nil { break }
        }
        internet.breakChance = 0
        finish(world, internet, machine, oracle, producer)
        return Outcome(
            violations: oracle.violations, trace: world.trace, traceHash: world.traceHash, events: world.eventCount,
            simulatedSeconds: Double(world.now) / 1e9)
    }

    /// Snapshots of the metadata as often as can be, now and then, or hardly ever; so with what is kept of its log.
    private static func metadataSettings(_ world: World) -> [(key: String, value: String)] {
        func pick(_ values: [Int]) -> String { String(values[world.number(in: 0...values.count - 1)]) }
        return [
            ("metadata.log.max.record.bytes.between.snapshots", pick([1, 1000, 20 << 20])),
            ("metadata.log.max.snapshot.interval.ms", pick([0, 100, 3_600_000])),
            ("internal.metadata.log.segment.bytes", pick([300, 2000, 1 << 30])),
            ("metadata.max.retention.bytes", pick([1, 5000, 100 << 20])),
            ("metadata.max.retention.ms", pick([1, 604_800_000])),
            ("metadata.max.idle.interval.ms", pick([0, 50])),
        ]
    }

    private static func fault(
        _ world: World, _ machine: Machine, _ oracle: Oracle, _ producer: SimulatedProducer,
        _ consumer: SimulatedConsumer
    ) {
        let hadTopic = producer.hasTopic
        let before = machine.broker?.replicaStatus.first { $0.id.topic == "t" }
        let power = world.chance(40)
        if !power, world.chance(40), machine.isServing { machine.stop() } else { machine.kill(power: power) }
        if let failure = machine.failure { return oracle.violate("did not stop: \(failure)") }
        _ = world.run(seconds: 1, until: { world.chance(1) })
        machine.start()
        if let failure = machine.failure { return oracle.violate("did not start: \(failure)") }
        let after = machine.broker?.replicaStatus.first { $0.id.topic == "t" }
        if hadTopic, after == nil { oracle.violate("the topic was created and is gone") }
        guard power else { return }
        oracle.lostPower(
            durableBelow: before?.recoveryPoint.rawValue ?? 0, end: after?.endOffset.rawValue ?? 0)
        consumer.rewind()
    }

    /// No more faults: the producer must finish, and a new consumer must read everything.
    private static func finish(
        _ world: World, _ internet: VirtualInternet, _ machine: Machine, _ oracle: Oracle,
        _ producer: SimulatedProducer
    ) {
        guard world.run(seconds: 60, until: { producer.isDone }) else {
            return oracle.violate("the producer does not come to an end")
        }
        let last = SimulatedConsumer("last", world, internet, oracle)
        last.start()
        // After a restart the high watermark may wait for a sync before it is where it was.
        let newest = oracle.acknowledged.keys.max() ?? -1
        let isWhole = world.run(
            seconds: 60,
            until: { last.highWatermark > newest && last.highWatermark >= 0 && last.offset == last.highWatermark })
        guard isWhole else { return oracle.violate("the last consumer does not come to the end") }
        oracle.final(last.records, from: last.startOffset, to: last.offset)
        world.note("end at \(last.offset)")
    }
}
