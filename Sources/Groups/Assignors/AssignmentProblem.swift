// What a server-side assignor is asked: who reads which topics, and what each had until now (KIP-848).
//
// Rule: members ascend by id and topics by id, so that the answer depends on nothing but the question. An assignor is
// a pure function; it gives every partition of every topic that somebody reads to exactly one of its readers.

package import Basics

/// Partitions by topic; the numbers ascend, and no list is empty.
package typealias TopicAssignment = [Uuid: [Int32]]

/// One question to an assignor.
package struct AssignmentProblem: Sendable {
    package struct Topic: Sendable {
        package var id: Uuid
        package var partitionCount: Int

        package init(id: Uuid, partitionCount: Int) {
            self.id = id
            self.partitionCount = partitionCount
        }
    }

    package struct Member: Sendable {
        package var id: String
        package var instanceId: String?
        /// Positions in `topics`, ascending.
        package var topics: [Int]
        /// What the last target gave to the member.
        package var current: TopicAssignment

        package init(id: String, instanceId: String?, topics: [Int], current: TopicAssignment) {
            self.id = id
            self.instanceId = instanceId
            self.topics = topics
            self.current = current
        }
    }

    package let topics: [Topic]
    package let members: [Member]

    /// Topics that nobody reads may be among `topics`; they stay unassigned.
    package init(topics: [Topic], members: [Member]) {
        self.topics = topics
        self.members = members
    }

    /// Whether all members read the same topics.
    var isHomogeneous: Bool {
        guard let first = members.first else { return true }
        return members.allSatisfy { $0.topics == first.topics }
    }

    /// For each topic the positions of its readers, ascending.
    func readers() -> [[Int]] {
        var readers = [[Int]](repeating: [], count: topics.count)
        for (position, member) in members.enumerated() {
            for topic in member.topics { readers[topic].append(position) }
        }
        return readers
    }
}

/// The assignors that the broker offers, by the name that a client asks for.
package enum ServerAssignor: String, CaseIterable, Sendable {
    case uniform
    case range

    /// What each member shall have, in the order of the problem's members.
    package func assign(_ problem: AssignmentProblem) -> [TopicAssignment] {
        switch self {
        case .uniform: UniformAssignment.solve(problem)
        case .range: RangeAssignment.solve(problem)
        }
    }
}

/// Who has each partition while an assignment is made.
struct PartitionOwners {
    /// By topic and partition the position of the member, or `nobody`.
    var owners: [[Int]]
    /// How many partitions each member has.
    var loads: [Int]

    static let nobody = -1

    init(_ problem: AssignmentProblem) {
        owners = problem.topics.map { [Int](repeating: PartitionOwners.nobody, count: $0.partitionCount) }
        loads = [Int](repeating: 0, count: problem.members.count)
    }

    mutating func give(_ topic: Int, _ partition: Int, to member: Int) {
        let before = owners[topic][partition]
        if before != PartitionOwners.nobody { loads[before] -= 1 }
        owners[topic][partition] = member
        if member != PartitionOwners.nobody { loads[member] += 1 }
    }

    func assignments(_ problem: AssignmentProblem) -> [TopicAssignment] {
        var result = [TopicAssignment](repeating: [:], count: problem.members.count)
        for (topic, partitions) in owners.enumerated() {
            let id = problem.topics[topic].id
            for (partition, member) in partitions.enumerated() where member != PartitionOwners.nobody {
                result[member][id, default: []].append(Int32(partition))
            }
        }
        return result
    }
}
