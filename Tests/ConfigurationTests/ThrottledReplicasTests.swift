// Lists of throttled replicas.

import Configuration
import Testing

@Suite struct ThrottledReplicasTests {
    @Test func `names replicas by partition and broker, or all`() throws {
        let some = try #require(ThrottledReplicas(" 0:1, 2:3"))
        #expect(some.contains(partition: 0, broker: 1) && some.contains(partition: 2, broker: 3))
        #expect(!some.contains(partition: 0, broker: 3))
        let all = try #require(ThrottledReplicas("*"))
        #expect(all.contains(partition: 7, broker: 9))
        let none = try #require(ThrottledReplicas(""))
        #expect(!none.contains(partition: 0, broker: 0))
    }

    @Test(arguments: ["0", "0:", ":1", "0:1:2", "a:b", "0:1,", "-1:2", "0-1", "*,0:1"])
    func `takes no nonsense`(_ text: String) {
        #expect(ThrottledReplicas(text) == nil)
        #expect(KeyTable.topic["leader.replication.throttled.replicas"]?.objection(to: text) != nil)
    }
}
