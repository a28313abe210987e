// What the log of `__consumer_offsets` says of a group, as far as the oracle of `GroupOracle` wants to know it: read by
// code of its own, so that a mistake in the coordinator's replay is none of the oracle's.
//
// Worlds have one topic, so a partition is its number.

import Basics
import Bytes
import Groups
import WireProtocol

/// A group of either kind, by its records.
struct GroupView: Equatable {
    /// A member of a group of the protocol `consumer`, whichever protocol it speaks itself.
    struct Member: Equatable {
        var instanceId: String?
        var epoch: Int32 = -1
        /// What it has, with the epochs in which it was given.
        var assigned: [Int32: Int32] = [:]
        /// What it has still to give up.
        var revoking: Set<Int32> = []
    }

    /// The generation of a classic group; nil while the group is none.
    var generation: Int32?
    /// Instances of a classic group's members, by id.
    var classic: [String: String?] = [:]
    var members: [String: Member] = [:]
    /// Committed offsets.
    var offsets: [Int32: Int64] = [:]
    var metadata: [Int32: String] = [:]

    var isEmpty: Bool { classic.isEmpty && members.isEmpty }
    var memberIds: Set<String> { Set(classic.keys).union(members.keys) }

    /// The generation or epoch of a member.
    func epoch(of memberId: String) -> Int32? {
        if classic[memberId] != nil { return generation }
        return members[memberId]?.epoch
    }

    // MARK: Fencing

    /// Whether the coordinator has taken what it has from a member that believes itself in `generation`. Of a classic
    /// group that is so in each later generation: an absent static member stays in the group, and loses nevertheless.
    func hasFenced(_ memberId: String, generation believed: Int32) -> Bool {
        guard memberIds.contains(memberId) else { return true }
        return classic[memberId] != nil && believed < generation ?? 0
    }

    /// Whether a heartbeat must be refused that tells nothing but this id and epoch.
    func refusesHeartbeat(_ memberId: String, _ epoch: Int32) -> Bool {
        guard let known = self.epoch(of: memberId) else { return true }
        return epoch < known
    }

    /// Whether a commit for `partition` must be refused. A member of the new protocol may commit in an older epoch for
    /// what it has had since then (KIP-1251).
    func refusesCommit(_ memberId: String, _ epoch: Int32, _ partition: Int32) -> Bool {
        guard let known = self.epoch(of: memberId) else { return true }
        guard epoch < known else { return false }
        guard let member = members[memberId] else { return true }
        guard let given = member.assigned[partition] else { return !member.revoking.contains(partition) }
        return given > epoch
    }

    /// A partition that two members have at once, the one perhaps still to give it up.
    var sharedPartition: Int32? {
        var seen: Set<Int32> = []
        for (_, member) in members.sorted(by: { $0.key < $1.key }) {
            for partition in Set(member.assigned.keys).union(member.revoking).sorted() {
                if !seen.insert(partition).inserted { return partition }
            }
        }
        return nil
    }

    // MARK: Records

    /// Takes over a record that is not about an offset. The caller has found the group by `groupId(of:)`.
    mutating func take(_ record: GroupRecord) {
        switch record {
        case .classicGroup(_, let value):
            generation = value?.generation
            classic = [:]
            for member in value?.members ?? [] { classic[member.memberId] = member.groupInstanceId }
            if value != nil { members = [:] }
        case .consumerGroup(_, let value):
            if value != nil { (generation, classic) = (nil, [:]) }
        case .member(let key, let value):
            guard let value else { return members[key.memberId] = nil }
            (generation, classic) = (nil, [:])
            members[key.memberId, default: Member()].instanceId = value.instanceId
        case .memberCurrent(let key, let value):
            guard let value else { return members[key.memberId]?.lose() ?? () }
            members[key.memberId]?.take(value)
        default: break
        }
    }

    static func groupId(of record: GroupRecord) -> String? {
        switch record {
        case .offset(let key, _): key.group
        case .classicGroup(let key, _): key.group
        case .consumerGroup(let key, _): key.groupId
        case .member(let key, _): key.groupId
        case .memberCurrent(let key, _): key.groupId
        default: nil
        }
    }
}

extension GroupView.Member {
    mutating func lose() { (epoch, assigned, revoking) = (-1, [:], []) }

    mutating func take(_ value: ConsumerGroupCurrentMemberAssignmentValue) {
        epoch = value.memberEpoch
        assigned = [:]
        for topic in value.assignedPartitions {
            for (index, partition) in topic.partitions.enumerated() {
                assigned[partition] = topic.assignmentEpochs?[index] ?? epoch
            }
        }
        revoking = Set(value.partitionsPendingRevocation.flatMap(\.partitions))
    }
}
