// DescribeLogDirs: the log folders of this node, the partitions in them, and the room that is left. Folders and files
// are asked on the pool, since a disk may take its time.

internal import Basics
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

enum DescribeLogDirsHandler {
    static func handle(_ request: DescribeLogDirsRequest, _ call: Call) {
        let wanted = request.topics.map { topics in
            Set(topics.flatMap { topic in topic.partitions.map { TopicPartition(topic.topic, $0) } })
        }
        let broker = call.shard.broker
        let loop = call.loop
        let waiting = Confined(call, to: loop)
        broker.environment.pool.run {
            let results = describe(broker.replicas, wanted)
            loop.post { waiting.value.answer(DescribeLogDirsResponse { $0.results = results }) }
        }
    }

    /// A folder that is offline.
    private static func failed(_ path: String) -> DescribeLogDirsResponse.DescribeLogDirsResult {
        DescribeLogDirsResponse.DescribeLogDirsResult {
            $0.logDir = path
            $0.errorCode = .kafkaStorageError
        }
    }

    /// A log of a partition: the replica's own, or a copy that is to take its place.
    private struct Entry {
        var id: TopicPartition
        var log: PartitionLog
        var folder: LogFolder
        /// Offsets that the log lacks.
        var lag: Int64
        var isFuture: Bool
    }

    private static func entries(_ replicas: ReplicaFolders, _ wanted: Set<TopicPartition>?) -> [Entry] {
        let current = replicas.all().map { entry in
            let lag = max(0, entry.partition.highWatermark - entry.partition.log.endOffset)
            return Entry(id: entry.id, log: entry.partition.log, folder: entry.folder, lag: lag, isFuture: false)
        }
        let futures = replicas.moving.compactMap { id -> Entry? in
            guard let future = replicas.future(of: id)?.future else { return nil }
            let lag = future.replica.log.endOffset - future.log.endOffset
            return Entry(id: id, log: future.log, folder: future.folder, lag: lag, isFuture: true)
        }
        return (current + futures).filter { wanted?.contains($0.id) ?? true }.sorted { $0.id < $1.id }
    }

    private static func describe(
        _ replicas: ReplicaFolders, _ wanted: Set<TopicPartition>?
    ) -> [DescribeLogDirsResponse.DescribeLogDirsResult] {
        let all = entries(replicas, wanted)
        let unopened = replicas.unopened.map { failed($0) }
        return unopened + replicas.folders.map { folder in
            guard !folder.standing.isOffline else { return failed(folder.path) }
            return DescribeLogDirsResponse.DescribeLogDirsResult {
                $0.logDir = folder.path
                if let space = try? folder.fileSystem.space(folder.path) {
                    $0.totalBytes = Int64(space.total)
                    $0.usableBytes = Int64(space.free)
                } else {
                    $0.errorCode = .kafkaStorageError
                }
                for entry in all where entry.folder === folder {
                    let partition = DescribeLogDirsResponse.DescribeLogDirsPartition {
                        $0.partitionIndex = entry.id.partition
                        $0.partitionSize = Int64(entry.log.size)
                        $0.offsetLag = entry.lag
                        $0.isFutureKey = entry.isFuture
                    }
                    if $0.topics.last?.name == entry.id.topic {
                        $0.topics[$0.topics.count - 1].partitions.append(partition)
                    } else {
                        $0.topics.append(
                            DescribeLogDirsResponse.DescribeLogDirsTopic {
                                $0.name = entry.id.topic
                                $0.partitions = [partition]
                            })
                    }
                }
            }
        }
    }
}
