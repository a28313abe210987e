// What a coordinator is to the runtime that drives it: a plain value that turns a request into records and replies.
//
// Rule: what must survive changes in `replay` only, used alike when a decision is made, at start and at failover. A
// decision emits a record, which replays it at once, so that what is decided next sees it; the runtime appends the
// records of a step as one batch and releases the step's replies when that batch is committed. There is no undo: when an
// append fails, or the partition is led elsewhere, the core is dropped, its waiters are failed, and a new one is loaded.

package import Basics
package import Bytes
package import Records

/// The time at which a step is taken: `now` for deadlines, `wallClock` for what is written.
package struct Moment: Hashable, Sendable {
    package var now: Instant
    package var wallClock: Timestamp

    package init(now: Instant, wallClock: Timestamp) {
        self.now = now
        self.wallClock = wallClock
    }
}

/// Stands for a request that waits for its reply. Tokens grow, so their order is the order of the requests.
package struct ReplyToken: Hashable, Comparable, Sendable {
    package var number: UInt64

    package init(_ number: UInt64) { self.number = number }

    package static func < (left: ReplyToken, right: ReplyToken) -> Bool { left.number < right.number }
}

/// A record of a coordinator's topic.
package protocol CoordinatorRecord: Sendable {
    /// The record that stands in the log under `key`; a nil `value` deletes. Throws for what has no schema here.
    init(key: ByteSlice, value: ByteSlice?) throws(DecodeError)
    /// The record as it is written.
    var plain: PlainRecord { get }
}

/// What a decision leads to. The replies leave when the records are committed, and all that was emitted before them.
package struct Step<Record: Sendable, Reply: Sendable>: Sendable {
    package struct Answer: Sendable {
        package var token: ReplyToken
        package var reply: Reply
    }

    /// Already replayed, in order.
    package var records: [Record] = []
    package var answers: [Answer] = []

    package init() {}

    package mutating func answer(_ token: ReplyToken, _ reply: Reply) {
        answers.append(Answer(token: token, reply: reply))
    }
}

/// One coordinator, responsible for one partition of its topic.
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
