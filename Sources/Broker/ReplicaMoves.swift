// Moves of replicas between the folders of this node, as AlterReplicaLogDirs asks for them (KIP-113, KIP-858): which copy makes
// its next step when, and when it takes its replica's place.
//
//     copying    the copy is behind; a piece at a time, at `replica.alter.log.dirs.io.max.bytes.per.second` for all together
//     asked      it has caught up once, and the controller was asked to note the new folder
//     accepted   the controller has noted it; as soon as the copy has caught up again, the change is made
//
// A move that ends otherwise after the controller was asked is taken back there: it is told where the replica is. What is done
// to folders is in `ReplicaFolders+Moves`. Owner: the controller's loop; pieces are copied on the pool, so many at once as there
// are folders.

internal import Basics
internal import Configuration
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

final class ReplicaMoves {
    private enum Phase {
        case copying
        case asked
        case accepted
    }

    /// A move, by the copy that it makes: the next wish for the replica may begin another, in another folder.
    private struct Move {
        let copy: PartitionLog
        var phase = Phase.copying
    }

    /// How long a copy that has caught up waits before it is looked at again.
    private static let pause: Duration = .milliseconds(50)
    /// The same for one that is to wait for the quota.
    private static let throttlePause: Duration = .milliseconds(100)
    /// The same for one that the file system, or the controller, refused.
    private static let retryPause: Duration = .seconds(1)

    private let broker: Broker
    private let loop: any EventLoop
    private let stepsMax: Int
    private var moves: [TopicPartition: Move] = [:]
    /// Moves whose next step is due, in order.
    private var ready: [TopicPartition] = []
    private var underWay = 0

    init(broker: Broker, loop: any EventLoop) {
        self.broker = broker
        self.loop = loop
        let asked = broker.node["num.replica.alter.log.dirs.threads"].flatMap(wholeNumber)
        stepsMax = max(1, asked ?? broker.replicas.folders.count)
    }

    private var replicas: ReplicaFolders { broker.replicas }
    private var isStopping: Bool { broker.withState { $0.isStopping } }

    /// Takes up the moves that are not known yet. Inside the loop.
    func look() {
        loop.assertInside()
        for id in replicas.moving where moves[id] == nil {
            guard let (future, _) = replicas.future(of: id) else { continue }
            moves[id] = Move(copy: future.log)
            ready.append(id)
        }
        proceed()
    }

    // MARK: Steps

    private func proceed() {
        while !isStopping, underWay < stepsMax, !ready.isEmpty { step(ready.removeFirst()) }
    }

    private func step(_ id: TopicPartition) {
        guard !broker.quotas.moves.isExceeded(broker, at: loop.now) else { return again(id, after: ReplicaMoves.throttlePause) }
        underWay += 1
        let here = Confined(self, to: loop)
        broker.environment.pool.run { [replicas, loop] in
            let step = replicas.copy(id)
            loop.post { here.value.stepped(id, step) }
        }
    }

    private func stepped(_ id: TopicPartition, _ step: CopyStep) {
        underWay -= 1
        switch step {
        case _ where future(of: id) == nil: ended(id)
        case .copied(let bytes):
            broker.quotas.moves.record(bytes, at: loop.now)
            ready.append(id)
        case .caughtUp: caughtUp(id)
        case .gone: ended(id)
        case .failed(let error) where error.isPassing: again(id, after: ReplicaMoves.retryPause)
        case .failed(let error): fail(id, error)
        }
        proceed()
    }

    /// What is being copied, and the id of its folder; nil if the move has ended, or another has taken its place.
    private func future(of id: TopicPartition) -> (future: FutureReplica, directory: Uuid)? {
        guard let found = replicas.future(of: id), found.future.log === moves[id]?.copy else { return nil }
        return found
    }

    private func again(_ id: TopicPartition, after pause: Duration) {
        _ = loop.schedule(at: loop.now + pause) {
            self.ready.append(id)
            self.proceed()
        }
    }

    /// The move is over. A controller that was asked in vain is told where the replica is.
    private func ended(_ id: TopicPartition) {
        guard let move = moves.removeValue(forKey: id) else { return }
        if move.phase != .copying {
            replicas.noteUnassigned(id)
            broker.assignDirectories()
        }
        // It may have been asked for anew, with another folder. Not at once: a folder that fails is let go of in a moment.
        _ = loop.schedule(at: loop.now + ReplicaMoves.pause) { self.look() }
    }

    private func fail(_ id: TopicPartition, _ error: StorageError) {
        broker.logger.error("log", "a move failed", [("partition", "\(id)"), ("reason", "\(error)")])
        let here = Confined(self, to: loop)
        broker.environment.pool.run { [replicas, loop] in
            replicas.dropFuture(of: id)
            loop.post { here.value.ended(id) }
        }
    }

    // MARK: The change

    private func caughtUp(_ id: TopicPartition) {
        switch moves[id]?.phase {
        case .copying: ask(id)
        case .asked: again(id, after: ReplicaMoves.pause)
        case .accepted: change(id)
        case nil: break
        }
    }

    /// Asks the controller to note the new folder; meanwhile the copy keeps up.
    private func ask(_ id: TopicPartition) {
        guard let (future, directory) = future(of: id) else { return ended(id) }
        moves[id]?.phase = .asked
        let asked = ReplicaFolders.ReplicaDirectory(
            topicId: future.replica.topicId, partition: id.partition, directory: directory)
        broker.assign([asked]) { isAccepted in
            func enter(_ phase: Phase) {
                guard self.moves[id]?.copy === future.log, self.moves[id]?.phase == .asked else { return }
                self.moves[id]?.phase = phase
            }
            guard !isAccepted else { return enter(.accepted) }
            _ = self.loop.schedule(at: self.loop.now + ReplicaMoves.retryPause) { enter(.copying) }
        }
        again(id, after: ReplicaMoves.pause)
    }

    private func change(_ id: TopicPartition) {
        guard let (future, _) = future(of: id) else { return ended(id) }
        underWay += 1
        let here = Confined(self, to: loop)
        let (replicas, loop, pool) = (replicas, loop, broker.environment.pool)
        let finish: @Sendable (Result<Bool, StorageError>) -> Void = { result in here.value.changed(id, result) }
        pool.run {
            do throws(StorageError) {
                try replicas.prepareChange(of: id)
            } catch {
                return loop.post { finish(.failure(error)) }
            }
            future.replica.move(
                pool: pool, on: loop, { () throws(StorageError) in try replicas.change(id, to: future.log) }, completion: finish)
        }
    }

    private func changed(_ id: TopicPartition, _ result: Result<Bool, StorageError>) {
        underWay -= 1
        switch result {
        // What was noted at the controller is true now.
        case .success(true): moves[id] = nil
        case .success(false): again(id, after: ReplicaMoves.pause)
        case .failure(.closed): ended(id)
        case .failure(let error) where error.isPassing: again(id, after: ReplicaMoves.retryPause)
        case .failure(let error): fail(id, error)
        }
        proceed()
    }
}
