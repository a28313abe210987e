// The same offsets in all versions of their requests: topics by name and by id, one group and several.

import Basics
import Broker
import Bytes
import Testing
import WireProtocol

@Suite struct OffsetVersionTests {
    private static let settings = ["offsets.topic.num.partitions": "4"]

    private func topicId(_ peer: Peer, _ name: String) throws -> Uuid {
        let request = MetadataRequest { $0.topics = [MetadataRequest.MetadataRequestTopic { $0.name = name }] }
        return try peer.call(request, version: 12).topics[0].topicId
    }

    private func commit(_ peer: Peer, _ id: Uuid) throws -> ErrorCode {
        let request = OffsetCommitRequest {
            $0.groupId = "g"
            $0.topics = [
                OffsetCommitRequest.OffsetCommitRequestTopic {
                    $0.topicId = id
                    $0.partitions = [OffsetCommitRequest.OffsetCommitRequestPartition { $0.committedOffset = 9 }]
                }
            ]
        }
        return try peer.whenLoaded {
            let topic = try peer.call(request, version: 10).topics[0]
            #expect(topic.topicId == id)
            return (topic.partitions[0].errorCode, topic.partitions[0].errorCode)
        }
    }

    @Test func `topics are named by their ids since version 10`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            try peer.findCoordinator("g")
            let id = try topicId(peer, "t")
            let unknown = Uuid(high: 7, low: 7)
            #expect(try commit(peer, id) == .none)
            #expect(try commit(peer, unknown) == .unknownTopicId)
            let asked = OffsetFetchRequest {
                $0.groups = [
                    OffsetFetchRequest.OffsetFetchRequestGroup {
                        $0.groupId = "g"
                        $0.topics = [id, unknown].map { id in
                            OffsetFetchRequest.OffsetFetchRequestTopics {
                                $0.topicId = id
                                $0.partitionIndexes = [0]
                            }
                        }
                    },
                    OffsetFetchRequest.OffsetFetchRequestGroup {
                        $0.groupId = "other"
                        $0.topics = nil
                    },
                ]
            }
            let groups = try peer.call(asked, version: 10).groups
            #expect(groups.map(\.groupId) == ["g", "other"] && groups[1].topics.isEmpty)
            for topic in groups[0].topics {
                #expect(topic.partitions[0].errorCode == (topic.topicId == id ? .none : .unknownTopicId))
                #expect(topic.partitions[0].committedOffset == (topic.topicId == id ? 9 : -1))
            }
            #expect(groups[0].topics.count == 2)
        }
    }

    @Test func `old versions ask for one group, and are answered alike`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            try peer.findCoordinator("g")
            for version in Int16(2)...9 {
                #expect(try peer.commit("g", "t", Int64(version), metadata: "m", version: version) == .none)
                #expect(try peer.committed("g") == ["t-0": "\(version) m"])
            }
            for version in Int16(1)...7 {
                let request = OffsetFetchRequest {
                    $0.groupId = "g"
                    $0.topics = [
                        OffsetFetchRequest.OffsetFetchRequestTopic {
                            $0.name = "t"
                            $0.partitionIndexes = [0, 3]
                        }
                    ]
                }
                let response = try peer.call(request, version: version)
                #expect(response.errorCode == .none)
                #expect(response.topics[0].partitions.map(\.committedOffset) == [9, -1])
            }
        }
    }

    @Test func `a broker that does not coordinate a group says so, in each version's place`() throws {
        try withBroker(Self.settings) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            // Nobody asked for a coordinator, so that there is none.
            for version in Int16(1)...7 {
                let request = OffsetFetchRequest {
                    $0.groupId = "g"
                    $0.topics = [
                        OffsetFetchRequest.OffsetFetchRequestTopic {
                            $0.name = "t"
                            $0.partitionIndexes = [0]
                        }
                    ]
                }
                let response = try peer.call(request, version: version)
                let code = version >= 2 ? response.errorCode : response.topics[0].partitions[0].errorCode
                #expect(code == .notCoordinator, "version \(version)")
            }
            #expect(try peer.commit("g", "t", 1) == .notCoordinator)
            #expect(try peer.heartbeat("g", "m", 1) == .notCoordinator)
            #expect(try peer.call(Peer.join("g"), version: 9).errorCode == .notCoordinator)
            #expect(try peer.call(ListGroupsRequest(), version: 5).groups.isEmpty)
        }
    }
}
