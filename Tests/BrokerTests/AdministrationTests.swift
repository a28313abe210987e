// Configurations, deleted records and producer ids as a client sees them, across restarts.

import Basics
import Broker
import Bytes
import Testing
import WireProtocol

private func configuration(
    _ peer: Peer, _ type: Int8, _ name: String, _ keys: [String]?
) throws -> DescribeConfigsResponse.DescribeConfigsResult {
    let request = DescribeConfigsRequest {
        $0.resources = [
            DescribeConfigsRequest.DescribeConfigsResource {
                $0.resourceType = type
                $0.resourceName = name
                $0.configurationKeys = keys
            }
        ]
        $0.includeSynonyms = true
        $0.includeDocumentation = true
    }
    return try peer.call(request, version: 4).results[0]
}

private func set(_ peer: Peer, _ type: Int8, _ name: String, _ key: String, _ value: String?) throws -> ErrorCode {
    let request = IncrementalAlterConfigsRequest {
        $0.resources = [
            IncrementalAlterConfigsRequest.AlterConfigsResource {
                $0.resourceType = type
                $0.resourceName = name
                $0.configs = [
                    IncrementalAlterConfigsRequest.AlterableConfig {
                        $0.name = key
                        $0.configOperation = value == nil ? 1 : 0
                        $0.value = value
                    }
                ]
            }
        ]
    }
    return try peer.call(request, version: 1).responses[0].errorCode
}

private func deleteRecords(_ peer: Peer, _ topic: String, _ offset: Int64) throws
    -> DeleteRecordsResponse.DeleteRecordsPartitionResult
{
    let request = DeleteRecordsRequest {
        $0.topics = [
            DeleteRecordsRequest.DeleteRecordsTopic {
                $0.name = topic
                $0.partitions = [DeleteRecordsRequest.DeleteRecordsPartition { $0.offset = offset }]
            }
        ]
    }
    return try peer.call(request, version: 2).topics[0].partitions[0]
}

private func producerId(_ peer: Peer) throws -> Int64 {
    let response = try peer.call(InitProducerIdRequest { $0.transactionalId = nil }, version: 4)
    #expect(response.errorCode == .none && response.producerEpoch == 0)
    return response.producerId
}

@Suite struct AdministrationTests {
    @Test func `describes a topic's settings with where each is from`() throws {
        try withBroker(["log.retention.hours": "5"]) { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t", ["max.message.bytes": "1000"])
            let result = try configuration(peer, 2, "t", nil)
            #expect(result.errorCode == .none && result.configs.count == 37)
            let byName = Dictionary(uniqueKeysWithValues: result.configs.map { ($0.name, $0) })
            let size = try #require(byName["max.message.bytes"])
            #expect(size.value == "1000" && size.configSource == 1 && size.configType == 3)
            #expect(size.synonyms.map(\.name) == ["max.message.bytes", "message.max.bytes"])
            #expect(size.documentation?.isEmpty == false)
            let retention = try #require(byName["retention.ms"])
            #expect(retention.value == "18000000" && retention.configSource == 4)
            #expect(try configuration(peer, 2, "t", ["retention.ms", "no.such"]).configs.count == 1)
            #expect(try configuration(peer, 2, "nosuch", nil).errorCode == .unknownTopicOrPartition)
            #expect(try configuration(peer, 4, "2", nil).errorCode == .invalidRequest)
            #expect(try configuration(peer, 4, "", nil).configs.map(\.name) == ["min.insync.replicas"])
            #expect(try configuration(peer, 4, "1", ["node.id"]).configs[0].readOnly)
            #expect(try configuration(peer, 32, "g", nil).configs.count == 27)
            #expect(try configuration(peer, 16, "m", ["interval.ms"]).configs[0].value == "300000")
        }
    }

    @Test func `a changed setting takes effect at once, for the topic and for the broker`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            #expect(try peer.produce(batch(count: 100), to: "t").errorCode == .none)
            #expect(try set(peer, 2, "t", "max.message.bytes", "600") == .none)
            #expect(try peer.produce(batch(count: 100), to: "t").errorCode == .messageTooLarge)
            #expect(try set(peer, 2, "t", "max.message.bytes", nil) == .none)
            #expect(try peer.produce(batch(count: 100), to: "t").errorCode == .none)
            #expect(try set(peer, 4, "", "message.max.bytes", "500") == .none)
            #expect(try peer.produce(batch(count: 100), to: "t").errorCode == .messageTooLarge)
            #expect(try set(peer, 4, "1", "message.max.bytes", "100000") == .none)
            #expect(try peer.produce(batch(count: 100), to: "t").errorCode == .none)
            #expect(try set(peer, 4, "1", "max.connections", "1") == .none)
            let refused = try Peer(port: broker.port)
            guard case .closed = refused.receive() else { throw TestFailure("one connection too many") }
        }
    }

    @Test func `deleted records stay deleted after a crash`() throws {
        try withFolder { folder in
            let first = try TestBroker(folder: folder)
            let peer = try Peer(port: first.port)
            try peer.create("t")
            for _ in 0..<4 { _ = try peer.produce(batch(count: 5), to: "t") }
            #expect(try deleteRecords(peer, "t", 21).errorCode == .offsetOutOfRange)
            #expect(try deleteRecords(peer, "nosuch", 1).errorCode == .unknownTopicOrPartition)
            let cut = try deleteRecords(peer, "t", 7)
            #expect(cut.errorCode == .none && cut.lowWatermark == 7)
            #expect(try peer.fetch("t", from: 6).responses[0].partitions[0].errorCode == .offsetOutOfRange)
            #expect(try peer.records("t", from: 7).count == 3 + 10)
            first.kill()
            let afterCrash = try TestBroker.copy(folder)
            let second = try TestBroker(folder: afterCrash)
            let again = try Peer(port: second.port)
            #expect(try again.offset(of: -2, in: "t").offset == 7)
            #expect(try again.offset(of: -1, in: "t").offset == 20)
            #expect(try deleteRecords(again, "t", -1).lowWatermark == 20)
            try second.stop()
            let third = try TestBroker(folder: try TestBroker.copy(afterCrash))
            #expect(try Peer(port: third.port).offset(of: -2, in: "t").offset == 20)
            try third.stop()
        }
    }

    @Test func `compaction's topics lose no records by offset`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("c", ["cleanup.policy": "compact"])
            try peer.create("both", ["cleanup.policy": "compact,delete"])
            #expect(try deleteRecords(peer, "c", 0).errorCode == .policyViolation)
            #expect(try deleteRecords(peer, "both", 0).errorCode == .none)
        }
    }

    @Test func `no producer id is given twice, not even after a crash`() throws {
        try withFolder { folder in
            var seen: Set<Int64> = []
            var folder = folder
            for _ in 0..<3 {
                let broker = try TestBroker(folder: folder)
                for _ in 0..<4 {
                    let peer = try Peer(port: broker.port)
                    for _ in 0..<3 { #expect(seen.insert(try producerId(peer)).inserted) }
                }
                broker.kill()
                folder = try TestBroker.copy(folder)
            }
            #expect(seen.count == 36)
        }
    }

    @Test func `without a transaction coordinator a transactional id is somebody else's`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            func code(_ id: String?, producer: Int64 = -1) throws -> ErrorCode {
                let request = InitProducerIdRequest {
                    $0.transactionalId = id
                    $0.producerId = producer
                }
                return try peer.call(request, version: 5).errorCode
            }
            #expect(try code("") == .invalidRequest)
            #expect(try code("tx") == .notCoordinator)
            #expect(try code(nil, producer: 5) == .invalidRequest)
        }
    }

    @Test func `pages through the partitions of topics`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("a", partitions: 3)
            try peer.create("b", partitions: 2)
            var seen: [String] = []
            var cursor: DescribeTopicPartitionsRequest.Cursor?
            var pages = 0
            repeat {
                let request = DescribeTopicPartitionsRequest {
                    $0.responsePartitionLimit = 2
                    $0.cursor = cursor
                }
                let response = try peer.call(request, version: 0)
                for topic in response.topics { seen += topic.partitions.map { "\(topic.name ?? "")\($0.partitionIndex)" } }
                cursor = response.nextCursor.map { next in
                    DescribeTopicPartitionsRequest.Cursor {
                        $0.topicName = next.topicName
                        $0.partitionIndex = next.partitionIndex
                    }
                }
                pages += 1
            } while cursor != nil
            #expect(seen == ["a0", "a1", "a2", "b0", "b1"] && pages == 3)
        }
    }

    @Test func `tells where an epoch ends`() throws {
        try withBroker { broker in
            let peer = try Peer(port: broker.port)
            try peer.create("t")
            _ = try peer.produce(batch(count: 5), to: "t")
            func end(_ epoch: Int32, current: Int32 = -1) throws -> OffsetForLeaderEpochResponse.EpochEndOffset {
                let request = OffsetForLeaderEpochRequest {
                    $0.replicaId = -1
                    $0.topics = [
                        OffsetForLeaderEpochRequest.OffsetForLeaderTopic {
                            $0.topic = "t"
                            $0.partitions = [
                                OffsetForLeaderEpochRequest.OffsetForLeaderPartition {
                                    $0.currentLeaderEpoch = current
                                    $0.leaderEpoch = epoch
                                }
                            ]
                        }
                    ]
                }
                return try peer.call(request, version: 4).topics[0].partitions[0]
            }
            #expect(try end(0).endOffset == 5)
            #expect(try end(9).endOffset == -1 && end(9).errorCode == .none)
            #expect(try end(0, current: 3).errorCode == .unknownLeaderEpoch)
        }
    }
}
