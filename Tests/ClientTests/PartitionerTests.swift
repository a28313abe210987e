// Keys go to the partitions that Kafka's Java client chooses; the vectors are those of Kafka's and kafka-python's tests.

import Bytes
import Client
import Testing

@Suite struct PartitionerTests {
    @Test(arguments: [
        ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107), ("", 275_646_681),
    ] as [(String, Int32)])
    func `hashes as Java does`(key: String, hash: Int32) {
        #expect(Partitioner.murmur2(ByteSlice(key.utf8)) == hash)
    }

    @Test(arguments: [("", 681), ("a", 524), ("ab", 434), ("abc", 107), ("123456789", 566), ("\u{0} ", 742)] as [(String, Int32)])
    func `chooses the partition as Java does`(key: String, partition: Int32) {
        #expect(Partitioner.partition(ofKey: ByteSlice(key.utf8), count: 1000) == partition)
    }

    @Test func `bytes above 127 count as unsigned`() {
        for length in 1...9 {
            let partition = Partitioner.partition(ofKey: ByteSlice(Array(repeating: 0xff, count: length)), count: 7)
            #expect((0..<7).contains(partition))
        }
    }
}
