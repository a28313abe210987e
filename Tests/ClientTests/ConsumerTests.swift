// The promises of a consumer by assignment, and of the client under it.

import Basics
import Bytes
import Client
import Environment
import Records
import Testing
import WireProtocol

@Suite struct ConsumerTests {
    private let cluster = FakeCluster()
    private let partition = TopicPartition("t", 0)

    private func batch(_ base: Int64, _ values: [String], _ fill: (inout RecordBatchBuilder) -> Void = { _ in }) -> RecordBatch {
        var builder = RecordBatchBuilder(baseOffset: Offset(base))
        fill(&builder)
        for value in values {
            builder.append(timestamp: Timestamp(milliseconds: 1), key: nil, value: ByteSlice(value.utf8))
        }
        guard let bytes = try? builder.finish(.lz4), let batch = RecordBatch(bytes) else { preconditionFailure("a batch") }
        return batch
    }

    /// Serves `batches` that end after the wanted offset, whole, and nothing below `start` or above the end.
    private func serve(_ batches: [RecordBatch], start: Int64 = 0, aborted: [FetchResponse.AbortedTransaction] = []) {
        let end = batches.last?.header.nextOffset.rawValue ?? start
        cluster.nextOffsets[0] = end
        cluster.brokers[1]?.on(FetchRequest.self) { request, _ in
            let wanted = request.topics[0].partitions[0].fetchOffset
            let answer = FetchResponse.PartitionData {
                $0.partitionIndex = 0
                guard (start...end).contains(wanted) else { return $0.errorCode = .offsetOutOfRange }
                $0.highWatermark = end
                $0.lastStableOffset = end
                $0.abortedTransactions = aborted
                let bytes = batches.filter { $0.header.lastOffset.rawValue >= wanted }.flatMap(\.bytes.array)
                // A part of one more batch, as a limit of bytes leaves it.
                $0.records = .bytes(ByteSlice(bytes + (bytes.isEmpty ? [] : bytes.prefix(70))))
            }
            return .answer(
                FetchResponse {
                    $0.responses = [
                        FetchResponse.FetchableTopicResponse {
                            $0.topic = "t"
                            $0.topicId = request.topics[0].topicId
                            $0.partitions = [answer]
                        }
                    ]
                })
        }
    }

    private final class Reading {
        var values: [String] = []
        var offsets: [Int64] = []
        var resets: [Offset] = []
        var failures: [ClientError] = []
        var isAtEnd = false
    }

    private func read(from offset: Int64, _ fill: (inout ConsumerSettings) -> Void = { _ in }) -> Reading {
        var settings = ConsumerSettings()
        fill(&settings)
        let consumer = Consumer(cluster.client(), settings)
        let reading = Reading()
        consumer.onEvent = { [unowned consumer] event in
            switch event {
            case .records(let records):
                var walk = RecordWalk(records)
                while let record = try? walk.next() {
                    reading.values.append(record.value?.string ?? "null")
                    reading.offsets.append(record.offset.rawValue)
                }
                consumer.release(records)
            case .end:
                reading.isAtEnd = true
                consumer.close()
            case .reset(_, _, let to): reading.resets.append(to)
            case .failed(_, let error): reading.failures.append(error)
            }
        }
        consumer.assign(partition, from: Offset(offset))
        #expect(cluster.world.loop.pass { reading.isAtEnd || !reading.failures.isEmpty })
        return reading
    }

    @Test func `records below the wanted offset are left out`() {
        serve([batch(0, ["a", "b", "c"]), batch(3, ["d"])])
        let reading = read(from: 2)
        #expect(reading.values == ["c", "d"] && reading.offsets == [2, 3])
    }

    @Test func `control batches are left out`() {
        serve([batch(0, ["a"]), batch(1, ["marker"]) { $0.isControl = true }, batch(2, ["b"])])
        #expect(read(from: 0).values == ["a", "b"])
    }

    @Test func `a batch that was cut off is fetched again`() {
        serve([batch(0, ["a"])])
        #expect(read(from: 0).values == ["a"])
    }

    @Test func `records of aborted transactions are left out up to their marker`() {
        var marker = RecordBatchBuilder(baseOffset: Offset(2))
        marker.isControl = true
        marker.isTransactional = true
        marker.producerId = 9
        marker.producerEpoch = 0
        marker.append(
            timestamp: Timestamp(milliseconds: 1), key: ByteSlice([0, 0, 0, 0]), value: ByteSlice([0, 0, 0, 0, 0, 0]))
        guard let bytes = try? marker.finish(), let abort = RecordBatch(bytes) else {
            Issue.record("no marker")
            return
        }
        func transactional(_ base: Int64, _ value: String, of producer: Int64) -> RecordBatch {
            batch(base, [value]) {
                $0.isTransactional = true
                $0.producerId = producer
                $0.producerEpoch = 0
                $0.baseSequence = 0
            }
        }
        let aborted = FetchResponse.AbortedTransaction {
            $0.producerId = 9
            $0.firstOffset = 0
        }
        serve(
            [transactional(0, "gone", of: 9), transactional(1, "kept", of: 8), abort, transactional(3, "later", of: 9)],
            aborted: [aborted])
        #expect(read(from: 0) { $0.readsCommitted = true }.values == ["kept", "later"])
    }

    @Test func `an offset that is gone stops the partition unless a policy says otherwise`() {
        serve([batch(5, ["f", "g"])], start: 5)
        let stopped = read(from: 1)
        guard case .refused(.offsetOutOfRange, _)? = stopped.failures.first else {
            Issue.record("\(stopped.failures)")
            return
        }
        let nearest = read(from: 1) { $0.outOfRange = .nearest }
        #expect(nearest.resets == [Offset(5)] && nearest.values == ["f", "g"])
        let above = read(from: 99) { $0.outOfRange = .nearest }
        #expect(above.resets == [Offset(7)] && above.values.isEmpty)
        let latest = read(from: 1) { $0.outOfRange = .latest }
        #expect(latest.resets == [Offset(7)])
    }

    @Test func `a leader that moved is followed`() {
        serve([batch(0, ["a"])])
        cluster.leaders = [2]
        cluster.brokers[2]?.on(FetchRequest.self) { [cluster] request, _ in
            cluster.leaders = [1]
            return .answer(
                FetchResponse {
                    $0.responses = [
                        FetchResponse.FetchableTopicResponse {
                            $0.topic = "t"
                            $0.topicId = request.topics[0].topicId
                            $0.partitions = [FetchResponse.PartitionData { $0.errorCode = .notLeaderOrFollower }]
                        }
                    ]
                })
        }
        #expect(read(from: 0).values == ["a"])
    }

    @Test func `nothing is fetched while the receiver holds too much`() {
        serve([batch(0, ["a"]), batch(1, ["b"])])
        var settings = ConsumerSettings()
        settings.bufferBytes = 1
        let consumer = Consumer(cluster.client(), settings)
        var held: [FetchedRecords] = []
        consumer.onEvent = { event in if case .records(let records) = event { held.append(records) } }
        consumer.assign(partition, from: Offset(0))
        cluster.world.loop.pass(.seconds(5))
        #expect(held.count == 1 && cluster.brokers[1]?.count(.fetch) == 1)
        consumer.release(held[0])
        cluster.world.loop.run()
        #expect(cluster.brokers[1]?.count(.fetch) == 2)
        consumer.close()
    }

    // MARK: The client under it

    @Test func `when all known brokers are gone the bootstrap list is asked again`() {
        let client = cluster.client()
        let first = Box<Result<ClusterMetadata, ClientError>>()
        client.refreshMetadata(topics: [], deadline: cluster.world.loop.now + .seconds(10)) { first.values.append($0) }
        cluster.world.loop.run()
        #expect(first.only?.isSuccess == true)
        cluster.brokers[1]?.isDown = true
        for connection in cluster.world.network.connections { connection.hangUp() }
        cluster.world.loop.run()
        let second = Box<Result<ClusterMetadata, ClientError>>()
        client.refreshMetadata(topics: [], deadline: cluster.world.loop.now + .seconds(10)) { second.values.append($0) }
        #expect(cluster.world.loop.pass { second.only != nil })
        #expect(second.only?.isSuccess == true && cluster.brokers[2]?.count(.metadata) == 1)
    }

    @Test func `a cluster that cannot be reached times out with the reason`() {
        for broker in cluster.brokers.values { broker.isDown = true }
        let box = Box<Result<ClusterMetadata, ClientError>>()
        cluster.client().refreshMetadata(topics: [], deadline: cluster.world.loop.now + .seconds(3)) { box.values.append($0) }
        #expect(cluster.world.loop.pass { box.only != nil })
        guard case .timedOut(_, let last?)? = box.only?.failure else {
            Issue.record("\(String(describing: box.only))")
            return
        }
        #expect(last.contains("refused"))
        #expect(cluster.world.loop.now == Instant(nanoseconds: 3_000_000_000))
    }

    @Test(arguments: [
        ("a", ["a:9092"]), ("a:1,b:2", ["a:1", "b:2"]), ("[::1]:9093, 10.0.0.1", ["[::1]:9093", "10.0.0.1:9092"]),
        ("", nil), ("a:b", nil), ("a:0", nil), ("a:70000", nil), (":9092", nil), ("[::1", nil),
    ] as [(String, [String]?)])
    func `bootstrap lists are read`(text: String, addresses: [String]?) {
        #expect(ClientSettings.addresses(text)?.map(\.description) == addresses)
    }
}
