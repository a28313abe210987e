// Replicas on their way to another folder of this node (KIP-113): the copies, how they grow, and how one takes the place of its
// replica. What is done when is decided in `ReplicaMoves`; here is what is done to folders and logs, on the pool.
//
// A copy lies in `<topic>-<partition>.<32 digits>-future`. Order of the change, under the replica's lane and its log's turn, so
// that at any point of it there is one whole log: the copy is durable, its checkpoints are written, and it is marked as complete;
// the former folder gets the name of a deleted one; the copy's gets the name of the partition; readers see it. A start that finds
// a complete copy and no log ends the change, whatever its image of the cluster says, which may be an older one.

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
        let log = known.partition.log
        let directory = try folder.createFuture(name, topicId: known.partition.topicId)
        let copy = try openFuture(id, in: directory, folder, log.configuration, LogFolder.Checkpoints(), at: log.startOffset)
        log.pauseCompaction(true)
        let isHere = state.withLock { state in
            guard state.replicas[id]?.partition === known.partition else { return false }
            state.futures[id] = FutureReplica(log: copy, folder: folder, replica: known.partition)
            return true
        }
        guard isHere else {
            // It was deleted meanwhile.
            copy.retire()
            remove(directory, of: id, folder)
            return .replicaNotAvailable
        }
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

    /// Ends a move without a change: its copy goes, unless what it is a copy of is lost.
    func dropFuture(of id: TopicPartition) {
        guard let future = state.withLock({ $0.futures.removeValue(forKey: id) }) else { return }
        future.log.retire()
        future.replica.log.pauseCompaction(false)
        if !future.replica.folder.isOffline { remove(future.log.directory, of: id, future.folder) }
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
        // What was read may be of a leader that the log follows since: what it cut is cut here before anything is added to it.
        if try future.replica.align(target) {
            try writeCheckpoints(of: future.folder)
            return .copied(bytes: 0)
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
        var plan = log.planReplicated(batches, at: environment.clock.now)
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

    /// Puts `copy` in the place of its replica's log, if it has caught up; answers where the log is then. In the replica's lane.
    func change(_ id: TopicPartition, to copy: PartitionLog) throws(StorageError) -> FolderStanding? {
        guard let future = current(id), future.log === copy, let former = state.withLock({ $0.replicas[id]?.folder }),
            future.log.endOffset == future.replica.log.endOffset, try !future.replica.align(future.log)
        else { return nil }
        let log = future.replica.log
        copy.advanceStart(to: log.startOffset)
        try copy.close()
        try writeCheckpoints(of: future.folder)
        try future.folder.markComplete(copy.directory)
        var left = ""
        do throws(StorageError) {
            try exchange(id, from: former, to: future, &left)
        } catch {
            // Where the former folder is of no use any more, the next start ends the change.
            if !former.standing.isOffline { try future.folder.unmark(copy.directory) }
            throw error
        }
        // Deleted while the copy was closed.
        maintenance.remove(folder: left, after: log.configuration.fileDeleteDelay)
        forgetCheckpoints()
        logger.info("log", "moved", [("partition", "\(id)"), ("from", former.path), ("to", future.folder.path)])
        return future.folder.standing
    }

    /// The change itself; `left` is where the former folder is then.
    private func exchange(
        _ id: TopicPartition, from former: LogFolder, to future: FutureReplica, _ left: inout String
    ) throws(StorageError) {
        try future.replica.log.move { () throws(StorageError) in
            left = try self.rename(id, from: former, to: future)
            let moved = try self.reopened(id, future, former, left)
            // Still in the log's turn: whoever ends the maintenance of all logs finds each in one folder.
            self.state.withLock { state in
                state.futures[id] = nil
                state.replicas[id]?.folder = future.folder
            }
            return moved
        }
    }

    /// Gives the former folder the name of a deleted one, which it answers, and the copy's that of the partition.
    private func rename(
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
            try future.folder.unmark(directory)
            let copy = try loader.load(startOffset: future.log.startOffset)
            guard copy.endOffset == future.log.endOffset else {
                throw StorageError.corrupt(
                    path: directory, position: 0,
                    reason: "the copy was closed at \(future.log.endOffset) and ends at \(copy.endOffset)")
            }
            return copy
        } catch {
            // Two logs of one partition must not be found by the next start.
            try orFail(former) { () throws(StorageError) in
                try future.folder.rename(directory, to: future.log.directory)
            }
            try takeBack(id, former, left)
            throw error
        }
    }

    /// The former folder gets its name back.
    private func takeBack(_ id: TopicPartition, _ former: LogFolder, _ left: String) throws(StorageError) {
        try orFail(former) { () throws(StorageError) in try former.rename(left, to: former.directory(of: id)) }
    }

    /// Runs `body`, without which nothing may be appended in the former folder any more: what stands under the partition's name
    /// is the copy then.
    private func orFail(_ former: LogFolder, _ body: () throws(StorageError) -> Void) throws(StorageError) {
        do throws(StorageError) {
            try body()
        } catch {
            former.standing.fail(error)
            throw error
        }
    }

    // MARK: Start

    /// Takes up the moves that the last life of the node left: their copies go on, or take their replica's place where the
    /// change had begun. What is of no use goes.
    func resumeMoves(_ image: ClusterImage) throws(StorageError) {
        for folder in folders {
            try orOffline(folder) { () throws(StorageError) in
                let found = try folder.futures()
                guard !found.isEmpty else { return }
                let checkpoints = try folder.readCheckpoints()
                for (id, directory) in found { try self.resume(id, directory, folder, image, checkpoints) }
            }
        }
    }

    private func resume(
        _ id: TopicPartition, _ directory: String, _ folder: LogFolder, _ image: ClusterImage,
        _ checkpoints: LogFolder.Checkpoints
    ) throws(StorageError) {
        // Without an id it was only just made.
        guard let topicId = try folder.topicId(in: directory) else { return remove(directory, of: id, folder) }
        guard let topic = image.topic(named: id.topic), topic.id == topicId,
            topic.partitions[id.partition]?.replicas.contains(localId) ?? false
        else {
            return logger.warning("log", "left a copy alone, the cluster does not know it", [("folder", directory)])
        }
        let configuration = configuration(of: topic, image)
        if let known = state.withLock({ $0.replicas[id] }) {
            return try resume(id, directory, folder, known, LogConfiguration(configuration, of: id), checkpoints)
        }
        guard try folder.isComplete(directory), state.withLock({ $0.failed[id] == nil }) else {
            return logger.warning("log", "left a copy alone, its log is not here", [("folder", directory)])
        }
        try folder.rename(directory, to: folder.directory(of: id))
        try folder.unmark(folder.directory(of: id))
        load(id, topic, folder, checkpoints, configuration)
        logger.warning("log", "ended a move that was interrupted", [("partition", "\(id)"), ("to", folder.path)])
    }

    /// Goes on with a copy whose log is here.
    private func resume(
        _ id: TopicPartition, _ directory: String, _ folder: LogFolder, _ known: (partition: Partition, folder: LogFolder),
        _ configuration: LogConfiguration, _ checkpoints: LogFolder.Checkpoints
    ) throws(StorageError) {
        guard known.folder !== folder, state.withLock({ $0.futures[id] == nil }) else {
            return remove(directory, of: id, folder)
        }
        do throws(StorageError) {
            try folder.unmark(directory)
            let copy = try openFuture(id, in: directory, folder, configuration, checkpoints)
            known.partition.log.pauseCompaction(true)
            state.withLock { $0.futures[id] = FutureReplica(log: copy, folder: folder, replica: known.partition) }
        } catch {
            if case .file = error { throw error }
            // There is the log to copy from; it is to be asked for anew.
            logger.error("log", "a copy is of no use", [("partition", "\(id)"), ("reason", "\(error)")])
            remove(directory, of: id, folder)
        }
    }
}
