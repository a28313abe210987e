// A producer: takes records, gathers them in batches per partition, and tells what became of each.
//
// Life of a record: `send` -> the topic's partitions are known -> open batch of its partition -> closed batch (full, or
// lingered) -> produce request -> answer, or again after a back-off -> report. Memory is counted from `send` to report.
// Owner: the client's loop. Sending and answers are in `Producer+Sending`, the identity in `Producer+Identity`.

package import Basics
internal import Bytes
internal import Environment
internal import Records

/// A producer of one client.
package final class Producer {
    /// What is known of a topic.
    final class Topic {
        var name: String
        var info: TopicInfo?
        var queues: [PartitionQueue] = []
        var sticky = StickyPartition()
        /// Records that came before the partitions were known.
        var early: [(record: ProducerRecord, charge: Int, report: DeliveryHandler?)] = []
        var isAsking = false
        var isRefreshing = false

        init(_ name: String) { self.name = name }
    }

    package let client: ClusterClient
    package let settings: ProducerSettings
    /// Bytes of records that wait or are under way.
    package internal(set) var bufferedBytes = 0
    /// Called for the failure of each batch of which no record has a handler of its own.
    package var onFailure: ((TopicPartition, ClientError, _ recordCount: Int32) -> Void)?
    var topics: [String: Topic] = [:]
    /// Partitions that are not idle, in the order in which they became so.
    var active: [PartitionQueue] = []
    var identity = ProducerIdentity()
    /// Requests under way by broker.
    var underWay: [NodeId: Int] = [:]
    var isDraining = false
    var isFlushing = false
    var timer: TimerToken?
    var timerInstant = Instant.distantFuture
    var random: RandomSourceGenerator
    private var waitingForRoom: [() -> Void] = []
    private var waitingForEnd: [() -> Void] = []

    package init(_ client: ClusterClient, _ settings: ProducerSettings) {
        self.client = client
        self.settings = settings
        random = RandomSourceGenerator(client.environment.random)
    }

    var loop: any EventLoop { client.loop }

    // MARK: Taking records

    /// Whether `send` would refuse a record.
    package var isFull: Bool { bufferedBytes >= settings.bufferBytes }

    /// Takes a record for `topic`; `report` tells once what became of it.
    package func send(_ record: ProducerRecord, to topic: String, report: DeliveryHandler? = nil) {
        send([record], to: topic, report: report)
    }

    /// Takes records for `topic`, in order, all or none; `report` is called for each of them.
    package func send(_ records: [ProducerRecord], to name: String, report: DeliveryHandler? = nil) {
        loop.assertInside()
        let topic = topic(name)
        let now = client.environment.clock.wallClock
        guard !isFull else {
            return loop.proceed { for _ in records { report?(.failure(.bufferFull)) } }
        }
        for record in records {
            let charge = record.charge
            bufferedBytes += charge
            if topic.info == nil || !topic.early.isEmpty {
                topic.early.append((record, charge, report))
            } else {
                place(record, charge, topic, now, report)
            }
        }
        guard topic.info != nil else { return ask(topic) }
        if client.isOld(topic: name) { refresh(topic) }
        scheduleDrain()
    }

    private func topic(_ name: String) -> Topic {
        if let known = topics[name] { return known }
        let fresh = Topic(name)
        topics[name] = fresh
        return fresh
    }

    /// Asks for the partitions of a topic, and places what waited for them.
    func ask(_ topic: Topic) {
        guard !topic.isAsking else { return }
        topic.isAsking = true
        client.topic(topic.name, deadline: loop.now + settings.deliveryTimeout) { [self] result in
            topic.isAsking = false
            let early = topic.early
            topic.early = []
            switch result {
            case .failure(let error):
                for record in early { settle(record.charge) { record.report?(.failure(error)) } }
                if let partition = early.isEmpty ? nil : TopicPartition(topic.name, -1) {
                    onFailure?(partition, error, Int32(clamping: early.count))
                }
            case .success(let info):
                know(topic, info)
                let now = client.environment.clock.wallClock
                for record in early { place(record.record, record.charge, topic, now, record.report) }
                scheduleDrain()
            }
        }
    }

    func know(_ topic: Topic, _ info: TopicInfo) {
        topic.info = info
        while topic.queues.count < info.partitions.count {
            topic.queues.append(PartitionQueue(TopicPartition(topic.name, Int32(topic.queues.count))))
        }
    }

    /// Appends a record to the open batch of its partition.
    private func place(
        _ record: ProducerRecord, _ charge: Int, _ topic: Topic, _ now: Timestamp, _ report: DeliveryHandler?
    ) {
        guard let number = partition(of: record, topic), topic.queues.indices.contains(Int(number)) else {
            let reason = "topic '\(topic.name)' has no partition \(record.partition ?? -1)"
            // It may have been added since.
            refresh(topic)
            onFailure?(TopicPartition(topic.name, record.partition ?? -1), .invalid(reason), 1)
            return settle(charge) { report?(.failure(.invalid(reason))) }
        }
        let queue = topic.queues[Int(number)]
        if let open = queue.open, open.recordCount > 0, open.builder.byteCount + charge > settings.batchBytes {
            close(queue)
        }
        if queue.isIdle { active.append(queue) }
        let open: OpenBatch
        if let present = queue.open {
            open = present
        } else {
            let capacity = settings.linger == .zero ? 4096 : min(settings.batchBytes, max(charge, 64 << 10))
            open = OpenBatch(openedAt: loop.now, capacity: capacity)
            queue.open = open
        }
        open.append(record, charge: charge, now: now, report)
    }

    private func partition(of record: ProducerRecord, _ topic: Topic) -> Int32? {
        if let partition = record.partition { return partition }
        let count = Int32(topic.queues.count)
        guard count > 0 else { return nil }
        if let key = record.key { return Partitioner.partition(ofKey: key, count: count) }
        return count == 1 ? 0 : topic.sticky.choose(candidates(topic), &random)
    }

    /// Partitions with a leader; all, if none has.
    private func candidates(_ topic: Topic) -> [Int32] {
        let partitions = topic.info?.partitions ?? []
        let led = partitions.filter { $0.leader != .none }.map(\.partition)
        return led.isEmpty ? partitions.map(\.partition) : led
    }

    /// Closes the open batch of a partition.
    func close(_ queue: PartitionQueue) {
        guard let open = queue.open else { return }
        queue.open = nil
        if let topic = topics[queue.partition.topic], topic.sticky.current == queue.partition.partition {
            topic.sticky.move(candidates(topic), &random)
        }
        do throws(CompressionError) {
            let bytes = try open.finish(settings)
            queue.append(
                ClosedBatch(
                    open, bytes: bytes, number: queue.takeNumber(), deadline: open.openedAt + settings.deliveryTimeout))
        } catch {
            let failure = ClientError.invalid("a batch cannot be compressed: \(error)")
            onFailure?(queue.partition, failure, open.recordCount)
            settle(open.charge) { for report in open.reports { report.handler(.failure(failure)) } }
        }
    }

    // MARK: Room and end

    /// Calls `body` inside the loop when a record would be taken.
    package func whenRoom(_ body: @escaping () -> Void) {
        guard isFull else { return loop.proceed(body) }
        waitingForRoom.append(body)
    }

    /// Sends what is open without lingering, and calls `completion` when every record has been reported.
    package func flush(_ completion: @escaping () -> Void) {
        guard bufferedBytes > 0 else { return loop.proceed(completion) }
        isFlushing = true
        waitingForEnd.append(completion)
        scheduleDrain()
    }

    /// Gives back the memory of records and tells of them.
    func settle(_ charge: Int, _ tell: () -> Void) {
        bufferedBytes -= charge
        tell()
        if !isFull, !waitingForRoom.isEmpty {
            let waiting = waitingForRoom
            waitingForRoom = []
            for body in waiting { loop.proceed(body) }
        }
        guard bufferedBytes == 0, !waitingForEnd.isEmpty else { return }
        isFlushing = false
        let waiting = waitingForEnd
        waitingForEnd = []
        for body in waiting { loop.proceed(body) }
    }
}
