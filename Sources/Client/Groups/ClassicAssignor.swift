// How the leader of a classic group divides partitions among members: Kafka's assignors by their names, so that members of
// other clients agree with ours. Pure functions; members are ordered as Kafka orders them (static ones by their instance).

package import Basics

/// An assignor of classic groups.
package enum ClassicAssignor: String, Hashable, Sendable, CaseIterable {
    /// Of each topic neighbouring partitions to each member.
    case range
    /// One partition after the other to one member after the other.
    case roundRobin = "roundrobin"
    /// Balanced with the fewest moves; a partition that moves is given up one rebalance before it is given on (KIP-429).
    case cooperativeSticky = "cooperative-sticky"

    /// Whether members keep what they own while they rejoin.
    var isCooperative: Bool { self == .cooperativeSticky }

    /// A member as its subscription tells.
    package struct Member: Hashable, Sendable {
        package var id: String
        package var instanceId: String?
        package var topics: [String]
        package var owned: [TopicPartition]
        /// The generation in which it got what it owns.
        package var generation: Int32

        package init(
            id: String, instanceId: String? = nil, topics: [String], owned: [TopicPartition] = [], generation: Int32 = -1
        ) {
            self.id = id
            self.instanceId = instanceId
            self.topics = topics
            self.owned = owned
            self.generation = generation
        }

        fileprivate var rank: (Int, String) { instanceId.map { (0, $0) } ?? (1, id) }
    }

    /// Divides the partitions of all topics that somebody reads. `counts`: partitions of each topic that exists.
    package func assign(_ members: [Member], counts: [String: Int]) -> [String: [TopicPartition]] {
        let ordered = members.sorted { $0.rank < $1.rank }
        var result = Dictionary(uniqueKeysWithValues: ordered.map { ($0.id, [TopicPartition]()) })
        switch self {
        case .range: Self.range(ordered, counts, &result)
        case .roundRobin: Self.roundRobin(ordered, counts, &result)
        case .cooperativeSticky: Self.cooperative(ordered, counts, &result)
        }
        return result
    }

    private static func range(
        _ members: [Member], _ counts: [String: Int], _ result: inout [String: [TopicPartition]]
    ) {
        for topic in Set(members.flatMap(\.topics)).sorted() {
            let readers = members.filter { $0.topics.contains(topic) }
            let count = counts[topic] ?? 0
            let (each, more) = count.quotientAndRemainder(dividingBy: readers.count)
            var next = 0
            for (index, reader) in readers.enumerated() {
                let size = each + (index < more ? 1 : 0)
                result[reader.id, default: []] += (next..<next + size).map { TopicPartition(topic, Int32($0)) }
                next += size
            }
        }
    }

    private static func roundRobin(
        _ members: [Member], _ counts: [String: Int], _ result: inout [String: [TopicPartition]]
    ) {
        guard !members.isEmpty else { return }
        let topics = members.map { Set($0.topics) }
        var turn = 0
        for partition in allPartitions(members, counts) {
            while !topics[turn % members.count].contains(partition.topic) { turn += 1 }
            result[members[turn % members.count].id, default: []].append(partition)
            turn += 1
        }
    }

    private static func allPartitions(_ members: [Member], _ counts: [String: Int]) -> [TopicPartition] {
        Set(members.flatMap(\.topics)).sorted().flatMap { topic in
            (0..<(counts[topic] ?? 0)).map { TopicPartition(topic, Int32($0)) }
        }
    }

    private static func cooperative(
        _ members: [Member], _ counts: [String: Int], _ result: inout [String: [TopicPartition]]
    ) {
        let owners = owners(members, counts)
        let target = balanced(members, allPartitions(members, counts), owners)
        for (partition, member) in target.sorted(by: { $0.key < $1.key }) {
            // What somebody else still owns is given up first; the rebalance that follows gives it on.
            if let owner = owners[partition], owner != member { continue }
            result[member, default: []].append(partition)
        }
    }

    /// Who owns what, of those that still read it; of two that claim a partition, the one of the later generation, and of
    /// equals nobody.
    private static func owners(_ members: [Member], _ counts: [String: Int]) -> [TopicPartition: String] {
        var owners: [TopicPartition: (member: String, generation: Int32)] = [:]
        var disputed: Set<TopicPartition> = []
        for member in members {
            let topics = Set(member.topics)
            for partition in member.owned
            where topics.contains(partition.topic) && Int(partition.partition) < counts[partition.topic] ?? 0 {
                if let other = owners[partition] {
                    if other.generation == member.generation { disputed.insert(partition) }
                    guard member.generation > other.generation else { continue }
                    disputed.remove(partition)
                }
                owners[partition] = (member.id, member.generation)
            }
        }
        for partition in disputed { owners[partition] = nil }
        return owners.mapValues(\.member)
    }

    /// Each partition to a reader of its topic: as few as possible change hands, loads differ by one where subscriptions
    /// are alike.
    private static func balanced(
        _ members: [Member], _ partitions: [TopicPartition], _ owners: [TopicPartition: String]
    ) -> [TopicPartition: String] {
        var readers: [String: [Int]] = [:]
        for (index, member) in members.enumerated() { for topic in Set(member.topics) { readers[topic, default: []].append(index) } }
        var loads = members.map { _ in 0 }
        var target: [TopicPartition: Int] = [:]
        let positions = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1.id, $0) })
        for partition in partitions {
            guard let index = owners[partition].flatMap({ positions[$0] }) else { continue }
            target[partition] = index
            loads[index] += 1
        }
        for partition in partitions where target[partition] == nil {
            guard let least = readers[partition.topic]?.min(by: { loads[$0] < loads[$1] }) else { continue }
            target[partition] = least
            loads[least] += 1
        }
        // From the fullest to the emptiest that may have it, as long as that evens out.
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for partition in partitions {
                guard let from = target[partition],
                    let least = readers[partition.topic]?.min(by: { loads[$0] < loads[$1] }), loads[from] > loads[least] + 1
                else { continue }
                target[partition] = least
                loads[from] -= 1
                loads[least] += 1
                hasMoved = true
            }
        }
        return target.mapValues { members[$0].id }
    }
}
