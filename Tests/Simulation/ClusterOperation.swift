// What an operator of a cluster asks for, and what must come of it.

import Basics
import Client
import WireProtocol

/// One thing that an operator does.
enum ClusterOperation: CustomStringConvertible {
    case create(NewTopic)
    case delete(String)
    case widen(String, Int32)
    case move(TopicPartition, [NodeId]?)
    /// To another log folder of the same broker.
    case relocate(TopicPartition, NodeId, folder: String)
    case elect
    case configure(String, key: String, value: String?, then: (() -> Void)? = nil)
    /// Bytes a second for all replicas of a topic that are not in sync; nil takes the bound away.
    case throttle(String, Int?)
    /// All that are committed, or those before an offset.
    case deleteRecords(TopicPartition, before: Int64?)
    case unregister(NodeId, then: () -> Void)
    case removeVoter(NodeId)

    var description: String {
        switch self {
        case .create(let topic): "create \(topic.name)"
        case .delete(let topic): "delete \(topic)"
        case .widen(let topic, let count): "widen \(topic) to \(count)"
        case .move(let partition, let replicas): "move \(partition) to \(replicas.map { "\($0)" } ?? "where it was")"
        case .relocate(let partition, let id, let folder): "move \(partition) of n\(id) to \(folder)"
        case .elect: "elect the preferred leaders"
        case .configure(let topic, let key, let value, _): "set \(key) of \(topic) to \(value ?? "its default")"
        case .throttle(let topic, let rate): "throttle \(topic) to \(rate.map { "\($0)" } ?? "nothing")"
        case .deleteRecords(let partition, let offset): "delete records of \(partition) before \(offset ?? -1)"
        case .unregister(let id, _): "unregister n\(id)"
        case .removeVoter(let id): "remove the voter n\(id)"
        }
    }

    /// Whether it must come about: others rely on it.
    var isWanted: Bool {
        switch self {
        case .create, .delete, .widen, .throttle(_, nil): true
        default: false
        }
    }

    /// Whether it has come about. What was done before without an answer is refused now.
    func isDone(_ error: ClientError?) -> Bool {
        switch (self, error) {
        case (_, nil), (.create, .refused(.topicAlreadyExists, _)), (.delete, .refused(.unknownTopicOrPartition, _)),
            (.widen, .refused(.invalidPartitions, _)), (.throttle, .refused(.unknownTopicOrPartition, _)):
            true
        default: false
        }
    }
}
