// The quotas on what replicas are sent (KIP-73): what a leader gives to throttled followers, what a follower takes for throttled
// replicas, and what moves between the folders of this node.
//
// A quota holds back replicas that are not in sync, so that it never drives one out of the in-sync set; the bytes of all
// throttled replicas count. It is looked at before a piece is sent and counts the piece afterwards, so that one larger than the
// quota gets through, and what comes next waits. Any thread may call.

internal import Basics
internal import Configuration
internal import Environment
internal import Replication
internal import Synchronization

/// One quota, and the rate that is held against it.
final class ReplicationQuota: Sendable {
    private let key: String
    private let rate: Mutex<ByteRate>

    /// `key`: where the bound is configured, in bytes a second; `prefix`: of the keys of its samples.
    init(_ key: String, prefix: String, _ node: NodeConfiguration) {
        self.key = key
        rate = Mutex(
            ByteRate(
                count: node.int(prefix + ".quota.window.num"),
                length: .seconds(Int64(node.int(prefix + ".quota.window.size.seconds")))))
    }

    func isExceeded(_ broker: Broker, at now: Instant) -> Bool {
        let bound = broker.dynamicInt(key)
        guard bound < .max else { return false }
        return rate.withLock { $0.rate(at: now) } > Double(bound)
    }

    func record(_ bytes: Int, at now: Instant) {
        guard bytes > 0 else { return }
        rate.withLock { $0.record(bytes, at: now) }
    }
}

struct ReplicationQuotas: Sendable {
    let leader: ReplicationQuota
    let follower: ReplicationQuota
    let moves: ReplicationQuota

    init(_ node: NodeConfiguration) {
        leader = ReplicationQuota("leader.replication.throttled.rate", prefix: "replication", node)
        follower = ReplicationQuota("follower.replication.throttled.rate", prefix: "replication", node)
        moves = ReplicationQuota(
            "replica.alter.log.dirs.io.max.bytes.per.second", prefix: "alter.log.dirs.replication", node)
    }
}

extension TopicView {
    /// Whether `broker`'s replica is throttled where it leads.
    func isThrottledLeader(_ partition: Int32, on broker: NodeId) -> Bool {
        configuration.throttledLeaders.contains(partition: partition, broker: broker.rawValue)
    }

    /// Whether `broker`'s replica is throttled where it follows.
    func isThrottledFollower(_ partition: Int32, on broker: NodeId) -> Bool {
        configuration.throttledFollowers.contains(partition: partition, broker: broker.rawValue)
    }
}
