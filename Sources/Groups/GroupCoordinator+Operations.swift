// What those who operate groups ask and cause: the history of a group, and pauses.

internal import Basics
internal import ClusterImage
package import Coordination
internal import WireProtocol

extension GroupCoordinator {
    // MARK: History

    func history(_ groupId: String) -> GroupHistory {
        classic[groupId]?.history ?? consumer[groupId]?.history ?? GroupHistory()
    }

    mutating func note(_ groupId: String, _ kind: GroupEvent.Kind, _ reason: String, _ moment: Moment) {
        classic[groupId]?.history.note(kind, reason, moment)
        consumer[groupId]?.history.note(kind, reason, moment)
    }

    /// Notes that offsets were changed by one who is no member. A group that only stores offsets has no history.
    mutating func noteOffsets(
        _ groupId: String, _ verb: String, _ counts: [Int], by client: GroupClient, _ moment: Moment
    ) {
        guard consumer[groupId] != nil || classic[groupId]?.protocolType != nil else { return }
        let count = counts.reduce(0, +)
        note(groupId, .offsetsSet, "client \(client.id) at \(client.host) \(verb) \(count) offsets", moment)
    }

    /// Tells what happened to a group lately, and when its members were heard of.
    package mutating func explain(_ groupId: String, _ token: ReplyToken, _ moment: Moment) -> GroupStep {
        let context = context(moment).forGroup(groupId)
        var step = GroupStep()
        let explanation = classic[groupId]?.explained(context) ?? consumer[groupId]?.explained(context)
        step.answer(token, .explanation(explanation))
        return step
    }

    // MARK: Pauses

    /// Has a group follow its configuration.
    mutating func followPause(
        _ groupId: String, _ context: GroupContext, isLoading: Bool = false, _ step: inout GroupStep
    ) {
        classic[groupId]?.followPause(context, isLoading: isLoading, &step)
        consumer[groupId]?.followPause(context, isLoading: isLoading, &step)
    }

    /// Has the groups whose configurations have changed follow them.
    mutating func followPauses(from before: ClusterImage, _ moment: Moment, _ step: inout GroupStep) {
        // Most changes are of something else: then both images share one table, and are equal at a glance.
        guard before.configurations != image.configurations else { return }
        let named = Set(before.configurations.keys).union(image.configurations.keys).filter { $0.kind == .group }
        let context = context(moment)
        for groupId in named.map(\.name).sorted() where exists(groupId) {
            guard before.configuration(.group, groupId) != image.configuration(.group, groupId) else { continue }
            followPause(groupId, context, &step)
            watch(groupId)
        }
    }
}

extension ClassicGroup {
    fileprivate func explained(_ context: GroupContext) -> GroupExplanation {
        GroupExplanation(
            type: "classic", state: state.rawValue, isPaused: context.isPaused, ownsNothing: ownsNothing,
            events: history.events,
            members: sortedMembers.map { member in
                GroupExplanation.Member(
                    // Who waits for an answer is not expected to be heard of.
                    id: member.id, silence: member.isWaiting ? .zero : history.silence(of: member.id, context.moment),
                    sessionTimeout: .milliseconds(Int64(member.sessionTimeout)))
            })
    }
}

extension ConsumerGroup {
    fileprivate func explained(_ context: GroupContext) -> GroupExplanation {
        GroupExplanation(
            type: "consumer", state: stateName, isPaused: context.isPaused, ownsNothing: ownsNothing,
            events: history.events,
            members: sortedMembers.map { member in
                GroupExplanation.Member(
                    id: member.id, silence: history.silence(of: member.id, context.moment),
                    sessionTimeout: sessionTimeout(of: member, context))
            })
    }
}
