// What a coordinator is to the runtime that drives it: a plain value that turns a request into records and replies.
//
// Rule: what must survive changes in `replay` only, used alike when a decision is made, at start and at failover. A
// decision emits a record, which replays it at once, so that what is decided next sees it; the runtime appends the
// records of a step as one batch and releases the step's replies when that batch is committed. There is no undo: when an
// append fails, or the partition is led elsewhere, the core is dropped, its waiters are failed, and a new one is loaded.

public import Basics
public import Bytes
public import Records

/// The time at which a step is taken: `now` for deadlines, `wallClock` for what is written.
@usableFromInline
package struct Moment: Hashable, Sendable {
    @usableFromInline
    package var now: Instant
    @usableFromInline
    package var wallClock: Timestamp

    @inlinable
    package init(now: Instant, wallClock: Timestamp) {
        self.now = now
        self.wallClock = wallClock
    }
}

/// Stands for a request that waits for its reply. Tokens grow, so their order is the order of the requests.
@usableFromInline
package struct ReplyToken: Hashable, Comparable, Sendable {
    @usableFromInline
    package var number: UInt64

    @inlinable
    package init(_ number: UInt64) { self.number = number }

    @inlinable
    package static func < (left: ReplyToken, right: ReplyToken) -> Bool { left.number < right.number }
}

/// A record of a coordinator's topic.
@usableFromInline
package protocol CoordinatorRecord: Sendable {
    /// The record that stands in the log under `key`; a nil `value` deletes. Throws for what has no schema here.
    init(key: ByteSlice, value: ByteSlice?) throws(DecodeError)
    /// The record as it is written.
    var plain: PlainRecord { get }
}

/// What a decision leads to. The replies leave when the records are committed, and all that was emitted before them.
@usableFromInline
package struct Step<Record: Sendable, Reply: Sendable>: Sendable {
    @usableFromInline
    package struct Answer: Sendable {
        @usableFromInline
        package var token: ReplyToken
        @usableFromInline
        package var reply: Reply

        @inlinable
        package init(token: ReplyToken, reply: Reply) {
            self.token = token
            self.reply = reply
        }
    }

    /// Already replayed, in order.
    @usableFromInline
    package var records: [Record] = []
    @usableFromInline
    package var answers: [Answer] = []

    @inlinable
    package init() {}

    @inlinable
    package mutating func answer(_ token: ReplyToken, _ reply: Reply) {
        answers.append(Answer(token: token, reply: reply))
    }
}

/// One coordinator, responsible for one partition of its topic.
@usableFromInline
package protocol CoordinatorCore: Sendable {
    associatedtype Record: CoordinatorRecord
    associatedtype Reply: Sendable

    /// Takes over what `record` says. `moment` is that of the decision, or of loading.
    mutating func replay(_ record: Record, _ moment: Moment)
    /// The same for a record of the open transaction of `producerId`: it counts from the commit on, or never.
    mutating func replay(_ record: Record, ofTransaction producerId: Int64, _ moment: Moment)
    /// The transaction of `producerId` has ended in this partition.
    mutating func endTransaction(of producerId: Int64, isCommitted: Bool, _ moment: Moment)
    /// All that the log holds has been replayed: begins to watch its members anew.
    mutating func loaded(_ moment: Moment) -> Step<Record, Reply>
    /// The next moment at which `tick` has something to do.
    var nextDeadline: Instant? { get }
    /// Does what is due.
    mutating func tick(_ moment: Moment) -> Step<Record, Reply>
    /// The peer behind `token` is gone, or the node stops: a reply is not wanted any more.
    mutating func forget(_ token: ReplyToken)
}

extension CoordinatorCore {
    /// Most coordinators write no transactions.
    package mutating func replay(_ record: Record, ofTransaction producerId: Int64, _ moment: Moment) {}
    package mutating func endTransaction(of producerId: Int64, isCommitted: Bool, _ moment: Moment) {}
}
