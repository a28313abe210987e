// A classic group: members choose a leader among them, the leader assigns, the coordinator passes on. Here: what a group
// is, its members and their bookkeeping. Next: `ClassicGroup+Join`, `ClassicGroup+Rebalance`, `ClassicGroup+Sync`.
//
// What survives the coordinator is what the last record says: the members of a generation and their assignments.
// Everything that happens between two generations is in memory only, as in Kafka: a member that finds its generation
// gone joins anew.

package import Basics
internal import Bytes
package import Coordination
internal import Records
package import WireProtocol

/// A group of the classic protocol.
package struct ClassicGroup: Sendable {
    package enum State: String, Sendable {
        case empty = "Empty"
        case preparingRebalance = "PreparingRebalance"
        case completingRebalance = "CompletingRebalance"
        case stable = "Stable"
    }

    enum Deadline: Hashable, Sendable {
        /// A member, or one that was given an id and has not come back with it.
        case member(String)
        /// The end of the phase in which members join.
        case joining
        /// The end of the phase in which members ask for their assignments.
        case syncing
        /// The end of the group's pause.
        case pause
    }

    /// The longest that the join of a new member may wait.
    static let newMemberTimeout: Duration = .seconds(300)
    /// Ids that may be given to members who have not come back with them yet.
    static let pendingMax = 10_000

    package let id: String
    package internal(set) var state: State
    var previousState: State
    /// When the group entered its state; nil in records of long ago.
    package internal(set) var stateSince: Timestamp?
    package internal(set) var generation: Int32 = 0
    /// Nil for a group that only stores offsets.
    package internal(set) var protocolType: String?
    package internal(set) var protocolName: String?
    package internal(set) var leader: String?
    package private(set) var members: [String: ClassicMember] = [:]
    /// Ids of members by the names of their instances.
    private(set) var staticMembers: [String: String] = [:]
    var pendingMembers: Set<String> = []
    var pendingSync: Set<String> = []
    private(set) var joiningCount = 0
    /// How many members know a protocol.
    private var supported: [String: Int] = [:]
    /// Nil while it is not known.
    package internal(set) var subscribedTopics: Set<String>?
    var deadlines = DeadlineQueue<Deadline>()
    /// A first rebalance that waits for more members: how long it waited last, how long it still may.
    var initialDelay: (step: Duration, remaining: Duration)?
    var hasNewMember = false
    private var nextOrder: UInt64 = 0
    package internal(set) var history = GroupHistory()
    /// What the group's configuration said last.
    var isPaused = false

    /// A group without members, and as yet without a protocol.
    package init(id: String, _ moment: Moment) {
        self.id = id
        state = .empty
        previousState = .empty
        stateSince = moment.wallClock
    }

    /// The group that the log holds.
    package init(id: String, _ value: GroupMetadataValue) {
        self.id = id
        state = value.members.isEmpty ? .empty : .stable
        previousState = state
        stateSince = value.currentStateTimestamp < 0 ? nil : Timestamp(milliseconds: value.currentStateTimestamp)
        generation = value.generation
        protocolType = value.protocolType.isEmpty ? nil : value.protocolType
        protocolName = value.protocol
        leader = value.leader
        for member in value.members {
            insert(ClassicMember(member, protocolName: value.protocol, order: newOrder()))
        }
        subscribedTopics = knownSubscriptions()
    }

    // MARK: Members

    package var isEmpty: Bool { state == .empty }
    var memberCount: Int { members.count }
    var hasAllJoined: Bool { joiningCount == members.count && pendingMembers.isEmpty }

    /// Members in the order of their joining.
    package var sortedMembers: [ClassicMember] { members.values.sorted { $0.order < $1.order } }

    mutating func newOrder() -> UInt64 {
        nextOrder += 1
        return nextOrder
    }

    /// The longest time that a member gives the others for a rebalance.
    var rebalanceTimeout: Duration {
        .milliseconds(Int64(members.values.reduce(0) { max($0, $1.rebalanceTimeout) }))
    }

    mutating func insert(_ member: ClassicMember) {
        if let name = member.instanceId { staticMembers[name] = member.id }
        if leader == nil { leader = member.id }
        count(member.protocols, 1)
        if member.joining != nil { joiningCount += 1 }
        members[member.id] = member
        pendingMembers.remove(member.id)
    }

    /// Takes a member, or one to come, out of all books. What it waits for is to be answered before.
    mutating func remove(_ memberId: String) {
        if let member = members.removeValue(forKey: memberId) {
            count(member.protocols, -1)
            if member.joining != nil { joiningCount -= 1 }
            if let name = member.instanceId, staticMembers[name] == memberId { staticMembers[name] = nil }
        }
        if leader == memberId { leader = members.values.min { $0.order < $1.order }?.id }
        pendingMembers.remove(memberId)
        pendingSync.remove(memberId)
        deadlines.set(.member(memberId), nil)
        history.forget(memberId)
    }

    /// Puts `new` in the place of the static member `old`.
    mutating func replace(_ old: ClassicMember, with new: ClassicMember) {
        let led = leader == old.id
        remove(old.id)
        insert(new)
        if led { leader = new.id }
    }

    /// Changes a member where it lies.
    mutating func update(_ memberId: String, _ change: (inout ClassicMember) -> Void) {
        guard var member = members.removeValue(forKey: memberId) else { return }
        if member.joining != nil { joiningCount -= 1 }
        change(&member)
        if member.joining != nil { joiningCount += 1 }
        members[memberId] = member
    }

    /// Takes what a member tells anew.
    mutating func update(_ memberId: String, from request: JoinGroupRequest) {
        setProtocols(memberId, request.namedProtocols)
        update(memberId) { member in
            member.rebalanceTimeout = request.effectiveRebalanceTimeout
            member.sessionTimeout = request.sessionTimeoutMs
        }
    }

    /// Sets what a member knows, best first.
    mutating func setProtocols(_ memberId: String, _ protocols: [ClassicMember.Named]) {
        count(members[memberId]?.protocols ?? [], -1)
        count(protocols, 1)
        update(memberId) { $0.protocols = protocols }
    }

    private mutating func count(_ protocols: [ClassicMember.Named], _ change: Int) {
        for entry in protocols {
            let count = supported[entry.name, default: 0] + change
            supported[entry.name] = count == 0 ? nil : count
        }
    }

    /// Watches a member: it is to be heard of within `timeout`.
    mutating func expect(_ memberId: String, within timeout: Duration, _ moment: Moment) {
        deadlines.set(.member(memberId), moment.now + timeout)
    }

    mutating func expect(_ memberId: String, _ moment: Moment) {
        guard let member = members[memberId] else { return }
        expect(memberId, within: .milliseconds(Int64(member.sessionTimeout)), moment)
    }

    /// Why a request of this member is refused; nil if it is one.
    func refusal(_ memberId: String, instance: String?) -> ErrorCode? {
        if let instance {
            guard let known = staticMembers[instance] else { return .unknownMemberId }
            if known != memberId { return .fencedInstanceId }
        }
        return members.index(forKey: memberId) == nil ? .unknownMemberId : nil
    }

    // MARK: Protocols

    /// Whether one who knows these protocols can be a member.
    func supports(_ type: String, _ protocols: [JoinGroupRequest.JoinGroupRequestProtocol]) -> Bool {
        if isEmpty { return !type.isEmpty && !protocols.isEmpty }
        // While a first rebalance waits, all who came may have left again.
        return protocolType == type && protocols.contains { supported[$0.name] ?? 0 == members.count }
    }

    /// The protocol that all know and most prefer; of equals, what the first member prefers.
    func electedProtocol() -> String? {
        let candidates = Set(supported.filter { $0.value == members.count }.keys)
        let sorted = sortedMembers
        var votes: [String: Int] = [:]
        for member in sorted {
            if let vote = member.vote(candidates) { votes[vote, default: 0] += 1 }
        }
        let most = votes.values.max() ?? 0
        return sorted.first?.protocols.first { votes[$0.name] == most }?.name ?? votes.filter { $0.value == most }.keys.min()
    }

    var usesConsumerProtocol: Bool { protocolType == "consumer" }

    /// What the members subscribe to, as far as it can be read (KIP-496): nil if it cannot.
    func knownSubscriptions() -> Set<String>? {
        guard usesConsumerProtocol else { return nil }
        if members.isEmpty { return [] }
        guard let protocolName else { return nil }
        var topics: Set<String> = []
        for member in members.values {
            guard let subscription = Subscription.topics(in: member.metadata(protocolName)) else { return nil }
            topics.formUnion(subscription)
        }
        return topics
    }

    /// Whether offsets of `topic` are in use. A consumer group whose subscriptions are not known uses all.
    package func isSubscribed(to topic: String) -> Bool {
        subscribedTopics.map { $0.contains(topic) } ?? usesConsumerProtocol
    }

    // MARK: State

    mutating func enter(_ next: State, _ moment: Moment) {
        previousState = state
        state = next
        stateSince = moment.wallClock
    }

    /// The next moment at which `tick` has something to do.
    package var nextDeadline: Instant? { deadlines.earliest }

    /// Begins to watch the members of a group that was loaded.
    package mutating func loaded(_ context: GroupContext, _ step: inout GroupStep) {
        for member in sortedMembers {
            expect(member.id, context.moment)
            history.hear(member.id, context.moment)
        }
        if members.count > context.settings.sizeMax { prepareRebalance(context, &step) }
    }

    /// Does what is due.
    package mutating func tick(_ context: GroupContext, _ step: inout GroupStep) {
        while let due = deadlines.popDue(context.moment.now) {
            switch due {
            case .member(let id): expire(id, context, &step)
            case .joining: joiningEnds(context, &step)
            case .syncing: syncingEnds(context, &step)
            case .pause: followPause(context, &step)
            }
        }
    }

    // MARK: Records

    /// The record of the group with these assignments, which are the members' from now on.
    mutating func emit(_ assignments: [String: ByteSlice], _ step: inout GroupStep) {
        let value = value(assignments)
        for (id, assignment) in assignments { update(id) { $0.assignment = assignment } }
        step.records.append(.classicGroup(GroupMetadataKey { $0.group = id }, value))
    }

    func value(_ assignments: [String: ByteSlice]) -> GroupMetadataValue {
        GroupMetadataValue {
            $0.protocolType = protocolType ?? ""
            $0.generation = generation
            $0.protocol = protocolName
            $0.leader = leader
            $0.currentStateTimestamp = stateSince?.milliseconds ?? -1
            $0.members = sortedMembers.map { $0.record(protocolName, assignments[$0.id] ?? .empty) }
        }
    }

    /// The record that makes a new group known before it has a generation.
    func emitCreation(_ step: inout GroupStep) {
        let value = GroupMetadataValue {
            $0.protocol = nil
            $0.leader = nil
            $0.currentStateTimestamp = stateSince?.milliseconds ?? -1
        }
        step.records.append(.classicGroup(GroupMetadataKey { $0.group = id }, value))
    }
}

/// What a consumer tells the leader of its group.
enum Subscription {
    /// The topics in the metadata of a consumer; nil if they cannot be read. Every version begins like the first.
    static func topics(in metadata: ByteSlice) -> [String]? {
        var reader = ByteReader(metadata)
        guard let version = try? reader.readInteger(Int16.self, "Version"), version >= 0,
            let subscription = try? ConsumerProtocolSubscription(from: &reader, version: 0)
        else { return nil }
        return subscription.topics
    }
}
