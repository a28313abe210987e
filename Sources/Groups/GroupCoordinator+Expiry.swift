// Old offsets, and groups without any, go (KIP-211): when a group has been empty for the time of retention, all its
// offsets go; while it has members, those of topics that it has left; without a protocol, each at its own age.

internal import Basics
internal import Coordination
internal import WireProtocol

extension GroupCoordinator {
    /// Looks at all groups.
    mutating func expire(_ moment: Moment, _ step: inout GroupStep) {
        for groupId in groupIds {
            let isEmpty = classic[groupId].map { $0.isEmpty && $0.pendingMembers.isEmpty } ?? consumer[groupId]?.isEmpty
            guard expireOffsets(of: groupId, moment, &step), isEmpty ?? false else { continue }
            removeRecord(groupId, &step, moment)
        }
    }

    /// Removes what is too old; answers whether nothing is left.
    private mutating func expireOffsets(of groupId: String, _ moment: Moment, _ step: inout GroupStep) -> Bool {
        let known = offsets[groupId]
        var count = 0
        var isAllGone = !offsets.hasOpenTransactions(groupId)
        for topic in known.keys.sorted() {
            for (partition, offset) in (known[topic] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let isOld = !isSubscribed(groupId, to: topic) && isExpired(offset, of: groupId, moment)
                    && !offsets.isPending(groupId, topic, partition)
                if isOld {
                    count += 1
                    removeOffset(groupId, TopicPartition(topic, partition), &step, moment)
                } else {
                    isAllGone = false
                }
            }
        }
        if count > 0 { note(groupId, .offsetsExpired, "\(count) offsets were older than their retention", moment) }
        return isAllGone
    }

    private func isExpired(_ offset: CommittedOffset, of groupId: String, _ moment: Moment) -> Bool {
        guard let since = age(of: offset, groupId) else { return false }
        if let expireTime = offset.expireTime { return moment.wallClock >= expireTime }
        return moment.wallClock.milliseconds - since.milliseconds >= settings.offsetsRetention.wholeMilliseconds
    }

    /// Since when an offset grows old; nil while it does not.
    private func age(of offset: CommittedOffset, _ groupId: String) -> Timestamp? {
        guard let group = classic[groupId] else { return offset.commitTime }
        if group.protocolType == nil {
            return offset.commitTime
        } else if group.isEmpty {
            return group.stateSince ?? offset.commitTime
        } else if group.usesConsumerProtocol, group.subscribedTopics != nil, group.state == .stable {
            return offset.commitTime
        }
        return nil
    }
}
