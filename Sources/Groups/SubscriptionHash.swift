// The hash of a group's topics (KIP-1101): it changes when a topic that the group reads comes, goes, grows, or has its
// replicas on other racks, and so tells that partitions must be assigned anew.
//
// Rule: byte for byte what Kafka writes, so that a group that moves between the two does not rebalance for it. Of a
// topic:
//
//   0 | id (high, low) | name (UTF-16 units, then their number) | partitions (int32)
//   and for each partition: number (int32) | for each replica's rack, sorted: length (int32) | rack, as the name
//
// all little-endian. A group's hash is that of its topics' hashes in the order of their names; 0 if it has no topic.

internal import Basics
package import ClusterImage

package enum SubscriptionHash {
    /// The hash of those of the topics that exist.
    package static func of(_ names: some Sequence<String>, in image: ClusterImage) -> Int64 {
        var bytes: [UInt8] = []
        // Java orders strings by their UTF-16 units; topic names are ASCII, where all orders are the same.
        for name in names.sorted() {
            guard let topic = image.topic(named: name) else { continue }
            append(hash(topic, image), to: &bytes)
        }
        return bytes.isEmpty ? 0 : Int64(bitPattern: Xxh3.hash(bytes))
    }

    private static func hash(_ topic: TopicImage, _ image: ClusterImage) -> UInt64 {
        var bytes: [UInt8] = [0]
        append(topic.id.high, to: &bytes)
        append(topic.id.low, to: &bytes)
        append(topic.name, to: &bytes)
        append(UInt32(topic.partitions.count), to: &bytes)
        for index in 0..<Int32(topic.partitions.count) {
            append(UInt32(index), to: &bytes)
            let replicas = topic.partitions[index]?.replicas ?? []
            for rack in replicas.compactMap({ image.brokers[$0]?.rack }).sorted() {
                append(UInt32(rack.utf16.count), to: &bytes)
                append(rack, to: &bytes)
            }
        }
        return Xxh3.hash(bytes)
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        for unit in text.utf16 { append(unit, to: &bytes) }
        append(UInt32(text.utf16.count), to: &bytes)
    }

    private static func append(_ value: some FixedWidthInteger & UnsignedInteger, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
