// The promises of a producer: batches, order, repetition, identity, bounds.

import Basics
import Bytes
import Channel
import Client
import Records
import Testing
import WireProtocol

@Suite struct ProducerTests {
    private func settings(_ fill: (inout ProducerSettings) -> Void = { _ in }) -> ProducerSettings {
        var settings = ProducerSettings()
        settings.idempotence = .off
        fill(&settings)
        return settings
    }

    /// Sends texts to partition 0, each with a place for its report.
    private func send(_ texts: [String], _ producer: Producer) -> [Box<Result<Delivery, ClientError>>] {
        texts.map { text in
            let box = Box<Result<Delivery, ClientError>>()
            producer.send(ProducerRecord(text, partition: 0), to: "t") { box.values.append($0) }
            return box
        }
    }

    private func flush(_ producer: Producer, _ cluster: FakeCluster) -> Bool {
        var isDone = false
        producer.flush { isDone = true }
        return cluster.world.loop.pass { isDone }
    }

    @Test func `records are gathered in one batch and told their offsets`() throws {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings())
        let texts = (0..<100).map { "record \($0)" }
        let boxes = send(texts, producer)
        #expect(flush(producer, cluster))
        #expect(cluster.produceRequests.count == 1)
        #expect(cluster.values() == texts)
        #expect(try boxes.map { try $0.only?.get().offset } == (0..<100).map { Offset($0) })
        #expect(producer.bufferedBytes == 0)
    }

    @Test func `a batch waits for more until it lingered long enough`() {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings { $0.linger = .milliseconds(50) })
        _ = send(["a"], producer)
        cluster.world.loop.pass(.milliseconds(20))
        _ = send(["b"], producer)
        cluster.world.loop.pass(.milliseconds(29))
        #expect(cluster.produceRequests.isEmpty)
        cluster.world.loop.pass(.milliseconds(1))
        #expect(cluster.values() == ["a", "b"] && cluster.logs[0].count == 1)
    }

    @Test func `a full batch does not linger`() {
        let cluster = FakeCluster()
        let producer = Producer(
            cluster.client(),
            settings {
                $0.linger = .seconds(60)
                $0.batchBytes = 1000
            })
        _ = send((0..<30).map { String(repeating: "x", count: 90) + "\($0)" }, producer)
        cluster.world.loop.pass(.seconds(1))
        #expect(cluster.logs[0].count >= 3)
        #expect(cluster.logs[0].allSatisfy { $0.bytes.count <= 1000 })
    }

    @Test(arguments: [CompressionType.none, .gzip, .snappy, .lz4, .zstd])
    func `every codec arrives`(codec: CompressionType) {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings { $0.compression = codec })
        let texts = (0..<50).map { "the same again and again \($0 % 3)" }
        _ = send(texts, producer)
        #expect(flush(producer, cluster))
        #expect(cluster.values() == texts)
        #expect(cluster.logs[0].allSatisfy { $0.header.compressionId == codec.rawValue })
    }

    @Test func `a batch whose leader moved goes to the new one`() throws {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings())
        _ = send(["a"], producer)
        #expect(flush(producer, cluster))
        cluster.leaders = [2]
        let boxes = send(["b"], producer)
        #expect(flush(producer, cluster))
        #expect(cluster.values() == ["a", "b"])
        #expect(try boxes[0].only?.get().offset == Offset(1))
        #expect(cluster.brokers[2]?.count(.produce) == 1)
    }

    @Test func `retriable refusals are repeated in order`() {
        let cluster = FakeCluster()
        cluster.produceErrors = [.notEnoughReplicas, .requestTimedOut, .none, .notEnoughReplicas]
        let producer = Producer(cluster.client(), settings { $0.batchBytes = 200 })
        let texts = (0..<20).map { "number \($0) " + String(repeating: "x", count: 60) }
        let boxes = send(texts, producer)
        #expect(flush(producer, cluster))
        #expect(boxes.allSatisfy { $0.only?.isSuccess == true })
        #expect(Set(cluster.values()) == Set(texts) && cluster.values().count == texts.count)
    }

    @Test func `a refusal for good is told and not repeated`() {
        let cluster = FakeCluster()
        cluster.produceErrors = [.messageTooLarge]
        let producer = Producer(cluster.client(), settings())
        let boxes = send(["a", "b"], producer)
        #expect(flush(producer, cluster))
        for box in boxes {
            guard case .refused(.messageTooLarge, _)? = box.only?.failure else {
                Issue.record("\(String(describing: box.only))")
                continue
            }
        }
        #expect(cluster.produceRequests.count == 1)
    }

    @Test func `delivery is given up after its time`() {
        let cluster = FakeCluster()
        cluster.produceErrors = Array(repeating: .notEnoughReplicas, count: 1000)
        let producer = Producer(cluster.client(), settings { $0.deliveryTimeout = .seconds(5) })
        let boxes = send(["a"], producer)
        #expect(flush(producer, cluster))
        guard case .timedOut? = boxes[0].only?.failure else {
            Issue.record("\(String(describing: boxes[0].only))")
            return
        }
        #expect(producer.bufferedBytes == 0)
    }

    @Test func `an unknown topic is told at once`() {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings())
        let box = Box<Result<Delivery, ClientError>>()
        producer.send(ProducerRecord("a"), to: "nowhere") { box.values.append($0) }
        cluster.world.loop.run()
        guard case .refused(.unknownTopicOrPartition, _)? = box.only?.failure else {
            Issue.record("\(String(describing: box.only))")
            return
        }
    }

    @Test func `a partition that the topic does not have is refused`() {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings())
        let box = Box<Result<Delivery, ClientError>>()
        producer.send(ProducerRecord("a", partition: 9), to: "t") { box.values.append($0) }
        cluster.world.loop.run()
        guard case .invalid? = box.only?.failure else {
            Issue.record("\(String(describing: box.only))")
            return
        }
    }

    @Test func `with acks 0 nothing is waited for`() throws {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings { $0.acks = 0 })
        let boxes = send(["a", "b"], producer)
        #expect(flush(producer, cluster))
        #expect(try boxes[0].only?.get().offset == Offset.none)
        cluster.world.loop.run()
        #expect(cluster.values() == ["a", "b"])
    }

    @Test func `memory is bounded and comes back`() {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings { $0.bufferBytes = 1000 })
        _ = send([String(repeating: "x", count: 1000)], producer)
        #expect(producer.isFull)
        let refused = send(["y"], producer)
        var hasRoom = false
        producer.whenRoom { hasRoom = true }
        cluster.world.loop.run()
        #expect(refused[0].only?.failure == .bufferFull)
        #expect(cluster.world.loop.pass { hasRoom })
        #expect(!producer.isFull)
    }

    @Test func `records without a key change their partition with each batch, those with one never`() {
        let cluster = FakeCluster(partitions: 4)
        let producer = Producer(cluster.client(), settings { $0.batchBytes = 500 })
        for number in 0..<200 { producer.send(ProducerRecord("value \(number)"), to: "t") }
        for number in 0..<40 { producer.send(ProducerRecord("keyed \(number)", key: "foobar"), to: "t") }
        #expect(flush(producer, cluster))
        let used = cluster.logs.filter { !$0.isEmpty }.count
        #expect(used > 1)
        let keyed = (0..<4).filter { cluster.values($0).contains { $0.hasPrefix("keyed") } }
        #expect(keyed == [Int(Partitioner.partition(ofKey: ByteSlice("foobar".utf8), count: 4))])
    }

    // MARK: Identity

    @Test func `with an identity a batch whose answer was lost is stored once`() throws {
        let cluster = FakeCluster()
        cluster.announceProducerIds()
        cluster.hangUps = [.after]
        let producer = Producer(cluster.client(), settings { $0.idempotence = .required })
        let boxes = send(["a", "b"], producer)
        #expect(flush(producer, cluster))
        #expect(cluster.produceRequests.count == 2)
        #expect(cluster.values() == ["a", "b"])
        #expect(try boxes[1].only?.get().offset == Offset(1))
    }

    @Test func `sequence numbers go on from batch to batch`() {
        let cluster = FakeCluster()
        cluster.announceProducerIds()
        let producer = Producer(cluster.client(), settings { $0.idempotence = .automatic })
        for round in 0..<3 {
            _ = send((0..<round + 1).map { "\($0)" }, producer)
            #expect(flush(producer, cluster))
        }
        #expect(cluster.logs[0].map(\.header.baseSequence) == [0, 1, 3])
        #expect(Set(cluster.logs[0].map(\.header.producerId)) == [101])
    }

    @Test func `after a batch that was given up a new identity begins`() {
        let cluster = FakeCluster()
        cluster.announceProducerIds()
        cluster.produceErrors = [.messageTooLarge]
        let producer = Producer(cluster.client(), settings { $0.idempotence = .required })
        _ = send(["a"], producer)
        #expect(flush(producer, cluster))
        _ = send(["b"], producer)
        #expect(flush(producer, cluster))
        #expect(cluster.logs[0].map(\.header.producerId) == [102])
        #expect(cluster.logs[0].map(\.header.baseSequence) == [0])
    }

    @Test func `what was numbered behind a batch that is refused for good is numbered anew`() {
        let cluster = FakeCluster()
        cluster.announceProducerIds()
        cluster.produceErrors = [.messageTooLarge, .outOfOrderSequenceNumber]
        let producer = Producer(
            cluster.client(),
            settings {
                $0.idempotence = .required
                $0.batchBytes = 200
            })
        let boxes = send(["refused", "kept"].map { $0 + String(repeating: "x", count: 90) }, producer)
        #expect(flush(producer, cluster))
        #expect(boxes[0].only?.isSuccess == false && boxes[1].only?.isSuccess == true)
        #expect(cluster.logs[0].map(\.header.producerId) == [102] && cluster.logs[0].map(\.header.baseSequence) == [0])
    }

    @Test func `what may be stored keeps its number when a later batch is refused for good`() {
        let cluster = FakeCluster()
        cluster.announceProducerIds()
        cluster.produceErrors = [.requestTimedOut, .messageTooLarge, .outOfOrderSequenceNumber]
        let producer = Producer(
            cluster.client(),
            settings {
                $0.idempotence = .required
                $0.batchBytes = 200
            })
        let boxes = send(["may be stored", "refused", "new"].map { $0 + String(repeating: "x", count: 90) }, producer)
        #expect(flush(producer, cluster))
        #expect(boxes.map { $0.only?.isSuccess } == [true, false, true])
        let stored = cluster.logs[0].first { $0.header.producerId == 101 }
        #expect(stored?.header.baseSequence == 0, "a copy of it that was stored is known again by its number")
    }

    @Test func `a broker without producer ids is written to without, unless they are required`() {
        let cluster = FakeCluster()
        let producer = Producer(cluster.client(), settings { $0.idempotence = .automatic })
        _ = send(["a"], producer)
        #expect(flush(producer, cluster))
        #expect(cluster.logs[0].map(\.header.producerId) == [-1])
        let strict = Producer(cluster.client(), settings { $0.idempotence = .required })
        let boxes = send(["b"], strict)
        #expect(flush(strict, cluster))
        #expect(boxes[0].only?.failure == .channel(.unsupported(.initProducerId)))
    }
}
