// The bounds and defaults that the node's configuration gives groups. A group's own configuration (KIP-848) may set some of
// them for that group.


package struct GroupSettings: Hashable, Sendable {
    // Classic groups.
    package var sessionTimeoutMin: Duration = .seconds(6)
    package var sessionTimeoutMax: Duration = .seconds(1800)
    package var initialRebalanceDelay: Duration = .seconds(3)
    package var sizeMax = Int(Int32.max)
    /// Bytes of one record in the log: what all members of a group tell and are given, at most.
    package var recordBytesMax = 1_048_588

    // Consumer groups.
    package var consumerSessionTimeout: Duration = .seconds(45)
    package var consumerHeartbeatInterval: Duration = .seconds(5)
    package var consumerSessionTimeoutMin: Duration = .seconds(45)
    package var consumerSessionTimeoutMax: Duration = .seconds(60)
    package var consumerHeartbeatIntervalMin: Duration = .seconds(5)
    package var consumerHeartbeatIntervalMax: Duration = .seconds(15)
    package var consumerSizeMax = Int(Int32.max)
    /// The least time between two targets of a group (KIP-1263).
    package var consumerAssignmentInterval: Duration = .seconds(1)
    /// Names of the assignors, the default first.
    package var consumerAssignors = ["uniform", "range"]
    package var migrationPolicy = MigrationPolicy.bidirectional
    /// How often expressions of subscriptions are matched anew though nothing is known to have changed.
    package var regexRefreshInterval: Duration = .seconds(600)

    // Offsets.
    package var offsetMetadataBytesMax = 4096
    package var offsetsRetention: Duration = .seconds(7 * 24 * 3600)
    package var offsetsRetentionCheckInterval: Duration = .seconds(600)

    // Of one group.
    /// The group is paused until then, in milliseconds of the wall clock; -1 until it is resumed, 0 if it is not.
    package var pausedUntil: Int64 = 0

    /// Whether a group may change its protocol while it has members.
    package enum MigrationPolicy: String, Hashable, Sendable {
        case bidirectional
        case upgrade
        case downgrade
        case disabled
    }

    package init() {}
}
