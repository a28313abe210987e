// Where the settings of consumer groups come from: the node's keys `group.consumer.*`, and for one group its own
// configuration (KIP-848), which cannot leave the bounds that the node sets.

internal import Basics
package import ClusterImage
package import Configuration

extension GroupSettings {
    /// Takes what the node's configuration says of consumer groups.
    package mutating func takeConsumerKeys(of node: NodeConfiguration) {
        func duration(_ key: String) -> Duration { .milliseconds(Int64(node.int(key))) }
        consumerSessionTimeout = duration("group.consumer.session.timeout.ms")
        consumerSessionTimeoutMin = duration("group.consumer.min.session.timeout.ms")
        consumerSessionTimeoutMax = duration("group.consumer.max.session.timeout.ms")
        consumerHeartbeatInterval = duration("group.consumer.heartbeat.interval.ms")
        consumerHeartbeatIntervalMin = duration("group.consumer.min.heartbeat.interval.ms")
        consumerHeartbeatIntervalMax = duration("group.consumer.max.heartbeat.interval.ms")
        consumerSizeMax = node.int("group.consumer.max.size")
        consumerAssignmentInterval = duration("group.consumer.assignment.interval.ms")
        regexRefreshInterval = duration("group.consumer.regex.refresh.interval.ms")
        let assignors = node.list("group.consumer.assignors").filter { ServerAssignor(rawValue: $0) != nil }
        if !assignors.isEmpty { consumerAssignors = assignors }
        let policy = node["group.consumer.migration.policy"]?.lowercased() ?? ""
        migrationPolicy = MigrationPolicy(rawValue: policy) ?? migrationPolicy
    }

    /// The settings of one group.
    package func forGroup(_ groupId: String, in image: ClusterImage) -> GroupSettings {
        let given = image.configuration(.group, groupId)
        if given.isEmpty { return self }
        var settings = self
        func duration(_ key: String) -> Duration? { given[key].flatMap { Int64($0) }.map { .milliseconds($0) } }
        if let timeout = duration("consumer.session.timeout.ms") {
            settings.consumerSessionTimeout =
                max(consumerSessionTimeoutMin, min(timeout, consumerSessionTimeoutMax))
        }
        if let interval = duration("consumer.heartbeat.interval.ms") {
            settings.consumerHeartbeatInterval =
                max(consumerHeartbeatIntervalMin, min(interval, consumerHeartbeatIntervalMax))
        }
        if let interval = duration("consumer.assignment.interval.ms") {
            settings.consumerAssignmentInterval = interval
        }
        settings.pausedUntil = given[GroupSettings.pauseKey].flatMap { Int64($0) } ?? 0
        return settings
    }
}
