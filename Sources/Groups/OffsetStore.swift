// Committed offsets, by group, topic and partition; and those of transactions that have not ended yet.
//
// Rule: of two offsets for one partition the one that stands later in the log counts, also when the earlier one is of a
// transaction that is committed last: each offset carries the order in which it was replayed.

package import Basics
internal import WireProtocol

/// How far a group has consumed a partition.
package struct CommittedOffset: Hashable, Sendable {
    package var offset: Int64
    package var leaderEpoch: Int32
    package var metadata: String
    package var commitTime: Timestamp
    /// Set by commits of old clients, which may say how long to keep it.
    package var expireTime: Timestamp?
    package var topicId: Uuid
    var order: UInt64

    init(_ value: OffsetCommitValue, order: UInt64) {
        offset = value.offset
        leaderEpoch = value.leaderEpoch
        metadata = value.metadata
        commitTime = Timestamp(milliseconds: value.commitTimestamp)
        expireTime = value.expireTimestamp < 0 ? nil : Timestamp(milliseconds: value.expireTimestamp)
        topicId = value.topicId
        self.order = order
    }
}

/// The offsets of the groups of one coordinator.
package struct OffsetStore: Sendable {
    package typealias ByTopic = [String: [Int32: CommittedOffset]]

    private var committed: [String: ByTopic] = [:]
    /// By producer id, then by group.
    private var pending: [Int64: [String: ByTopic]] = [:]
    private var openTransactions: [String: Set<Int64>] = [:]
    private var nextOrder: UInt64 = 0

    package init() {}

    // MARK: Looking

    package subscript(group: String) -> ByTopic { committed[group] ?? [:] }

    package func offset(_ group: String, _ topic: String, _ partition: Int32) -> CommittedOffset? {
        committed[group]?[topic]?[partition]
    }

    /// Whether a transaction that has not ended would change the offset.
    package func isPending(_ group: String, _ topic: String, _ partition: Int32) -> Bool {
        openTransactions[group]?.contains { pending[$0]?[group]?[topic]?[partition] != nil } ?? false
    }

    package func hasOpenTransactions(_ group: String) -> Bool { openTransactions[group] != nil }

    package var isEmpty: Bool { committed.isEmpty && openTransactions.isEmpty }

    /// Groups with offsets, or with some to come.
    package var groups: Set<String> { Set(committed.keys).union(openTransactions.keys) }

    /// All partitions of `group` that have an offset, or might get one by a transaction.
    package func partitions(of group: String) -> [TopicPartition] {
        var found: Set<TopicPartition> = []
        let open = (openTransactions[group] ?? []).map { pending[$0]?[group] ?? [:] }
        for byTopic in [self[group]] + open {
            for (topic, partitions) in byTopic {
                for partition in partitions.keys { found.insert(TopicPartition(topic, partition)) }
            }
        }
        return found.sorted()
    }

    // MARK: Replay

    mutating func put(_ key: OffsetCommitKey, _ value: OffsetCommitValue, transaction producerId: Int64?) {
        nextOrder += 1
        let offset = CommittedOffset(value, order: nextOrder)
        guard let producerId else {
            committed[key.group, default: [:]][key.topic, default: [:]][key.partition] = offset
            return
        }
        pending[producerId, default: [:]][key.group, default: [:]][key.topic, default: [:]][key.partition] = offset
        openTransactions[key.group, default: []].insert(producerId)
    }

    mutating func remove(_ key: OffsetCommitKey) {
        committed.remove(key)
        for producerId in openTransactions[key.group] ?? [] { pending[producerId]?.remove(key) }
    }

    /// Ends the transaction of `producerId`: its offsets count from now on, unless a later one has come, or never.
    mutating func endTransaction(of producerId: Int64, isCommitted: Bool) {
        guard let groups = pending.removeValue(forKey: producerId) else { return }
        for (group, topics) in groups {
            if isCommitted { commit(topics, of: group) }
        }
        for group in openTransactions.keys.sorted() where openTransactions[group]?.remove(producerId) != nil {
            if openTransactions[group]?.isEmpty ?? false { openTransactions[group] = nil }
        }
    }

    private mutating func commit(_ topics: ByTopic, of group: String) {
        for (topic, partitions) in topics {
            for (partition, offset) in partitions {
                if let known = committed[group]?[topic]?[partition], known.order > offset.order { continue }
                committed[group, default: [:]][topic, default: [:]][partition] = offset
            }
        }
    }
}

extension [String: OffsetStore.ByTopic] {
    /// Takes an offset out, and what is empty then.
    fileprivate mutating func remove(_ key: OffsetCommitKey) {
        self[key.group]?[key.topic]?[key.partition] = nil
        if self[key.group]?[key.topic]?.isEmpty ?? false { self[key.group]?[key.topic] = nil }
        if self[key.group]?.isEmpty ?? false { self[key.group] = nil }
    }
}
