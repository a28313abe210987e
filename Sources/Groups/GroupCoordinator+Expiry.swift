// Old offsets, and groups without any, go (KIP-211): when a group has been empty for the time of retention, all its
// offsets go; while it has members, those of topics that it has left; without a protocol, each at its own age.

internal import Basics
internal import Coordination
internal import WireProtocol

extension GroupCoordinator {
    /// Looks at all groups.
    mutating func expire(_ moment: Moment, _ step: inout GroupStep) {
        for groupId in groupIds {
            guard let group = classic[groupId], expireOffsets(of: group, moment, &step), group.isEmpty,
                group.pendingMembers.isEmpty
            else { continue }
            emit(.classicGroup(GroupMetadataKey { $0.group = groupId }, nil), &step, moment)
            watch(groupId)
        }
    }

    /// Removes what is too old; answers whether nothing is left.
    private mutating func expireOffsets(of group: ClassicGroup, _ moment: Moment, _ step: inout GroupStep) -> Bool {
        let known = offsets[group.id]
        var isAllGone = !offsets.hasOpenTransactions(group.id)
        for topic in known.keys.sorted() {
            for (partition, offset) in (known[topic] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let isOld = !group.isSubscribed(to: topic) && isExpired(offset, of: group, moment)
                    && !offsets.isPending(group.id, topic, partition)
                if isOld {
                    removeOffset(group.id, TopicPartition(topic, partition), &step, moment)
                } else {
                    isAllGone = false
                }
            }
        }
        return isAllGone
    }

    private func isExpired(_ offset: CommittedOffset, of group: ClassicGroup, _ moment: Moment) -> Bool {
        let since: Timestamp
        if group.protocolType == nil {
            since = offset.commitTime
        } else if group.isEmpty {
            since = group.stateSince ?? offset.commitTime
        } else if group.usesConsumerProtocol, group.subscribedTopics != nil, group.state == .stable {
            since = offset.commitTime
        } else {
            return false
        }
        if let expireTime = offset.expireTime { return moment.wallClock >= expireTime }
        return moment.wallClock.milliseconds - since.milliseconds >= settings.offsetsRetention.wholeMilliseconds
    }
}
