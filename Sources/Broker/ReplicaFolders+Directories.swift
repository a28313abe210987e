// In which folder each replica stands, against what the image says: folders that went offline, replicas whose folder the
// controller does not know yet.

internal import Basics
internal import ClusterImage
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

extension ReplicaFolders {
    /// Which folder a replica is in.
    struct ReplicaDirectory: Sendable {
        var topicId: Uuid
        var partition: Int32
        var directory: Uuid
    }

    /// Whether `folder` holds the metadata log; without it the node cannot go on.
    func holdsMetadata(_ folder: LogFolder) -> Bool {
        metadata.directory == folder.directory(of: metadata.partition)
    }

    /// Takes the replicas of folders that went offline out of service; answers their topics.
    func letGoOfOffline() -> Set<Uuid> {
        let gone = state.withLock { state in
            let gone = state.replicas.filter { $0.value.folder.standing.isOffline }.sorted { $0.key < $1.key }
            for (id, entry) in gone {
                state.replicas[id] = nil
                state.failed[id] = Failed(
                    reason: .file(FileError(.offline, "open", path: entry.folder.path)),
                    topicId: entry.partition.topicId, folder: entry.folder, checkpoints: LogFolder.Checkpoints())
            }
            return gone.map(\.value.partition)
        }
        for partition in gone { partition.resign() }
        for id in moving where future(of: id).map({ isLost($0.future) }) ?? false { dropFuture(of: id) }
        return Set(gone.map(\.topicId))
    }

    private func isLost(_ future: FutureReplica) -> Bool {
        future.folder.standing.isOffline || future.replica.folder.isOffline
    }

    /// Whether something is to be tried again.
    var hasRefused: Bool { state.withLock { !$0.refused.isEmpty } }

    func noteDirectory(of id: TopicPartition, topicId: Uuid, _ partition: PartitionImage) {
        state.withLock { state in
            guard let folder = state.replicas[id]?.folder, let index = folders.firstIndex(where: { $0 === folder }),
                case let named = partition.directory(of: localId), named != directoryIds[index]
            else { return }
            // The controller is told first, and the replica is there a little later.
            if let future = state.futures[id]?.folder, let target = folders.firstIndex(where: { $0 === future }),
                named == directoryIds[target]
            {
                return
            }
            state.unassigned.append(
                ReplicaDirectory(topicId: topicId, partition: id.partition, directory: directoryIds[index]))
        }
    }

    /// Has the controller told where `id` is.
    func noteUnassigned(_ id: TopicPartition) {
        state.withLock { state in
            let (known, failed) = (state.replicas[id], state.failed[id])
            guard let topicId = known?.partition.topicId ?? failed?.topicId,
                let index = folders.firstIndex(where: { $0 === known?.folder ?? failed?.folder })
            else { return }
            state.unassigned.append(
                ReplicaDirectory(topicId: topicId, partition: id.partition, directory: directoryIds[index]))
        }
    }

    /// The replicas that the controller is to be told the folder of.
    func takeUnassigned() -> [ReplicaDirectory] {
        state.withLock { state in
            defer { state.unassigned = [] }
            return state.unassigned
        }
    }
}
