// How a member comes from what it has to what it shall have, a step per heartbeat (KIP-848, "member assignment").
//
//     stable ─ new target ─▶ unrevoked ─ it has given up ─▶ unreleased ─ others have, too ─▶ stable
//
// Rule: a partition is given to a member only when nobody has it, and nobody ceases to have it before the member
// itself has said that it gave it up. So a partition never has two owners. A member stays in its epoch while it gives
// up, since its commits for those partitions must still count; it takes the target's epoch with the first step after
// that.

internal import Basics

/// One step of a member towards its target.
struct ConsumerGroupReconciliation {
    let member: ConsumerGroupMember
    let targetEpoch: Int32
    let target: TopicAssignment
    /// The topics that the member reads now; the target may be of a time when it read others.
    let subscribed: Set<Uuid>
    /// Whether it has partitions of topics that it reads no more, or that are gone.
    let hasUnsubscribed: Bool
    /// What the member says that it has; nil if it says nothing.
    let owned: [Uuid: Set<Int32>]?
    /// Who has a partition; nil if nobody does.
    let owner: (Uuid, Int32) -> String?

    /// The member after the step; as it was if it can take none.
    func next() -> ConsumerGroupMember {
        switch member.state {
        case .stable:
            if member.epoch != targetEpoch { return reconciled() }
            return hasUnsubscribed ? withoutUnsubscribed() : member
        case .unrevoked:
            if owns(member.revoking) { return hasUnsubscribed ? withoutUnsubscribed() : member }
            return reconciled()
        case .unreleased: return reconciled()
        case .unknown:
            // The member has given up everything, or it would have been refused.
            var start = member
            start.epoch = targetEpoch
            return reconciled(from: start)
        }
    }

    /// Whether the member may still have any of these. Silence gives nothing up.
    private func owns(_ partitions: OwnedPartitions) -> Bool {
        guard let owned else { return true }
        return owned.contains { topic, numbers in
            guard let listed = partitions[topic] else { return false }
            return numbers.contains { listed[$0] != nil }
        }
    }

    /// Takes away what the member no longer reads, without waiting for the next target.
    private func withoutUnsubscribed() -> ConsumerGroupMember {
        var next = member
        for (topic, partitions) in member.assigned where !subscribed.contains(topic) {
            next.assigned[topic] = nil
            next.revoking[topic, default: [:]].merge(partitions) { _, new in new }
        }
        if next.assigned == member.assigned { return member }
        next.enter(member.epoch)
        if owns(next.revoking) {
            next.state = .unrevoked
        } else {
            // It has given them up already: they are free.
            next.revoking = member.revoking
        }
        return next
    }

    private func reconciled() -> ConsumerGroupMember { reconciled(from: member) }

    private func reconciled(from start: ConsumerGroupMember) -> ConsumerGroupMember {
        var kept: OwnedPartitions = [:]
        var toRevoke: OwnedPartitions = [:]
        for (topic, partitions) in start.assigned {
            let wanted = subscribed.contains(topic) ? Set(target[topic] ?? []) : []
            let stays = partitions.filter { wanted.contains($0.key) }
            let goes = partitions.filter { !wanted.contains($0.key) }
            if !stays.isEmpty { kept[topic] = stays }
            if !goes.isEmpty { toRevoke[topic] = goes }
        }
        var next = start
        next.assigned = kept
        if !toRevoke.isEmpty, owns(toRevoke) {
            next.state = .unrevoked
            next.revoking = toRevoke
            next.enter(start.epoch)
            return next
        }
        var waits = false
        for (topic, partitions) in target where subscribed.contains(topic) {
            for partition in partitions where kept[topic]?[partition] == nil {
                // What the member itself is giving up comes back to it at once.
                if let owner = owner(topic, partition), owner != member.id {
                    waits = true
                } else {
                    next.assigned[topic, default: [:]][partition] = targetEpoch
                }
            }
        }
        next.state = waits ? .unreleased : .stable
        next.revoking = [:]
        next.enter(targetEpoch)
        return next
    }
}
