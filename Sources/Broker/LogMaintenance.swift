// Removing old data, in the background: a look at all logs every `log.retention.check.interval.ms`, and the end of files
// and folders that were marked as deleted some time ago. All that blocks runs on the pool, one look at a time.

internal import Basics
internal import Configuration
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

/// The time that maintenance goes by, and what waits to be removed.
final class LogMaintenance: Sendable {
    private struct State {
        var clock = RetentionClock()
        var wasDoubted = false
        /// Renamed files and folders, and when they go.
        var removals: [(path: String, isFolder: Bool, due: Instant)] = []
    }

    private let environment: Environment
    private let logger: Logger
    private let state = Mutex(State())

    init(environment: Environment, logger: Logger) {
        self.environment = environment
        self.logger = logger
    }

    /// The time by which records are old, as far as the wall clock can be believed.
    func time() -> Timestamp {
        let (time, isNews) = state.withLock { state in
            let time = state.clock.read(wall: environment.clock.wallClock, monotonic: environment.clock.now)
            defer { state.wasDoubted = state.clock.isDoubted }
            return (time, state.clock.isDoubted && !state.wasDoubted)
        }
        if isNews {
            logger.warning(
                "log", "the wall clock jumped ahead; retention does not follow it for an hour",
                [("wall", "\(environment.clock.wallClock)"), ("expected", "\(time)")])
        }
        return time
    }

    // MARK: Removals

    /// Remembers files that were renamed; they go after `delay`.
    func remove(files: [String], after delay: Duration) {
        let due = environment.clock.now + delay
        state.withLock { state in state.removals += files.map { ($0, false, due) } }
    }

    /// Remembers a folder that was renamed; it goes with all in it after `delay`.
    func remove(folder: String, after delay: Duration) {
        let due = environment.clock.now + delay
        state.withLock { $0.removals.append((folder, true, due)) }
    }

    /// Something is due.
    var hasDue: Bool {
        let now = environment.clock.now
        return state.withLock { state in state.removals.contains { $0.due <= now } }
    }

    /// Removes what is due. On the pool.
    func removeDue() {
        let now = environment.clock.now
        let due = state.withLock { state in
            let due = state.removals.filter { $0.due <= now }
            state.removals.removeAll { $0.due <= now }
            return due
        }
        for removal in due {
            do throws(FileError) {
                try remove(removal.path, isFolder: removal.isFolder)
            } catch where error.kind == .notFound {
                // Its folder was renamed or removed meanwhile.
            } catch {
                logger.error("log", "cannot remove", [("path", removal.path), ("reason", "\(error)")])
            }
        }
    }

    private func remove(_ path: String, isFolder: Bool) throws(FileError) {
        let fileSystem = environment.fileSystem
        if isFolder {
            for entry in try fileSystem.entries(path) { try fileSystem.remove(path + "/" + entry.name) }
        }
        try fileSystem.remove(path)
    }
}

extension ReplicaFolders {
    /// Removes the segments of all logs that have served their time. On the pool; `loop` takes the appends that wait for
    /// a roll.
    func applyRetention(appendingOn loop: any EventLoop) {
        let now = maintenance.time()
        var shortened: [(partition: Partition, folder: LogFolder)] = []
        for entry in all() where reported("cannot apply retention", entry.id, { () throws(StorageError) in
            try self.moveStart(of: entry.partition, now: now, loop)
        }) == true {
            shortened.append((entry.partition, entry.folder))
        }
        for folder in folders {
            let here = shortened.filter { $0.folder === folder }.map(\.partition)
            if !here.isEmpty { removeSegments(of: here, in: folder) }
        }
    }

    /// Removes what lies below the log start offsets, once these are on disk.
    private func removeSegments(of shortened: [Partition], in folder: LogFolder) {
        do {
            try writeCheckpoints(of: folder)
        } catch {
            return logger.error("log", "cannot write checkpoints", [("folder", folder.path), ("reason", "\(error)")])
        }
        for partition in shortened {
            _ = reported("cannot remove segments", partition.id) { () throws(StorageError) in
                let log = partition.log
                let paths = try log.removeBelowStart()
                self.maintenance.remove(files: paths, after: log.configuration.fileDeleteDelay)
                let start = log.startOffset
                self.logger.info(
                    "log", "removed old segments", [("partition", "\(partition.id)"), ("start", "\(start)")])
            }
        }
    }

    /// Moves the log start offset to where retention wants it; false if nothing is to be removed.
    private func moveStart(
        of partition: Partition, now: Timestamp, _ loop: any EventLoop
    ) throws(StorageError) -> Bool {
        let log = partition.log
        guard var expiry = try log.expiry(now: now, highWatermark: partition.highWatermark) else { return false }
        if expiry.includesActive, try !partition.rollIfIdle(appendingOn: loop) {
            // Somebody writes: the active segment is not at its end. What lies before it may go.
            expiry.startOffset = min(expiry.startOffset, log.view.active.base)
        }
        // A log never ends before its start: what lies behind the start is durable before the start is.
        try log.sync()
        log.advanceStart(to: expiry.startOffset)
        return true
    }

    private func reported<Result>(
        _ what: String, _ id: TopicPartition, _ body: () throws(StorageError) -> Result
    ) -> Result? {
        do {
            return try body()
        } catch .closed {
            return nil
        } catch {
            logger.error("log", what, [("partition", "\(id)"), ("reason", "\(error)")])
            return nil
        }
    }
}

extension Broker {
    /// Begins the background work on the logs; inside the controller's loop, once the node serves.
    func beginMaintenance() {
        CompactionDriver(broker: self, loop: controllerLoop).begin()
        look(every: .milliseconds(Int64(node.int("log.retention.check.interval.ms"))))
        every(.seconds(1)) { broker in
            guard broker.replicas.maintenance.hasDue else { return }
            broker.environment.pool.run { broker.replicas.maintenance.removeDue() }
        }
    }

    /// One look after the other, never two at once.
    private func look(every interval: Duration) {
        _ = controllerLoop.schedule(at: controllerLoop.now + interval) {
            guard self.withState({ !$0.isStopping }) else { return }
            let loop = self.controllerLoop
            self.environment.pool.run {
                self.replicas.applyRetention(appendingOn: loop)
                loop.post { self.look(every: interval) }
            }
        }
    }
}
