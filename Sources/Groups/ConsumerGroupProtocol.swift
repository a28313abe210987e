// What classic consumers and their leader tell one another in bytes that the coordinator only passes on in a classic
// group: subscriptions and assignments (KIP-429, KIP-792, KIP-881). In a consumer group the coordinator reads and
// writes them.
//
//   version (int16) | fields of that version
//
// Rule: each version begins with the fields of the one before, so a newer one is read as the newest that is known.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import WireProtocol

enum ConsumerGroupProtocol {
    /// The protocol type that all consumers name.
    static let type = "consumer"

    static func version(of bytes: ByteSlice) -> Int16? {
        var reader = ByteReader(bytes)
        guard let version = try? reader.readInteger(Int16.self, "Version"), version >= 0 else { return nil }
        return min(version, ConsumerProtocolSubscription.versions.upperBound)
    }

    /// Nil if the bytes are not understood.
    static func subscription(_ bytes: ByteSlice) -> ConsumerProtocolSubscription? { decode(bytes) }
    static func assignment(_ bytes: ByteSlice) -> ConsumerProtocolAssignment? { decode(bytes) }

    private static func decode<Data: Message>(_ bytes: ByteSlice) -> Data? {
        var reader = ByteReader(bytes)
        guard let version = try? reader.readInteger(Int16.self, "Version"), version >= 0 else { return nil }
        return try? Data(checking: &reader, version: min(version, Data.versions.upperBound))
    }

    /// An assignment for a member that speaks `version`. Topics that are gone are left out.
    static func encode(_ target: TopicAssignment, version: Int16, _ image: ClusterImage) -> ByteSlice {
        let named = target.compactMap { id, partitions in
            image.topics[id].map { (name: $0.name, partitions: partitions) }
        }
        let data = ConsumerProtocolAssignment {
            $0.assignedPartitions = named.sorted { $0.name < $1.name }.map { topic in
                ConsumerProtocolAssignment.TopicPartition {
                    $0.topic = topic.name
                    $0.partitions = topic.partitions
                }
            }
        }
        var writer = ByteWriter(capacity: 2 + data.encodedSize(version: version))
        writer.writeInteger(version)
        data.write(to: &writer, version: version)
        return writer.finishSlice()
    }

    /// Partitions by the ids of topics that exist.
    static func partitions(_ named: [(String, [Int32])], _ image: ClusterImage) -> TopicAssignment {
        var partitions: TopicAssignment = [:]
        for (name, numbers) in named {
            guard let id = image.topicIds[name], !numbers.isEmpty else { continue }
            partitions[id] = Set(partitions[id] ?? []).union(numbers).sorted()
        }
        return partitions
    }
}
