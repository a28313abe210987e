// The group's epoch and the target: what each member shall have.
//
// Rule: the epoch rises when members, subscriptions, topics or the assignor change; the target is made for an epoch
// when a heartbeat finds it behind, but not sooner than the assignment interval after the last one (KIP-1263), so that
// many who join at once are assigned once. A target is written as its differences from the last.

internal import Basics
package import ClusterImage
internal import Coordination

extension ConsumerGroup {
    /// How often the topics are looked at though nothing is known to have changed.
    static let topicRefreshInterval: Duration = .seconds(3600)

    func isRefreshDue(_ context: GroupContext) -> Bool { refreshAt.map { $0 <= context.moment.now } ?? true }

    /// Raises the epoch if told to, or if the topics that the group reads are not what they were.
    mutating func refreshTopics(bumpsEpoch: Bool, _ context: GroupContext, _ step: inout GroupStep) {
        let hash = SubscriptionHash.of(subscribedTopics.keys, in: context.image)
        if bumpsEpoch || hash != metadataHash {
            if !bumpsEpoch { history.note(.topicsChanged, "topics that the group reads have changed", context.moment) }
            emitEpoch(epoch + 1, hash: hash, &step)
            history.rebalanceBegins("epoch \(epoch)", context.moment)
        }
        refreshAt = context.moment.now + ConsumerGroup.topicRefreshInterval
        emitPartitionMetadataRemoval(&step)
    }

    /// The cluster has changed: topics of these names are new, changed or gone.
    package mutating func topicsChanged(_ changes: TopicChanges, _ image: ClusterImage) {
        if changes.names.contains(where: { subscribedTopics[$0] != nil }) { refreshAt = nil }
        if changes.hasNew { newTopicsVersion = image.endOffset.rawValue }
    }

    /// The assignor that most members ask for, else the default; of equals, the one that is offered first.
    func preferredAssignor(_ settings: GroupSettings) -> String {
        var preferred = (name: settings.consumerAssignors.first ?? ServerAssignor.uniform.rawValue, count: 0)
        for name in settings.consumerAssignors {
            let count = assignorCounts[name] ?? 0
            if count > preferred.count { preferred = (name, count) }
        }
        return preferred.name
    }

    /// Makes a target for the group's epoch if there is none yet and the time has come.
    mutating func updateTarget(_ context: GroupContext, _ step: inout GroupStep) {
        let now = context.moment.wallClock.milliseconds
        let interval = context.settings.consumerAssignmentInterval.wholeMilliseconds
        // A clock that was set back must not keep the members waiting until it is where it was.
        let elapsed = now - targetTimestamp
        guard targetEpoch < epoch, targetTimestamp == 0 || elapsed < 0 || elapsed >= interval else { return }
        makeTarget(context, &step)
    }

    /// Makes a target for the group's epoch. In a paused group nobody shall have anything.
    mutating func makeTarget(_ context: GroupContext, _ step: inout GroupStep) {
        let now = context.moment.wallClock.milliseconds
        let assignor = ServerAssignor(rawValue: preferredAssignor(context.settings)) ?? .uniform
        let problem = problem(context.image)
        let answer = context.isPaused ? problem.members.map { _ in [:] } : assignor.assign(problem)
        for (member, target) in zip(problem.members, answer) where targets[member.id] != target {
            emitTarget(member.id, target, &step)
        }
        emitTargetEpoch(epoch, timestamp: now, &step)
    }

    private struct SubscriptionKey: Hashable {
        var topics: [String]
        var pattern: String
    }

    private func problem(_ image: ClusterImage) -> AssignmentProblem {
        let topics = subscribedTopics.keys.compactMap { image.topic(named: $0) }.sorted { $0.id < $1.id }
        var positions: [String: Int] = [:]
        for (position, topic) in topics.enumerated() { positions[topic.name] = position }
        // Most members of a group have the same subscription.
        var known: [SubscriptionKey: [Int]] = [:]
        let members = sortedMembers.map { member in
            let key = SubscriptionKey(topics: member.topics, pattern: member.pattern)
            let names = { Set(member.topics).union(patterns[member.pattern]?.topics ?? []) }
            let subscription = known[key] ?? names().compactMap { positions[$0] }.sorted()
            known[key] = subscription
            return AssignmentProblem.Member(
                id: member.id, instanceId: member.instanceId, topics: subscription, current: targets[member.id] ?? [:])
        }
        return AssignmentProblem(
            topics: topics.map { AssignmentProblem.Topic(id: $0.id, partitionCount: $0.partitions.count) },
            members: members)
    }
}

/// What a change of the cluster did to its topics.
package struct TopicChanges: Sendable, Equatable {
    /// Names of topics that came, changed or went.
    package var names: Set<String> = []
    /// Whether there are names that were not there before.
    package var hasNew = false

    package init() {}

    /// Compares two images: O(topics), and quick for topics that did not change.
    package init(from old: ClusterImage, to new: ClusterImage) {
        for (name, topicId) in new.topicIds {
            guard let before = old.topicIds[name] else {
                names.insert(name)
                hasNew = true
                continue
            }
            if before != topicId || old.topics[before] != new.topics[topicId] { names.insert(name) }
        }
        for name in old.topicIds.keys where new.topicIds[name] == nil { names.insert(name) }
    }
}
