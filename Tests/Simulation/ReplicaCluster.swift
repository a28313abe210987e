// The metadata of a world of replicas: the real decisions of the controller, in one place that never fails, behind links
// that lose and delay. What it decides is told to each node in order, sooner or later; who is not heard of is fenced.

import Basics
import ClusterImage
import Configuration
import Controller
import WireProtocol

/// The controller and what it knows of the nodes.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class ReplicaCluster: @unchecked Sendable {
    /// What a node is told: the image after so many changes.
    struct Told {
        var version: Int
        var image: ClusterImage
    }

    static let sessionMax: Int64 = 200_000_000
    let world: World
    let minimumInSync: Int
    private(set) var controller: Controller
    private(set) var told: Told
    private(set) var topic = Uuid.zero
    private var heardAt: [NodeId: Int64] = [:]
    /// The version that holds a broker's registration.
    private var registeredIn: [NodeId: Int] = [:]
    /// The life that a broker's registration is of.
    private var registeredLife: [NodeId: String] = [:]
    /// Leaders that were ever elected, by epoch.
    private var leaders: [LeaderEpoch: NodeId] = [:]
    private(set) var violations: [String] = []

    init(_ world: World, replicas: Int, settings: [String: String], hasEligible: Bool) throws {
        self.world = world
        minimumInSync = settings["min.insync.replicas"].flatMap { Int($0) } ?? 1
        controller = Controller(
            image: ClusterImage(clusterId: "c"), node: try NodeConfiguration([]), seed: world.seed)
        told = Told(version: 0, image: controller.image)
        commit(SupportedFeatures.bootstrapRecords)
        let level = FeatureLevelRecord {
            $0.name = "eligible.leader.replicas.version"
            $0.featureLevel = hasEligible ? 1 : 0
        }
        commit([VersionedRecord(.featureLevel(level), 0)])
        for id in 1...replicas { commitRegistration(NodeId(Int32(id)), stoppedInOrder: true) }
        for id in 1...replicas { commit(controller.unfence(NodeId(Int32(id)))) }
        let decision = controller.createTopics(
            CreateTopicsRequest {
                $0.topics = [
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = "t"
                        $0.numPartitions = 1
                        $0.replicationFactor = Int16(replicas)
                        $0.configs = settings.sorted { $0.key < $1.key }.map { key, value in
                            CreateTopicsRequest.CreatableTopicConfig {
                                $0.name = key
                                $0.value = value
                            }
                        }
                    }
                ]
            })
        commit(decision.records)
        topic = controller.image.topicIds["t"] ?? .zero
        watchSessions()
    }

    var partition: PartitionImage? { controller.image.topics[topic]?.partitions[0] }

    private func commit(_ records: [VersionedRecord]) {
        guard !records.isEmpty else { return }
        for record in records { controller.replay(record.record, at: controller.image.endOffset) }
        told = Told(version: told.version + 1, image: controller.image)
        guard let partition else { return }
        world.note(
            "decided epoch \(partition.leaderEpoch) leader \(partition.leader) inSync \(partition.inSync)"
                + " eligible \(partition.eligibleLeaders) at \(partition.partitionEpoch)")
        check(partition)
    }

    /// I3 and I7.
    private func check(_ partition: PartitionImage) {
        if partition.leader != .none {
            if leaders[partition.leaderEpoch, default: partition.leader] != partition.leader {
                violations.append("two leaders in epoch \(partition.leaderEpoch)")
            }
            leaders[partition.leaderEpoch] = partition.leader
        }
        if !Set(partition.inSync).isDisjoint(with: partition.eligibleLeaders) {
            violations.append("in sync and eligible at once: \(partition)")
        }
    }

    // MARK: What nodes ask

    private func commitRegistration(_ node: NodeId, stoppedInOrder: Bool) {
        let broker = BrokerDescription(
            id: node, incarnation: Uuid(high: world.next(), low: world.next()), endpoints: [], rack: nil,
            directories: [Uuid(high: 7, low: UInt64(node.rawValue))])
        commit(controller.register(broker, epoch: controller.image.endOffset, stoppedInOrder: stoppedInOrder))
        heardAt[node] = world.now
        registeredIn[node] = told.version
    }

    /// Registers a new life of `node`; answers its epoch and the version that it must have seen before it acts.
    /// Asked again, it is the same registration.
    func register(_ node: NodeId, _ life: Life, stoppedInOrder: Bool) -> (epoch: Int64, version: Int) {
        if registeredLife[node] != life.name { commitRegistration(node, stoppedInOrder: stoppedInOrder) }
        registeredLife[node] = life.name
        return (controller.image.brokers[node]?.epoch ?? -1, registeredIn[node] ?? .max)
    }

    /// A node lives and knows `version`.
    func heard(_ node: NodeId, epoch: Int64, version: Int) {
        guard let registered = controller.image.brokers[node], registered.epoch == epoch else { return }
        heardAt[node] = world.now
        guard registered.isFenced, version >= registeredIn[node] ?? .max else { return }
        commit(controller.unfence(node))
    }

    /// A node wants to stop in order.
    func shutDown(_ node: NodeId, epoch: Int64) {
        guard controller.image.brokers[node]?.epoch == epoch else { return }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = node.rawValue
            $0.brokerEpoch = epoch
            $0.inControlledShutdown = 1
        }
        commit([VersionedRecord(.brokerRegistrationChange(change), 1)])
        commit(controller.partitionsHandedOver(by: node))
    }

    func alter(_ request: AlterPartitionRequest) -> AlterPartitionResponse {
        let decision = controller.alterPartition(request)
        commit(decision.records)
        return decision.reply
    }

    func reassign(to replicas: [NodeId]?) {
        let decision = controller.alterReassignments(
            AlterPartitionReassignmentsRequest {
                $0.topics = [
                    AlterPartitionReassignmentsRequest.ReassignableTopic {
                        $0.name = "t"
                        $0.partitions = [
                            AlterPartitionReassignmentsRequest.ReassignablePartition {
                                $0.replicas = replicas?.map(\.rawValue)
                            }
                        ]
                    }
                ]
            })
        commit(decision.records)
    }

    func balance() { commit(controller.balanceLeaders()) }

    private func watchSessions() {
        world.after(20_000_000) {
            for (node, at) in self.heardAt.sorted(by: { $0.key < $1.key })
            where self.world.now - at > ReplicaCluster.sessionMax {
                guard let registered = self.controller.image.brokers[node], !registered.isFenced else { continue }
                self.world.note("FENCE \(node)")
                let change = BrokerRegistrationChangeRecord {
                    $0.brokerId = node.rawValue
                    $0.brokerEpoch = registered.epoch
                    $0.fenced = 1
                }
                self.commit(
                    self.controller.partitionsFenced(from: node) + [VersionedRecord(.brokerRegistrationChange(change), 0)])
            }
            self.watchSessions()
        }
    }
}
