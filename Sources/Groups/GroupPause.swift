// Pausing a group: its members stay, and have nothing, until it is resumed or the time is up.
//
// Rule: whether a group is paused is said by its configuration (`martlet.paused.until.ms`) and the clock alone, so that it
// survives every restart and is the same on every broker. What a paused group is given is decided where targets and
// assignments are made; here, a group that is at rest is set in motion when its pause begins or ends.

internal import Basics
internal import Bytes
internal import ClusterImage
package import Coordination
internal import WireProtocol

extension GroupSettings {
    /// The configuration key of a group: milliseconds of the wall clock; -1: until it is resumed.
    package static let pauseKey = "martlet.paused.until.ms"

    package func isPaused(_ moment: Moment) -> Bool { pausedUntil < 0 || pausedUntil > moment.wallClock.milliseconds }
}

extension GroupContext {
    /// The longest wait before the clock is looked at again: it may have been set.
    private static let pauseCheckInterval: Int64 = 3_600_000

    /// Whether the group whose settings these are is paused.
    var isPaused: Bool { settings.isPaused(moment) }

    /// When to look whether the pause is over; nil if it does not end by itself.
    var pauseCheck: Instant? {
        guard isPaused, settings.pausedUntil > 0 else { return nil }
        let left = settings.pausedUntil - moment.wallClock.milliseconds
        return moment.now + .milliseconds(min(left, GroupContext.pauseCheckInterval))
    }
}

extension GroupContext {
    /// Whether any of these topics has something to be given.
    fileprivate func hasPartitions(_ topics: some Sequence<String>) -> Bool {
        topics.contains { image.topic(named: $0).map { !$0.partitions.isEmpty } ?? false }
    }
}

extension ConsumerGroup {
    /// Follows the group's configuration and the clock: a new epoch and target when the pause begins or ends. A target
    /// that the log holds may be of before: `isLoading`.
    package mutating func followPause(
        _ context: GroupContext, isLoading: Bool = false, _ step: inout GroupStep
    ) {
        let context = context.forGroup(id)
        let wasPaused = isPaused
        isPaused = context.isPaused
        pauseCheck = context.pauseCheck
        if isPaused != wasPaused { history.note(isPaused, context) }
        guard isPaused != wasPaused || isLoading, !members.isEmpty else { return }
        guard isPaused != targets.values.allSatisfy(\.isEmpty) else { return }
        if !isPaused, targetEpoch < epoch || !context.hasPartitions(subscribedTopics.keys) { return }
        emitEpoch(epoch + 1, hash: metadataHash, &step)
        history.rebalanceBegins("epoch \(epoch)", context.moment)
        makeTarget(context, &step)
    }

    /// Whether nobody has a partition, or has still to give one up.
    package var ownsNothing: Bool { owners.isEmpty }
}

extension ClassicGroup {
    /// Follows the group's configuration and the clock: a rebalance when the pause begins or ends.
    package mutating func followPause(
        _ context: GroupContext, isLoading: Bool = false, _ step: inout GroupStep
    ) {
        let context = context.forGroup(id)
        let wasPaused = isPaused
        isPaused = context.isPaused
        deadlines.set(.pause, context.pauseCheck)
        if isPaused != wasPaused { history.note(isPaused, context) }
        guard isPaused != wasPaused || isLoading, usesConsumerProtocol, !members.isEmpty else { return }
        guard state == .stable || state == .completingRebalance else { return }
        if isLoading {
            guard isPaused != members.values.allSatisfy(\.isAssignedNothing) else { return }
            if !isPaused, !context.hasPartitions(subscribedTopics ?? []) { return }
        }
        prepareRebalance(context, &step)
    }

    /// Whether nobody has a partition. A cooperative member says when it joins what it has not given up yet.
    package var ownsNothing: Bool {
        if members.isEmpty { return true }
        guard usesConsumerProtocol, state == .stable else { return false }
        return members.values.allSatisfy { member in
            let subscription = ConsumerGroupProtocol.subscription(member.metadata(protocolName))
            return member.isAssignedNothing && (subscription?.ownedPartitions.allSatisfy(\.partitions.isEmpty) ?? false)
        }
    }
}

extension ClassicMember {
    /// Whether its assignment has no partition.
    fileprivate var isAssignedNothing: Bool {
        if assignment.isEmpty { return true }
        return ConsumerGroupProtocol.assignment(assignment)?.assignedPartitions.allSatisfy(\.partitions.isEmpty) ?? false
    }
}

extension GroupHistory {
    fileprivate mutating func note(_ isPaused: Bool, _ context: GroupContext) {
        guard isPaused else { return note(.resumed, "members are given partitions again", context.moment) }
        let until = context.settings.pausedUntil
        let end = until < 0 ? "until it is resumed" : "for \((until - context.moment.wallClock.milliseconds) / 1000) s"
        note(.paused, "members have no partitions \(end)", context.moment)
    }
}
