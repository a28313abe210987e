// The range assignor: of each topic every reader gets one run of partitions, the first readers one more where it does
// not come out even. Readers of the same topics so get the same numbers of each topic, which joins need.
//
// Rule: made anew each time, as in Kafka since 4.0: to keep what members had would break the runs apart. A static
// member keeps its place by its instance id, so that a restart moves nothing.

enum RangeAssignment {
    static func solve(_ problem: AssignmentProblem) -> [TopicAssignment] {
        var order = [Int](repeating: 0, count: problem.members.count)
        for (place, position) in problem.members.indices.sorted(by: { isBefore(problem, $0, $1) }).enumerated() {
            order[position] = place
        }
        var owners = PartitionOwners(problem)
        for (topic, readers) in problem.readers().enumerated() where !readers.isEmpty {
            let count = problem.topics[topic].partitionCount
            let (share, more) = count.quotientAndRemainder(dividingBy: readers.count)
            var next = 0
            for (place, member) in readers.sorted(by: { order[$0] < order[$1] }).enumerated() {
                let end = next + share + (place < more ? 1 : 0)
                for partition in next..<end { owners.give(topic, partition, to: member) }
                next = end
            }
        }
        return owners.assignments(problem)
    }

    /// Static members come first, by instance id; then the others, by id.
    private static func isBefore(_ problem: AssignmentProblem, _ left: Int, _ right: Int) -> Bool {
        let (a, b) = (problem.members[left], problem.members[right])
        switch (a.instanceId, b.instanceId) {
        case (let a?, let b?): return (a, left) < (b, right)
        case (_?, nil): return true
        case (nil, _?): return false
        case (nil, nil): return a.id < b.id
        }
    }
}
