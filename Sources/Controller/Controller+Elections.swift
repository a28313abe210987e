// What becomes of partitions as brokers come and go: who leads, who is in sync, who may lead if nobody else can.
//
// Each event is answered with the changes of all partitions that it concerns, sorted by topic and number. How a change
// follows from what is asked for is in `PartitionChange`.

package import Basics
package import ClusterImage
internal import Configuration
package import WireProtocol

extension Controller {
    /// How a broker's standing changes, for the partitions' sake. The image does not know of it yet.
    struct BrokerChange {
        /// It leads nothing any more, and is in sync with nothing.
        var removed: NodeId?
        /// It may lead from now on.
        var added: NodeId?
        /// It came back without having stopped in order: it may lack records.
        var uncleanlyStopped: NodeId?
        /// It stays in sync where there is no other replica: none could have more.
        var staysAlone = false
        /// Its replica is in this folder from now on.
        var moved: (broker: NodeId, folder: Uuid)?
    }

    // MARK: Events

    /// The broker is fenced: it leaves every in-sync set, and what it led is led by others.
    package func partitionsFenced(from broker: NodeId) -> [VersionedRecord] {
        changes(BrokerChange(removed: broker)) { $0.inSync.contains(broker) || $0.leader == broker }
    }

    /// The broker shuts down in order: the same for partitions that have other replicas; it serves the others to its end.
    package func partitionsHandedOver(by broker: NodeId) -> [VersionedRecord] {
        changes(BrokerChange(removed: broker)) {
            $0.replicas.count > 1 && ($0.inSync.contains(broker) || $0.leader == broker)
        }
    }

    /// The broker may lead: partitions without a leader look again.
    package func partitionsUnfenced(for broker: NodeId) -> [VersionedRecord] {
        changes(BrokerChange(added: broker)) { $0.leader == .none }
    }

    /// A new incarnation of the broker registers. If the one before did not stop in order, records may be lost, and where
    /// eligible leaders are on it is not eligible any more (KIP-966).
    package func partitionsOfFormer(_ broker: NodeId, stoppedInOrder: Bool) -> [VersionedRecord] {
        let isClean = stoppedInOrder || !hasEligibleLeaders
        let change = BrokerChange(
            removed: isClean ? broker : nil, uncleanlyStopped: isClean ? nil : broker, staysAlone: true)
        return changes(change) {
            $0.inSync.contains(broker) || $0.leader == broker || (!isClean && $0.eligibleLeaders.contains(broker))
        }
    }

    /// The broker is registered no more: the same, and it is not eligible either.
    package func partitionsUnregistered(from broker: NodeId) -> [VersionedRecord] {
        changes(BrokerChange(removed: broker, uncleanlyStopped: broker)) {
            $0.inSync.contains(broker) || $0.eligibleLeaders.contains(broker) || $0.leader == broker
        }
    }

    /// The most elections that one decision of a balance makes.
    static let electionsMax = 1000

    /// Puts preferred leaders back, as many as one decision takes (`leader.imbalance.check.interval.seconds`).
    package func balanceLeaders() -> [VersionedRecord] {
        changes(BrokerChange(), election: .preferred, limit: Controller.electionsMax) { partition in
            partition.leader != partition.replicas.first && partition.leader != .none
        }
    }

    /// Elects out-of-sync leaders where nobody else is left and the topic lets them.
    package func electUncleanLeaders() -> [VersionedRecord] {
        changes(BrokerChange(), limit: Controller.electionsMax) { $0.leader == .none }
    }

    // MARK: Changes

    /// The changes that follow for all partitions that `isConcerned`.
    func changes(
        _ broker: BrokerChange, election: PartitionChange.Election? = nil, limit: Int = .max,
        where isConcerned: (PartitionImage) -> Bool
    ) -> [VersionedRecord] {
        var records: [VersionedRecord] = []
        for topic in image.topics.values.sorted(by: { $0.id < $1.id }) {
            for (index, partition) in topic.sortedPartitions where isConcerned(partition) {
                guard records.count < limit else { return records }
                var change = change(of: partition, topic, broker)
                if let election { change.election = election }
                if !broker.staysAlone || partition.replicas.count > 1 {
                    change.inSync.removeAll { $0 == broker.removed || $0 == broker.uncleanlyStopped }
                }
                if let id = broker.uncleanlyStopped { change.uncleanlyStopped = [id] }
                if let record = record(of: change, topic, index) { records.append(record) }
            }
        }
        return records
    }

    /// A change of `partition`, with an unclean election where the topic lets one be.
    func change(of partition: PartitionImage, _ topic: TopicImage, _ broker: BrokerChange = BrokerChange()) -> PartitionChange {
        let layers = layers(topic: image.configuration(.topic, topic.name))
        let minimum = layers["min.insync.replicas"].flatMap { wholeNumber($0) } ?? 1
        let acceptable = partition.replicas.filter { id in
            guard id != broker.removed, id != broker.uncleanlyStopped, let registered = image.brokers[id] else { return false }
            let folder = id == broker.moved?.broker ? broker.moved?.folder : partition.directory(of: id)
            return (id == broker.added || isActive(id)) && registered.isOnline(folder)
        }
        let level = image.level(of: "metadata.version")
        let context = PartitionChangeContext(
            acceptable: Set(acceptable), minimumInSync: min(minimum, partition.replicas.count),
            hasEligibleLeaders: hasEligibleLeaders, hasDirectories: image.recordVersions.partition >= 1,
            epochRisesWithShrink: level < Controller.levelWithoutEpochOfShrink, defaultDirectories: defaultDirectories)
        var change = PartitionChange(of: partition, in: context)
        if layers["unclean.leader.election.enable"].map(isTrue) ?? false { change.election = .unclean }
        return change
    }

    func record(of change: PartitionChange, _ topic: TopicImage, _ index: Int32) -> VersionedRecord? {
        change.record(topic.id, index).map { VersionedRecord(.partitionChange($0), image.recordVersions.partition) }
    }

    /// The level of 3.6-IV0, from which on a shrink of the ISR needs no new leader epoch.
    private static let levelWithoutEpochOfShrink: Int16 = 12

    var hasEligibleLeaders: Bool { image.level(of: "eligible.leader.replicas.version") > 0 }

    /// Whether the broker lives and stays.
    func isActive(_ id: NodeId) -> Bool {
        guard let registered = image.brokers[id] else { return false }
        return !registered.isFenced && !registered.isShuttingDown
    }

    /// The folder of a new replica, where a broker has only one.
    private var defaultDirectories: [NodeId: Uuid] {
        image.brokers.compactMapValues { $0.directories.count == 1 ? $0.directories[0] : nil }
    }

    // MARK: Elections on request

    /// Decides an ElectLeaders request; no list of partitions stands for all of them (KIP-460).
    package func electLeaders(_ request: ElectLeadersRequest) -> Decision<ElectLeadersResponse> {
        var decision = Decision(reply: ElectLeadersResponse())
        guard let election = Controller.election(request.electionType) else {
            decision.reply.errorCode = .invalidRequest
            return decision
        }
        let asked = request.topicPartitions?.map { ($0.topic, $0.partitions) }
            ?? image.topics.values.sorted { $0.name < $1.name }.map { ($0.name, $0.partitions.keys.sorted()) }
        for (name, partitions) in asked {
            var result = ElectLeadersResponse.ReplicaElectionResult { $0.topic = name }
            for index in partitions {
                let refusal = elect(name, index, election, &decision.records)
                // Of all partitions, those that need no election are not worth a word.
                if request.topicPartitions == nil, refusal?.code == .electionNotNeeded { continue }
                result.partitionResult.append(
                    ElectLeadersResponse.PartitionResult {
                        $0.partitionId = index
                        $0.errorCode = refusal?.code ?? .none
                        $0.errorMessage = refusal?.message
                    })
            }
            decision.reply.replicaElectionResults.append(result)
        }
        return decision
    }

    private static func election(_ type: Int8) -> PartitionChange.Election? {
        switch type {
        case 0: .preferred
        case 1: .unclean
        default: nil
        }
    }

    private func elect(
        _ name: String, _ index: Int32, _ election: PartitionChange.Election, _ records: inout [VersionedRecord]
    ) -> Refusal? {
        guard let topic = image.topic(named: name) else {
            return Refusal(.unknownTopicOrPartition, "No such topic as \(name)")
        }
        guard let partition = topic.partitions[index] else {
            return Refusal(.unknownTopicOrPartition, "No such partition as \(name)-\(index)")
        }
        let isNeeded = election == .preferred ? partition.leader != partition.replicas.first : partition.leader == .none
        guard isNeeded else { return Refusal(.electionNotNeeded, "Leader election not needed for topic partition.") }
        var change = change(of: partition, topic)
        change.election = election
        guard let record = record(of: change, topic, index) else {
            return election == .preferred
                ? Refusal(.preferredLeaderNotAvailable, "The preferred leader was not available.")
                : Refusal(.eligibleLeadersNotAvailable, "Eligible topic partition leaders are not available.")
        }
        records.append(record)
        return nil
    }
}
