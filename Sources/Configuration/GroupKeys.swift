// Keys of consumer and share groups and of client metrics subscriptions, Kafka 4.4. Columns as in `KeyTable`.
// Our own begin with `martlet.`; they stand in no list unless they have a value, so that Kafka's tools see what they know.

let groupKeys = """
consumer.session.timeout.ms | int | 45000 | 1.. | c | works | Without a heartbeat for so long a member is removed.
consumer.heartbeat.interval.ms | int | 5000 | 1.. | c | works | The time between heartbeats of a member.
consumer.assignment.interval.ms | int | 1000 | 0.. | c | works | The least time between two assignments.
consumer.assignor.offload.enable | bool | true | | c | pointless | Whether assignments are computed beside the coordinator.
share.session.timeout.ms | int | 45000 | 1.. | c | later | Without a heartbeat for so long a share member is removed.
share.heartbeat.interval.ms | int | 5000 | 1.. | c | later | The time between heartbeats of a share member.
share.assignment.interval.ms | int | 1000 | 0.. | c | later | The least time between two assignments of a share group.
share.assignor.offload.enable | bool | true | | c | later | Whether share assignments are computed beside the coordinator.
share.record.lock.duration.ms | int | 30000 | 1000..3600000 | c | later | How long an acquired record stays locked.
share.delivery.count.limit | int | 5 | 2..25 | c | later | Attempts before a record is given up.
share.partition.max.record.locks | int | 2000 | 100..10000 | c | later | Records of a partition that may be locked at once.
share.renew.acknowledge.enable | bool | true | | c | later | Whether a lock may be renewed.
share.auto.offset.reset | string | latest | | c | later | Where a share group begins: earliest, latest, by_duration:….
share.isolation.level | string | read_uncommitted | read_committed,read_uncommitted | c | later | Which records a share group sees.
errors.deadletterqueue.topic.name | string | "" | | c | later | Where records go that are given up.
errors.deadletterqueue.copy.record.enable | bool | false | | c | later | Whether a dead letter carries the record itself.
streams.session.timeout.ms | int | 45000 | 1.. | c | later | Without a heartbeat for so long a streams member is removed.
streams.heartbeat.interval.ms | int | 5000 | 1.. | c | later | The time between heartbeats of a streams member.
streams.assignor.name | string | sticky | | c | later | The assignor of the group.
streams.rack.aware.assignment.tags | list | "" | | c | later | Client tags that standby copies are spread over.
streams.acceptable.recovery.lag | long | 10000 | 0.. | c | later | How far a copy may lag and still count as caught up.
streams.task.offset.interval.ms | int | 60000 | 1.. | c | later | How often members report the offsets of their tasks.
streams.num.warmup.replicas | int | 2 | 0.. | c | later | Copies that may be warmed up at once.
streams.num.standby.replicas | int | 0 | 0.. | c | later | Standby copies of each task.
streams.initial.rebalance.delay.ms | int | 3000 | 0.. | c | later | How long a new streams group waits for members.
streams.assignment.interval.ms | int | 1000 | 0.. | c | later | The least time between two assignments of a streams group.
martlet.paused.until.ms | long | 0 | -1.. | c | works | Until then members of the group are given no partitions; -1: until it is resumed.
streams.assignor.offload.enable | bool | true | | c | later | Whether streams assignments are computed beside the coordinator.
"""

let clientMetricsKeys = """
metrics | list | "" | | c | later | Prefixes of the metrics that clients push.
interval.ms | int | 300000 | 100..3600000 | c | later | The time between two pushes.
match | list | "" | | c | later | Which clients the subscription is for.
"""

/// The broker key that gives a group key its default; nil where there is none.
package func groupSynonym(of key: String) -> String? {
    if key == "streams.assignor.name" { return "group.streams.assignors" }
    let synonym = "group." + key
    return KeyTable.broker[synonym] == nil ? nil : synonym
}
