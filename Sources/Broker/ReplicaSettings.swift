// What a topic's configuration means for the replicas of this node, and where they stand.

package import Basics
internal import Configuration
package import Log
package import Replication
internal import Synchronization

/// Where a replica stands, for tools and tests.
package struct ReplicaStatus: Sendable {
    package var id: TopicPartition
    package var startOffset: Offset
    package var endOffset: Offset
    package var highWatermark: Offset
    /// Everything below is durable.
    package var recoveryPoint: Offset
}

extension Broker {
    /// The replicas themselves, sorted, to be looked at.
    package var partitions: [Partition] { replicas.all().map(\.partition) }

    /// The log of the cluster's metadata, to be looked at.
    package var metadataLog: PartitionLog { replicas.metadata }

    /// All replicas of this node, sorted.
    package var replicaStatus: [ReplicaStatus] {
        replicas.all().map { entry in
            let log = entry.partition.log
            return ReplicaStatus(
                id: entry.id, startOffset: log.startOffset, endOffset: log.endOffset,
                highWatermark: entry.partition.highWatermark,
                recoveryPoint: Offset(log.recoveryPoint.load(ordering: .acquiring)))
        }
    }
}

extension LogConfiguration {
    /// What a topic's settings mean for the log of `partition`.
    init(_ topic: TopicConfiguration, of partition: TopicPartition) {
        self.init()
        // FNV-1a: different for each partition, the same after each start.
        jitterSeed = partition.description.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        isDeleted = topic.isDeleted
        isCompacted = topic.isCompacted
        retentionMilliseconds = topic.retentionMilliseconds
        retentionBytes = topic.retentionBytes
        fileDeleteDelay = .milliseconds(topic.fileDeleteDelayMilliseconds)
        deleteRetentionMilliseconds = topic.deleteRetentionMilliseconds
        cleanableRatio = topic.cleanableRatio
        compactionLagMilliseconds = topic.compactionLagMilliseconds
        compactionLagMaxMilliseconds = topic.compactionLagMaxMilliseconds
        segmentBytes = topic.segmentBytes
        segmentAge = .milliseconds(topic.segmentMilliseconds)
        segmentJitter = .milliseconds(topic.segmentJitterMilliseconds)
        segmentIndexBytes = topic.segmentIndexBytes
        indexIntervalBytes = topic.indexIntervalBytes
    }
}

extension SyncPolicy {
    /// What a topic's settings mean for its syncs.
    init(_ topic: TopicConfiguration) {
        self.init(
            recordsMax: topic.flushRecords,
            ageMax: topic.flushMilliseconds == .max ? nil : .milliseconds(topic.flushMilliseconds))
    }
}
