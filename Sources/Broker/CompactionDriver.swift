// Compaction in the background: picks the dirtiest log, has the pool clean it step by step, and paces the steps so that
// all together stay within `log.cleaner.io.max.bytes.per.second`. Up to `log.cleaner.threads` logs are cleaned at once.
//
// Owner: the controller's loop. Between two steps anything may have happened: the node stops, the topic is gone, its
// policy is another one. Then the cleaning is given up; the log is as it was, or as the last finished group left it.

package import Basics
internal import ClusterImage
internal import Configuration
internal import Environment
internal import Log
internal import Replication

/// How many bytes may be moved, as a plain value.
package struct PaceOfBytes {
    private var free = Instant(nanoseconds: .min)

    package init() {}

    /// Spends `bytes` at `now`; answers how long to wait before more is spent.
    package mutating func spend(_ bytes: Int, perSecond rate: Double, now: Instant) -> Duration {
        let nanoseconds = Double(bytes) / max(rate, 1) * 1e9
        guard nanoseconds >= 1 else { return .zero }
        free = max(free, now) + .nanoseconds(Int64(min(nanoseconds, 1e15)))
        return free - now
    }
}

final class CompactionDriver {
    private let broker: Broker
    private let loop: any EventLoop
    private var pace = PaceOfBytes()
    /// The logs that are being cleaned.
    private var underWay: [TopicPartition] = []
    private var isLooking = false

    init(broker: Broker, loop: any EventLoop) {
        self.broker = broker
        self.loop = loop
    }

    private var replicas: ReplicaFolders { broker.replicas }
    private var isStopping: Bool { broker.withState { $0.isStopping } }
    private var threads: Int { broker.setting("log.cleaner.threads").flatMap(wholeNumber) ?? 1 }

    /// Looks for work from now on.
    func begin() {
        guard broker.node["log.cleaner.enable"] != "false" else { return }
        rest()
    }

    /// Looks again after `log.cleaner.backoff.ms`.
    private func rest() {
        let backoff = broker.setting("log.cleaner.backoff.ms").flatMap(wholeNumber) ?? 15_000
        _ = loop.schedule(at: loop.now + .milliseconds(max(backoff, 1))) {
            self.look()
            if !self.isStopping { self.rest() }
        }
    }

    /// Has the pool choose a log, if one more may be cleaned.
    private func look() {
        let threads = threads
        guard !isStopping, !isLooking, underWay.count < threads else { return }
        isLooking = true
        let table = CompactionRun.Table(
            bytes: (broker.setting("log.cleaner.dedupe.buffer.size").flatMap(wholeNumber) ?? 1 << 27) / threads,
            loadFactor: broker.setting("log.cleaner.io.buffer.load.factor").flatMap(realNumber) ?? 0.9,
            seed: (broker.environment.random.next(), broker.environment.random.next()))
        let busy = underWay
        let here = Confined(self, to: loop)
        broker.environment.pool.run { [replicas, loop] in
            let found = replicas.beginCleaning(without: busy, table)
            loop.post { here.value.looked(found) }
        }
    }

    private func looked(_ run: CompactionRun?) {
        isLooking = false
        guard let run else { return }
        guard !isStopping else { return run.giveUp() }
        underWay.append(run.log.partition)
        advance(run)
        look()
    }

    private func advance(_ run: CompactionRun) {
        guard !isStopping, run.log.configuration.isCompacted else { return end(run) }
        let here = Confined(self, to: loop)
        broker.environment.pool.run { [replicas, loop] in
            let step = replicas.clean(run)
            loop.post { here.value.advanced(run, step) }
        }
    }

    private func advanced(_ run: CompactionRun, _ progress: CleaningProgress) {
        guard case .moved(let bytes) = progress else {
            underWay.removeAll { $0 == run.log.partition }
            // What failed is not tried again at once.
            if case .done = progress { look() }
            return
        }
        let rate = broker.setting("log.cleaner.io.max.bytes.per.second").flatMap(realNumber) ?? .infinity
        let wait = pace.spend(bytes, perSecond: rate, now: loop.now)
        guard wait > .zero else { return advance(run) }
        _ = loop.schedule(at: loop.now + wait) { self.advance(run) }
    }

    private func end(_ run: CompactionRun) {
        underWay.removeAll { $0 == run.log.partition }
        broker.environment.pool.run { run.giveUp() }
    }
}

extension Broker {
    /// The value of a broker key that may change while the node runs.
    func setting(_ key: String) -> String? {
        let image = withState { $0.view.image }
        return image.configuration(.broker, String(node.nodeId))[key] ?? image.configuration(.broker, "")[key]
            ?? node[key]
    }
}

/// What a step of a cleaning came to.
enum CleaningProgress: Sendable {
    /// So many bytes were moved, and there is more to do.
    case moved(Int)
    case done
    case failed
}

extension ReplicaFolders {
    /// Begins to clean the dirtiest log; nil if none is dirty enough. On the pool.
    func beginCleaning(without busy: [TopicPartition], _ table: CompactionRun.Table) -> CompactionRun? {
        let now = maintenance.time()
        var candidates: [(partition: Partition, range: CleanableRange)] = []
        for entry in all() where !busy.contains(entry.id) {
            let log = entry.partition.log
            let configuration = log.configuration
            let standing = log.compaction
            guard configuration.isCompacted, !standing.isUncleanable, !standing.isPaused else { continue }
            guarded(log) { () throws(StorageError) in
                let range = try log.cleanableRange(stable: entry.partition.lastStableOffset, now: now)
                if range.isDue(configuration) { candidates.append((entry.partition, range)) }
            }
        }
        guard let index = CleanableRange.dirtiest(candidates.map(\.range)) else { return nil }
        let (partition, range) = candidates[index]
        var run: CompactionRun?
        guarded(partition.log) { () throws(StorageError) in
            // Offsets with holes are below the recovery point on disk, before there are any.
            try self.writeCheckpoints()
            run = try CompactionRun(partition.log, range, table, now: now)
        }
        return run
    }

    /// Makes the next step of `run`. On the pool.
    func clean(_ run: CompactionRun) -> CleaningProgress {
        var progress = CleaningProgress.failed
        guarded(run.log) { () throws(StorageError) in
            let step = try run.step()
            self.maintenance.remove(files: step.removed, after: run.log.configuration.fileDeleteDelay)
            guard let cleaned = step.cleaned else {
                progress = .moved(step.bytes)
                return
            }
            run.log.noteCleaned(below: cleaned, by: run)
            try self.writeCleaned()
            let totals = run.totals
            self.logger.info(
                "log", "compacted",
                [
                    ("partition", "\(run.log.partition)"), ("below", "\(cleaned)"),
                    ("before", "\(totals.bytesBefore)"), ("after", "\(totals.bytesAfter)"),
                ])
            progress = .done
        }
        if case .failed = progress { run.giveUp() }
        return progress
    }

    /// Runs `body`; bytes that cannot be understood take the log out of compaction until the node starts again. What the
    /// file system refused, such as for want of space, is tried again later.
    private func guarded(_ log: PartitionLog, _ body: () throws(StorageError) -> Void) {
        do {
            try body()
        } catch .closed {
            // The log was deleted or closed, or retention came first.
        } catch {
            if case .file = error {} else { log.compaction.isUncleanable = true }
            logger.error(
                "log", "cannot compact; the log stays as it is", [("partition", "\(log.partition)"), ("reason", "\(error)")])
        }
    }
}
