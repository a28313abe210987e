// The uniform assignor: members have as many partitions as one another, as far as their subscriptions let them, and
// keep what they had where balance allows it.
//
// Where all read the same topics the balance is exact, and as few partitions move as can be. Else partitions move from
// loaded to less loaded readers of a topic until no single move helps, or `passLimit` passes are over. Racks of members
// and replicas play no part, as in Kafka 4.4.

enum UniformAssignment {
    /// Passes over all topics of a group with differing subscriptions. Most need two; chains of overlapping
    /// subscriptions more, and for these the balance after so many passes is good enough.
    static let passLimit = 64

    static func solve(_ problem: AssignmentProblem) -> [TopicAssignment] {
        guard !problem.members.isEmpty else { return [] }
        var owners = PartitionOwners(problem)
        keep(problem, &owners)
        if problem.isHomogeneous {
            level(problem, &owners)
        } else {
            let readers = problem.readers()
            let order = topicOrder(problem, readers)
            for topic in order { handOut(topic, readers[topic], &owners) }
            for _ in 0..<passLimit {
                let moved = order.reduce(false) { moved, topic in balance(topic, readers[topic], &owners) || moved }
                if !moved { break }
            }
        }
        return owners.assignments(problem)
    }

    /// Leaves to members what they have of the topics that they read.
    private static func keep(_ problem: AssignmentProblem, _ owners: inout PartitionOwners) {
        var positions: [TopicAssignment.Key: Int] = [:]
        for (position, topic) in problem.topics.enumerated() { positions[topic.id] = position }
        for (position, member) in problem.members.enumerated() {
            for (id, partitions) in member.current {
                guard let topic = positions[id], contains(member.topics, topic) else { continue }
                for partition in partitions.map(Int.init) where owners.owners[topic].indices.contains(partition) {
                    if owners.owners[topic][partition] == PartitionOwners.nobody {
                        owners.give(topic, partition, to: position)
                    }
                }
            }
        }
    }

    private static func contains(_ ascending: [Int], _ value: Int) -> Bool {
        var range = ascending[...]
        while !range.isEmpty {
            let middle = range.startIndex + range.count / 2
            if ascending[middle] == value { return true }
            range = ascending[middle] < value ? range[(middle + 1)...] : range[..<middle]
        }
        return false
    }

    /// Everybody reads everything: each gets the same number, some one more; who has one more already keeps it.
    private static func level(_ problem: AssignmentProblem, _ owners: inout PartitionOwners) {
        let read = problem.members[0].topics
        let total = read.reduce(0) { $0 + problem.topics[$1].partitionCount }
        var (quota, extras) = total.quotientAndRemainder(dividingBy: problem.members.count)
        var limits = [Int](repeating: quota, count: problem.members.count)
        for keepsMore in [true, false] {
            for member in limits.indices where extras > 0 && limits[member] == quota {
                if keepsMore && owners.loads[member] <= quota { continue }
                limits[member] = quota + 1
                extras -= 1
            }
        }
        var free: [(topic: Int, partition: Int)] = []
        // From the end, so that a member that has too many gives its last ones.
        for topic in read.reversed() {
            for partition in owners.owners[topic].indices.reversed() {
                let owner = owners.owners[topic][partition]
                if owner != PartitionOwners.nobody {
                    guard owners.loads[owner] > limits[owner] else { continue }
                    owners.give(topic, partition, to: PartitionOwners.nobody)
                }
                free.append((topic, partition))
            }
        }
        for member in limits.indices {
            while owners.loads[member] < limits[member], let next = free.popLast() {
                owners.give(next.topic, next.partition, to: member)
            }
        }
    }

    /// Topics with many partitions for few readers first: they leave the least choice.
    private static func topicOrder(_ problem: AssignmentProblem, _ readers: [[Int]]) -> [Int] {
        readers.indices.filter { !readers[$0].isEmpty }.sorted { left, right in
            let leftWeight = problem.topics[left].partitionCount * readers[right].count
            let rightWeight = problem.topics[right].partitionCount * readers[left].count
            if leftWeight != rightWeight { return leftWeight > rightWeight }
            return (readers[left].count, left) < (readers[right].count, right)
        }
    }

    /// Gives the free partitions of a topic to the reader that has least.
    private static func handOut(_ topic: Int, _ readers: [Int], _ owners: inout PartitionOwners) {
        let free = owners.owners[topic].indices.filter { owners.owners[topic][$0] == PartitionOwners.nobody }
        if free.isEmpty { return }
        var heap = MemberHeap(readers.map { (owners.loads[$0], $0) })
        for partition in free {
            guard let member = heap.pop()?.member else { return }
            owners.give(topic, partition, to: member)
            heap.push(owners.loads[member], member)
        }
    }

    /// Moves partitions of one topic from the most to the least loaded of its readers; true if any moved.
    private static func balance(_ topic: Int, _ readers: [Int], _ owners: inout PartitionOwners) -> Bool {
        var held: [Int: [Int]] = [:]
        for (partition, owner) in owners.owners[topic].enumerated() { held[owner, default: []].append(partition) }
        let least = readers.reduce(Int.max) { min($0, owners.loads[$1]) }
        guard readers.contains(where: { held[$0] != nil && owners.loads[$0] > least + 1 }) else { return false }
        var light = MemberHeap(readers.map { (owners.loads[$0], $0) })
        var heavy = MemberHeap(readers.filter { held[$0] != nil }.map { (-owners.loads[$0], $0) })
        var moved = false
        while let from = heavy.pop(), let to = light.pop() {
            // Entries may be of before a move; they are put right when they come up.
            if -from.load != owners.loads[from.member] || to.load != owners.loads[to.member] {
                if held[from.member]?.isEmpty == false { heavy.push(-owners.loads[from.member], from.member) }
                light.push(owners.loads[to.member], to.member)
                continue
            }
            guard owners.loads[from.member] > owners.loads[to.member] + 1 else { break }
            guard let partition = held[from.member]?.popLast() else {
                light.push(to.load, to.member)
                continue
            }
            let hadNone = held[to.member, default: []].isEmpty
            held[to.member, default: []].append(partition)
            owners.give(topic, partition, to: to.member)
            moved = true
            if held[from.member]?.isEmpty == false { heavy.push(-owners.loads[from.member], from.member) }
            if hadNone { heavy.push(-owners.loads[to.member], to.member) }
            light.push(owners.loads[to.member], to.member)
        }
        return moved
    }
}

/// A binary heap of members, the smallest load first, then the smallest position.
struct MemberHeap {
    private var entries: [(load: Int, member: Int)]

    init(_ entries: [(Int, Int)]) {
        self.entries = entries.map { (load: $0.0, member: $0.1) }
        // An ascending array is a heap.
        self.entries.sort { ($0.load, $0.member) < ($1.load, $1.member) }
    }

    mutating func push(_ load: Int, _ member: Int) {
        entries.append((load, member))
        var child = entries.count - 1
        while child > 0, isLess(child, (child - 1) / 2) {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> (load: Int, member: Int)? {
        guard let first = entries.first else { return nil }
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && isLess(child, least) {
                least = child
            }
            if least == parent { return first }
            entries.swapAt(parent, least)
            parent = least
        }
    }

    private func isLess(_ left: Int, _ right: Int) -> Bool {
        (entries[left].load, entries[left].member) < (entries[right].load, entries[right].member)
    }
}
