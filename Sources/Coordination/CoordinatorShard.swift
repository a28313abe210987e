// One partition of a coordinator's topic, live: a core, the batches on their way into the log, and the replies that wait
// for them.
//
// Rule: a reply leaves when every record that was decided before it is committed, whether the reply is of a write, of a
// read or a refusal: it may rest on any of them. Records of all steps between two calls of `takeBatches` share a batch
// (group commit), unless it would become too large. Batches are appended in order and committed in order. See
// `CoordinatorCore` for what a failed append means.

public import Basics
public import Records

/// Why a coordinator does not answer a request.
@usableFromInline
package enum CoordinatorRefusal: Error, Hashable, Sendable {
    /// What the log holds is still being read.
    case loading
    /// Another node coordinates this, or none.
    case notCoordinator
    /// The log does not take records for now: too few replicas are in sync, or they took too long.
    case notAvailable
}

/// Records to append as one batch.
@usableFromInline
package struct CoordinatorBatch: Sendable {
    /// Numbers rise by one from batch to batch.
    @usableFromInline
    package var number: UInt64
    @usableFromInline
    package var records: [PlainRecord]

    @inlinable
    init(number: UInt64, records: [PlainRecord]) {
        self.number = number
        self.records = records
    }
}

/// A coordinator's core with its runtime.
@usableFromInline
package struct CoordinatorShard<Core: CoordinatorCore>: Sendable {
    @usableFromInline
    package typealias Answer = Step<Core.Record, Core.Reply>.Answer

    @usableFromInline
    struct Held: Sendable {
        /// The batch that must be committed first.
        @usableFromInline var number: UInt64
        @usableFromInline var since: Instant
        @usableFromInline var answer: Answer

        @inlinable
        init(number: UInt64, since: Instant, answer: Answer) {
            self.number = number
            self.since = since
            self.answer = answer
        }
    }

    /// Changed by the steps below alone.
    @usableFromInline
    package var core: Core
    /// Its log is read. Changed by `loaded` and `abandon` alone.
    @usableFromInline
    package var isActive = false
    @usableFromInline
    let batchBytesMax: Int
    @usableFromInline
    var ready: [CoordinatorBatch] = []
    @usableFromInline
    var open: [PlainRecord] = []
    @usableFromInline
    var openBytes = 0
    /// The number of the batch that is being filled.
    @usableFromInline
    var openNumber: UInt64 = 1
    @usableFromInline
    var committed: UInt64 = 0
    /// In the order of their batches.
    @usableFromInline
    var held: [Held] = []
    /// Requests whose reply has not left.
    @usableFromInline
    var waiting: Set<ReplyToken> = []

    /// A shard that is to be loaded. `batchBytesMax`: about so many bytes of records share one batch.
    @inlinable
    package init(_ core: Core, batchBytesMax: Int) {
        self.core = core
        self.batchBytesMax = batchBytesMax
    }

    // MARK: Loading

    /// Takes over a record of the log. `producerId`: of the transaction that it belongs to.
    @inlinable
    package mutating func load(_ record: Core.Record, ofTransaction producerId: Int64?, _ moment: Moment) {
        if let producerId {
            core.replay(record, ofTransaction: producerId, moment)
        } else {
            core.replay(record, moment)
        }
    }

    /// A transaction ended, as the log says when it is read, or as its coordinator has just written.
    @inlinable
    package mutating func endTransaction(of producerId: Int64, isCommitted: Bool, _ moment: Moment) {
        core.endTransaction(of: producerId, isCommitted: isCommitted, moment)
    }

    /// The log is read to its end, and all of it is committed.
    @inlinable
    package mutating func loaded(_ moment: Moment) -> [Answer] {
        isActive = true
        return take(core.loaded(moment), moment)
    }

    // MARK: Steps

    /// Has the core decide on a request; answers what may leave at once. Nothing waits for `token` any more when its
    /// reply is among the answers of this or a later call.
    @inlinable
    package mutating func request(
        _ token: ReplyToken, _ moment: Moment, _ decide: (inout Core) -> Step<Core.Record, Core.Reply>
    ) -> [Answer] {
        precondition(isActive, "a coordinator that is not loaded decides nothing")
        waiting.insert(token)
        return take(decide(&core), moment)
    }

    /// A decision that nobody asked for.
    @inlinable
    package mutating func step(
        _ moment: Moment, _ decide: (inout Core) -> Step<Core.Record, Core.Reply>
    ) -> [Answer] {
        guard isActive else { return [] }
        return take(decide(&core), moment)
    }

    /// What is to be done next.
    @usableFromInline
    package struct Outlook: Sendable {
        /// There are records to append.
        @usableFromInline
        package var hasRecords: Bool
        /// When `tick` is next to be called; nil while nothing is due ever.
        @usableFromInline
        package var nextDeadline: Instant?
        /// When the oldest reply began to wait for its batch.
        @usableFromInline
        package var waitsSince: Instant?

        @inlinable
        init(hasRecords: Bool, nextDeadline: Instant?, waitsSince: Instant?) {
            self.hasRecords = hasRecords
            self.nextDeadline = nextDeadline
            self.waitsSince = waitsSince
        }
    }

    /// Mutating although it changes nothing: a class that holds a shard would copy it for any other question, with
    /// every request.
    @inlinable
    package mutating func outlook() -> Outlook {
        Outlook(
            hasRecords: !open.isEmpty || !ready.isEmpty, nextDeadline: isActive ? core.nextDeadline : nil,
            waitsSince: held.first?.since)
    }

    /// Does what is due.
    @inlinable
    package mutating func tick(_ moment: Moment) -> [Answer] {
        guard isActive, let due = core.nextDeadline, due <= moment.now else { return [] }
        return take(core.tick(moment), moment)
    }

    /// The reply for `token` is not wanted any more.
    @inlinable
    package mutating func forget(_ token: ReplyToken) {
        guard waiting.remove(token) != nil else { return }
        core.forget(token)
        held.removeAll { $0.answer.token == token }
    }

    @inlinable
    mutating func take(_ step: Step<Core.Record, Core.Reply>, _ moment: Moment) -> [Answer] {
        for record in step.records {
            let plain = record.plain
            let size = 80 + (plain.key?.count ?? 0) + (plain.value?.count ?? 0)
            if !open.isEmpty, openBytes + size > batchBytesMax { closeBatch() }
            open.append(plain)
            openBytes += size
        }
        // The last batch that was begun: nothing that is decided now can rest on more.
        let number = open.isEmpty ? openNumber - 1 : openNumber
        var free: [Answer] = []
        for answer in step.answers where waiting.contains(answer.token) {
            if number <= committed {
                waiting.remove(answer.token)
                free.append(answer)
            } else {
                held.append(Held(number: number, since: moment.now, answer: answer))
            }
        }
        return free
    }

    @inlinable
    mutating func closeBatch() {
        ready.append(CoordinatorBatch(number: openNumber, records: open))
        open = []
        openBytes = 0
        openNumber += 1
    }

    // MARK: Commits

    /// The batches that are to be appended now, in this order.
    @inlinable
    package mutating func takeBatches() -> [CoordinatorBatch] {
        if !open.isEmpty { closeBatch() }
        let batches = ready
        ready = []
        return batches
    }

    /// Everything up to batch `number` is committed; answers what may leave now.
    @inlinable
    package mutating func committed(upTo number: UInt64) -> [Answer] {
        committed = max(committed, number)
        let count = held.prefix { $0.number <= committed }.count
        guard count > 0 else { return [] }
        let free = held.prefix(count).map(\.answer)
        held.removeFirst(count)
        for answer in free { waiting.remove(answer.token) }
        return free
    }

    /// Gives up replies that have waited for their batch since `limit` or longer. What they rest on may still be
    /// committed.
    @inlinable
    package mutating func giveUp(waitingSince limit: Instant) -> [ReplyToken] {
        let count = held.prefix { $0.since <= limit }.count
        guard count > 0 else { return [] }
        let tokens = held.prefix(count).map(\.answer.token)
        held.removeFirst(count)
        for token in tokens { waiting.remove(token) }
        return tokens
    }

    /// All requests without a reply, in their order, when the shard is dropped.
    @inlinable
    package mutating func abandon() -> [ReplyToken] {
        isActive = false
        defer { waiting = [] }
        return waiting.sorted()
    }
}
