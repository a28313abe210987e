// What a consumer group refuses, and in which words. The codes and texts are Kafka's: clients act on the codes, and
// people search for the texts.

internal import Basics
package import WireProtocol

/// Why a request of a member is refused.
package struct ConsumerGroupRefusal: Error, Hashable, Sendable {
    package var code: ErrorCode
    package var message: String?

    init(_ code: ErrorCode, _ message: String? = nil) {
        self.code = code
        self.message = message
    }

    static func unknownMember(_ memberId: String, _ groupId: String) -> ConsumerGroupRefusal {
        ConsumerGroupRefusal(.unknownMemberId, "Member \(memberId) is not a member of group \(groupId).")
    }

    static func fencedInstance(_ memberId: String, _ instance: String, by owner: String) -> ConsumerGroupRefusal {
        ConsumerGroupRefusal(
            .fencedInstanceId, "Static member \(memberId) with instance id \(instance) was fenced by member \(owner).")
    }

    static func fencedEpoch(_ epoch: Int32, known: Int32) -> ConsumerGroupRefusal {
        let order = epoch > known ? "greater" : "smaller"
        return ConsumerGroupRefusal(
            .fencedMemberEpoch,
            "The consumer group member has a \(order) member epoch (\(epoch)) than the one known by the group "
                + "coordinator (\(known)). The member must abandon all its partitions and rejoin.")
    }

    var heartbeatResponse: ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse {
            $0.errorCode = code
            $0.errorMessage = message
        }
    }
}

extension ConsumerGroup {
    /// What is wrong with a request whatever the group; nil if nothing is.
    package static func objection(
        to request: ConsumerGroupHeartbeatRequest, version: Int16, _ settings: GroupSettings
    ) -> ConsumerGroupRefusal? {
        // Since version 1 members make their ids themselves (KIP-1082).
        let needsId = version >= 1 || request.memberEpoch > 0 || request.memberEpoch == ConsumerGroupMember.leaving
        let texts: [(String?, String)] = [
            (needsId ? request.memberId : nil, "MemberId can't be empty."),
            (request.groupId, "GroupId can't be empty."),
            (request.instanceId, "InstanceId can't be empty."), (request.rackId, "RackId can't be empty.")
        ]
        for (text, message) in texts {
            if let text, text.utf8.allSatisfy({ $0 <= 32 }) { return ConsumerGroupRefusal(.invalidRequest, message) }
        }
        if let message = objectionToEpoch(request) { return ConsumerGroupRefusal(.invalidRequest, message) }
        if let name = request.serverAssignor, !settings.consumerAssignors.contains(name) {
            let names = settings.consumerAssignors.joined(separator: ", ")
            return ConsumerGroupRefusal(
                .unsupportedAssignor, "ServerAssignor \(name) is not supported. Supported assignors: \(names).")
        }
        return objectionToSize(request, settings)
    }

    private static func objectionToEpoch(_ request: ConsumerGroupHeartbeatRequest) -> String? {
        switch request.memberEpoch {
        case ConsumerGroupMember.joining:
            if request.rebalanceTimeoutMs == -1 { return "RebalanceTimeoutMs must be provided in first request." }
            if request.topicPartitions?.isEmpty != true { return "TopicPartitions must be empty when (re-)joining." }
            if request.subscribedTopicNames == nil && request.subscribedTopicRegex == nil {
                return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
            }
            return nil
        case ConsumerGroupMember.leavingForAWhile: return request.instanceId == nil ? "InstanceId can't be null." : nil
        case ..<ConsumerGroupMember.leavingForAWhile: return "MemberEpoch is invalid."
        default: return nil
        }
    }

    /// All that a member tells must fit into one record, with its key and the texts of the client.
    private static func objectionToSize(
        _ request: ConsumerGroupHeartbeatRequest, _ settings: GroupSettings
    ) -> ConsumerGroupRefusal? {
        let ids = 2 * (request.groupId.utf8.count + request.memberId.utf8.count)
        let texts = [request.instanceId, request.rackId, request.subscribedTopicRegex].compactMap { $0 }
        let names = (request.subscribedTopicNames ?? []).reduce(0) { $0 + $1.utf8.count + 4 }
        let size = texts.reduce(ids + names + recordOverhead) { $0 + $1.utf8.count }
        return size <= settings.recordBytesMax
            ? nil : ConsumerGroupRefusal(.invalidRequest, "The subscription is too large.")
    }

    /// Room for what a member's record has besides the texts of the request.
    private static let recordOverhead = 1024

    /// Whether a member may come with `epoch`. One that did not get the last answer comes with the epoch before, and
    /// has nothing but what it was given.
    static func checkEpoch(
        _ epoch: Int32, of member: ConsumerGroupMember, owned: [Uuid: Set<Int32>]?
    ) throws(ConsumerGroupRefusal) {
        if epoch == ConsumerGroupMember.joining || epoch == member.epoch { return }
        let hasLostAnswer = epoch < member.epoch && epoch == member.previousEpoch
        guard hasLostAnswer, let owned else { throw .fencedEpoch(epoch, known: member.epoch) }
        for (topic, partitions) in owned {
            for partition in partitions where member.assigned[topic]?[partition] == nil {
                throw .fencedEpoch(epoch, known: member.epoch)
            }
        }
        // A topic without partitions must be one of the member's, too.
        guard owned.keys.allSatisfy({ member.assigned[$0] != nil }) else {
            throw .fencedEpoch(epoch, known: member.epoch)
        }
    }

    /// A group has room for a member that it knows, by its id or its instance.
    func checkRoom(for memberId: String, instance: String?, _ settings: GroupSettings) throws(ConsumerGroupRefusal) {
        if let instance, staticMembers[instance] != nil { return }
        guard members.count >= settings.consumerSizeMax, members[memberId] == nil else { return }
        throw ConsumerGroupRefusal(
            .groupMaxSizeReached,
            "The consumer group has reached its maximum capacity of \(settings.consumerSizeMax) members.")
    }

    /// An expression that the group has not is read before it is taken.
    func checkPattern(_ pattern: String) throws(ConsumerGroupRefusal) {
        if pattern.isEmpty || patternCounts[pattern] != nil { return }
        do {
            _ = try TopicPattern(pattern)
        } catch {
            throw ConsumerGroupRefusal(
                .invalidRegularExpression,
                "SubscribedTopicRegex `\(pattern)` is not a valid regular expression: \(error.reason).")
        }
    }
}
