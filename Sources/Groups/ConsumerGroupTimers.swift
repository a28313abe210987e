// The deadlines of a consumer group's members. They are soft state: no record tells of them, and a coordinator that
// takes a group over starts them anew.
//
// Rule: `next` is never later than the earliest deadline. It may be earlier, since a session that is renewed with every
// heartbeat would else be searched for each time; `due` then finds nothing, and sets it right.

package import Basics

/// Deadlines by member and kind.
package struct ConsumerGroupTimers: Sendable, Equatable {
    enum Kind: Int8, Sendable {
        /// Nothing was heard of the member.
        case session
        /// The member did not give up what it had to.
        case rebalance
        /// A classic member did not join anew.
        case join
        /// A classic member did not ask for its assignment.
        case sync
        /// A classic member did not come back with the id that it was given.
        case firstJoin
    }

    struct Key: Hashable, Comparable, Sendable {
        var memberId: String
        var kind: Kind

        static func < (left: Key, right: Key) -> Bool {
            (left.memberId, left.kind.rawValue) < (right.memberId, right.kind.rawValue)
        }
    }

    private var deadlines: [Key: Instant] = [:]
    /// The epoch that a member has to leave until its rebalance timeout.
    private var epochs: [String: Int32] = [:]
    package private(set) var next: Instant?

    package init() {}

    mutating func set(_ kind: Kind, _ memberId: String, _ deadline: Instant) {
        deadlines[Key(memberId: memberId, kind: kind)] = deadline
        next = next.map { min($0, deadline) } ?? deadline
    }

    mutating func setRebalance(_ memberId: String, epoch: Int32, _ deadline: Instant) {
        epochs[memberId] = epoch
        set(.rebalance, memberId, deadline)
    }

    func epochToLeave(_ memberId: String) -> Int32? { epochs[memberId] }

    func has(_ kind: Kind, _ memberId: String) -> Bool { deadlines[Key(memberId: memberId, kind: kind)] != nil }

    mutating func cancel(_ kind: Kind, _ memberId: String) { deadlines[Key(memberId: memberId, kind: kind)] = nil }

    mutating func forget(_ memberId: String) {
        for kind in [Kind.session, .rebalance, .join, .sync, .firstJoin] { cancel(kind, memberId) }
        epochs[memberId] = nil
    }

    /// Takes out what is due, in order.
    mutating func due(_ now: Instant) -> [Key] {
        guard let next, next <= now else { return [] }
        let due = deadlines.filter { $0.value <= now }.keys.sorted()
        for key in due { deadlines[key] = nil }
        self.next = deadlines.values.min()
        return due
    }
}
