import Basics
import Client
import Testing

@Suite struct ClassicAssignorTests {
    private typealias Member = ClassicAssignor.Member

    private static func partitions(_ topic: String, _ numbers: Range<Int32>) -> [TopicPartition] {
        numbers.map { TopicPartition(topic, $0) }
    }

    @Test func `range gives neighbours of each topic, and the first members one more`() {
        let members = ["b", "a", "c"].map { Member(id: $0, topics: ["t", "u"]) }
        let found = ClassicAssignor.range.assign(members, counts: ["t": 7, "u": 2])
        #expect(found["a"] == Self.partitions("t", 0..<3) + Self.partitions("u", 0..<1))
        #expect(found["b"] == Self.partitions("t", 3..<5) + Self.partitions("u", 1..<2))
        #expect(found["c"] == Self.partitions("t", 5..<7))
    }

    @Test func `static members come first, by the names of their instances`() {
        let members = [Member(id: "a", topics: ["t"]), Member(id: "z", instanceId: "i", topics: ["t"])]
        let found = ClassicAssignor.range.assign(members, counts: ["t": 1])
        #expect(found["z"] == [TopicPartition("t", 0)])
        #expect(found["a"] == [])
    }

    @Test func `round robin deals one after the other to those who read the topic`() {
        let members = [Member(id: "a", topics: ["t"]), Member(id: "b", topics: ["t", "u"])]
        let found = ClassicAssignor.roundRobin.assign(members, counts: ["t": 3, "u": 2])
        #expect(found["a"] == [TopicPartition("t", 0), TopicPartition("t", 2)])
        #expect(found["b"] == [TopicPartition("t", 1), TopicPartition("u", 0), TopicPartition("u", 1)])
    }

    @Test func `a cooperative partition that moves belongs to nobody until it was given up`() {
        let all = Self.partitions("t", 0..<4)
        let first = Member(id: "a", topics: ["t"], owned: all, generation: 3)
        let second = Member(id: "b", topics: ["t"])
        var found = ClassicAssignor.cooperativeSticky.assign([first, second], counts: ["t": 4])
        #expect(found["a"]?.count == 2)
        #expect(found["b"] == [])
        let kept = found["a"] ?? []
        found = ClassicAssignor.cooperativeSticky.assign(
            [Member(id: "a", topics: ["t"], owned: kept, generation: 4), Member(id: "b", topics: ["t"], generation: 4)],
            counts: ["t": 4])
        #expect(found["a"] == kept)
        #expect(Set(found["b"] ?? []) == Set(all).subtracting(kept))
    }

    @Test func `of two that claim a partition the later generation has it, and of equals nobody`() {
        let claim = [TopicPartition("t", 0)]
        let old = Member(id: "a", topics: ["t"], owned: claim, generation: 1)
        let new = Member(id: "b", topics: ["t"], owned: claim, generation: 2)
        let found = ClassicAssignor.cooperativeSticky.assign([old, new], counts: ["t": 1])
        #expect(found["b"] == claim && found["a"] == [])
        let equal = Member(id: "b", topics: ["t"], owned: claim, generation: 1)
        #expect(ClassicAssignor.cooperativeSticky.assign([old, equal], counts: ["t": 1]).values.flatMap(\.self) == claim)
    }

    @Test(arguments: ClassicAssignor.allCases)
    func `each partition goes to one reader of its topic, in balance, and members that stay keep what they have`(
        _ assignor: ClassicAssignor
    ) {
        for seed in 0..<200 {
            var random = SeededRandom(seed: UInt64(seed))
            let counts = ["t": Int.random(in: 0...20, using: &random), "u": Int.random(in: 1...20, using: &random)]
            var members = (0..<Int.random(in: 1...9, using: &random)).map { Member(id: "m\($0)", topics: ["t", "u"]) }
            var before: [String: [TopicPartition]] = [:]
            // Until nothing is on its way from one to another.
            for generation in 1...3 {
                before = assignor.assign(members, counts: counts)
                for index in members.indices {
                    members[index].owned = before[members[index].id] ?? []
                    members[index].generation = Int32(generation)
                }
            }
            let all = before.values.flatMap(\.self)
            #expect(all.count == counts.values.reduce(0, +) && Set(all).count == all.count)
            let loads = members.map { before[$0.id]?.count ?? 0 }
            // Range is in balance within each topic.
            #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= (assignor == .range ? 2 : 1))
            guard assignor == .cooperativeSticky, members.count > 1 else { continue }
            let gone = members.remove(at: Int.random(in: 0..<members.count, using: &random))
            let after = assignor.assign(members, counts: counts)
            for member in members { #expect(Set(after[member.id] ?? []).isSuperset(of: member.owned), "\(seed) \(gone.id)") }
        }
    }
}
