// From the classic protocol to the new one and back, while members are at work (KIP-848): a classic group becomes a
// consumer group when a member of the new protocol joins, and a classic one again when the last of these goes.
//
// Rule: what is converted is a plain description of a classic group's members, so that neither kind of group knows the
// other. Generations become epochs, and epochs generations. A conversion is one step: the records that end one group
// stand before those that begin the other.

internal import Basics
package import Bytes
internal import ClusterImage
package import Coordination
package import WireProtocol

/// The members of a classic group and what they have.
package struct ClassicMembers: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        package struct Named: Sendable, Equatable {
            package var name: String
            package var metadata: ByteSlice

            package init(name: String, metadata: ByteSlice) {
                self.name = name
                self.metadata = metadata
            }
        }

        package var id: String
        package var instanceId: String?
        package var clientId: String
        package var clientHost: String
        package var rebalanceTimeoutMs: Int32
        package var sessionTimeoutMs: Int32
        /// The protocols that it knows, best first.
        package var protocols: [Named]
        package var assignment: ByteSlice

        package init(
            id: String, instanceId: String?, clientId: String, clientHost: String, rebalanceTimeoutMs: Int32,
            sessionTimeoutMs: Int32, protocols: [Named], assignment: ByteSlice
        ) {
            self.id = id
            self.instanceId = instanceId
            self.clientId = clientId
            self.clientHost = clientHost
            self.rebalanceTimeoutMs = rebalanceTimeoutMs
            self.sessionTimeoutMs = sessionTimeoutMs
            self.protocols = protocols
            self.assignment = assignment
        }

        func metadata(_ name: String?) -> ByteSlice? {
            (protocols.first { $0.name == name } ?? protocols.first)?.metadata
        }
    }

    package var generation: Int32
    package var protocolType: String?
    package var protocolName: String?
    package var members: [Member]
    /// Whether the classic group has to begin with a rebalance.
    package var needsRebalance: Bool

    package init(
        generation: Int32, protocolType: String?, protocolName: String?, members: [Member], needsRebalance: Bool = false
    ) {
        self.generation = generation
        self.protocolType = protocolType
        self.protocolName = protocolName
        self.members = members
        self.needsRebalance = needsRebalance
    }

    /// The record of the classic group. Its leader is its first member.
    package func record(_ groupId: String, _ moment: Moment) -> GroupRecord {
        let value = GroupMetadataValue {
            $0.protocolType = protocolType ?? ""
            $0.generation = generation
            $0.protocol = protocolName
            $0.leader = members.first?.id
            $0.currentStateTimestamp = moment.wallClock.milliseconds
            $0.members = members.map { member in
                GroupMetadataValue.MemberMetadata {
                    $0.memberId = member.id
                    $0.groupInstanceId = member.instanceId
                    $0.clientId = member.clientId
                    $0.clientHost = member.clientHost
                    $0.rebalanceTimeout = member.rebalanceTimeoutMs
                    $0.sessionTimeout = member.sessionTimeoutMs
                    $0.subscription = member.metadata(protocolName) ?? .empty
                    $0.assignment = member.assignment
                }
            }
        }
        return .classicGroup(GroupMetadataKey { $0.group = groupId }, value)
    }
}

extension ConsumerGroup {
    // MARK: To the new protocol

    /// Decides and answers the heartbeat by which a member of the new protocol joins a classic group with members. If
    /// it may, the result is the group that takes the classic one's place, and `step` has all records; else nil, and
    /// the answer says why. Requests that wait in the classic group are then to be answered with
    /// REBALANCE_IN_PROGRESS.
    package static func upgrading(
        _ groupId: String, _ classic: ClassicMembers, _ request: ConsumerGroupHeartbeatRequest, _ client: GroupClient,
        _ token: ReplyToken, _ context: GroupContext, after history: GroupHistory = GroupHistory(),
        _ step: inout GroupStep
    ) -> ConsumerGroup? {
        let settings = context.settings.forGroup(groupId, in: context.image)
        // Records count only if the member is taken: they go into a step of their own.
        var trial = GroupStep()
        do throws(ConsumerGroupRefusal) {
            if let objection = objection(to: request, version: client.version, settings) { throw objection }
            guard request.memberEpoch == ConsumerGroupMember.joining else {
                throw ConsumerGroupRefusal(.groupIdNotFound, "Group \(groupId) is not a consumer group.")
            }
            try checkUpgrade(groupId, classic, settings)
            var group = try converted(groupId, classic, context, &trial)
            group.history = history
            group.history.note(.migrated, "from the classic protocol to the new one", context.moment)
            _ = group.heartbeat(request, client, token, context, &trial)
            guard let answer = trial.answers.last, case .consumerGroupHeartbeat(let response) = answer.reply,
                !response.errorCode.isError
            else {
                step.answers += trial.answers
                return nil
            }
            step.records.append(.classicGroup(GroupMetadataKey { $0.group = groupId }, nil))
            step.records += trial.records
            step.answers += trial.answers
            return group
        } catch {
            step.answer(token, .consumerGroupHeartbeat(error.heartbeatResponse))
            return nil
        }
    }

    private static func checkUpgrade(
        _ groupId: String, _ classic: ClassicMembers, _ settings: GroupSettings
    ) throws(ConsumerGroupRefusal) {
        let problem: String
        if ![.bidirectional, .upgrade].contains(settings.migrationPolicy) {
            problem = "online upgrade is disabled"
        } else if classic.protocolType != ConsumerGroupProtocol.type {
            problem = "the group does not use the consumer embedded protocol"
        } else if classic.members.count > settings.consumerSizeMax {
            problem = "the group size exceeds the consumer group maximum size"
        } else {
            return
        }
        throw ConsumerGroupRefusal(
            .groupIdNotFound, "Cannot upgrade classic group \(groupId) to consumer group because \(problem).")
    }

    /// The classic group as a consumer group: all are stable in the epoch of their generation.
    private static func converted(
        _ groupId: String, _ classic: ClassicMembers, _ context: GroupContext, _ step: inout GroupStep
    ) throws(ConsumerGroupRefusal) -> ConsumerGroup {
        var group = ConsumerGroup(id: groupId)
        var members: [ConsumerGroupMember] = []
        for member in classic.members.sorted(by: { $0.id < $1.id }) {
            members.append(try converted(groupId, member, classic, context))
        }
        for member in members { group.emitMember(member, &step) }
        // In the middle of a rebalance nobody has what moves: a hash that is wrong has the next target made at once.
        let isWhole = group.subscribedTopics.keys.allSatisfy { name in
            guard let topic = context.image.topic(named: name) else { return true }
            return members.reduce(0) { $0 + ($1.assigned[topic.id]?.count ?? 0) } == topic.partitions.count
        }
        let hash = isWhole ? SubscriptionHash.of(group.subscribedTopics.keys, in: context.image) : 0
        group.emitEpoch(classic.generation, hash: hash, &step)
        for member in members {
            group.emitTarget(member.id, member.assigned.mapValues { $0.keys.sorted() }, &step)
        }
        group.emitTargetEpoch(classic.generation, timestamp: 0, &step)
        for member in members { group.emitCurrent(member, &step) }
        group.awaitWord(of: members.map(\.id))
        for member in members {
            let timeout = group.sessionTimeout(of: member, context)
            group.timers.set(.session, member.id, context.moment.now + timeout)
        }
        return group
    }

    private static func converted(
        _ groupId: String, _ member: ClassicMembers.Member, _ classic: ClassicMembers, _ context: GroupContext
    ) throws(ConsumerGroupRefusal) -> ConsumerGroupMember {
        func refusal(_ problem: String) -> ConsumerGroupRefusal {
            ConsumerGroupRefusal(
                .groupIdNotFound, "Cannot upgrade classic group \(groupId) to consumer group because \(problem)")
        }
        let malformed = refusal("the embedded consumer protocol is malformed.")
        guard let subscription = member.metadata(classic.protocolName).flatMap(ConsumerGroupProtocol.subscription)
        else {
            throw malformed
        }
        guard let partitions = assignedPartitions(of: member, context) else { throw malformed }
        guard !partitions.hasUserData else {
            throw refusal(
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default "
                    + "assignor before re-attempting the upgrade.")
        }
        var new = ConsumerGroupMember(id: member.id)
        new.epoch = classic.generation
        new.previousEpoch = classic.generation
        new.instanceId = member.instanceId
        new.rackId = subscription.rackId.flatMap { $0.isEmpty ? nil : $0 }
        new.rebalanceTimeoutMs = member.rebalanceTimeoutMs
        new.clientId = member.clientId
        new.clientHost = member.clientHost
        new.topics = subscription.topics.sortedUnique()
        new.assigned = partitions.assigned.mapValues { Dictionary(uniqueKeysWithValues: $0.map { ($0, new.epoch) }) }
        new.classic = .init {
            $0.sessionTimeoutMs = member.sessionTimeoutMs
            $0.supportedProtocols = member.protocols.map { entry in
                ConsumerGroupMemberMetadataValue.ClassicProtocol {
                    $0.name = entry.name
                    $0.metadata = entry.metadata
                }
            }
        }
        return new
    }

    /// What a classic member was given; nil if it cannot be read. One that has never synced has no assignment.
    private static func assignedPartitions(
        of member: ClassicMembers.Member, _ context: GroupContext
    ) -> (assigned: TopicAssignment, hasUserData: Bool)? {
        if member.assignment.isEmpty { return ([:], false) }
        guard let assignment = ConsumerGroupProtocol.assignment(member.assignment) else { return nil }
        let named = assignment.assignedPartitions.map { ($0.topic, $0.partitions) }
        return (ConsumerGroupProtocol.partitions(named, context.image), assignment.userData?.isEmpty == false)
    }

    // MARK: Back to the classic one

    /// Whether all who stay speak the classic protocol, and the policy lets the group follow them.
    func mayBecomeClassic(without leaving: [String], _ settings: GroupSettings) -> Bool {
        let staying = members.count - leaving.count
        let classicLeaving = leaving.count { members[$0]?.usesClassicProtocol ?? false }
        guard classicLeaving < leaving.count, staying > 0, classicCount - classicLeaving == staying else {
            return false
        }
        return [.bidirectional, .downgrade].contains(settings.migrationPolicy) && staying <= settings.sizeMax
    }

    /// The same when a classic member takes the place of the static one with this id.
    func mayBecomeClassic(replacing memberId: String, _ settings: GroupSettings) -> Bool {
        guard members[memberId]?.usesClassicProtocol == false, classicCount == members.count - 1 else { return false }
        return [.bidirectional, .downgrade].contains(settings.migrationPolicy) && members.count <= settings.sizeMax
    }

    /// The classic members with what they have, and what they may still read, as assignments: not with their targets,
    /// since the group may become one of the new protocol again before all have joined, and then that is what they own.
    /// Nil if what they told cannot be read any more.
    func classicMembers(without leaving: [String], needsRebalance: Bool, _ context: GroupContext) -> ClassicMembers? {
        let staying = sortedMembers.filter { !leaving.contains($0.id) }
        guard let protocolName = electedProtocol(staying) else { return nil }
        var converted: [ClassicMembers.Member] = []
        for member in staying {
            guard let classic = member.classic,
                let metadata = classic.supportedProtocols.first(where: { $0.name == protocolName })?.metadata,
                let version = ConsumerGroupProtocol.version(of: metadata)
            else { return nil }
            converted.append(
                ClassicMembers.Member(
                    id: member.id, instanceId: member.instanceId, clientId: member.clientId,
                    clientHost: member.clientHost, rebalanceTimeoutMs: member.rebalanceTimeoutMs,
                    sessionTimeoutMs: classic.sessionTimeoutMs,
                    protocols: classic.supportedProtocols.map { .init(name: $0.name, metadata: $0.metadata) },
                    assignment: ConsumerGroupProtocol.encode(member.held, version: version, context.image)))
        }
        return ClassicMembers(
            generation: epoch, protocolType: ConsumerGroupProtocol.type, protocolName: protocolName, members: converted,
            needsRebalance: needsRebalance)
    }

    /// The protocol that all know and most prefer; of equals, the first by name.
    private func electedProtocol(_ staying: [ConsumerGroupMember]) -> String? {
        let known = staying.map { ($0.classic?.supportedProtocols ?? []).map(\.name) }
        guard let first = known.first else { return nil }
        let common = Set(first.filter { name in known.allSatisfy { $0.contains(name) } })
        var votes: [String: Int] = [:]
        for names in known {
            if let vote = names.first(where: common.contains) { votes[vote, default: 0] += 1 }
        }
        return votes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }
}
