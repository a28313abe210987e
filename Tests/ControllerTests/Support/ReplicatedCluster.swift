// A controller with several brokers, which replays what it decides at once, and a topic whose partitions tests look at.

import Basics
import ClusterImage
import Configuration
import Controller
import Testing
import WireProtocol

struct ReplicatedCluster {
    var controller: Controller
    private(set) var topic = Uuid.zero

    /// `racks`: of brokers 1, 2, 3 and so on; nil for one that has none. All of them live.
    init(
        brokers: Int = 3, racks: [String?]? = nil, eligible: Int16 = 1, _ settings: [String: String] = [:]
    ) throws {
        let values = settings.sorted { $0.key < $1.key }.map {
            GivenValue(key: $0.key, value: $0.value, origin: .flag)
        }
        controller = Controller(
            image: ClusterImage(clusterId: "c"), node: try NodeConfiguration(values), seed: 7)
        commit(SupportedFeatures.bootstrapRecords)
        let level = FeatureLevelRecord {
            $0.name = "eligible.leader.replicas.version"
            $0.featureLevel = eligible
        }
        commit([VersionedRecord(.featureLevel(level), 0)])
        for id in 1...brokers { start(Int32(id), rack: racks?[id - 1]) }
    }

    mutating func commit(_ records: [VersionedRecord]) {
        for record in records { controller.replay(record.record, at: controller.image.endOffset) }
    }

    /// Registers a new incarnation and lets it lead.
    mutating func start(_ id: Int32, rack: String? = nil, stoppedInOrder: Bool = true, unfenced: Bool = true) {
        let broker = BrokerDescription(
            id: NodeId(id), incarnation: Uuid(high: 9, low: UInt64(controller.image.endOffset.rawValue)), endpoints: [],
            rack: rack, directories: [Uuid(high: 1, low: UInt64(100 + id))])
        commit(controller.register(broker, epoch: controller.image.endOffset, stoppedInOrder: stoppedInOrder))
        if unfenced { commit(controller.unfence(NodeId(id))) }
    }

    /// Fences a broker, as when its session has ended.
    mutating func fence(_ id: Int32) {
        let broker = NodeId(id)
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = id
            $0.brokerEpoch = controller.image.brokers[broker]?.epoch ?? -1
            $0.fenced = 1
        }
        commit(controller.partitionsFenced(from: broker) + [VersionedRecord(.brokerRegistrationChange(change), 0)])
    }

    mutating func shutDown(_ id: Int32) {
        let broker = NodeId(id)
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = id
            $0.brokerEpoch = controller.image.brokers[broker]?.epoch ?? -1
            $0.inControlledShutdown = 1
        }
        commit([VersionedRecord(.brokerRegistrationChange(change), 1)] + controller.partitionsHandedOver(by: broker))
    }

    /// Makes topic `t` with these replicas.
    mutating func create(_ replicas: [[Int32]], _ settings: [String: String] = [:]) throws {
        let decision = controller.createTopics(
            CreateTopicsRequest {
                $0.topics = [
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = "t"
                        $0.numPartitions = -1
                        $0.replicationFactor = -1
                        $0.configs = settings.sorted { $0.key < $1.key }.map { key, value in
                            CreateTopicsRequest.CreatableTopicConfig {
                                $0.name = key
                                $0.value = value
                            }
                        }
                        $0.assignments = replicas.enumerated().map { index, ids in
                            CreateTopicsRequest.CreatableReplicaAssignment {
                                $0.partitionIndex = Int32(index)
                                $0.brokerIds = ids
                            }
                        }
                    }
                ]
            })
        #expect(decision.reply.topics[0].errorCode == .none)
        commit(decision.records)
        topic = try #require(controller.image.topicIds["t"])
    }

    func partition(_ index: Int32 = 0) throws -> PartitionImage {
        try #require(controller.image.topics[topic]?.partitions[index])
    }

    /// The leader asks for another in-sync set, on what it knows.
    mutating func alter(
        _ inSync: [Int32], by broker: Int32? = nil, leaderEpoch: Int32? = nil, partitionEpoch: Int32? = nil,
        epochs: [Int32: Int64] = [:], recovers: Bool = false
    ) throws -> AlterPartitionResponse.PartitionData {
        let known = try partition()
        let leader = broker ?? known.leader.rawValue
        let brokers = controller.image.brokers
        let decision = controller.alterPartition(
            AlterPartitionRequest {
                $0.brokerId = leader
                $0.brokerEpoch = brokers[NodeId(leader)]?.epoch ?? -1
                $0.topics = [
                    AlterPartitionRequest.TopicData {
                        $0.topicId = topic
                        $0.partitions = [
                            AlterPartitionRequest.PartitionData {
                                $0.leaderEpoch = leaderEpoch ?? known.leaderEpoch.rawValue
                                $0.partitionEpoch = partitionEpoch ?? known.partitionEpoch
                                $0.leaderRecoveryState = recovers ? 1 : 0
                                $0.newIsrWithEpochs = inSync.map { id in
                                    AlterPartitionRequest.BrokerState {
                                        $0.brokerId = id
                                        $0.brokerEpoch = epochs[id] ?? brokers[NodeId(id)]?.epoch ?? -1
                                    }
                                }
                            }
                        ]
                    }
                ]
            })
        commit(decision.records)
        return decision.reply.topics[0].partitions[0]
    }

    mutating func reassign(_ replicas: [Int32]?, mayChangeFactor: Bool = true) -> ErrorCode {
        let decision = controller.alterReassignments(
            AlterPartitionReassignmentsRequest {
                $0.allowReplicationFactorChange = mayChangeFactor
                $0.topics = [
                    AlterPartitionReassignmentsRequest.ReassignableTopic {
                        $0.name = "t"
                        $0.partitions = [
                            AlterPartitionReassignmentsRequest.ReassignablePartition { $0.replicas = replicas }
                        ]
                    }
                ]
            })
        commit(decision.records)
        return decision.reply.responses[0].partitions[0].errorCode
    }

    mutating func elect(_ type: Int8) -> ErrorCode {
        let decision = controller.electLeaders(
            ElectLeadersRequest {
                $0.electionType = type
                $0.topicPartitions = [
                    ElectLeadersRequest.TopicPartitions {
                        $0.topic = "t"
                        $0.partitions = [0]
                    }
                ]
            })
        commit(decision.records)
        return decision.reply.replicaElectionResults[0].partitionResult[0].errorCode
    }
}

func ids(_ raw: Int32...) -> [NodeId] { raw.map { NodeId($0) } }
