// Keys of a topic, Kafka 4.4. Columns as in `KeyTable`. A topic's default is the broker's value of the synonym.

let topicKeys = """
cleanup.policy | list | delete | | c | works | What happens to old segments: delete, compact, or both; empty keeps all.
compression.type | string | producer | uncompressed,zstd,lz4,snappy,gzip,producer | c | works | The compression of stored batches; producer keeps what was sent.
compression.gzip.level | int | -1 | -1..9 | c | works | Level for gzip when the broker compresses; -1 is the library's default.
compression.lz4.level | int | 9 | 1..17 | c | works | Level for lz4 when the broker compresses.
compression.zstd.level | int | 3 | -131072..22 | c | works | Level for zstd when the broker compresses.
delete.retention.ms | long | 86400000 | 0.. | c | works | How long a tombstone stays readable in a compacted topic.
durability | string | page-cache | page-cache,fsync | c | works | Whether a record is acknowledged when the kernel has it, or when it is synced to the disk.
errors.deadletterqueue.group.enable | bool | false | | c | later | Whether share groups may write dead letters to this topic.
file.delete.delay.ms | long | 60000 | 0.. | c | works | How long a removed file stays on disk.
flush.messages | long | 9223372036854775807 | 1.. | c | works | Sync the log after so many records.
flush.ms | long | 9223372036854775807 | 0.. | c | works | Sync the log after so much time.
follower.replication.throttled.replicas | list | "" | P:B | c | works | Replicas that are throttled where they follow, partition:broker,…, or * for all.
index.interval.bytes | int | 4096 | 0.. | c | works | At least so many bytes lie between two index entries.
internal.segment.bytes | ~int | | 1.. | c | works | A segment size below the usual minimum, for tests.
leader.replication.throttled.replicas | list | "" | P:B | c | works | Replicas that are throttled where they lead, partition:broker,…, or * for all.
local.retention.bytes | long | -2 | -2.. | c | later | Bytes kept locally of a tiered topic; -2 follows retention.bytes.
local.retention.ms | long | -2 | -2.. | c | later | Time kept locally of a tiered topic; -2 follows retention.ms.
max.compaction.lag.ms | long | 9223372036854775807 | 1.. | c | works | The longest time that a record stays uncompacted.
max.message.bytes | int | 1048588 | 0.. | c | works | The largest record batch.
message.timestamp.after.max.ms | long | 3600000 | 0.. | c | works | How far a record's timestamp may lie ahead of the broker's clock.
message.timestamp.before.max.ms | long | 9223372036854775807 | 0.. | c | works | How far a record's timestamp may lie behind the broker's clock.
message.timestamp.type | string | CreateTime | CreateTime,LogAppendTime | c | works | Whose clock record timestamps are of.
min.cleanable.dirty.ratio | double | 0.5 | 0..1 | c | works | The share of uncompacted bytes at which compaction begins.
min.compaction.lag.ms | long | 0 | 0.. | c | works | The shortest time that a record stays uncompacted.
min.insync.replicas | int | 1 | 1.. | c | works | Replicas that must be in sync for a write with acks=all.
preallocate | bool | false | | c | pointless | Reserve the file of a new segment.
remote.copy.lag.bytes | long | -1 | -2.. | c | later | Bytes that may wait for the copy to remote storage.
remote.copy.lag.ms | long | 0 | -2.. | c | later | Time that a segment may wait for the copy to remote storage.
remote.log.copy.disable | bool | false | | c | later | Stop copying to remote storage.
remote.log.delete.on.disable | bool | false | | c | later | Remove remote data when tiering is switched off.
remote.storage.enable | bool | false | | c | refused | Keep old segments in remote storage.
retention.bytes | long | -1 | -1.. | c | works | Bytes kept of a partition; -1 is no limit.
retention.ms | long | 604800000 | -1.. | c | works | Time that records are kept; -1 is no limit.
segment.bytes | int | 1073741824 | 1048576.. | c | works | The size at which a segment ends.
segment.index.bytes | int | 10485760 | 4.. | c | works | The most that an index of a segment may take.
segment.jitter.ms | long | 0 | 0.. | c | works | Taken off segment.ms at random, so that partitions do not roll together.
segment.ms | long | 604800000 | 1.. | c | works | The span of time at which a segment ends.
unclean.leader.election.enable | bool | false | | c | works | Whether a replica out of sync may lead when no other is left.
"""

/// Topic key → the broker keys that give its default, the first that is set wins.
package let topicSynonyms: [String: [String]] = [
    "cleanup.policy": ["log.cleanup.policy"],
    "compression.type": ["compression.type"],
    "compression.gzip.level": ["compression.gzip.level"],
    "compression.lz4.level": ["compression.lz4.level"],
    "compression.zstd.level": ["compression.zstd.level"],
    "delete.retention.ms": ["log.cleaner.delete.retention.ms"],
    "file.delete.delay.ms": ["log.segment.delete.delay.ms"],
    "durability": ["log.durability"],
    "flush.messages": ["log.flush.interval.messages"],
    "flush.ms": ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    "index.interval.bytes": ["log.index.interval.bytes"],
    "local.retention.bytes": ["log.local.retention.bytes"],
    "local.retention.ms": ["log.local.retention.ms"],
    "max.compaction.lag.ms": ["log.cleaner.max.compaction.lag.ms"],
    "max.message.bytes": ["message.max.bytes"],
    "message.timestamp.after.max.ms": ["log.message.timestamp.after.max.ms"],
    "message.timestamp.before.max.ms": ["log.message.timestamp.before.max.ms"],
    "message.timestamp.type": ["log.message.timestamp.type"],
    "min.cleanable.dirty.ratio": ["log.cleaner.min.cleanable.ratio"],
    "min.compaction.lag.ms": ["log.cleaner.min.compaction.lag.ms"],
    "min.insync.replicas": ["min.insync.replicas"],
    "preallocate": ["log.preallocate"],
    "remote.copy.lag.bytes": ["log.remote.copy.lag.bytes"],
    "remote.copy.lag.ms": ["log.remote.copy.lag.ms"],
    "retention.bytes": ["log.retention.bytes"],
    "retention.ms": ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    "segment.bytes": ["log.segment.bytes"],
    "segment.index.bytes": ["log.index.size.max.bytes"],
    "segment.jitter.ms": ["log.roll.jitter.ms", "log.roll.jitter.hours"],
    "segment.ms": ["log.roll.ms", "log.roll.hours"],
    "unclean.leader.election.enable": ["unclean.leader.election.enable"],
]
