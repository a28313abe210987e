// A consumer group of the new protocol (KIP-848): the coordinator assigns, and leads each member from what it has to
// what it shall have. Here: what a group is, and how records change it. Next: `+Heartbeat`, `+Target`,
// `ConsumerGroupReconciliation`, `+Leaving`, `+Patterns`, `+Describe`, `+Classic`, `+Migration`.
//
// Rule: what survives changes in `replay` only; a decision emits a record, which is replayed at once, so that the next
// decision of the same request sees it. All refusals come before the first record. Timers are soft state.
//
// Three epochs: the group's rises with each change of members, subscriptions or topics; the target's is the group epoch
// for which the target was made; a member's is the target epoch that it has come to. They begin at 1, with an empty
// target, as in Kafka since 4.3: 0 is a member that joins.

internal import Basics
internal import Coordination
internal import WireProtocol

/// A group of the new protocol, which may still have members of the classic one.
package struct ConsumerGroup: Sendable {
    /// The topics that an expression of members matched.
    package struct ResolvedPattern: Sendable, Equatable {
        package var topics: Set<String>
        /// The metadata log's end when they were matched.
        package var version: Int64
        package var timestamp: Int64
    }

    package let id: String
    package private(set) var epoch: Int32 = 1
    package private(set) var metadataHash: Int64 = 0
    package private(set) var targetEpoch: Int32 = 1
    /// When the target was made; 0 if there is none that the next would have to keep a distance from.
    package private(set) var targetTimestamp: Int64 = 0
    package private(set) var members: [String: ConsumerGroupMember] = [:]
    package private(set) var targets: [String: TopicAssignment] = [:]
    package private(set) var patterns: [String: ResolvedPattern] = [:]
    /// The log holds a record of a release that kept topics in it, which is to be deleted.
    private(set) var hasPartitionMetadata = false
    /// The log says that the group is gone.
    package private(set) var isDeleted = false
    /// The log knows nothing of the group: a request that was to make it has been refused.
    package private(set) var isNew = true

    // Derived from the above.
    /// Ids of members by the names of their instances.
    private(set) var staticMembers: [String: String] = [:]
    /// Who has each partition, or has still to give it up.
    private(set) var owners: [Uuid: [Int32: String]] = [:]
    /// How many members name a topic, and how many expressions matched it.
    private(set) var subscribedTopics: [String: Int] = [:]
    /// How many members have an expression.
    private(set) var patternCounts: [String: Int] = [:]
    private(set) var assignorCounts: [String: Int] = [:]
    private(set) var classicProtocolCounts: [String: Int] = [:]
    private(set) var classicCount = 0

    // Soft state.
    /// Classic members that have not joined since their group became one of the new protocol, and what had an owner
    /// then. They may still read what the last generation took from them (KIP-429): until all were heard of, what had no
    /// owner is not free.
    private var unheard: Set<String> = []
    private var claimed: [Uuid: Set<Int32>] = [:]
    /// Ids that classic members were given to join with (KIP-394), and have not used yet.
    var promisedIds: Set<String> = []
    package var timers = ConsumerGroupTimers()
    /// When the topics are looked at though nothing is known to have changed; nil: with the next heartbeat.
    var refreshAt: Instant?
    /// Expressions are being matched, a part with each tick.
    var matching: PatternMatching?
    /// The metadata log's end at which there were new topics that no expression was matched with.
    var newTopicsVersion: Int64 = 0
    package internal(set) var history = GroupHistory()
    /// What the group's configuration said last, and when to look again though it has not changed.
    var isPaused = false
    var pauseCheck: Instant?

    package init(id: String) { self.id = id }

    /// Whether both are what the same records say, whatever their timers.
    package func hasSameRecords(as other: ConsumerGroup) -> Bool {
        id == other.id && epoch == other.epoch && metadataHash == other.metadataHash && targetEpoch == other.targetEpoch
            && targetTimestamp == other.targetTimestamp && members == other.members && targets == other.targets
            && patterns == other.patterns && hasPartitionMetadata == other.hasPartitionMetadata
            && isDeleted == other.isDeleted && staticMembers == other.staticMembers && owners == other.owners
            && subscribedTopics == other.subscribedTopics && patternCounts == other.patternCounts
            && assignorCounts == other.assignorCounts && classicProtocolCounts == other.classicProtocolCounts
            && classicCount == other.classicCount
    }

    /// Whether the group reads `topic`, by name or by expression.
    package func isSubscribed(to topic: String) -> Bool { subscribedTopics[topic] != nil }

    package var isEmpty: Bool { members.isEmpty }

    /// Members in the order of their ids, in which records are written.
    var sortedMembers: [ConsumerGroupMember] { members.values.sorted { $0.id < $1.id } }

    // MARK: Owners

    /// Who has a partition, or may still have it: others than `memberId` wait for it.
    func holder(_ topic: Uuid, _ partition: Int32, besides memberId: String) -> String? {
        if let owner = owners[topic]?[partition] { return owner }
        guard !unheard.isEmpty, claimed[topic]?.contains(partition) != true else { return nil }
        return unheard.filter { $0 != memberId }.min()
    }

    /// What nobody has now may be with any of these members.
    mutating func awaitWord(of memberIds: some Sequence<String>) {
        unheard = Set(memberIds)
        claimed = unheard.isEmpty ? [:] : owners.mapValues { Set($0.keys) }
    }

    /// A member has told what it has, or is gone.
    mutating func hear(_ memberId: String) {
        guard unheard.remove(memberId) != nil, unheard.isEmpty else { return }
        claimed = [:]
    }

    // MARK: Replay

    /// Takes over what a record of this group says. Records of other kinds change nothing.
    package mutating func replay(_ record: GroupRecord) {
        isNew = false
        switch record {
        case .consumerGroup(_, let value):
            isDeleted = value == nil
            epoch = value?.epoch ?? 1
            metadataHash = value?.metadataHash ?? 0
        case .partitionMetadata(_, let value): hasPartitionMetadata = value != nil
        case .member(let key, let value):
            var member = members[key.memberId] ?? ConsumerGroupMember(id: key.memberId)
            if let value { member.take(value) }
            put(key.memberId, value == nil ? nil : member)
        case .target(_, let value):
            targetEpoch = value?.assignmentEpoch ?? -1
            targetTimestamp = value?.assignmentTimestamp ?? 0
        case .memberTarget(let key, let value): targets[key.memberId] = value.map(Self.target)
        case .memberCurrent(let key, let value): replay(key, value)
        case .pattern(let key, let value): replay(key, value)
        case .offset, .classicGroup, .other: break
        }
    }

    private mutating func replay(
        _ key: ConsumerGroupCurrentMemberAssignmentKey, _ value: ConsumerGroupCurrentMemberAssignmentValue?
    ) {
        guard var member = members[key.memberId] ?? value.map({ _ in ConsumerGroupMember(id: key.memberId) }) else {
            return
        }
        if let value { member.take(value) } else { member.lose() }
        put(key.memberId, member)
    }

    private mutating func replay(
        _ key: ConsumerGroupRegularExpressionKey, _ value: ConsumerGroupRegularExpressionValue?
    ) {
        for topic in patterns[key.regularExpression]?.topics ?? [] { subscribedTopics.count(topic, -1) }
        patterns[key.regularExpression] = value.map {
            ResolvedPattern(topics: Set($0.topics), version: $0.version, timestamp: $0.timestamp)
        }
        for topic in patterns[key.regularExpression]?.topics ?? [] { subscribedTopics.count(topic, 1) }
    }

    private static func target(_ value: ConsumerGroupTargetAssignmentMemberValue) -> TopicAssignment {
        var target: TopicAssignment = [:]
        for topic in value.topicPartitions where !topic.partitions.isEmpty {
            target[topic.topicId, default: []] += topic.partitions
        }
        return target.mapValues { $0.sorted() }
    }

    /// Puts a member in the place of the one of its id, or takes it away, in all books.
    private mutating func put(_ memberId: String, _ member: ConsumerGroupMember?) {
        if let old = members.removeValue(forKey: memberId) {
            count(old, -1)
            if let name = old.instanceId, staticMembers[name] == memberId { staticMembers[name] = nil }
            for owned in [old.assigned, old.revoking] {
                for (topic, partitions) in owned { release(topic, partitions.keys, by: memberId) }
            }
        }
        guard let member else { return hear(memberId) }
        members[memberId] = member
        count(member, 1)
        if let name = member.instanceId { staticMembers[name] = memberId }
        for owned in [member.assigned, member.revoking] {
            for (topic, partitions) in owned {
                for partition in partitions.keys { owners[topic, default: [:]][partition] = memberId }
            }
        }
    }

    private mutating func release(_ topic: Uuid, _ partitions: some Sequence<Int32>, by memberId: String) {
        for partition in partitions where owners[topic]?[partition] == memberId {
            owners[topic]?[partition] = nil
        }
        if owners[topic]?.isEmpty ?? false { owners[topic] = nil }
    }

    private mutating func count(_ member: ConsumerGroupMember, _ change: Int) {
        for topic in member.topics { subscribedTopics.count(topic, change) }
        if !member.pattern.isEmpty { patternCounts.count(member.pattern, change) }
        if let assignor = member.assignor { assignorCounts.count(assignor, change) }
        guard let classic = member.classic else { return }
        classicCount += change
        for name in Set(classic.supportedProtocols.map(\.name)) { classicProtocolCounts.count(name, change) }
    }
}

extension [String: Int] {
    /// Counts; what comes to nothing is forgotten.
    fileprivate mutating func count(_ key: String, _ change: Int) {
        let count = self[key, default: 0] + change
        self[key] = count == 0 ? nil : count
    }
}
