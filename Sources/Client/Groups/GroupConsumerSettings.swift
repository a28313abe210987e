// How a consumer takes part in a group.

/// How members of a group agree on who reads what.
package enum GroupProtocol: String, Hashable, Sendable {
    /// JoinGroup and SyncGroup: one of the members computes the assignment.
    case classic
    /// KIP-848: the broker does.
    case consumer
}

/// Where to begin in a partition of which the group has committed nothing.
package enum OffsetReset: String, Hashable, Sendable {
    case earliest
    case latest
    /// The consumer fails.
    case none
}

/// Names and times of a member.
package struct GroupConsumerSettings: Sendable {
    package var group: String
    package var topics: [String]
    /// Topics whose whole name matches are read too; for the protocol `consumer` alone.
    package var topicPattern: String?
    package var groupProtocol = GroupProtocol.classic
    /// The name of a static member (KIP-345).
    package var instanceId: String?
    /// Assignors of a classic group, the preferred first.
    package var assignors: [ClassicAssignor] = [.range, .cooperativeSticky]
    /// The broker's assignor for the protocol `consumer`; nil for its default.
    package var remoteAssignor: String?
    package var sessionTimeout = Duration.seconds(45)
    package var heartbeatInterval = Duration.seconds(3)
    /// How long a rebalance waits for this member.
    package var rebalanceTimeout = Duration.seconds(300)
    /// Nil commits only when asked to.
    package var commitInterval: Duration? = .seconds(5)
    package var reset = OffsetReset.latest
    package var fetch = ConsumerSettings()

    package init(group: String, topics: [String]) {
        self.group = group
        self.topics = topics
    }
}
