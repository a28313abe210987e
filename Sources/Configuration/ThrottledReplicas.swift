// Which replicas of a topic are throttled: `leader.replication.throttled.replicas` and `follower.replication.throttled.replicas`
// (KIP-73). Text: `*` for all, else `partition:broker,partition:broker,…`; empty for none.

/// Replicas of one topic, by partition and broker.
package struct ThrottledReplicas: Hashable, Sendable {
    private struct Entry: Hashable, Sendable {
        var partition: Int32
        var broker: Int32
    }

    private var isAll = false
    private var entries: [Entry] = []

    /// No replica.
    package init() {}

    /// What `text` names; nil if it is no such list.
    package init?(_ text: String) {
        let text = trimmed(text)
        isAll = text == "*"
        guard !isAll, !text.isEmpty else { return }
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = trimmed(item).split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let partition = Int32(parts[0]), let broker = Int32(parts[1]), partition >= 0, broker >= 0
            else { return nil }
            entries.append(Entry(partition: partition, broker: broker))
        }
    }

    package func contains(partition: Int32, broker: Int32) -> Bool {
        isAll || (!entries.isEmpty && entries.contains(Entry(partition: partition, broker: broker)))
    }
}
