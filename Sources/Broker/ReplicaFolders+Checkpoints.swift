// What the checkpoints of each log folder say of the logs in it.

internal import Basics
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

extension ReplicaFolders {
    /// Writes what each folder's checkpoints should say now.
    func writeCheckpoints() throws(StorageError) {
        guard state.withLock({ !$0.isClosed }) else { return }
        try eachOnline { folder throws(StorageError) in try folder.write { self.checkpoints(of: folder) } }
    }

    /// The same for the folder of the metadata log, which does without the others.
    func writeMetadataCheckpoints() throws(StorageError) {
        for folder in folders where holdsMetadata(folder) { try writeCheckpoints(of: folder) }
    }

    /// Segments were sealed and synced: what lies in them is to be below the recovery points on disk before long, so that
    /// damage of it is not taken for the torn end of a log. Many rolls share a write.
    func checkpointSoon() {
        guard !isCheckpointDue.exchange(true, ordering: .relaxed) else { return }
        let (loop, pool) = (environment.loops[0], environment.pool)
        loop.post { [weak self] in
            _ = loop.schedule(at: loop.now + .seconds(1)) { [weak self] in
                pool.run { [weak self] in self?.writeDueCheckpoints() }
            }
        }
    }

    private func writeDueCheckpoints() {
        isCheckpointDue.store(false, ordering: .relaxed)
        do throws(StorageError) {
            try writeCheckpoints()
        } catch {
            logger.error("log", "cannot write checkpoints", [("reason", "\(error)")])
        }
    }

    /// The same for one folder.
    func writeCheckpoints(of folder: LogFolder) throws(StorageError) {
        guard state.withLock({ !$0.isClosed }) else { return }
        try folder.write { checkpoints(of: folder) }
    }

    /// Writes how far compaction came with the logs of each folder.
    func writeCleaned() throws(StorageError) {
        try eachOnline { folder throws(StorageError) in
            try folder.writeCleaned {
                let (replicas, failed) = self.state.withLock { ($0.replicas, $0.failed) }
                var offsets: [TopicPartition: Offset] = [:]
                for (id, entry) in replicas where entry.folder === folder {
                    offsets[id] = entry.partition.log.compaction.cleaned
                }
                for (id, entry) in failed where entry.folder === folder {
                    offsets[id] = entry.checkpoints.cleanedOffsets[id]
                }
                return offsets
            }
        }
    }

    /// The log of `id` was cut: what the checkpoints of its folder say of it is to be true again.
    func noteCut(_ id: TopicPartition) throws(StorageError) {
        guard let folder = state.withLock({ $0.replicas[id]?.folder }) else { return }
        try writeCheckpoints(of: folder)
        try writeCleaned()
    }

    /// The id of the folder that `replica` is in; zero if it is not known.
    func directoryId(of replica: Partition?) -> Uuid {
        guard let replica, let index = folders.firstIndex(where: { $0.standing === replica.folder }) else { return .zero }
        return directoryIds[index]
    }

    private func checkpoints(of folder: LogFolder) -> LogFolder.Checkpoints {
        let (replicas, failed, futures) = state.withLock { ($0.replicas, $0.failed, $0.futures) }
        var checkpoints = LogFolder.Checkpoints()
        if metadata.directory == folder.directory(of: metadata.partition) {
            checkpoints.recoveryPoints[metadata.partition] = Offset(metadata.recoveryPoint.load(ordering: .acquiring))
        }
        for (id, entry) in replicas where entry.folder === folder {
            let log = entry.partition.log
            checkpoints.recoveryPoints[id] = Offset(log.recoveryPoint.load(ordering: .acquiring))
            checkpoints.highWatermarks[id] = entry.partition.highWatermark
            let view = log.view
            if view.startOffset > view.segments[0].base { checkpoints.startOffsets[id] = view.startOffset }
        }
        // A copy's replica is in another folder.
        for (id, future) in futures where future.folder === folder {
            let view = future.log.view
            checkpoints.recoveryPoints[id] = Offset(future.log.recoveryPoint.load(ordering: .acquiring))
            checkpoints.highWatermarks[id] = min(future.replica.highWatermark, view.end)
            checkpoints.startOffsets[id] = view.startOffset
        }
        for (id, entry) in failed where entry.folder === folder {
            checkpoints.recoveryPoints[id] = entry.checkpoints.recoveryPoints[id]
            checkpoints.highWatermarks[id] = entry.checkpoints.highWatermarks[id]
            checkpoints.startOffsets[id] = entry.checkpoints.startOffsets[id]
        }
        return checkpoints
    }
}
