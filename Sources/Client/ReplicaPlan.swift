// Where replicas go when brokers are to be emptied or filled: a plan, which nothing has been done of yet.
//
// Rules: a replica that may stay stays; a new one goes to the broker with the fewest, in a rack that the partition has
// none in if there is one; who is to lead is in sync. Equal choices fall to the lower id, so that the same cluster gives the same plan.

package import Basics

/// A partition that is to have other replicas, or the same in another order.
package struct ReplicaMove: Hashable, Sendable {
    package var partition: TopicPartition
    package var from: [NodeId]
    /// The preferred leader first.
    package var to: [NodeId]

    /// Whether records are copied for it.
    package var copies: Bool { !Set(to).isSubset(of: from) }
}

/// The moves that are planned, and what cannot be moved.
package struct ReplicaPlan: Sendable {
    /// By partition.
    package private(set) var moves: [ReplicaMove] = []
    /// Partitions that would have to move and cannot, and why.
    package private(set) var stuck: [(partition: TopicPartition, reason: String)] = []

    private let nodes: [NodeInfo]
    private let topics: [TopicInfo]
    private var replicaCounts: [NodeId: Int] = [:]
    private var leaderCounts: [NodeId: Int] = [:]

    /// A plan without moves, over all `topics` of the cluster, since what each broker has decides where more may go.
    package init(_ topics: [TopicInfo], _ nodes: [NodeInfo]) {
        self.topics = topics.sorted { $0.name < $1.name }
        self.nodes = nodes
        for partition in topics.flatMap(\.partitions) {
            for replica in partition.replicas { replicaCounts[replica, default: 0] += 1 }
            if let first = partition.replicas.first { leaderCounts[first, default: 0] += 1 }
        }
    }

    /// Others become the preferred leaders of what `broker` leads or would lead.
    package mutating func moveLeaders(from broker: NodeId) {
        for (key, partition) in partitions where partition.replicas.first == broker || partition.leader == broker {
            let others = partition.replicas.filter { $0 != broker }
            let able = others.filter { isAlive($0) && partition.inSync.contains($0) }
            guard let leader = fewest(able, leaderCounts) else {
                stuck.append((key, others.isEmpty ? "it has no other replica" : "no other replica is in sync"))
                continue
            }
            let rest = others.filter { $0 != leader }
            add(key, partition, [leader] + rest + [broker])
        }
    }

    /// Other brokers get the replicas of `broker`.
    package mutating func moveReplicas(from broker: NodeId) {
        let allowed = nodes.filter { !$0.isFenced && $0.broker.id != broker }.map(\.broker.id)
        for (key, partition) in partitions where partition.replicas.contains(broker) {
            place(key, partition, on: allowed, keeping: partition.replicas.filter { $0 != broker }, partition.replicas.count)
        }
    }

    /// The partitions of topics named in `wanted` (empty: all) go to `allowed`, with as many replicas as they have or `factor`.
    package mutating func spread(_ wanted: [String], on allowed: [NodeId], factor: Int?) {
        for (key, partition) in partitions where wanted.isEmpty || wanted.contains(key.topic) {
            let count = factor ?? partition.replicas.count
            place(key, partition, on: allowed, keeping: partition.replicas.filter { allowed.contains($0) }, count)
        }
    }

    /// A move that somebody has decided.
    package mutating func assign(_ key: TopicPartition, to replicas: [NodeId]) {
        guard let partition = topics.first(where: { $0.name == key.topic })?[key.partition] else {
            return stuck.append((key, "there is no such partition"))
        }
        add(key, partition, replicas)
    }

    // MARK: Choosing

    private var partitions: [(key: TopicPartition, info: PartitionInfo)] {
        topics.flatMap { topic in topic.partitions.map { (TopicPartition(topic.name, $0.partition), $0) } }
    }

    private mutating func place(
        _ key: TopicPartition, _ partition: PartitionInfo, on allowed: [NodeId], keeping kept: [NodeId], _ count: Int
    ) {
        var target = Array(kept.prefix(count))
        while target.count < count {
            let free = allowed.filter { isAlive($0) && !target.contains($0) }
            let racks = target.compactMap(rack)
            let apart = free.filter { id in rack(id).map { !racks.contains($0) } ?? false }
            guard let next = fewest(apart.isEmpty ? free : apart, replicaCounts) else {
                return stuck.append((key, "\(count) replicas need as many brokers that are alive"))
            }
            target.append(next)
            replicaCounts[next, default: 0] += 1
        }
        for gone in partition.replicas where !target.contains(gone) { replicaCounts[gone, default: 1] -= 1 }
        add(key, partition, target)
    }

    private mutating func add(_ key: TopicPartition, _ partition: PartitionInfo, _ target: [NodeId]) {
        guard target != partition.replicas else { return }
        if let former = partition.replicas.first { leaderCounts[former, default: 1] -= 1 }
        if let leader = target.first { leaderCounts[leader, default: 0] += 1 }
        moves.append(ReplicaMove(partition: key, from: partition.replicas, to: target))
    }

    private func fewest(_ ids: [NodeId], _ counts: [NodeId: Int]) -> NodeId? {
        ids.min { (counts[$0, default: 0], $0) < (counts[$1, default: 0], $1) }
    }

    private func isAlive(_ id: NodeId) -> Bool { nodes.contains { $0.broker.id == id && !$0.isFenced } }

    private func rack(_ id: NodeId) -> String? { nodes.first { $0.broker.id == id }?.broker.rack }
}
