// Strays: logs on disk that the cluster knows no more, since their topic was deleted, or the replica was moved to another broker,
// while this node was down. They are renamed out of the way, and kept, as Kafka keeps them: nobody asked this node to delete them.
//
// Rule: only an image with the registration of this life of the node tells what is a stray. All that was decided before this
// node was back is in it; an older one may lack what was made since.

internal import Basics
internal import ClusterImage
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

extension ReplicaFolders {
    /// Puts aside what `image` does not know here.
    func putAsideStrays(_ image: ClusterImage) {
        var hasStrays = false
        for folder in folders where !folder.standing.isOffline {
            do throws(StorageError) {
                for id in try folder.partitions() where id != MetadataStore.partition {
                    hasStrays = putAside(id, folder.directory(of: id), folder, unlessIn: image) || hasStrays
                }
                for (id, copy) in try folder.futures() where future(of: id)?.future.log.directory != copy {
                    _ = putAside(id, copy, folder, unlessIn: image)
                }
            } catch {
                logger.error("log", "cannot look for strays", [("folder", folder.path), ("reason", "\(error)")])
            }
        }
        if hasStrays { forgetCheckpoints() }
    }

    private func putAside(
        _ id: TopicPartition, _ directory: String, _ folder: LogFolder, unlessIn image: ClusterImage
    ) -> Bool {
        do throws(StorageError) {
            // Where no topic id was written, no record was either; then the name has to do.
            let topic = try folder.topicId(in: directory).map { image.topics[$0] } ?? image.topic(named: id.topic)
            guard topic?.partitions[id.partition]?.replicas.contains(localId) != true else { return false }
            if directory == folder.directory(of: id) { close(id, folder) }
            var random = RandomSourceGenerator(environment.random)
            let target = try folder.putAside(directory, of: id, id: Uuid.random(using: &random))
            logger.warning(
                "log", "put aside, the cluster knows it no more; nothing removes it",
                [("partition", "\(id)"), ("folder", target)])
            return true
        } catch {
            logger.error("log", "cannot put aside", [("partition", "\(id)"), ("reason", "\(error)")])
            return false
        }
    }

    /// Takes the log in `folder` out of service.
    private func close(_ id: TopicPartition, _ folder: LogFolder) {
        if state.withLock({ $0.replicas[id]?.folder === folder }) { dropFuture(of: id) }
        let gone = state.withLock { state in
            if state.failed[id]?.folder === folder { state.failed[id] = nil }
            return state.replicas[id]?.folder === folder ? state.replicas.removeValue(forKey: id)?.partition : nil
        }
        gone?.resign()
        gone?.log.retire()
    }
}
