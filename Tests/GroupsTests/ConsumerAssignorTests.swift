import Basics
import Groups
import Testing

@Suite struct ConsumerAssignorTests {
    /// Members m0, m1, … that read the topics of the given positions.
    private static func problem(
        _ partitions: [Int], _ subscriptions: [[Int]], _ current: [TopicAssignment] = []
    ) -> AssignmentProblem {
        let topics = partitions.enumerated().map {
            AssignmentProblem.Topic(id: Uuid(high: 7, low: UInt64($0.offset)), partitionCount: $0.element)
        }
        let members = subscriptions.enumerated().map { index, topics in
            AssignmentProblem.Member(
                id: "m" + String(1000 + index), instanceId: nil, topics: topics,
                current: index < current.count ? current[index] : [:])
        }
        return AssignmentProblem(topics: topics, members: members)
    }

    private static func load(_ assignment: TopicAssignment) -> Int { assignment.values.reduce(0) { $0 + $1.count } }

    /// What is wrong with an answer, whatever the assignor.
    private static func faults(_ problem: AssignmentProblem, _ answer: [TopicAssignment]) -> [String] {
        guard answer.count == problem.members.count else { return ["an answer for each member"] }
        var owners: [Uuid: [Int32: Int]] = [:]
        var faults: [String] = []
        for (position, assignment) in answer.enumerated() {
            let read = Set(problem.members[position].topics.map { problem.topics[$0].id })
            for (id, partitions) in assignment {
                if !read.contains(id) { faults.append("\(position) does not read \(id)") }
                if partitions.isEmpty || partitions != partitions.sorted() { faults.append("\(partitions) in order") }
                for partition in partitions {
                    if owners[id, default: [:]].updateValue(position, forKey: partition) != nil {
                        faults.append("\(id)-\(partition) has two owners")
                    }
                }
            }
        }
        for (index, topic) in problem.topics.enumerated()
        where problem.members.contains(where: { $0.topics.contains(index) }) {
            if owners[topic.id, default: [:]].keys.sorted() != (0..<Int32(topic.partitionCount)).map({ $0 }) {
                faults.append("all partitions of \(index)")
            }
        }
        return faults
    }

    private static func random(_ random: inout SeededRandom) -> AssignmentProblem {
        let partitions = (0..<Int.random(in: 1...6, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
        let isHomogeneous = Bool.random(using: &random)
        let subscriptions = (0..<Int.random(in: 1...9, using: &random)).map { _ in
            partitions.indices.filter { _ in isHomogeneous || Int.random(in: 0..<3, using: &random) > 0 }
        }
        return problem(partitions, subscriptions)
    }

    @Test(arguments: ServerAssignor.allCases)
    func `gives every partition to exactly one of its readers`(assignor: ServerAssignor) {
        var random = SeededRandom(seed: 1)
        for _ in 0..<400 {
            let problem = Self.random(&random)
            #expect(Self.faults(problem, assignor.assign(problem)) == [])
        }
    }

    @Test(arguments: ServerAssignor.allCases)
    func `gives the same answer to the same question`(assignor: ServerAssignor) {
        var random = SeededRandom(seed: 2)
        for _ in 0..<100 {
            let problem = Self.random(&random)
            #expect(assignor.assign(problem) == assignor.assign(problem))
        }
    }

    @Test func `uniform leaves no pair of members between which a move would help`() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<400 {
            let problem = Self.random(&random)
            let answer = ServerAssignor.uniform.assign(problem)
            for (from, assignment) in answer.enumerated() {
                for topic in assignment.keys {
                    for (to, member) in problem.members.enumerated()
                    where member.topics.contains(where: { problem.topics[$0].id == topic }) {
                        #expect(Self.load(answer[from]) <= Self.load(answer[to]) + 1)
                    }
                }
            }
        }
    }

    @Test func `uniform moves nothing when nothing changed`() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<400 {
            let problem = Self.random(&random)
            let first = ServerAssignor.uniform.assign(problem)
            let again = AssignmentProblem(
                topics: problem.topics,
                members: problem.members.indices.map {
                    var member = problem.members[$0]
                    member.current = first[$0]
                    return member
                })
            #expect(ServerAssignor.uniform.assign(again) == first)
        }
    }

    @Test func `uniform moves only the partitions of a member that leaves`() {
        var random = SeededRandom(seed: 5)
        for _ in 0..<200 {
            let members = Int.random(in: 2...8, using: &random)
            let partitions = (0..<3).map { _ in Int.random(in: 1...20, using: &random) }
            let all = [[Int]](repeating: [0, 1, 2], count: members)
            let before = ServerAssignor.uniform.assign(Self.problem(partitions, all))
            let left = Int.random(in: 0..<members, using: &random)
            var current = before
            current.remove(at: left)
            let after = ServerAssignor.uniform.assign(Self.problem(partitions, Array(all.dropLast()), current))
            for (member, assignment) in current.enumerated() {
                for (topic, kept) in assignment {
                    #expect(Set(kept).isSubset(of: after[member][topic] ?? []))
                }
            }
        }
    }

    @Test func `uniform moves no more than a joining member gets`() {
        let all = [[Int]](repeating: [0], count: 4)
        let before = ServerAssignor.uniform.assign(Self.problem([12], Array(all.dropLast())))
        let after = ServerAssignor.uniform.assign(Self.problem([12], all, before))
        #expect(after.map(Self.load) == [3, 3, 3, 3])
        for (old, new) in zip(before, after) {
            for (topic, partitions) in new { #expect(Set(partitions).isSubset(of: old[topic] ?? [])) }
        }
    }

    @Test func `range gives each reader one run, the same of topics alike`() {
        let answer = ServerAssignor.range.assign(Self.problem([5, 5, 2], [[0, 1], [0, 1], [0, 1, 2]]))
        let ids = (0..<3).map { Uuid(high: 7, low: UInt64($0)) }
        #expect(answer[0] == [ids[0]: [0, 1], ids[1]: [0, 1]])
        #expect(answer[1] == [ids[0]: [2, 3], ids[1]: [2, 3]])
        #expect(answer[2] == [ids[0]: [4], ids[1]: [4], ids[2]: [0, 1]])
    }

    @Test func `range keeps a static member's place by its instance`() {
        func answer(_ ids: [(String, String?)]) -> [String: [Int32]] {
            let topic = AssignmentProblem.Topic(id: Uuid(high: 7, low: 0), partitionCount: 4)
            let members = ids.sorted { $0.0 < $1.0 }.map {
                AssignmentProblem.Member(id: $0.0, instanceId: $0.1, topics: [0], current: [:])
            }
            let parts = ServerAssignor.range.assign(AssignmentProblem(topics: [topic], members: members))
            return Dictionary(
                uniqueKeysWithValues: zip(members, parts).map { ($0.instanceId ?? $0.id, $1[topic.id] ?? []) })
        }
        let before = answer([("x", "i1"), ("b", "i2"), ("a", nil)])
        #expect(before == ["i1": [0, 1], "i2": [2], "a": [3]])
        #expect(answer([("c", "i1"), ("z", "i2"), ("a", nil)]) == before)
    }

    @Test(arguments: ServerAssignor.allCases)
    func `a thousand members of ten topics are no long work`(assignor: ServerAssignor) {
        let partitions = [Int](repeating: 100, count: 10)
        let all = Array(0..<10)
        let same = Self.problem(partitions, [[Int]](repeating: all, count: 1000))
        // One member that reads less makes the subscriptions differ.
        let differing = Self.problem(partitions, [[Int]](repeating: all, count: 999) + [[0]])
        let clock = ContinuousClock()
        for problem in [same, differing] {
            var answer: [TopicAssignment] = []
            let time = clock.measure { answer = assignor.assign(problem) }
            #expect(Self.faults(problem, answer) == [])
            #expect(answer.allSatisfy { Self.load($0) <= (assignor == .uniform ? 1 : 10) })
            // A quadratic loop takes minutes in a debug build.
            #expect(time < .seconds(5))
            print("\(assignor) \(time)")
        }
    }
}
