// The promises of one outgoing connection, against brokers that answer as told.

import Basics
import Bytes
import Channel
import Environment
import Testing
import WireProtocol

@Suite struct ChannelTests {
    private let world = FakeWorld()
    private let broker = FakeBroker()

    private func open(_ settings: ChannelSettings = ChannelSettings()) -> Channel {
        world.network.brokers[1] = broker
        let channel = Channel(world.address(1), on: world.loop, network: world.network, settings: settings)
        channel.open()
        return channel
    }

    /// Sends a metadata request and gives a place for its result.
    private func ask(_ channel: Channel, timeout: Duration = .seconds(5)) -> Box<Result<MetadataResponse, ChannelError>> {
        let box = Box<Result<MetadataResponse, ChannelError>>()
        channel.send(MetadataRequest(), timeout: timeout) { box.values.append($0) }
        return box
    }

    private func named(_ cluster: String) -> MetadataResponse { MetadataResponse { $0.clusterId = cluster } }

    @Test func `speaks the greatest version that both sides know`() throws {
        broker.on(MetadataRequest.self, 0...7) { _, _ in .answer(named("a")) }
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(channel.state == .ready)
        #expect(try box.only?.get().clusterId == "a")
        #expect(broker.seen.map(\.version) == [4, 7])
    }

    @Test func `asks for versions again in the form that an older broker knows`() {
        broker.on(MetadataRequest.self, 0...1) { _, _ in .answer(MetadataResponse()) }
        broker.on(ApiVersionsRequest.self, 0...2) { _, header in
            guard header.requestApiVersion > 2 else { return .answer(broker.versions) }
            var refusal = broker.versions
            refusal.errorCode = .unsupportedVersion
            return .raw(FakeConnection.joined(refusal.frame(version: 0, correlationId: header.correlationId)).array)
        }
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(broker.seen.map(\.version) == [4, 2, 1])
        #expect(box.only?.isSuccess == true)
    }

    @Test func `an api that is not announced is refused here and nothing is sent`() {
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(box.only?.failure == .unsupported(.metadata))
        #expect(broker.seen.count == 1)
    }

    @Test(arguments: [false, true])
    func `a request that must not lose a field is not sent in a version without it`(isWhole: Bool) {
        broker.on(VoteRequest.self, 0...1) { _, _ in .answer(VoteResponse()) }
        let channel = open()
        let box = Box<Result<VoteResponse, ChannelError>>()
        let partition = VoteRequest.PartitionData { $0.preVote = true }
        let request = VoteRequest { $0.topics = [VoteRequest.TopicData { $0.partitions = [partition] }] }
        channel.send(request, timeout: .seconds(5), isWhole: isWhole) { box.values.append($0) }
        world.loop.run()
        #expect(box.only?.failure == (isWhole ? .unsupported(.vote) : nil))
        #expect(broker.seen.count == (isWhole ? 1 : 2))
    }

    @Test func `answers that arrive byte by byte are the same`() throws {
        world.network.pieceSize = 1
        var number = 0
        broker.on(MetadataRequest.self) { _, _ in
            number += 1
            return .answer(named("c\(number)"))
        }
        let channel = open()
        let boxes = (0..<5).map { _ in ask(channel) }
        world.loop.run()
        #expect(try boxes.map { try $0.only?.get().clusterId } == ["c1", "c2", "c3", "c4", "c5"])
    }

    @Test func `an answer out of order ends the connection and all its requests`() {
        broker.on(MetadataRequest.self) { _, header in
            .raw(FakeConnection.joined(MetadataResponse().frame(version: 13, correlationId: header.correlationId + 1)).array)
        }
        let channel = open()
        let first = ask(channel)
        let second = ask(channel)
        world.loop.run()
        #expect(channel.state == .closed)
        for box in [first, second] {
            guard case .malformed? = box.only?.failure else {
                Issue.record("\(String(describing: box.only))")
                continue
            }
        }
    }

    @Test func `a truncated answer fails its request and ends the connection`() {
        broker.on(MetadataRequest.self) { _, header in
            let whole = FakeConnection.joined(named("cluster").frame(version: 13, correlationId: header.correlationId)).array
            let cut = whole.count - 6
            return .raw([0, 0, 0, UInt8(cut - 4)] + whole[4..<cut])
        }
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(channel.state == .closed)
        guard case .malformed? = box.only?.failure else {
            Issue.record("\(String(describing: box.only))")
            return
        }
    }

    @Test func `a frame that is too long ends the connection`() {
        broker.on(MetadataRequest.self) { _, _ in .raw([0x7f, 0, 0, 0, 1]) }
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(channel.state == .closed && box.only?.isSuccess == false)
    }

    @Test func `an error code inside of an answer is an answer`() throws {
        broker.on(MetadataRequest.self) { _, _ in .answer(MetadataResponse { $0.errorCode = .rebootstrapRequired }) }
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(try box.only?.get().errorCode == .rebootstrapRequired)
        #expect(channel.state == .ready)
    }

    @Test func `a request without an answer times out and takes the connection with it`() {
        broker.on(MetadataRequest.self) { _, _ in .silence }
        let channel = open()
        var reason: ChannelError?
        channel.onClose = { reason = $0 }
        let first = ask(channel, timeout: .seconds(2))
        let second = ask(channel, timeout: .seconds(9))
        world.loop.pass(.milliseconds(1999))
        #expect(first.only == nil)
        world.loop.pass(.milliseconds(1))
        #expect(first.only?.failure == .timedOut(world.address(1), .metadata))
        #expect(second.only?.failure == .timedOut(world.address(1), .metadata))
        #expect(reason == .timedOut(world.address(1), .metadata))
    }

    @Test func `a peer that says nothing at all is given up`() {
        broker.on(ApiVersionsRequest.self) { _, _ in .silence }
        let channel = open()
        let box = ask(channel, timeout: .seconds(60))
        world.loop.pass(.seconds(11))
        #expect(channel.state == .closed)
        #expect(box.only?.failure == .timedOut(world.address(1), .apiVersions))
    }

    @Test func `no more requests are under way than allowed, and the rest follows`() {
        var settings = ChannelSettings()
        settings.inFlightMax = 2
        broker.on(MetadataRequest.self) { _, _ in .silence }
        let channel = open(settings)
        for _ in 0..<5 { _ = ask(channel) }
        world.loop.run()
        #expect(broker.count(.metadata) == 2)
        #expect(channel.pendingCount == 5)
    }

    @Test func `more waiting requests than allowed are refused`() {
        var settings = ChannelSettings()
        settings.queuedMax = 3
        let channel = open(settings)
        let boxes = (0..<4).map { _ in ask(channel) }
        world.loop.run()
        #expect(boxes[3].only?.failure == .full)
    }

    @Test func `the end of the connection fails what waits`() {
        broker.on(MetadataRequest.self) { _, _ in .hangUp }
        let channel = open()
        let boxes = (0..<3).map { _ in ask(channel) }
        world.loop.run()
        for box in boxes { #expect(box.only?.failure == .closed(world.address(1), .endOfStream)) }
        let late = ask(channel)
        world.loop.run()
        #expect(late.only?.isSuccess == false)
    }

    @Test func `a connection that is refused fails what waits`() {
        broker.isDown = true
        let channel = open()
        let box = ask(channel)
        world.loop.run()
        #expect(box.only?.failure == .unreachable(world.address(1), NetworkError(.refused, "connect")))
    }

    @Test func `back-off doubles up to its limit and begins anew after a success`() {
        var random = SeededRandom(seed: 1)
        var backoff = Backoff(from: .milliseconds(100), to: .seconds(1))
        let times = (0..<6).map { _ in backoff.next(&random) }
        for (time, middle) in zip(times, [100, 200, 400, 800, 1000, 1000]) {
            #expect(time >= .milliseconds(middle) * 0.8 && time <= .milliseconds(middle) * 1.2)
        }
        backoff.reset()
        #expect(backoff.next(&random) <= .milliseconds(120))
    }
}

/// What a completion was called with.
final class Box<Value> {
    var values: [Value] = []

    /// The value, if the completion was called exactly once.
    var only: Value? { values.count == 1 ? values[0] : nil }
}

extension Result {
    var isSuccess: Bool { if case .success = self { true } else { false } }
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
