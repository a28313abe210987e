// Who reads and writes in a cluster: producers that ask for acks=all, idempotent ones and plain ones, and consumers that read
// everything from the beginning. All are our own client, each a process on a machine of its own.

import Basics
import Bytes
import Channel
import Client
import Environment
import Records
import WireProtocol

/// A process with our client.
class ClusterClientProcess {
    let name: String
    let world: World
    let oracle: ClusterOracle
    let client: ClusterClient
    let life: Life

    init(_ name: String, _ world: World, _ internet: VirtualInternet, _ oracle: ClusterOracle, _ bootstrap: [SocketAddress]) {
        self.name = name
        self.world = world
        self.oracle = oracle
        life = Life(name)
        let environment = Environment.process(world, internet, life)
        var settings = ClientSettings(bootstrap: bootstrap)
        settings.requestTimeout = .seconds(4)
        settings.metadataAgeMax = .seconds(5)
        settings.channel.clientId = name
        settings.channel.setupTimeout = .seconds(3)
        client = ClusterClient(environment, on: environment.loops[0], settings)
        client.onConnectionFailure = { [world] error in world.note("\(name): \(error)") }
    }

    func inside(after delay: Int64 = 0, _ action: @escaping () -> Void) {
        (client.loop as? VirtualLoop)?.enter(after: delay, action)
    }
}

/// Sends numbered values, and tells the oracle what was acknowledged. One whose name begins with `q` is not idempotent.
final class ClusterProducer: ClusterClientProcess {
    private lazy var producer = Producer(client, settings)
    private var next = 0
    private(set) var underWay = 0
    /// Acknowledged by partition, lately.
    private(set) var recent: Set<TopicPartition> = []
    var isEnding = false

    private var settings: ProducerSettings {
        var settings = ProducerSettings()
        settings.idempotence = ClusterOracle.isPlain(name) ? .off : .required
        settings.deliveryTimeout = .seconds(20)
        settings.requestTimeout = .seconds(3)
        settings.linger = .milliseconds(5)
        return settings
    }

    var isDone: Bool { isEnding && underWay == 0 }

    func forgetRecent() { recent = [] }

    /// Begins to send to what `partitions` says there is.
    func start(_ partitions: @escaping () -> [TopicPartition]) {
        inside(after: world.delay(upTo: 100_000)) { self.turn(partitions) }
    }

    private func turn(_ partitions: @escaping () -> [TopicPartition]) {
        guard !isEnding else { return }
        let known = partitions()
        if !known.isEmpty, underWay < 40 {
            for _ in 0..<world.number(in: 1...3) { send(known[world.number(in: 0...known.count - 1)]) }
        }
        inside(after: 20_000_000 + world.delay(upTo: 250_000)) { self.turn(partitions) }
    }

    private func send(_ partition: TopicPartition) {
        let value = "\(name)/\(next)"
        next += 1
        underWay += 1
        let record = ProducerRecord(partition: partition.partition, value: ByteSlice(Array(value.utf8)))
        producer.send(record, to: partition.topic) { [self] result in
            underWay -= 1
            switch result {
            case .success(let delivery):
                world.note("acknowledged \(value) \(partition)@\(delivery.offset)")
                recent.insert(partition)
                oracle.acknowledge(value, in: partition, at: delivery.offset.rawValue)
            case .failure(let error): world.note("\(value) failed: \(error)")
            }
        }
    }
}

/// Reads partitions from their beginning, in order and without a hole but for what was deleted.
final class ClusterConsumer: ClusterClientProcess {
    private lazy var consumer = Consumer(client, settings)
    /// What was read, without a hole.
    private(set) var values: [TopicPartition: [String]] = [:]
    /// Where that begins.
    private(set) var starts: [TopicPartition: Int64] = [:]
    /// Partitions whose end was reached, with that end.
    private(set) var ends: [TopicPartition: Int64] = [:]

    private var settings: ConsumerSettings {
        var settings = ConsumerSettings()
        settings.fetchWait = .milliseconds(300)
        settings.partitionBytesMax = 4000
        settings.outOfRange = .nearest
        return settings
    }

    /// The next offset to be read; nil if the partition is not.
    func next(_ partition: TopicPartition) -> Int64? {
        values[partition].map { (starts[partition] ?? 0) + Int64($0.count) }
    }

    func assign(_ partitions: [TopicPartition]) {
        inside {
            if self.consumer.onEvent == nil { self.consumer.onEvent = { [weak self] event in self?.take(event) } }
            for partition in partitions {
                self.values[partition] = []
                self.consumer.assign(partition, from: .zero)
            }
        }
    }

    private func take(_ event: Consumer.Event) {
        switch event {
        case .records(let records):
            read(records)
            consumer.release(records)
        case .end(let partition, let end): ends[partition] = end.rawValue
        case .reset(let partition, let from, let to):
            world.note("\(name) goes on in \(partition) at \(to) instead of \(from)")
            if to < from { oracle.violate("\(name) moved in \(partition) from \(from) to \(to)") }
            oracle.begins(partition, at: to.rawValue, by: name)
            (starts[partition], values[partition]) = (to.rawValue, [])
        case .failed(let partition, let error):
            if oracle.deleted.contains(partition.topic) { return world.note("\(name) reads \(partition) no more: \(error)") }
            oracle.violate("\(name) cannot read \(partition): \(error)")
        }
    }

    private func read(_ records: FetchedRecords) {
        let partition = records.partition
        var walk = RecordWalk(records)
        do throws(FetchedRecordsError) {
            while let record = try walk.next() {
                let value = String(decoding: record.value?.array ?? [], as: UTF8.self)
                let expected = next(partition) ?? 0
                oracle.see(value, in: partition, at: record.offset.rawValue, by: name, expected: expected)
                values[partition, default: []].append(value)
            }
        } catch {
            oracle.violate("\(name): \(error)")
        }
    }
}
