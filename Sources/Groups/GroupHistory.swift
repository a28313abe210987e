// What happened to a group lately and why, and when each member was last heard of: for the people who operate it.
//
// Rule: it is in memory only, begins anew with each coordinator, and nothing is decided by it. It goes along when a group
// changes its kind. The number of events and the length of a reason are bounded, whatever clients write into theirs.

package import Basics
internal import Coordination

/// One thing that happened to a group.
package struct GroupEvent: Hashable, Sendable {
    package enum Kind: String, Sendable {
        case memberJoined = "member-joined"
        case memberLeft = "member-left"
        /// Put out by the coordinator.
        case memberFenced = "member-fenced"
        case subscriptionChanged = "subscription-changed"
        case topicsChanged = "topics-changed"
        case rebalanceBegan = "rebalance-began"
        case rebalanceEnded = "rebalance-ended"
        case migrated = "migrated"
        case offsetsSet = "offsets-set"
        case offsetsExpired = "offsets-expired"
        case paused = "paused"
        case resumed = "resumed"
    }

    /// Numbers rise by one from event to event.
    package var number: UInt64
    package var time: Timestamp
    package var kind: Kind
    /// Empty for what happened to the group as a whole.
    package var member: String
    package var reason: String
}

/// The last events of a group.
package struct GroupHistory: Sendable {
    package static let eventsMax = 64
    /// Bytes of an event's reason; longer ones are cut.
    static let reasonBytesMax = 240

    package private(set) var events: [GroupEvent] = []
    private var count: UInt64 = 0
    private var rebalanceSince: Instant?
    private var heard: [String: Instant] = [:]

    package init() {}

    // MARK: Events

    mutating func note(_ kind: GroupEvent.Kind, member: String = "", _ reason: String, _ moment: Moment) {
        let reason = GroupHistory.bounded(reason)
        // Who stores offsets again and again fills no history with it.
        if kind == .offsetsSet, let last = events.last, last.kind == kind, last.reason == reason {
            events[events.count - 1].time = moment.wallClock
            return
        }
        count += 1
        if events.count == GroupHistory.eventsMax { events.removeFirst() }
        events.append(
            GroupEvent(number: count, time: moment.wallClock, kind: kind, member: member, reason: reason))
    }

    /// Members may be given other partitions from now on. While that goes on already, it is not noted again.
    mutating func rebalanceBegins(_ reason: String, _ moment: Moment) {
        guard rebalanceSince == nil else { return }
        rebalanceSince = moment.now
        note(.rebalanceBegan, reason, moment)
    }

    var isRebalancing: Bool { rebalanceSince != nil }

    mutating func rebalanceEnds(_ result: String, _ moment: Moment) {
        guard let since = rebalanceSince else { return }
        rebalanceSince = nil
        note(.rebalanceEnded, "\(result), after \((moment.now - since).wholeMilliseconds) ms", moment)
    }

    /// One line of text, of a bounded length.
    private static func bounded(_ text: String) -> String {
        let isPlain = text.utf8.count <= reasonBytesMax && text.utf8.allSatisfy { $0 >= 32 }
        if isPlain { return text }
        var line = ""
        for scalar in text.unicodeScalars {
            guard line.utf8.count + 4 <= reasonBytesMax else { break }
            line.unicodeScalars.append(scalar.value < 32 ? " " : scalar)
        }
        return line
    }

    // MARK: Members

    mutating func hear(_ memberId: String, _ moment: Moment) { heard[memberId] = moment.now }

    mutating func forget(_ memberId: String) { heard[memberId] = nil }

    /// How long ago the member was heard of; nil if it is not known.
    func silence(of memberId: String, _ moment: Moment) -> Duration? { heard[memberId].map { moment.now - $0 } }
}

/// What a coordinator tells of a group to those who operate it.
package struct GroupExplanation: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package var id: String
        /// How long ago it was heard of, or was taken over by this coordinator.
        package var silence: Duration?
        package var sessionTimeout: Duration
    }

    package var type: String
    package var state: String
    package var isPaused: Bool
    /// Whether no member has a partition, or still has to give one up.
    package var ownsNothing: Bool
    package var events: [GroupEvent]
    package var members: [Member]
}
