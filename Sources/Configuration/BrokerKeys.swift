// Keys of a node (server.properties), Kafka 4.4. Columns as in `KeyTable`.

let brokerKeys = nodeKeys + listenerKeys + logKeys + coordinatorKeys + securityKeys + tuningKeys

private let nodeKeys = """
# The node and its place in the cluster
node.id | int | 1 | 0.. | r | works | The id of this node, unlike that of any other in the cluster.
broker.id | ~int | | 0.. | r | works | The former name of node.id.
process.roles | list | broker,controller | broker,controller | r | works | What this process is: broker, controller, or both.
cluster.id | ~string | | | r | works | Given at the first start, the cluster id that an empty folder is formatted with.
controller.quorum.bootstrap.servers | list | "" | | r | works | Where the controllers are found, host:port.
controller.quorum.voters | list | "" | | r | works | The voters of a quorum whose log does not name them, id@host:port.
controller.quorum.election.timeout.ms | int | 1000 | 0.. | r | works | Without a leader for so long a controller stands for election.
controller.quorum.election.backoff.max.ms | int | 1000 | 0.. | r | works | The longest wait before another election.
controller.quorum.fetch.timeout.ms | int | 2000 | 0.. | r | works | Without an answer of the leader for so long a controller stands for election.
controller.quorum.request.timeout.ms | int | 2000 | 1.. | r | works | How long a controller waits for an answer.
controller.quorum.retry.backoff.ms | int | 20 | 0.. | r | works | The wait before a failed request is sent again.
controller.quorum.append.linger.ms | int | 25 | 0.. | r | pointless | How long the leader of the quorum gathers writes.
controller.quorum.auto.join.enable | bool | false | | r | works | Whether a new controller joins the voters by itself.
controller.quorum.fetch.snapshot.max.bytes | int | 1048576 | 1.. | r | works | The most that one answer carries of a snapshot.
controller.quorum.fetch.max.bytes | int | 1048576 | 1.. | r | works | The most that one answer carries of the metadata log.
controller.performance.sample.period.ms | long | 60000 | 100.. | r | pointless | The time between performance reports of the controller.
controller.performance.always.log.threshold.ms | long | 2000 | 0.. | r | pointless | Slower events of the controller are always logged.
controller.socket.timeout.ms | int | 30000 | | r | pointless | How long a broker waits for a controller's answer.
broker.rack | ~string | | | r | works | Where the node stands; clients read from near replicas.
broker.heartbeat.interval.ms | int | 2000 | | r | works | The time between heartbeats to the controller.
broker.session.timeout.ms | int | 9000 | | r | works | Without a heartbeat for so long a broker is fenced.
initial.broker.registration.timeout.ms | int | 60000 | | r | works | How long a broker tries to register before it gives up.
metadata.log.dir | ~string | | | r | works | Where the metadata log is kept; the first of log.dirs if not set.
metadata.log.segment.bytes | int | 1073741824 | 8388608.. | r | works | The size at which a segment of the metadata log ends.
metadata.log.segment.ms | long | 604800000 | | r | works | The span of time at which a segment of the metadata log ends.
internal.metadata.log.segment.bytes | ~int | | 8.. | r | works | A metadata segment size below the usual minimum, for tests.
metadata.log.max.record.bytes.between.snapshots | long | 20971520 | 1.. | r | works | So many bytes of records make a new snapshot due.
metadata.log.max.snapshot.interval.ms | long | 3600000 | 0.. | r | works | So much time makes a new snapshot due, if anything was committed since; 0 turns that off.
metadata.max.idle.interval.ms | int | 500 | 0.. | r | works | If given, the time between no-op records of an idle quorum; a lone node writes none by itself.
metadata.max.retention.bytes | long | 104857600 | | r | works | Beyond so many bytes of log and snapshots the oldest go; a negative value is no limit.
metadata.max.retention.ms | long | 604800000 | | r | works | Snapshots older than that go, with the log below the next one; a negative value is no limit.
unstable.api.versions.enable | bool | false | | r | refused | Announce versions that may still change.
unstable.feature.versions.enable | bool | false | | r | refused | Allow feature levels that may still change.
controlled.shutdown.enable | bool | true | | r | later | Hand leadership over before stopping.
controlled.shutdown.max.retries | int | 3 | | r | pointless | Attempts to hand leadership over.
controlled.shutdown.retry.backoff.ms | long | 5000 | | r | pointless | The wait between such attempts.
leader.imbalance.check.interval.seconds | long | 300 | 1.. | r | works | How often preferred leaders are put back.
leader.imbalance.per.broker.percentage | int | 10 | | r | pointless | The imbalance that is left alone.
auto.leader.rebalance.enable | bool | true | | r | works | Whether preferred leaders are put back by themselves.
delete.topic.enable | bool | true | | r | works | Whether topics can be deleted.
auto.create.topics.enable | bool | true | | r | works | Whether asking for an unknown topic creates it.
num.partitions | int | 1 | 1.. | r | works | Partitions of a topic that does not say.
default.replication.factor | int | 1 | 1.. | r | works | Replicas of a topic that does not say.
min.insync.replicas | int | 1 | 1.. | c | works | Replicas that must be in sync for a write with acks=all.
unclean.leader.election.enable | bool | false | | c | works | Whether a replica out of sync may lead when no other is left.
create.topic.policy.class.name | ~string | | | r | refused | A class that judges new topics.
alter.config.policy.class.name | ~string | | | r | refused | A class that judges changes of configuration.
replica.selector.class | ~string | | | r | works | The class that picks the replica that a consumer reads from.
config.providers | list | "" | | r | refused | Classes that supply values of other keys.
telemetry.max.bytes | int | 1048576 | 1.. | r | later | The largest push of client metrics.
early.start.listeners | ~string | | | r | pointless | Listeners that open before the authorizer is ready.

"""

private let listenerKeys = """
# Listeners and connections
listeners | list | PLAINTEXT://127.0.0.1:9092 | | b | works | Where to listen, NAME://HOST:PORT.
advertised.listeners | ~list | | | r | works | What clients are told to connect to, where it differs from listeners.
listener.security.protocol.map | list | SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT | | b | works | The security protocol of each listener name.
controller.listener.names | list | "" | | r | works | Which listeners are for controllers.
inter.broker.listener.name | ~string | | | r | works | The listener that brokers use among each other.
security.inter.broker.protocol | string | PLAINTEXT | PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL | r | works | The security protocol among brokers, if no listener is named.
socket.request.max.bytes | int | 104857600 | 1.. | r | works | The largest request.
socket.send.buffer.bytes | int | 102400 | | r | pointless | The kernel's send buffer; the kernel sizes it by itself.
socket.receive.buffer.bytes | int | 102400 | | r | pointless | The kernel's receive buffer; the kernel sizes it by itself.
socket.listen.backlog.size | int | 50 | 1.. | r | pointless | Connections that may wait to be accepted.
max.connections | int | 2147483647 | 0.. | b | works | The most connections of this node.
max.connections.per.ip | int | 2147483647 | 0.. | b | works | The most connections from one address.
max.connections.per.ip.overrides | string | "" | | b | works | Other limits for some addresses.
max.connection.creation.rate | int | 2147483647 | 0.. | b | later | The most new connections a second.
connections.max.idle.ms | long | 600000 | | r | works | An idle connection is closed after so long.
connection.failed.authentication.delay.ms | int | 100 | 0.. | r | later | The wait before a refused connection closes.
connections.max.reauth.ms | long | 0 | | r | later | How long an authentication is good for.
queued.max.requests | int | 500 | 1.. | r | works | Requests of one connection that may be under way.
queued.max.request.bytes | long | -1 | | r | works | Bytes of requests under way on the node; -1 is a quarter of the memory.
request.timeout.ms | int | 30000 | | r | pointless | How long a node waits for another's answer.
socket.connection.setup.timeout.ms | long | 10000 | | r | later | How long a node waits for a connection.
socket.connection.setup.timeout.max.ms | long | 30000 | | r | later | The longest such wait.

"""

private let logKeys = """
# Logs
log.dir | string | /tmp/kafka-logs | | r | works | Where data is kept, if log.dirs is not set.
log.dirs | ~list | | | r | works | The folders where data is kept, parted by commas.
log.dir.failure.timeout.ms | long | 30000 | 1.. | r | later | How long a node with a failed folder tries to tell the controller.
cordoned.log.dirs | list | "" | | b | later | Folders that take no new partitions.
log.segment.bytes | int | 1073741824 | 1048576.. | c | works | The size at which a segment ends.
log.roll.ms | ~long | | 1.. | c | works | The span of time at which a segment ends.
log.roll.hours | int | 168 | 1.. | r | works | The same in hours.
log.roll.jitter.ms | ~long | | 0.. | c | works | Taken off that span at random.
log.roll.jitter.hours | int | 0 | 0.. | r | works | The same in hours.
log.retention.ms | ~long | | -1.. | c | works | Time that records are kept; -1 is no limit.
log.retention.minutes | ~int | | | r | works | The same in minutes.
log.retention.hours | int | 168 | | r | works | The same in hours.
log.retention.bytes | long | -1 | -1.. | c | works | Bytes kept of a partition; -1 is no limit.
log.retention.check.interval.ms | long | 300000 | 1.. | r | works | The time between two searches for old segments.
log.cleanup.policy | list | delete | | c | works | What happens to old segments: delete, compact, or both.
log.cleaner.enable | bool | true | | r | works | Whether compaction runs.
log.cleaner.threads | int | 1 | 0.. | c | works | Threads of compaction.
log.cleaner.io.max.bytes.per.second | double | 1.7976931348623157E308 | | c | works | The most that compaction reads and writes a second.
log.cleaner.dedupe.buffer.size | long | 134217728 | 1.. | c | works | Memory of compaction for its keys.
log.cleaner.io.buffer.size | int | 524288 | 0.. | c | pointless | Memory of compaction for reading and writing.
log.cleaner.io.buffer.load.factor | double | 0.9 | | c | works | How full the table of keys may get.
log.cleaner.backoff.ms | long | 15000 | 0.. | c | works | The wait when there is nothing to compact.
log.cleaner.min.cleanable.ratio | double | 0.5 | 0..1 | c | works | The share of uncompacted bytes at which compaction begins.
log.cleaner.delete.retention.ms | long | 86400000 | 0.. | c | works | How long a tombstone stays readable.
log.cleaner.min.compaction.lag.ms | long | 0 | 0.. | c | works | The shortest time that a record stays uncompacted.
log.cleaner.max.compaction.lag.ms | long | 9223372036854775807 | 1.. | c | works | The longest time that a record stays uncompacted.
log.index.size.max.bytes | int | 10485760 | 4.. | c | works | The most that an index of a segment may take.
log.index.interval.bytes | int | 4096 | 0.. | c | works | At least so many bytes lie between two index entries.
log.durability | string | page-cache | page-cache,fsync | c | works | The durability of topics that do not say it.
log.flush.interval.messages | long | 9223372036854775807 | 1.. | c | works | Sync a log after so many records.
log.flush.interval.ms | ~long | | | c | works | Sync a log after so much time.
log.flush.scheduler.interval.ms | long | 9223372036854775807 | | r | works | How often logs are looked at for a sync.
log.flush.offset.checkpoint.interval.ms | int | 60000 | 0.. | r | works | The time between two recovery point checkpoints.
log.flush.start.offset.checkpoint.interval.ms | int | 60000 | 0.. | r | works | The time between two log start checkpoints.
log.segment.delete.delay.ms | long | 60000 | 0.. | c | works | How long a removed file stays on disk.
log.preallocate | bool | false | | c | pointless | Reserve the file of a new segment.
log.initial.task.delay.ms | long | 30000 | 0.. | r | pointless | The wait before background work begins.
log.message.timestamp.type | string | CreateTime | CreateTime,LogAppendTime | c | works | Whose clock record timestamps are of.
log.message.timestamp.before.max.ms | long | 9223372036854775807 | 0.. | c | works | How far a timestamp may lie behind the broker's clock.
log.message.timestamp.after.max.ms | long | 3600000 | 0.. | c | works | How far a timestamp may lie ahead of the broker's clock.
log.local.retention.ms | long | -2 | -2.. | c | later | Time kept locally of a tiered topic.
log.local.retention.bytes | long | -2 | -2.. | c | later | Bytes kept locally of a tiered topic.
log.remote.copy.lag.ms | long | 0 | -2.. | c | later | Time that a segment may wait for the copy to remote storage.
log.remote.copy.lag.bytes | long | -1 | -2.. | c | later | Bytes that may wait for the copy to remote storage.
num.recovery.threads.per.data.dir | int | 2 | 1.. | c | pointless | Threads that open logs at start.
message.max.bytes | int | 1048588 | 0.. | c | works | The largest record batch.
compression.type | string | producer | uncompressed,zstd,lz4,snappy,gzip,producer | c | works | The compression of stored batches.
compression.gzip.level | int | -1 | -1..9 | c | works | Level for gzip when the broker compresses.
compression.lz4.level | int | 9 | 1..17 | c | works | Level for lz4 when the broker compresses.
compression.zstd.level | int | 3 | -131072..22 | c | works | Level for zstd when the broker compresses.
producer.id.expiration.ms | int | 86400000 | 1.. | c | works | How long a silent producer is remembered.
producer.id.expiration.check.interval.ms | int | 600000 | 1.. | r | works | How often forgotten producers are looked for.
replica.lag.time.max.ms | long | 30000 | | r | works | A follower that is behind for longer leaves the ISR.
replica.fetch.max.bytes | int | 1048576 | 0.. | r | works | What a follower asks for of a partition.
replica.fetch.min.bytes | int | 1 | | r | works | What a follower waits for.
replica.fetch.response.max.bytes | int | 10485760 | 0.. | r | works | What a follower asks for in all.
replica.fetch.wait.max.ms | int | 500 | | r | works | How long a follower waits.
replica.fetch.backoff.ms | int | 1000 | 0.. | r | works | A follower's wait after an error.
replica.high.watermark.checkpoint.interval.ms | long | 5000 | | r | works | The time between two high watermark checkpoints.
replica.socket.receive.buffer.bytes | int | 65536 | | r | pointless | The kernel's receive buffer of a follower.
replica.socket.timeout.ms | int | 30000 | | r | works | How long a follower waits for an answer.
follower.fetch.last.tiered.offset.enable | bool | false | | r | later | Whether a new follower begins behind what is in remote storage.
fetch.max.bytes | int | 57671680 | 1024.. | r | works | The most that one answer to a fetch carries.
max.incremental.fetch.session.cache.slots | int | 1000 | 0.. | r | works | Fetch sessions that are remembered.
fetch.purgatory.purge.interval.requests | int | 1000 | | r | pointless | When waiting fetches are tidied up.
producer.purgatory.purge.interval.requests | int | 1000 | | r | pointless | When waiting produces are tidied up.
delete.records.purgatory.purge.interval.requests | int | 1 | | r | pointless | When waiting deletions are tidied up.
remote.log.storage.system.enable | bool | false | | r | refused | Keep old segments in remote storage.
max.request.partition.size.limit | int | 2000 | 1.. | r | works | Partitions that one answer describes at most.

"""

private let coordinatorKeys = """
# Groups, transactions, share groups
offsets.topic.num.partitions | int | 50 | 1.. | r | works | Partitions of the topic that keeps committed offsets.
offsets.topic.replication.factor | int | 3 | 1.. | r | works | Replicas of that topic.
offsets.topic.segment.bytes | int | 104857600 | 1.. | r | works | Segment size of that topic.
offsets.topic.compression.codec | int | 0 | | r | works | Compression of that topic.
offsets.load.buffer.size | int | 5242880 | 1.. | r | pointless | Memory for loading that topic.
offsets.commit.timeout.ms | int | 5000 | 1.. | r | works | How long a commit waits for replicas.
offsets.retention.minutes | int | 10080 | 1.. | r | works | How long offsets of an empty group are kept.
offsets.retention.check.interval.ms | long | 600000 | 1.. | r | works | How often old offsets are looked for.
offset.metadata.max.bytes | int | 4096 | | r | works | The longest note beside a committed offset.
group.initial.rebalance.delay.ms | int | 3000 | | r | works | How long a new group waits for members.
group.min.session.timeout.ms | int | 6000 | | r | works | The shortest session timeout of a member.
group.max.session.timeout.ms | int | 1800000 | | r | works | The longest session timeout of a member.
group.max.size | int | 2147483647 | 1.. | r | works | The most members of a group.
group.coordinator.rebalance.protocols | list | classic,consumer,share,streams | | r | works | The group protocols that are offered.
group.coordinator.threads | int | 4 | 1.. | r | pointless | Threads of the group coordinator.
group.coordinator.background.threads | int | 2 | 1.. | r | pointless | Threads for assignments.
group.coordinator.append.linger.ms | int | -1 | -1.. | r | pointless | How long the coordinator gathers writes.
group.coordinator.cached.buffer.max.bytes | int | 1048588 | 524288.. | b | pointless | The largest write buffer that the coordinator keeps.
group.consumer.session.timeout.ms | int | 45000 | 1.. | r | works | Without a heartbeat for so long a member is removed.
group.consumer.min.session.timeout.ms | int | 45000 | 1.. | r | works | The shortest such time that a group may set.
group.consumer.max.session.timeout.ms | int | 60000 | 1.. | r | works | The longest such time that a group may set.
group.consumer.heartbeat.interval.ms | int | 5000 | 1.. | r | works | The time between heartbeats of a member.
group.consumer.min.heartbeat.interval.ms | int | 5000 | 1.. | r | works | The shortest such time that a group may set.
group.consumer.max.heartbeat.interval.ms | int | 15000 | 1.. | r | works | The longest such time that a group may set.
group.consumer.max.size | int | 2147483647 | 1.. | r | works | The most members of a group.
group.consumer.assignors | list | uniform,range | | r | works | The assignors that are offered.
group.consumer.migration.policy | string | bidirectional | disabled,downgrade,upgrade,bidirectional | r | works | Between which protocols a group may move.
group.consumer.regex.refresh.interval.ms | int | 600000 | 10000.. | r | works | How often expressions are matched anew.
group.consumer.assignment.interval.ms | int | 1000 | 0.. | r | works | The least time between two assignments.
group.consumer.assignor.offload.enable | bool | true | | r | pointless | Whether assignments are computed beside the coordinator.
group.share.session.timeout.ms | int | 45000 | 1.. | r | later | As group.consumer.session.timeout.ms, for share groups.
group.share.min.session.timeout.ms | int | 45000 | 1.. | r | later | The shortest such time.
group.share.max.session.timeout.ms | int | 60000 | 1.. | r | later | The longest such time.
group.share.heartbeat.interval.ms | int | 5000 | 1.. | r | later | As group.consumer.heartbeat.interval.ms, for share groups.
group.share.min.heartbeat.interval.ms | int | 5000 | 1.. | r | later | The shortest such time.
group.share.max.heartbeat.interval.ms | int | 15000 | 1.. | r | later | The longest such time.
group.share.assignment.interval.ms | int | 1000 | 0.. | r | later | The least time between two assignments.
group.share.assignor.offload.enable | bool | true | | r | later | Whether assignments are computed beside the coordinator.
group.share.max.size | int | 200 | 1..1000 | r | later | The most members of a share group.
group.share.assignors | list | simple | | r | later | The assignors of share groups.
group.share.max.share.sessions | int | 2000 | 1.. | r | later | The most share sessions.
group.share.delivery.count.limit | int | 5 | 2..25 | r | later | Attempts before a record is given up.
group.share.record.lock.duration.ms | int | 30000 | 1000..3600000 | r | later | How long an acquired record stays locked.
group.share.min.record.lock.duration.ms | int | 15000 | 1000..30000 | r | later | The shortest such time.
group.share.max.record.lock.duration.ms | int | 60000 | 30000..3600000 | r | later | The longest such time.
group.share.partition.max.record.locks | int | 2000 | 100..10000 | r | later | Records of a partition that may be locked at once.
group.streams.session.timeout.ms | int | 45000 | 1.. | r | later | As group.consumer.session.timeout.ms, for streams groups.
group.streams.min.session.timeout.ms | int | 45000 | 1.. | r | later | The shortest such time.
group.streams.max.session.timeout.ms | int | 60000 | 1.. | r | later | The longest such time.
group.streams.heartbeat.interval.ms | int | 5000 | 1.. | r | later | As group.consumer.heartbeat.interval.ms, for streams groups.
group.streams.min.heartbeat.interval.ms | int | 5000 | 1.. | r | later | The shortest such time.
group.streams.max.heartbeat.interval.ms | int | 15000 | 1.. | r | later | The longest such time.
group.streams.assignment.interval.ms | int | 1000 | 0.. | r | later | The least time between two assignments.
group.streams.assignor.offload.enable | bool | true | | r | later | Whether assignments are computed beside the coordinator.
group.streams.assignors | list | sticky | | r | later | The assignors that are offered.
group.streams.rack.aware.assignment.tags | list | "" | | r | later | Client tags that standby copies are spread over.
group.streams.acceptable.recovery.lag | long | 10000 | 0.. | r | later | How far a copy may lag and still count as caught up.
group.streams.task.offset.interval.ms | int | 60000 | 1.. | r | later | How often members report the offsets of their tasks.
group.streams.num.warmup.replicas | int | 2 | 0.. | r | later | Copies that may be warmed up at once.
group.streams.max.size | int | 2147483647 | 1.. | r | later | The most members of a streams group.
group.streams.num.standby.replicas | int | 0 | 0.. | r | later | Standby copies of each task.
group.streams.max.standby.replicas | int | 2 | 0.. | r | later | The most standby copies.
group.streams.initial.rebalance.delay.ms | int | 3000 | 0.. | r | later | How long a new streams group waits for members.
share.coordinator.state.topic.num.partitions | int | 50 | 1.. | r | later | Partitions of the topic that keeps share group state.
share.coordinator.state.topic.replication.factor | int | 3 | 1.. | r | later | Replicas of that topic.
share.coordinator.state.topic.min.isr | int | 2 | 1.. | r | later | Replicas of that topic that must be in sync.
share.coordinator.state.topic.segment.bytes | int | 104857600 | 1.. | r | later | Segment size of that topic.
share.coordinator.state.topic.prune.interval.ms | int | 300000 | 1.. | r | later | How often that topic is trimmed.
share.coordinator.state.topic.compression.codec | int | 0 | | r | later | Compression of that topic.
share.coordinator.snapshot.update.records.per.snapshot | int | 500 | 0..500 | r | later | Updates between two snapshots.
share.coordinator.threads | int | 1 | 1.. | r | pointless | Threads of the share coordinator.
share.coordinator.append.linger.ms | int | -1 | -1.. | r | pointless | How long the share coordinator gathers writes.
share.coordinator.load.buffer.size | int | 5242880 | 1.. | r | pointless | Memory for loading that topic.
share.coordinator.write.timeout.ms | int | 5000 | 1.. | r | later | How long a write of share state waits.
share.coordinator.cold.partition.snapshot.interval.ms | int | 300000 | 1.. | r | later | How often idle share state is written.
share.fetch.purgatory.purge.interval.requests | int | 1000 | | r | pointless | When waiting share fetches are tidied up.
transaction.state.log.num.partitions | int | 50 | 1.. | r | later | Partitions of the topic that keeps transactions.
transaction.state.log.replication.factor | int | 3 | 1.. | r | later | Replicas of that topic.
transaction.state.log.min.isr | int | 2 | 1.. | r | later | Replicas of that topic that must be in sync.
transaction.state.log.segment.bytes | int | 104857600 | 1.. | r | later | Segment size of that topic.
transaction.state.log.load.buffer.size | int | 5242880 | 1.. | r | pointless | Memory for loading that topic.
transaction.max.timeout.ms | int | 900000 | 1.. | r | later | The longest timeout of a transaction.
transactional.id.expiration.ms | int | 604800000 | 1.. | r | later | How long an unused transactional id is kept.
transaction.abort.timed.out.transaction.cleanup.interval.ms | int | 10000 | 1.. | r | later | How often overdue transactions are looked for.
transaction.remove.expired.transaction.cleanup.interval.ms | int | 3600000 | 1.. | r | later | How often unused transactional ids are looked for.
transaction.partition.verification.enable | bool | true | | c | later | Whether a transaction is verified before its first write.
transaction.two.phase.commit.enable | bool | false | | r | refused | Whether transactions may be prepared.
errors.deadletterqueue.auto.create.topics.enable | bool | false | | r | later | Whether dead letter topics are created by themselves.
errors.deadletterqueue.topic.name.prefix | string | dlq. | | r | later | How names of dead letter topics begin.

"""
