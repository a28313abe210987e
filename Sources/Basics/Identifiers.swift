// Typed numbers of the log and of the cluster.
//
// Offsets, epochs and ids are all integers on the wire; mixing them would compile if they were plain integers here.

/// The position of a record in a partition, counted from 0.
@frozen
public struct Offset: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var rawValue: Int64

    @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }

    public static let zero = Offset(0)
    /// What the protocol writes where there is no offset.
    public static let none = Offset(-1)

    @inlinable public static func < (left: Offset, right: Offset) -> Bool { left.rawValue < right.rawValue }
    @inlinable public static func + (left: Offset, right: Int64) -> Offset { Offset(left.rawValue + right) }
    @inlinable public static func - (left: Offset, right: Offset) -> Int64 { left.rawValue - right.rawValue }

    public var description: String { String(rawValue) }
}

/// The epoch of a partition's leader, or of a quorum's leader; rises with each election.
@frozen
public struct LeaderEpoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var rawValue: Int32

    @inlinable public init(_ rawValue: Int32) { self.rawValue = rawValue }

    /// What the protocol writes where the epoch is not known.
    public static let none = LeaderEpoch(-1)

    @inlinable public static func < (left: LeaderEpoch, right: LeaderEpoch) -> Bool { left.rawValue < right.rawValue }

    public var description: String { String(rawValue) }
}

/// The id of a node: a broker, a controller, or both.
@frozen
public struct NodeId: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var rawValue: Int32

    @inlinable public init(_ rawValue: Int32) { self.rawValue = rawValue }

    /// What the protocol writes where there is no node.
    public static let none = NodeId(-1)

    @inlinable public static func < (left: NodeId, right: NodeId) -> Bool { left.rawValue < right.rawValue }

    public var description: String { String(rawValue) }
}

/// A topic by name and a partition of it by number.
public struct TopicPartition: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var topic: String
    public var partition: Int32

    public init(_ topic: String, _ partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    public static func < (left: TopicPartition, right: TopicPartition) -> Bool {
        (left.topic, left.partition) < (right.topic, right.partition)
    }

    /// As Kafka names the folder of the partition: `topic-partition`.
    public var description: String { "\(topic)-\(partition)" }
}
