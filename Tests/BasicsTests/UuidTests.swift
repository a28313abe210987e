import Basics
import Testing

@Suite struct UuidTests {
    @Test func `text and bits are two forms of one id`() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<1000 {
            let uuid = Uuid.random(using: &random)
            #expect(uuid.description.utf8.count == 22)
            #expect(Uuid(uuid.description) == uuid)
            #expect(!uuid.description.hasPrefix("-"))
        }
    }

    @Test func `reads the ids that Kafka prints`() {
        #expect(Uuid("AAAAAAAAAAAAAAAAAAAAAQ") == .metadataTopic)
        #expect(Uuid.zero.description == "AAAAAAAAAAAAAAAAAAAAAA")
        #expect(Uuid("_____________________w") == Uuid(high: .max, low: .max))
        #expect(Uuid("_____________________x") == nil)
        #expect(Uuid("____________________w") == nil)
    }
}
