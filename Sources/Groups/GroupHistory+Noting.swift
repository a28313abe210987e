// What the two kinds of groups note of their members. Words are for people; programs read the kind of an event.

internal import Basics
internal import Coordination
internal import WireProtocol

extension ConsumerGroup {
    /// A member was heard of. The rebalance has ended when all have what they shall have.
    mutating func heard(_ memberId: String, _ context: GroupContext) {
        history.hear(memberId, context.moment)
        guard history.isRebalancing, targetEpoch == epoch, members[memberId]?.isReconciled(to: epoch) ?? false,
            members.values.allSatisfy({ $0.epoch == ConsumerGroupMember.leavingForAWhile || $0.isReconciled(to: epoch) })
        else { return }
        history.rebalanceEnds("epoch \(epoch) with \(members.count) members", context.moment)
    }

    /// Notes who joins, and who reads other topics than before.
    mutating func note(
        _ member: ConsumerGroupMember, _ before: ConsumerGroupMember, _ replaced: ConsumerGroupMember?,
        _ context: GroupContext
    ) {
        if let replaced {
            let reason = "in the place of the static member \(replaced.id)"
            return history.note(.memberJoined, member: member.id, reason, context.moment)
        }
        guard members[member.id] != nil else {
            let kind = member.usesClassicProtocol ? "classic" : "new"
            let reason = "client \(member.clientId) at \(member.clientHost), with the \(kind) protocol"
            return history.note(.memberJoined, member: member.id, reason, context.moment)
        }
        guard member.topics != before.topics || member.pattern != before.pattern else { return }
        let pattern = member.pattern.isEmpty ? [] : ["the expression \(member.pattern)"]
        let topics = (member.topics.prefix(20) + pattern).joined(separator: ", ")
        history.note(.subscriptionChanged, member: member.id, "it reads \(topics)", context.moment)
    }

    /// Notes that a member is put out, since a time of it is over.
    mutating func noteEnd(of member: ConsumerGroupMember, _ kind: ConsumerGroupTimers.Kind, _ context: GroupContext) {
        let reason =
            switch kind {
            case .session:
                "nothing was heard of it for its session timeout of "
                    + "\(sessionTimeout(of: member, context).wholeMilliseconds) ms"
            case .rebalance: "it did not give up partitions within \(member.rebalanceTimeoutMs) ms"
            case .join: "it did not join the rebalance within \(member.rebalanceTimeoutMs) ms"
            case .sync: "it did not ask for its assignment within \(member.rebalanceTimeoutMs) ms"
            case .firstJoin: "it did not join with the id that it was given"
            }
        history.note(.memberFenced, member: member.id, reason, context.moment)
    }
}

extension ClassicGroup {
    mutating func noteJoin(of member: ClassicMember, _ reason: String?, _ moment: Moment) {
        history.hear(member.id, moment)
        let given = reason.flatMap { $0.isEmpty ? nil : ": \($0)" } ?? ""
        history.note(
            .memberJoined, member: member.id, "client \(member.clientId) at \(member.clientHost)\(given)", moment)
    }

    /// Notes that a member which joins anew reads other topics than before, or why else it joins.
    mutating func noteChange(of memberId: String, _ request: JoinGroupRequest, _ moment: Moment) {
        guard usesConsumerProtocol, let member = members[memberId] else { return }
        let before = member.protocols.first.flatMap { Subscription.topics(in: $0.metadata) }
        let after = request.protocols.first.flatMap { Subscription.topics(in: $0.metadata) }
        guard let before, let after, Set(before) != Set(after) else { return }
        let topics = after.sorted().prefix(20).joined(separator: ", ")
        history.note(.subscriptionChanged, member: memberId, "it reads \(topics)", moment)
    }

    mutating func noteEnd(of memberId: String, _ reason: String, _ moment: Moment) {
        history.note(.memberFenced, member: memberId, reason, moment)
    }
}
