// Which replicas lead and follow as the image says, and when none may: before the controller knows of this process, and when it
// knows of another in its place.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Environment
internal import Log
internal import Replication
internal import Synchronization

extension ReplicaFolders {
    /// A former life of this node was elected for a log that may have been longer: no replica leads or follows before the
    /// controller knows of this life (KIP-631). Answers whether the image is the first that does.
    func noteRegistration(_ image: ClusterImage) -> Bool {
        guard let known = image.brokers[localId]?.incarnation, known == incarnation else {
            // Another process took its place: what this one leads, that one leads, in the same epochs.
            let isReplaced = state.withLock { state in
                defer { if image.brokers[localId] != nil { state.isRegistered = false } }
                return state.isRegistered && image.brokers[localId] != nil
            }
            if isReplaced { resignAll() }
            return false
        }
        return state.withLock { state in
            defer { state.isRegistered = true }
            return !state.isRegistered
        }
    }

    private func resignAll() {
        logger.error("broker", "another process is registered as this node: it leads no more", [("node", "\(localId)")])
        for replica in all() { replica.partition.resign() }
    }

    /// Takes the role that the image gives to this replica.
    func assume(
        _ partition: PartitionImage, _ replica: Partition, _ configuration: TopicConfiguration
    ) {
        replica.log.configuration = LogConfiguration(configuration, of: replica.id)
        replica.setSyncPolicy(SyncPolicy(configuration))
        guard state.withLock({ $0.isRegistered }) else { return }
        let loop = environment.loops[Int(replica.id.partition) % environment.loops.count]
        if partition.leader == localId {
            // No more replicas can be in sync than there are.
            replica.lead(
                as: localId, epoch: partition.leaderEpoch,
                LeaderState(
                    partitionEpoch: partition.partitionEpoch, replicas: partition.replicas, inSync: partition.inSync,
                    isRecovering: partition.isRecovering),
                minimumInSync: min(configuration.minimumInSync, partition.replicas.count), at: environment.clock.now,
                on: loop, late: { self.onLateLead.withLock { $0 }?() })
        } else if partition.leader != .none {
            replica.follow(partition.leader, epoch: partition.leaderEpoch, on: loop)
        } else {
            replica.resign()
        }
    }
}
