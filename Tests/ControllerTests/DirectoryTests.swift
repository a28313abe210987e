// Log folders in the metadata (KIP-858): assignments, and what is left when one fails.

import Basics
import ClusterImage
import Configuration
import Controller
import Testing
import WireProtocol

@Suite struct DirectoryTests {
    private static let first = Uuid(high: 1, low: 1)
    private static let second = Uuid(high: 1, low: 2)
    private static let broker = NodeId(1)

    /// A controller with one broker of two folders, the features of a new cluster, and a topic of two partitions, one in
    /// each folder.
    private static func make(eligible: Int16 = 1) throws -> (controller: Controller, topic: Uuid) {
        var controller = Controller(
            image: ClusterImage(clusterId: "c"), node: try NodeConfiguration([]), seed: 1)
        commit(SupportedFeatures.bootstrapRecords, to: &controller)
        let level = FeatureLevelRecord {
            $0.name = "eligible.leader.replicas.version"
            $0.featureLevel = eligible
        }
        commit([VersionedRecord(.featureLevel(level), 0)], to: &controller)
        register([first, second], in: &controller)
        let decision = controller.createTopics(
            CreateTopicsRequest {
                $0.topics = [
                    CreateTopicsRequest.CreatableTopic {
                        $0.name = "t"
                        $0.numPartitions = 2
                        $0.replicationFactor = 1
                    }
                ]
            })
        commit(decision.records, to: &controller)
        let topic = try #require(controller.image.topicIds["t"])
        let assignments = [(Int32(0), first), (1, second)].map {
            DirectoryAssignment(topicId: topic, partition: $0.0, directory: $0.1)
        }
        commit(controller.assign(assignments, of: broker), to: &controller)
        return (controller, topic)
    }

    private static func register(_ directories: [Uuid], in controller: inout Controller) {
        let description = BrokerDescription(
            id: broker, incarnation: .zero, endpoints: [], rack: nil, directories: directories)
        commit(controller.register(description, epoch: controller.image.endOffset), to: &controller)
        commit(controller.unfence(broker), to: &controller)
    }

    private static func commit(_ records: [VersionedRecord], to controller: inout Controller) {
        for record in records { controller.replay(record.record, at: controller.image.endOffset) }
    }

    @Test func `an assignment is recorded once`() throws {
        let (controller, topic) = try Self.make()
        #expect(controller.image.topics[topic]?.partitions[0]?.directories == [Self.first])
        #expect(controller.image.topics[topic]?.partitions[1]?.directories == [Self.second])
        let again = DirectoryAssignment(topicId: topic, partition: 0, directory: Self.first)
        #expect(controller.assign([again], of: Self.broker).isEmpty)
    }

    @Test(arguments: [Int16(0), 1])
    func `a replica that is lost leads no more until it is in a folder again`(eligible: Int16) throws {
        var (controller, topic) = try Self.make(eligible: eligible)
        func assign(_ folder: Uuid) -> ErrorCode? {
            let decision = controller.assignReplicas(
                AssignReplicasToDirsRequest {
                    $0.brokerId = 1
                    $0.brokerEpoch = controller.image.brokers[Self.broker]?.epoch ?? -1
                    $0.directories = [
                        AssignReplicasToDirsRequest.DirectoryData {
                            $0.id = folder
                            $0.topics = [
                                AssignReplicasToDirsRequest.TopicData {
                                    $0.topicId = topic
                                    $0.partitions = [AssignReplicasToDirsRequest.PartitionData { $0.partitionIndex = 0 }]
                                }
                            ]
                        }
                    ]
                })
            Self.commit(decision.records, to: &controller)
            return decision.reply.directories.first?.topics.first?.partitions.first?.errorCode
        }
        #expect(assign(BrokerImage.lostDirectory) == ErrorCode.none)
        #expect(controller.image.topics[topic]?.partitions[0]?.leader == NodeId.none)
        #expect(controller.image.topics[topic]?.partitions[1]?.leader == Self.broker)
        #expect(assign(Self.second) == ErrorCode.none)
        #expect(controller.image.topics[topic]?.partitions[0]?.leader == Self.broker)
    }

    @Test(arguments: [Int16(0), 1])
    func `a folder that fails takes its partitions' leaders along and leaves the others`(eligible: Int16) throws {
        var (controller, topic) = try Self.make(eligible: eligible)
        let records = controller.directoriesOffline([Self.second], of: Self.broker)
        #expect(records.count == 2)
        guard case .brokerRegistrationChange(let change)? = records.last?.record else {
            Issue.record("the registration is not changed last")
            return
        }
        #expect(change.logDirs == [Self.first])
        Self.commit(records, to: &controller)
        let partitions = try #require(controller.image.topics[topic]).partitions
        #expect(partitions[0]?.leader == Self.broker)
        let lost = try #require(partitions[1])
        #expect(lost.leader == .none)
        #expect(lost.inSync == (eligible == 1 ? [] : [Self.broker]))
        #expect(lost.eligibleLeaders == (eligible == 1 ? [Self.broker] : []))
        #expect(controller.image.offlineReplicas(of: lost) == [Self.broker])
        #expect(controller.directoriesOffline([Self.second], of: Self.broker).isEmpty)
    }

    @Test func `a partition leads again when its folder is back, and not before`() throws {
        var (controller, topic) = try Self.make()
        Self.commit(controller.directoriesOffline([Self.second], of: Self.broker), to: &controller)
        Self.register([Self.first], in: &controller)
        #expect(controller.image.topics[topic]?.partitions[1]?.leader == NodeId.none)
        #expect(controller.image.topics[topic]?.partitions[0]?.leader == Self.broker)
        Self.register([Self.first, Self.second], in: &controller)
        let back = try #require(controller.image.topics[topic]?.partitions[1])
        #expect(back.leader == Self.broker && back.inSync == [Self.broker] && back.eligibleLeaders.isEmpty)
    }
}
