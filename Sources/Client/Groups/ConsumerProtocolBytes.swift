// The bytes that classic members exchange through their coordinator, which does not look at them: a version, and then the
// message. A version that is not known is read as the newest that is (KIP-429).

internal import Basics
internal import Bytes
internal import WireProtocol

extension Message {
    /// The message with its version in front.
    func prefixed(version: Int16) -> ByteSlice {
        var writer = ByteWriter(capacity: 2 + encodedSize(version: version))
        writer.writeInteger(version)
        write(to: &writer, version: version)
        return writer.finishSlice()
    }

    /// Reads a message with its version in front.
    init(prefixed bytes: ByteSlice) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let version = try reader.readInteger(Int16.self, "Version")
        try self.init(from: &reader, version: max(0, min(version, Self.versions.upperBound)))
    }
}

extension ConsumerProtocolAssignment {
    init(_ partitions: [Basics.TopicPartition]) {
        self.init()
        assignedPartitions = byTopic(partitions).map { topic, numbers in
            TopicPartition {
                $0.topic = topic
                $0.partitions = numbers
            }
        }
    }

    var flat: [Basics.TopicPartition] {
        assignedPartitions.flatMap { topic in topic.partitions.map { Basics.TopicPartition(topic.topic, $0) } }
    }
}

extension ConsumerProtocolSubscription {
    var owned: [Basics.TopicPartition] {
        ownedPartitions.flatMap { topic in topic.partitions.map { Basics.TopicPartition(topic.topic, $0) } }
    }

    static func owning(_ partitions: [Basics.TopicPartition]) -> [TopicPartition] {
        byTopic(partitions).map { topic, numbers in
            TopicPartition {
                $0.topic = topic
                $0.partitions = numbers
            }
        }
    }
}

/// The numbers of the partitions of each topic, sorted.
func byTopic(_ partitions: [TopicPartition]) -> [(topic: String, numbers: [Int32])] {
    var topics: [(topic: String, numbers: [Int32])] = []
    for partition in partitions.sorted() {
        if topics.last?.topic == partition.topic {
            topics[topics.count - 1].numbers.append(partition.partition)
        } else {
            topics.append((partition.topic, [partition.partition]))
        }
    }
    return topics
}
