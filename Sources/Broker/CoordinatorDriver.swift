// The coordinators of one kind that a loop owns: one for each partition of their topic that this node leads and whose
// number, modulo the loops, is the loop's. Requests come by mailbox, records go through `Partition.append` with acks=all.
//
// Owner: the loop. A coordinator lives as long as its partition is led in one epoch and takes its records; after a failed
// append, and in every new epoch, it is read from the log again (`CoordinatorLoader`). Records that are decided within
// one turn of the loop share a batch. See `CoordinatorShard` for when a reply leaves.

internal import Basics
internal import ClusterImage
internal import Coordination
internal import Environment
internal import Log
internal import Records
internal import Replication

/// What the driver must know of a kind of coordinator.
struct CoordinatorKind<Core: CoordinatorCore>: Sendable {
    var topic: String
    /// What carries records to the log.
    var compression: CompressionType
    var batchBytesMax: Int
    /// How long a reply waits for its records to be committed.
    var commitTimeout: Duration
    var makeCore: @Sendable (ClusterImage) -> Core
    /// The cluster has changed.
    var takeImage: @Sendable (inout Core, ClusterImage, Moment) -> Step<Core.Record, Core.Reply>
}

final class CoordinatorDriver<Core: CoordinatorCore> {
    typealias Outcome = Result<Core.Reply, CoordinatorRefusal>
    typealias Decide = @Sendable (inout Core, ReplyToken, Moment) -> Step<Core.Record, Core.Reply>

    /// A request on its way, by which its sender can call it back. Belongs to the driver's loop.
    final class Ticket {
        fileprivate var partition: Int32 = -1
        fileprivate var token: ReplyToken?
    }

    /// One partition.
    final class Slot {
        let partition: Int32
        let replica: Partition
        let epoch: LeaderEpoch
        var shard: CoordinatorShard<Core>
        var completions: [ReplyToken: (Outcome) -> Void] = [:]
        /// Batches that are to be written, one after the other: none may stand in the log without those before it.
        var batches: [CoordinatorBatch] = []
        /// The batch that is not known to be written or refused.
        var unwritten: UInt64?
        /// It is to be loaded as soon as no write of its predecessors is under way.
        var waitsForWrites = false
        var timer: (token: TimerToken, at: Instant)?
        /// It has been dropped; what still arrives for it counts no more.
        var isDropped = false

        init(_ partition: Int32, _ replica: Partition, _ epoch: LeaderEpoch, _ shard: CoordinatorShard<Core>) {
            self.partition = partition
            self.replica = replica
            self.epoch = epoch
            self.shard = shard
        }
    }

    /// The wait before a log that could not be read is read again.
    private static var retryPause: Duration { .seconds(5) }
    /// The wait before a log that took no record is read again; it doubles with each failure, up to `retryPause`.
    private static var failurePause: Duration { .milliseconds(200) }

    let loop: any EventLoop
    let broker: Broker
    let kind: CoordinatorKind<Core>
    private var view: ClusterView
    private var slots: [Int32: Slot] = [:]
    private var nextToken: UInt64 = 0
    private var unflushed: Set<Int32> = []
    /// Batches of present and former coordinators that may still be written, by partition.
    private var unwritten: [Int32: Int] = [:]
    /// The wait after the next failure, of partitions whose log took no record lately.
    private var pauses: [Int32: Duration] = [:]
    private var isClosed = false

    init(_ kind: CoordinatorKind<Core>, loop: any EventLoop, broker: Broker, view: ClusterView) {
        self.kind = kind
        self.loop = loop
        self.broker = broker
        self.view = view
    }

    var moment: Moment { Moment(now: loop.now, wallClock: broker.wallClock) }
    private var loopCount: Int { broker.environment.loops.count }

    // MARK: Following the cluster

    /// Takes a newer view: begins and ends to coordinate as partitions come and go.
    func take(_ view: ClusterView) {
        self.view = view
        let led = ledPartitions()
        for (number, slot) in slots.sorted(by: { $0.key < $1.key }) {
            let isStill = led[number].map { $0.replica === slot.replica && $0.epoch == slot.epoch } ?? false
            if !isStill { drop(slot) }
        }
        guard !isClosed else { return }
        for (number, found) in led.sorted(by: { $0.key < $1.key }) {
            if let slot = slots[number] { takeImage(slot) } else { begin(number, found.replica, found.epoch) }
        }
    }

    private func ledPartitions() -> [Int32: (replica: Partition, epoch: LeaderEpoch)] {
        var led: [Int32: (replica: Partition, epoch: LeaderEpoch)] = [:]
        for (number, replica) in view.topic(kind.topic)?.replicas ?? [:] where Int(number) % loopCount == loop.index {
            if let leader = replica.leader { led[number] = (replica, leader.epoch) }
        }
        return led
    }

    private func takeImage(_ slot: Slot) {
        let (image, moment, take) = (view.image, moment, kind.takeImage)
        release(slot.shard.step(moment) { core in take(&core, image, moment) }, of: slot)
        touched(slot)
    }

    /// Coordinates no more: who waits is told to look for another coordinator.
    private func drop(_ slot: Slot, _ refusal: CoordinatorRefusal = .notCoordinator) {
        slot.isDropped = true
        if let timer = slot.timer { loop.cancel(timer.token) }
        slot.timer = nil
        slots[slot.partition] = nil
        for token in slot.shard.abandon() { slot.completions.removeValue(forKey: token)?(.failure(refusal)) }
        slot.completions = [:]
    }

    /// Ends for good.
    func close() {
        isClosed = true
        for (_, slot) in slots.sorted(by: { $0.key < $1.key }) { drop(slot) }
    }

    // MARK: Loading

    private func begin(_ number: Int32, _ replica: Partition, _ epoch: LeaderEpoch, after pause: Duration = .zero) {
        let core = kind.makeCore(view.image)
        let slot = Slot(number, replica, epoch, CoordinatorShard(core, batchBytesMax: kind.batchBytesMax))
        slots[number] = slot
        guard pause > .zero else { return loadWhenWritten(slot) }
        _ = loop.schedule(at: loop.now + pause) { self.loadWhenWritten(slot) }
    }

    /// Loads as soon as the log's end can move no more.
    private func loadWhenWritten(_ slot: Slot) {
        guard !slot.isDropped else { return }
        slot.waitsForWrites = unwritten[slot.partition] != nil
        if !slot.waitsForWrites { load(CoordinatorLoader(slot.replica.log, topic: kind.topic), into: slot) }
    }

    /// Has the pool read the next piece of the log, and goes on with it here.
    private func load(_ loader: CoordinatorLoader<Core.Record>, into slot: Slot) {
        let here = Confined((self, slot), to: loop)
        let logger = broker.logger
        broker.environment.pool.run { [loop] in
            var loader = loader
            let piece: Result<[LoadedRecord<Core.Record>], StorageError>
            do throws(StorageError) {
                piece = .success(try loader.next(logger))
            } catch {
                piece = .failure(error)
            }
            let rest = loader
            loop.post { here.value.0.loaded(piece, rest, into: here.value.1) }
        }
    }

    private func loaded(
        _ piece: Result<[LoadedRecord<Core.Record>], StorageError>, _ loader: CoordinatorLoader<Core.Record>,
        into slot: Slot
    ) {
        guard !slot.isDropped else { return }
        switch piece {
        case .failure(let error):
            broker.logger.error(
                "coordinator", "cannot load", [("partition", "\(slot.replica.id)"), ("reason", "\(error)")])
            again(slot, after: CoordinatorDriver.retryPause)
        case .success(let records):
            let moment = moment
            for record in records { slot.shard.load(record, moment) }
            if loader.isAtEnd { waitForCommit(of: loader.end, slot) } else { load(loader, into: slot) }
        }
    }

    /// What was read may not be committed yet; nothing is decided on it before it is.
    private func waitForCommit(of end: Offset, _ slot: Slot) {
        guard !slot.isDropped else { return }
        let here = Confined((self, slot), to: loop)
        let isWaiting = end > slot.replica.log.startOffset
            && slot.replica.watch(above: Offset(end.rawValue - 1)) { [loop] in
                loop.post { here.value.0.waitForCommit(of: end, here.value.1) }
            } != nil
        guard !isWaiting else { return }
        release(slot.shard.loaded(moment), of: slot)
        // The cluster may have changed meanwhile.
        takeImage(slot)
    }

    /// Drops the coordinator and reads it anew after a while.
    private func again(_ slot: Slot, after pause: Duration) {
        drop(slot)
        begin(slot.partition, slot.replica, slot.epoch, after: pause)
    }

    // MARK: Requests

    /// Has the coordinator of `partition` decide; `completion` runs in the loop, once.
    func request(
        _ partition: Int32, _ ticket: Ticket, _ decide: Decide, completion: @escaping (Outcome) -> Void
    ) {
        guard !isClosed, let slot = slots[partition] else { return completion(.failure(.notCoordinator)) }
        guard slot.shard.isActive else { return completion(.failure(.loading)) }
        nextToken += 1
        let token = ReplyToken(nextToken)
        (ticket.partition, ticket.token) = (partition, token)
        slot.completions[token] = completion
        let moment = moment
        release(slot.shard.request(token, moment) { core in decide(&core, token, moment) }, of: slot)
        touched(slot)
    }

    /// The sender is gone.
    func forget(_ ticket: Ticket) {
        guard let token = ticket.token, let slot = slots[ticket.partition] else { return }
        slot.completions[token] = nil
        slot.shard.forget(token)
    }

    /// The coordinators of this loop that are active or loading, by partition.
    var partitions: [Int32] { slots.keys.sorted() }

    private func release(_ answers: [Step<Core.Record, Core.Reply>.Answer], of slot: Slot) {
        for answer in answers { slot.completions.removeValue(forKey: answer.token)?(.success(answer.reply)) }
    }

    // MARK: Records

    /// The coordinator has decided something: what it wrote is appended at the end of this turn, its deadline watched.
    private func touched(_ slot: Slot) {
        guard !slot.isDropped else { return }
        let outlook = slot.shard.outlook()
        watch(slot, outlook)
        guard outlook.hasRecords, unflushed.insert(slot.partition).inserted, unflushed.count == 1 else { return }
        let here = Confined(self, to: loop)
        loop.post { here.value.flush() }
    }

    private func flush() {
        let due = unflushed.sorted()
        unflushed = []
        for partition in due {
            guard let slot = slots[partition] else { continue }
            slot.batches += slot.shard.takeBatches()
            appendNext(slot)
        }
    }

    private func appendNext(_ slot: Slot) {
        guard !slot.isDropped, slot.unwritten == nil, !slot.batches.isEmpty else { return }
        let batch = slot.batches.removeFirst()
        slot.unwritten = batch.number
        unwritten[slot.partition, default: 0] += 1
        let here = Confined((self, slot), to: loop)
        let number = batch.number
        slot.replica.append(
            AppendRequest(batches: [encoded(batch)], acks: -1) { [loop] progress in
                loop.post { here.value.0.progressed(progress, number, here.value.1) }
            }, on: loop)
    }

    private func encoded(_ batch: CoordinatorBatch) -> RecordBatch {
        let time = broker.wallClock
        let plain = RecordBatch(plain: batch.records, at: .zero, epoch: .none, timestamp: time, isControl: false)
        guard kind.compression != .none else { return plain }
        let bytes = try? plain.recompressed(kind.compression, level: nil, expansionLimit: .max)
        return bytes.flatMap { RecordBatch($0) } ?? plain
    }

    private func progressed(_ progress: AppendProgress, _ number: UInt64, _ slot: Slot) {
        if slot.unwritten == number {
            slot.unwritten = nil
            written(slot.partition)
        }
        guard !slot.isDropped else { return }
        switch progress {
        case .parked: break
        case .done(.appended), .done(.duplicate):
            pauses[slot.partition] = nil
            release(slot.shard.committed(upTo: number), of: slot)
        case .done(.refused(let refusal)): return failed(refusal, slot)
        }
        appendNext(slot)
    }

    /// A batch is written or refused.
    private func written(_ partition: Int32) {
        let left = (unwritten[partition] ?? 1) - 1
        unwritten[partition] = left > 0 ? left : nil
        if left <= 0, let slot = slots[partition], slot.waitsForWrites { loadWhenWritten(slot) }
    }

    /// Records that were decided on do not stand in the log: everything since is void.
    private func failed(_ refusal: AppendRefusal, _ slot: Slot) {
        broker.logger.warning(
            "coordinator", "cannot append", [("partition", "\(slot.replica.id)"), ("reason", "\(refusal)")])
        if refusal == .notEnoughReplicas {
            for token in slot.shard.abandon() {
                slot.completions.removeValue(forKey: token)?(.failure(.notAvailable))
            }
        }
        let pause = pauses[slot.partition] ?? CoordinatorDriver.failurePause
        pauses[slot.partition] = min(pause * 2, CoordinatorDriver.retryPause)
        again(slot, after: pause)
    }

    // MARK: Time

    private func watch(_ slot: Slot, _ outlook: CoordinatorShard<Core>.Outlook) {
        let overdue = outlook.waitsSince.map { $0 + kind.commitTimeout } ?? .distantFuture
        let next = min(outlook.nextDeadline ?? .distantFuture, overdue)
        guard next < slot.timer?.at ?? .distantFuture else { return }
        if let timer = slot.timer { loop.cancel(timer.token) }
        let token = loop.schedule(at: next) { [weak slot] in
            if let slot { self.tick(slot) }
        }
        slot.timer = (token, next)
    }

    private func tick(_ slot: Slot) {
        guard !slot.isDropped else { return }
        slot.timer = nil
        release(slot.shard.tick(moment), of: slot)
        let limit = Instant(nanoseconds: loop.now.nanoseconds - kind.commitTimeout.wholeNanoseconds)
        for token in slot.shard.giveUp(waitingSince: limit) {
            slot.completions.removeValue(forKey: token)?(.failure(.notAvailable))
        }
        touched(slot)
    }
}

extension CoordinatorShard {
    /// Takes over what a piece of the log says.
    fileprivate mutating func load(_ loaded: LoadedRecord<Core.Record>, _ moment: Moment) {
        switch loaded {
        case .record(let record, let producerId): load(record, ofTransaction: producerId, moment)
        case .end(let producerId, let isCommitted): endTransaction(of: producerId, isCommitted: isCommitted, moment)
        }
    }
}
