// A member of a consumer group as the log holds it: what it told (one record), and what it has (another).
//
// Rule: a partition carries the epoch in which it was given to the member (KIP-1251). Partitions that the member has
// still to give up stand in `revoking`; they are not free for others before they have left both lists.

package import Basics
package import WireProtocol

/// Partitions of a member, with the epoch in which each was given to it.
package typealias OwnedPartitions = [Uuid: [Int32: Int32]]

/// A member of a consumer group.
package struct ConsumerGroupMember: Sendable, Equatable {
    /// How far the member is on its way to its target.
    package enum State: Int8, Sendable {
        /// It has what it shall have in its epoch.
        case stable = 0
        /// It has partitions to give up, and stays in its epoch until it has.
        case unrevoked = 1
        /// It waits for partitions that others have not given up yet.
        case unreleased = 2
        /// Of a release that knows more states.
        case unknown = 127
    }

    package let id: String
    package var epoch: Int32 = 0
    package var previousEpoch: Int32 = -1
    package var state = State.stable
    package var instanceId: String?
    package var rackId: String?
    package var rebalanceTimeoutMs: Int32 = -1
    package var clientId = ""
    package var clientHost = ""
    /// Names of the topics that it reads, ascending.
    package var topics: [String] = []
    /// An expression for further topics; empty for none.
    package var pattern = ""
    package var assignor: String?
    /// What a member that speaks the classic protocol told; nil for one of the new protocol.
    package var classic: ConsumerGroupMemberMetadataValue.ClassicMemberMetadata?
    package var assigned: OwnedPartitions = [:]
    package var revoking: OwnedPartitions = [:]

    /// Epochs with a meaning of their own.
    package static let joining: Int32 = 0
    package static let leaving: Int32 = -1
    package static let leavingForAWhile: Int32 = -2

    package init(id: String) { self.id = id }

    /// The same under another id: a static member that has come back.
    init(_ member: ConsumerGroupMember, id: String) {
        self.init(id: id)
        take(member.told)
        state = member.state
        assigned = member.assigned
        revoking = member.revoking
        previousEpoch = 0
    }

    package var usesClassicProtocol: Bool { classic != nil }

    /// What it may read: what it has, and what it has still to give up.
    var held: TopicAssignment {
        let all = assigned.merging(revoking) { $0.merging($1) { given, _ in given } }
        return all.mapValues { $0.keys.sorted() }
    }

    /// Whether it has all that the target of `epoch` gives it.
    func isReconciled(to epoch: Int32) -> Bool { state == .stable && self.epoch == epoch }

    /// Goes to another epoch, and remembers the one it was in.
    mutating func enter(_ epoch: Int32) {
        previousEpoch = self.epoch
        self.epoch = epoch
    }

    // MARK: Records

    mutating func take(_ value: ConsumerGroupMemberMetadataValue) {
        instanceId = value.instanceId
        rackId = value.rackId
        clientId = value.clientId
        clientHost = value.clientHost
        topics = value.subscribedTopicNames.sortedUnique()
        pattern = value.subscribedTopicRegex ?? ""
        rebalanceTimeoutMs = value.rebalanceTimeoutMs
        assignor = value.serverAssignor
        classic = value.classicMemberMetadata
    }

    mutating func take(_ value: ConsumerGroupCurrentMemberAssignmentValue) {
        epoch = value.memberEpoch
        previousEpoch = value.previousMemberEpoch
        state = State(rawValue: value.state) ?? .unknown
        assigned = ConsumerGroupMember.owned(value.assignedPartitions, epoch: max(epoch, 0))
        revoking = ConsumerGroupMember.owned(value.partitionsPendingRevocation, epoch: max(epoch, 0))
    }

    /// What is left of a member between the tombstone of what it has and the one of the member.
    mutating func lose() {
        epoch = ConsumerGroupMember.leaving
        previousEpoch = ConsumerGroupMember.leaving
        assigned = [:]
        revoking = [:]
    }

    /// What it told, as a record.
    var told: ConsumerGroupMemberMetadataValue {
        ConsumerGroupMemberMetadataValue {
            $0.instanceId = instanceId
            $0.rackId = rackId
            $0.clientId = clientId
            $0.clientHost = clientHost
            $0.subscribedTopicNames = topics
            $0.subscribedTopicRegex = pattern
            $0.rebalanceTimeoutMs = rebalanceTimeoutMs
            $0.serverAssignor = assignor
            $0.classicMemberMetadata = classic
        }
    }

    /// What it has, as a record.
    var current: ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            $0.memberEpoch = epoch
            $0.previousMemberEpoch = previousEpoch
            $0.state = state.rawValue
            $0.assignedPartitions = ConsumerGroupMember.listed(assigned)
            $0.partitionsPendingRevocation = ConsumerGroupMember.listed(revoking)
        }
    }

    private typealias Listed = ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions

    /// Releases before KIP-1251 wrote no epochs of partitions: the member's counts for all.
    private static func owned(_ listed: [Listed], epoch: Int32) -> OwnedPartitions {
        var owned: OwnedPartitions = [:]
        for topic in listed {
            let epochs = topic.assignmentEpochs ?? []
            for (index, partition) in topic.partitions.enumerated() {
                owned[topic.topicId, default: [:]][partition] = index < epochs.count ? epochs[index] : epoch
            }
        }
        return owned
    }

    private static func listed(_ owned: OwnedPartitions) -> [Listed] {
        owned.sorted { $0.key < $1.key }.map { id, partitions in
            let ascending = partitions.sorted { $0.key < $1.key }
            return Listed {
                $0.topicId = id
                $0.partitions = ascending.map(\.key)
                $0.assignmentEpochs = ascending.map(\.value)
            }
        }
    }
}

extension [String] {
    func sortedUnique() -> [String] { Set(self).sorted() }

    /// Whether an ascending array has `text`.
    func hasSorted(_ text: String) -> Bool {
        var range = self[...]
        while !range.isEmpty {
            let middle = range.startIndex + range.count / 2
            if range[middle] == text { return true }
            range = range[middle] < text ? range[(middle + 1)...] : range[..<middle]
        }
        return false
    }
}
