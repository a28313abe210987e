import Basics
import Bytes
import Coordination
import Records
import Testing

/// A coordinator that counts: each request adds its number, a reply tells the sum.
private struct Counter: CoordinatorCore {
    struct Addition: CoordinatorRecord {
        var number: UInt8

        init(_ number: UInt8) { self.number = number }
        init(key: ByteSlice, value: ByteSlice?) throws(DecodeError) { number = key[0] }
        var plain: PlainRecord { PlainRecord(key: [number], value: [1, 2, 3]) }
    }

    var sum = 0
    var pending: [Int64: Int] = [:]
    var parked: [ReplyToken] = []
    var forgotten: [ReplyToken] = []
    var nextDeadline: Instant?

    mutating func replay(_ record: Addition, _ moment: Moment) { sum += Int(record.number) }
    mutating func replay(_ record: Addition, ofTransaction producerId: Int64, _ moment: Moment) {
        pending[producerId, default: 0] += Int(record.number)
    }
    mutating func endTransaction(of producerId: Int64, isCommitted: Bool, _ moment: Moment) {
        let held = pending.removeValue(forKey: producerId) ?? 0
        if isCommitted { sum += held }
    }
    mutating func loaded(_ moment: Moment) -> Step<Addition, Int> { Step() }
    mutating func forget(_ token: ReplyToken) { forgotten.append(token) }

    mutating func tick(_ moment: Moment) -> Step<Addition, Int> {
        nextDeadline = nil
        var step = Step<Addition, Int>()
        for token in parked { step.answer(token, sum) }
        parked = []
        return step
    }

    mutating func add(_ numbers: [UInt8], _ token: ReplyToken?, _ moment: Moment) -> Step<Addition, Int> {
        var step = Step<Addition, Int>()
        for number in numbers {
            replay(Addition(number), moment)
            step.records.append(Addition(number))
        }
        if let token { step.answer(token, sum) }
        return step
    }

    mutating func park(_ token: ReplyToken, until instant: Instant) -> Step<Addition, Int> {
        parked.append(token)
        nextDeadline = instant
        return Step()
    }
}

@Suite struct CoordinatorShardTests {
    private typealias Shard = CoordinatorShard<Counter>

    private static func moment(_ nanoseconds: Int64 = 0) -> Moment {
        Moment(now: Instant(nanoseconds: nanoseconds), wallClock: Timestamp(milliseconds: 0))
    }

    private static func active(batchBytesMax: Int = 1 << 20) -> Shard {
        var shard = Shard(Counter(), batchBytesMax: batchBytesMax)
        #expect(shard.loaded(moment()).isEmpty)
        return shard
    }

    private func add(
        _ shard: inout Shard, _ token: UInt64, _ numbers: UInt8..., at time: Int64 = 0
    ) -> [Int] {
        let moment = Self.moment(time)
        return shard.request(ReplyToken(token), moment) { $0.add(numbers, ReplyToken(token), moment) }.map(\.reply)
    }

    @Test func `a reply waits for the commit of its records`() {
        var shard = Self.active()
        #expect(add(&shard, 1, 5).isEmpty)
        let batches = shard.takeBatches()
        #expect(batches.map(\.records.count) == [1])
        #expect(shard.committed(upTo: batches[0].number).map(\.reply) == [5])
    }

    @Test func `a read that rests on what is not committed waits for it`() {
        var shard = Self.active()
        #expect(add(&shard, 1, 5).isEmpty)
        #expect(add(&shard, 2).isEmpty)
        let batch = shard.takeBatches()[0]
        #expect(add(&shard, 3).isEmpty)
        #expect(shard.takeBatches().isEmpty)
        #expect(shard.committed(upTo: batch.number).map(\.reply) == [5, 5, 5])
        #expect(add(&shard, 4) == [5])
    }

    @Test func `records of one turn share a batch, those of the next have their own`() {
        var shard = Self.active()
        _ = add(&shard, 1, 1)
        _ = add(&shard, 2, 2, 3)
        let first = shard.takeBatches()
        _ = add(&shard, 3, 4)
        let second = shard.takeBatches()
        #expect(first.map { $0.records.map { $0.key ?? [] } } == [[[1], [2], [3]]])
        #expect(second.map { $0.records.map { $0.key ?? [] } } == [[[4]]])
        #expect(shard.committed(upTo: first[0].number).map(\.token.number) == [1, 2])
        #expect(shard.committed(upTo: second[0].number).map(\.token.number) == [3])
    }

    @Test func `a batch is bounded in bytes, and a reply waits for the last part`() {
        var shard = Self.active(batchBytesMax: 200)
        _ = add(&shard, 1, 1, 2, 3, 4, 5)
        let batches = shard.takeBatches()
        #expect(batches.map(\.records.count) == [2, 2, 1])
        #expect(shard.committed(upTo: batches[1].number).isEmpty)
        #expect(shard.committed(upTo: batches[2].number).map(\.reply) == [15])
    }

    @Test func `all who wait are told when the coordinator is dropped`() {
        var shard = Self.active()
        _ = add(&shard, 2, 1)
        _ = shard.request(ReplyToken(3), Self.moment()) { $0.park(ReplyToken(3), until: .distantFuture) }
        _ = add(&shard, 1, 1)
        #expect(shard.abandon() == [ReplyToken(1), ReplyToken(2), ReplyToken(3)])
        #expect(shard.committed(upTo: 9).count == 2)
        #expect(!shard.isActive)
    }

    @Test func `a request that is parked is answered when its time has come`() {
        var shard = Self.active()
        let due = Instant(nanoseconds: 10)
        #expect(shard.request(ReplyToken(1), Self.moment()) { $0.park(ReplyToken(1), until: due) }.isEmpty)
        #expect(shard.outlook().nextDeadline == due)
        #expect(shard.tick(Self.moment(9)).isEmpty)
        #expect(shard.tick(Self.moment(10)).map(\.token) == [ReplyToken(1)])
        #expect(shard.abandon() == [])
    }

    @Test func `nobody is answered who is gone`() {
        var shard = Self.active()
        _ = add(&shard, 1, 1)
        _ = shard.request(ReplyToken(2), Self.moment()) { $0.park(ReplyToken(2), until: Instant(nanoseconds: 1)) }
        shard.forget(ReplyToken(1))
        shard.forget(ReplyToken(2))
        #expect(shard.core.forgotten == [ReplyToken(1), ReplyToken(2)])
        #expect(shard.tick(Self.moment(5)).isEmpty)
        #expect(shard.committed(upTo: 5).isEmpty)
    }

    @Test func `a reply is given up when its records take too long, and not sent later`() {
        var shard = Self.active()
        _ = add(&shard, 1, 1, at: 10)
        _ = add(&shard, 2, 1, at: 20)
        let batch = shard.takeBatches()[0]
        #expect(shard.outlook().waitsSince == Instant(nanoseconds: 10))
        #expect(shard.giveUp(waitingSince: Instant(nanoseconds: 15)) == [ReplyToken(1)])
        #expect(shard.committed(upTo: batch.number).map(\.token) == [ReplyToken(2)])
    }

    @Test func `records of a transaction count from its commit on, or never`() {
        var shard = Shard(Counter(), batchBytesMax: 1 << 20)
        shard.load(Counter.Addition(1), ofTransaction: nil, Self.moment())
        shard.load(Counter.Addition(10), ofTransaction: 7, Self.moment())
        shard.load(Counter.Addition(100), ofTransaction: 8, Self.moment())
        shard.endTransaction(of: 7, isCommitted: true, Self.moment())
        shard.endTransaction(of: 8, isCommitted: false, Self.moment())
        _ = shard.loaded(Self.moment())
        #expect(add(&shard, 1) == [11])
    }
}
