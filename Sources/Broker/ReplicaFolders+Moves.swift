// Replicas on their way to another folder of this node (KIP-113): the copies, how they grow, and how one takes the place of its
// replica. What is done when is decided in `ReplicaMoves`; here is what is done to folders and logs, on the pool.
//
// A copy lies in `<topic>-<partition>.<32 digits>-future`. Order of the change, under the replica's lane and its log's turn, so
// that at any point of it there is one whole log: the copy is durable and its checkpoints are written; the former folder gets
// the name of a deleted one; the copy's gets the name of the partition; readers see it. A start that finds a copy and no log
// ends the change.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Environment
internal import Log
internal import Records
internal import Replication
internal import Synchronization
internal import WireProtocol

/// A copy of a replica that is being made in another folder.
struct FutureReplica: Sendable {
    let log: PartitionLog
    let folder: LogFolder
    /// The replica that it is a copy of.
    let replica: Partition
}

/// What a step of a copy came to.
enum CopyStep: Sendable {
    case copied(bytes: Int)
    /// The copy ends where the log does.
    case caughtUp
    /// The move has ended otherwise: cancelled, or the replica is gone.
    case gone
    case failed(StorageError)
}

extension ReplicaFolders {
    /// Bytes that a step copies, unless one batch is larger.
    private static let stepBytes = 1 << 20
    /// Wishes for replicas that may never come.
    private static let preferredMax = 10_000

    /// Begins the move of a replica to the folder at `path`, if it is not there yet; what AlterReplicaLogDirs answers.
    func beginMove(of id: TopicPartition, to path: String) -> ErrorCode {
        moveTurn.withLock { _ in
            do throws(StorageError) {
                return try begin(id, path)
            } catch {
                logger.error("log", "cannot begin a move", [("partition", "\(id)"), ("reason", "\(error)")])
                return .kafkaStorageError
            }
        }
    }

    private func begin(_ id: TopicPartition, _ path: String) throws(StorageError) -> ErrorCode {
        var random = RandomSourceGenerator(environment.random)
        guard let name = LogFolder.futureName(of: id, id: Uuid.random(using: &random)) else { return .invalidTopicException }
        guard let folder = folders.first(where: { $0.path == path }) else {
            return unopened.contains(path) ? .kafkaStorageError : .logDirNotFound
        }
        let (known, future, isFailed) = state.withLock { ($0.replicas[id], $0.futures[id], $0.failed[id] != nil) }
        guard !folder.standing.isOffline, !isFailed else { return .kafkaStorageError }
        if let future {
            if future.folder === folder { return .none }
            dropFuture(of: id)
        }
        guard let known else {
            // If it comes to be here, it will be there.
            state.withLock { state in
                guard state.preferred[id] != nil || state.preferred.count < ReplicaFolders.preferredMax else { return }
                state.preferred[id] = folder
            }
            return .replicaNotAvailable
        }
        guard known.folder !== folder else { return .none }
        // Another copy could lie in a folder that cannot be looked into.
        guard unopened.isEmpty, folders.allSatisfy({ !$0.standing.isOffline }) else { return .kafkaStorageError }
        let log = known.partition.log
        let directory = try folder.createFuture(name, topicId: known.partition.topicId)
        let copy = try openFuture(id, in: directory, folder, log.configuration, LogFolder.Checkpoints(), at: log.startOffset)
        log.pauseCompaction(true)
        state.withLock { $0.futures[id] = FutureReplica(log: copy, folder: folder, replica: known.partition) }
        try writeCheckpoints(of: folder)
        return .none
    }

    private func openFuture(
        _ id: TopicPartition, in directory: String, _ folder: LogFolder, _ configuration: LogConfiguration,
        _ checkpoints: LogFolder.Checkpoints, at start: Offset = .zero
    ) throws(StorageError) -> PartitionLog {
        var loader = LogLoader(
            partition: id, directory: directory, fileSystem: folder.fileSystem, configuration: configuration, isClean: false,
            recoveryPoint: checkpoints.recoveryPoints[id] ?? .zero, handles: handles)
        return try loader.load(startOffset: checkpoints.startOffsets[id] ?? start)
    }

    /// The moves that are under way, sorted.
    var moving: [TopicPartition] { state.withLock { $0.futures.keys.sorted() } }

    /// The copy of `id`, and the id of its folder.
    func future(of id: TopicPartition) -> (future: FutureReplica, directory: Uuid)? {
        guard let future = state.withLock({ $0.futures[id] }),
            let index = folders.firstIndex(where: { $0 === future.folder })
        else { return nil }
        return (future, directoryIds[index])
    }

    /// Ends a move without a change: its copy goes.
    func dropFuture(of id: TopicPartition) {
        guard let future = state.withLock({ $0.futures.removeValue(forKey: id) }) else { return }
        future.log.retire()
        future.replica.log.pauseCompaction(false)
        remove(future.log.directory, of: id, future.folder)
    }

    private func remove(_ directory: String, of id: TopicPartition, _ folder: LogFolder) {
        guard !folder.standing.isOffline else { return }
        do throws(StorageError) {
            var random = RandomSourceGenerator(environment.random)
            maintenance.remove(folder: try folder.retire(directory, of: id, id: Uuid.random(using: &random)), after: .zero)
        } catch {
            logger.error("log", "cannot remove a copy", [("partition", "\(id)"), ("reason", "\(error)")])
        }
    }

    // MARK: Copying

    /// Copies the next piece.
    func copy(_ id: TopicPartition) -> CopyStep {
        guard let future = current(id) else { return .gone }
        do throws(StorageError) {
            let step = try copy(future)
            return current(id)?.log === future.log ? step : .gone
        } catch {
            // Whoever ended the move has renamed the folder under it.
            return current(id)?.log === future.log ? .failed(error) : .gone
        }
    }

    /// The copy, if its replica is still what serves here and both folders are sound.
    private func current(_ id: TopicPartition) -> FutureReplica? {
        state.withLock { state in
            guard !state.isClosed, let future = state.futures[id], let known = state.replicas[id],
                known.partition === future.replica, !known.folder.standing.isOffline, !future.folder.standing.isOffline
            else { return nil }
            return future
        }
    }

    private func copy(_ future: FutureReplica) throws(StorageError) -> CopyStep {
        let (source, target) = (future.replica.log, future.log)
        target.configuration = source.configuration
        if try future.replica.align(target) { try writeCheckpoints(of: future.folder) }
        let batches = try source.batches(from: target.endOffset, countMax: ReplicaFolders.stepBytes)
        guard let first = batches.first else {
            target.advanceStart(to: source.startOffset)
            return .caughtUp
        }
        let bytes = batches.reduce(0) { $0 + $1.header.byteCount }
        guard future.folder.standing.admit(bytes) else {
            throw .file(FileError(.noSpace, "append", path: future.folder.path))
        }
        // Where records were deleted up to the middle of a batch, the log begins inside of it.
        if target.startOffset == target.endOffset, first.header.baseOffset < target.endOffset {
            try target.restart(at: first.header.baseOffset)
            try writeCheckpoints(of: future.folder)
        }
        try append(batches, to: target)
        target.advanceStart(to: source.startOffset)
        return .copied(bytes: bytes)
    }

    private func append(_ batches: [RecordBatch], to log: PartitionLog) throws(StorageError) {
        var plan = log.planReplicated(batches)
        do throws(StorageError) {
            try log.write(&plan)
        } catch {
            log.abandon(plan)
            throw error
        }
        log.publish(plan)
        // What is ended need not be read again after a crash.
        if plan.rolls { try log.syncSealed() }
    }

    // MARK: The change

    /// Makes the copy durable, so that the change itself, which holds up the replica's appends, is short.
    func prepareChange(of id: TopicPartition) throws(StorageError) { try current(id)?.log.sync() }

    /// Puts the copy in the place of its replica's log, if it has caught up; answers where the log is then. In the replica's lane.
    func change(_ id: TopicPartition) throws(StorageError) -> FolderStanding? {
        guard let future = current(id), let former = state.withLock({ $0.replicas[id]?.folder }),
            future.log.endOffset == future.replica.log.endOffset, try !future.replica.align(future.log)
        else { return nil }
        let (log, copy) = (future.replica.log, future.log)
        copy.advanceStart(to: log.startOffset)
        try copy.close()
        try writeCheckpoints(of: future.folder)
        var left = ""
        try log.move { () throws(StorageError) in
            left = try self.exchange(id, from: former, to: future)
            let moved = try self.reopened(id, future, former, left)
            // Still in the log's turn: whoever ends the maintenance of all logs finds each in one folder.
            self.state.withLock { state in
                state.futures[id] = nil
                state.replicas[id]?.folder = future.folder
            }
            return moved
        }
        // Deleted while the copy was closed.
        maintenance.remove(folder: left, after: log.configuration.fileDeleteDelay)
        forgetCheckpoints()
        logger.info("log", "moved", [("partition", "\(id)"), ("from", former.path), ("to", future.folder.path)])
        return future.folder.standing
    }

    /// Gives the former folder the name of a deleted one, which it answers, and the copy's that of the partition.
    private func exchange(
        _ id: TopicPartition, from former: LogFolder, to future: FutureReplica
    ) throws(StorageError) -> String {
        var random = RandomSourceGenerator(environment.random)
        let left = try former.retire(id, id: Uuid.random(using: &random))
        do throws(StorageError) {
            try future.folder.rename(future.log.directory, to: future.folder.directory(of: id))
        } catch {
            try takeBack(id, former, left)
            throw error
        }
        return left
    }

    private func reopened(
        _ id: TopicPartition, _ future: FutureReplica, _ former: LogFolder, _ left: String
    ) throws(StorageError) -> PartitionLog {
        let directory = future.folder.directory(of: id)
        var loader = LogLoader(
            partition: id, directory: directory, fileSystem: future.folder.fileSystem, configuration: future.log.configuration,
            isClean: true, recoveryPoint: future.log.endOffset, handles: handles)
        do throws(StorageError) {
            return try loader.load(startOffset: future.log.startOffset)
        } catch {
            // Two logs of one partition must not be found by the next start.
            try future.folder.rename(directory, to: future.log.directory)
            try takeBack(id, former, left)
            throw error
        }
    }

    /// The former folder gets its name back. If it cannot, it is of no use any more: the next start finds the copy.
    private func takeBack(_ id: TopicPartition, _ former: LogFolder, _ left: String) throws(StorageError) {
        do throws(StorageError) {
            try former.rename(left, to: former.directory(of: id))
        } catch {
            former.standing.fail(error)
            throw error
        }
    }

    // MARK: Start

    /// Takes up the moves that the last life of the node left: their copies go on, or take their replica's place where the
    /// change had begun. What is of no use goes.
    func resumeMoves(_ image: ClusterImage) throws(StorageError) {
        for (index, folder) in folders.enumerated() {
            try orOffline(folder) { () throws(StorageError) in
                let found = try folder.futures()
                guard !found.isEmpty else { return }
                let checkpoints = try folder.readCheckpoints()
                for (id, directory) in found { try self.resume(id, directory, index, image, checkpoints) }
            }
        }
    }

    private func resume(
        _ id: TopicPartition, _ directory: String, _ index: Int, _ image: ClusterImage,
        _ checkpoints: LogFolder.Checkpoints
    ) throws(StorageError) {
        let folder = folders[index]
        guard let topic = image.topic(named: id.topic), let partition = topic.partitions[id.partition],
            partition.replicas.contains(localId), try folder.topicId(in: directory) == topic.id,
            state.withLock({ $0.futures[id] == nil && $0.failed[id] == nil })
        else { return remove(directory, of: id, folder) }
        let configuration = LogConfiguration(configuration(of: topic, image), of: id)
        if let known = state.withLock({ $0.replicas[id] }) {
            guard known.folder !== folder else { return remove(directory, of: id, folder) }
            let copy = try openFuture(id, in: directory, folder, configuration, checkpoints)
            known.partition.log.pauseCompaction(true)
            state.withLock { $0.futures[id] = FutureReplica(log: copy, folder: folder, replica: known.partition) }
            return
        }
        guard partition.directory(of: localId) == directoryIds[index] else { return remove(directory, of: id, folder) }
        guard unopened.isEmpty, folders.allSatisfy({ !$0.standing.isOffline }) else {
            // The log may be in a folder that cannot be looked into, and have more than the copy.
            return state.withLock { state in
                state.failed[id] = Failed(
                    reason: .file(FileError(.offline, "open", path: directory)), topicId: topic.id, folder: folder,
                    checkpoints: checkpoints)
            }
        }
        try folder.rename(directory, to: folder.directory(of: id))
        let replica = try load(
            id, topicId: topic.id, folder: folder, configuration: configuration, isClean: false, checkpoints: checkpoints)
        state.withLock { $0.replicas[id] = (replica, folder) }
        logger.warning("log", "ended a move that was interrupted", [("partition", "\(id)"), ("to", folder.path)])
    }
}
