// The promises of a member of a classic group about what it lost meanwhile.

import Basics
import Bytes
import Client
import Environment
import Testing
import WireProtocol

@Suite struct GroupConsumerTests {
    /// The coordinator of one group, whose members are told to do what the test says.
    private final class Coordinator {
        /// What each SyncGroup is answered, the last one again and again.
        var assignments: [[Int32]]
        var heartbeat = ErrorCode.none
        /// What commits are answered.
        var commit = ErrorCode.none
        private(set) var joins: [JoinGroupRequest] = []

        init(_ broker: FakeBroker, _ assignments: [[Int32]]) {
            self.assignments = assignments
            broker.on(FindCoordinatorRequest.self) { request, _ in .answer(Coordinator.itself(request)) }
            broker.on(JoinGroupRequest.self) { [unowned self] request, _ in
                joins.append(request)
                return .answer(joined(request))
            }
            broker.on(SyncGroupRequest.self) { [unowned self] _, _ in .answer(synced()) }
            broker.on(HeartbeatRequest.self) { [unowned self] _, _ in
                let code = heartbeat
                heartbeat = .none
                return .answer(HeartbeatResponse { $0.errorCode = code })
            }
            broker.on(OffsetCommitRequest.self, 2...8) { [unowned self] request, _ in
                .answer(answer(to: request))
            }
            broker.on(OffsetFetchRequest.self, 8...8) { request, _ in .answer(Coordinator.committed(request)) }
            broker.on(FetchRequest.self) { _, _ in .silence }
        }

        private static func itself(_ request: FindCoordinatorRequest) -> FindCoordinatorResponse {
            FindCoordinatorResponse {
                $0.coordinators = request.coordinatorKeys.map { key in
                    FindCoordinatorResponse.Coordinator {
                        $0.key = key
                        $0.nodeId = 1
                        $0.host = "broker"
                        $0.port = 1
                    }
                }
            }
        }

        /// Another member leads.
        private func joined(_ request: JoinGroupRequest) -> JoinGroupResponse {
            JoinGroupResponse {
                $0.generationId = Int32(joins.count)
                $0.protocolType = "consumer"
                $0.protocolName = "cooperative-sticky"
                $0.leader = "another"
                $0.memberId = request.memberId.isEmpty ? "member-\(joins.count)" : request.memberId
            }
        }

        private func synced() -> SyncGroupResponse {
            let partitions = assignments.count > 1 ? assignments.removeFirst() : assignments[0]
            let assignment = ConsumerProtocolAssignment {
                $0.assignedPartitions = [
                    ConsumerProtocolAssignment.TopicPartition {
                        $0.topic = "t"
                        $0.partitions = partitions
                    }
                ]
            }
            return SyncGroupResponse {
                $0.assignment = ByteSlice([0, 1] + assignment.encoded(version: 1).array)
            }
        }

        private func answer(to request: OffsetCommitRequest) -> OffsetCommitResponse {
            OffsetCommitResponse {
                $0.topics = request.topics.map { topic in
                    OffsetCommitResponse.OffsetCommitResponseTopic {
                        $0.name = topic.name
                        $0.partitions = topic.partitions.map { partition in
                            OffsetCommitResponse.OffsetCommitResponsePartition {
                                $0.partitionIndex = partition.partitionIndex
                                $0.errorCode = commit
                            }
                        }
                    }
                }
            }
        }

        private static func committed(_ request: OffsetFetchRequest) -> OffsetFetchResponse {
            OffsetFetchResponse {
                $0.groups = request.groups.map { group in
                    OffsetFetchResponse.OffsetFetchResponseGroup {
                        $0.groupId = group.groupId
                        $0.topics = (group.topics ?? []).map { topic in
                            OffsetFetchResponse.OffsetFetchResponseTopics {
                                $0.name = topic.name
                                $0.partitions = topic.partitionIndexes.map { index in
                                    OffsetFetchResponse.OffsetFetchResponsePartitions {
                                        $0.partitionIndex = index
                                        $0.committedOffset = 5
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    private let cluster = FakeCluster(partitions: 2)
    private var loop: ManualLoop { cluster.world.loop }

    /// What a member tells: what it reads, what it gave up, what it lost.
    private final class Story {
        var reads: Set<Int32> = []
        var gaveUp: [Int32] = []
        var lost: [Int32] = []
    }

    private func member(_ story: Story) -> GroupConsumer {
        var settings = GroupConsumerSettings(group: "g", topics: ["t"])
        settings.assignors = [.cooperativeSticky]
        settings.reset = .earliest
        let consumer = GroupConsumer(cluster.client(), settings)
        consumer.onEvent = { event in
            switch event {
            case .assigned(let begun): story.reads.formUnion(begun.map(\.partition.partition))
            case .revoked(let partitions, let isLost):
                story.reads.subtract(partitions.map(\.partition))
                if isLost { story.lost += partitions.map(\.partition) } else { story.gaveUp += partitions.map(\.partition) }
            case .failed(let error): Issue.record("\(error)")
            case .records, .end, .committed, .commitFailed: break
            }
        }
        return consumer
    }

    @Test func `a member gives up what it shall not have any more, and keeps the rest`() throws {
        let coordinator = Coordinator(try #require(cluster.brokers[1]), [[0, 1], [1]])
        let story = Story()
        let consumer = member(story)
        consumer.start()
        #expect(loop.pass { story.reads == [0, 1] })
        coordinator.heartbeat = .rebalanceInProgress
        #expect(loop.pass { story.gaveUp == [0] })
        #expect(story.reads == [1] && story.lost.isEmpty)
    }

    @Test func `a commit that ends after all was lost takes nothing away that was assigned since`() throws {
        let coordinator = Coordinator(try #require(cluster.brokers[1]), [[0, 1], [1], [0, 1]])
        let story = Story()
        let consumer = member(story)
        consumer.start()
        #expect(loop.pass { story.reads == [0, 1] })
        // It gives up 0, and the commit for that finds a coordinator that loads.
        consumer.seek(TopicPartition("t", 0), to: Offset(7))
        coordinator.commit = .coordinatorLoadInProgress
        coordinator.heartbeat = .rebalanceInProgress
        #expect(loop.pass { coordinator.joins.count == 2 })
        loop.pass(.seconds(1))
        #expect(story.gaveUp.isEmpty)
        coordinator.heartbeat = .unknownMemberId
        #expect(loop.pass { story.lost == [0, 1] })
        coordinator.commit = .none
        #expect(loop.pass { coordinator.joins.count == 3 })
        #expect(coordinator.joins.last?.memberId == "")
        #expect(loop.pass(upTo: .seconds(120)) { story.reads == [0, 1] })
        loop.pass(.seconds(60))
        #expect(story.reads == [0, 1] && story.gaveUp.isEmpty)
        #expect(consumer.assignment == [TopicPartition("t", 0), TopicPartition("t", 1)])
    }
}
