// The fetchers of one loop, and which replica is with which: they follow the view of the cluster.
//
// Replicas that follow one leader share its fetchers (`num.replica.fetchers`), and each fetcher belongs to one loop.
// Owner: the loop.

internal import Basics
internal import Configuration
internal import ClusterImage
internal import Environment
internal import Replication

final class ReplicaFetchers {
    /// A fetcher: the leader's broker, and the fetcher's number among those for it.
    private struct Key: Hashable {
        var leader: NodeId
        var number: Int
    }

    /// A replica here that follows, and with which fetcher.
    private struct Wanted {
        var key: Key
        var replica: Partition
        var epoch: LeaderEpoch
        var isThrottled: Bool
    }

    private let loop: any EventLoop
    private let broker: Broker
    private let perLeader: Int
    private var fetchers: [Key: ReplicaFetcher] = [:]
    /// Where the followed replicas of each topic are.
    private var placed: [Uuid: [Int32: Key]] = [:]

    init(loop: any EventLoop, broker: Broker) {
        self.loop = loop
        self.broker = broker
        perLeader = max(1, broker.node.int("num.replica.fetchers"))
    }

    /// Follows what has changed.
    func take(_ view: ClusterView) {
        for id in view.changed.sorted() {
            let wanted = view.byId[id].map(followed) ?? [:]
            let former = placed[id] ?? [:]
            guard !wanted.isEmpty || !former.isEmpty else { continue }
            for (index, key) in former.sorted(by: { $0.key < $1.key }) where wanted[index]?.key != key {
                fetchers[key]?.remove(FollowedId(topicId: id, partition: index))
            }
            for (index, entry) in wanted.sorted(by: { $0.key < $1.key }) {
                fetcher(entry.key).follow(
                    FollowedId(topicId: id, partition: index), entry.replica, entry.epoch, isThrottled: entry.isThrottled)
            }
            placed[id] = wanted.isEmpty ? nil : wanted.mapValues(\.key)
        }
    }

    private func followed(_ topic: TopicView) -> [Int32: Wanted] {
        var found: [Int32: Wanted] = [:]
        for (index, replica) in topic.replicas {
            guard let partition = topic.image.partitions[index], partition.leader != .none,
                partition.leader != broker.nodeId
            else { continue }
            let key = Key(leader: partition.leader, number: Int(index) % perLeader)
            guard (Int(key.leader.rawValue) + key.number) % broker.environment.loops.count == loop.index else { continue }
            found[index] = Wanted(
                key: key, replica: replica, epoch: partition.leaderEpoch,
                isThrottled: topic.isThrottledFollower(index, on: broker.nodeId))
        }
        return found
    }

    private func fetcher(_ key: Key) -> ReplicaFetcher {
        if let known = fetchers[key] { return known }
        let made = ReplicaFetcher(from: key.leader, loop: loop, broker: broker)
        fetchers[key] = made
        return made
    }

    func close() {
        let inOrder = fetchers.sorted { ($0.key.leader, $0.key.number) < ($1.key.leader, $1.key.number) }
        for entry in inOrder { entry.value.close() }
        fetchers = [:]
        placed = [:]
    }
}
