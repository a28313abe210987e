// A cluster of fake brokers with one topic, which stores what is produced and gives it back.

import Basics
import Bytes
import Client
import Environment
import Records
import WireProtocol

/// Brokers 1 and 2 at ports 1 and 2; partition p of topic `t` is led by the broker that `leaders` names.
final class FakeCluster {
    let world = FakeWorld()
    var brokers: [Int32: FakeBroker] = [:]
    var leaders: [Int32]
    let topicId = Uuid(high: 7, low: 7)
    /// Batches as they came, by partition, with their base offsets patched in.
    var logs: [[RecordBatch]]
    var nextOffsets: [Int64]
    /// What the next produce requests are answered with instead of being stored.
    var produceErrors: [ErrorCode] = []
    var produceRequests: [ProduceRequest] = []
    /// Hangs up on the next produce requests: before storing, or after.
    var hangUps: [HangUp] = []
    /// Whether a broker that refuses because another leads says who does (KIP-951).
    var hintsLeaders = false
    var announcesProducerIds = false
    var producerIds: Int64 = 100

    enum HangUp { case before, after }

    init(partitions: Int = 1) {
        leaders = Array(repeating: 1, count: partitions)
        logs = Array(repeating: [], count: partitions)
        nextOffsets = Array(repeating: 0, count: partitions)
        for id in Int32(1)...2 {
            let broker = FakeBroker()
            brokers[id] = broker
            world.network.brokers[UInt16(id)] = broker
            broker.on(MetadataRequest.self) { [unowned self] request, _ in .answer(self.metadata(request)) }
            broker.on(ProduceRequest.self) { [unowned self] request, _ in self.produce(request, at: id) }
            broker.on(ListOffsetsRequest.self) { [unowned self] request, _ in .answer(self.offsets(request)) }
        }
    }

    func announceProducerIds() {
        for broker in brokers.values {
            broker.on(InitProducerIdRequest.self) { [unowned self] _, _ in
                self.producerIds += 1
                return .answer(
                    InitProducerIdResponse {
                        $0.producerId = self.producerIds
                        $0.producerEpoch = 0
                    })
            }
        }
    }

    func client(_ fill: (inout ClientSettings) -> Void = { _ in }) -> ClusterClient {
        var settings = ClientSettings(bootstrap: [world.address(1)])
        fill(&settings)
        return ClusterClient(world.environment, on: world.loop, settings)
    }

    private func metadata(_ request: MetadataRequest) -> MetadataResponse {
        MetadataResponse {
            $0.clusterId = "fake"
            $0.controllerId = 1
            $0.brokers = brokers.keys.sorted().map { id in
                MetadataResponse.MetadataResponseBroker {
                    $0.nodeId = id
                    $0.host = "broker"
                    $0.port = id
                }
            }
            $0.topics = (request.topics ?? [MetadataRequest.MetadataRequestTopic { $0.name = "t" }]).map(topic)
        }
    }

    private func topic(_ asked: MetadataRequest.MetadataRequestTopic) -> MetadataResponse.MetadataResponseTopic {
        MetadataResponse.MetadataResponseTopic {
            $0.name = asked.name
            guard asked.name == "t" else { return $0.errorCode = .unknownTopicOrPartition }
            $0.topicId = topicId
            $0.partitions = leaders.enumerated().map { index, leader in
                MetadataResponse.MetadataResponsePartition {
                    $0.partitionIndex = Int32(index)
                    $0.leaderId = leader
                    $0.leaderEpoch = 1
                    $0.replicaNodes = [1, 2]
                    $0.isrNodes = [1, 2]
                }
            }
        }
    }

    private func produce(_ request: ProduceRequest, at id: Int32) -> Reaction<ProduceResponse> {
        produceRequests.append(request)
        let hangUp = hangUps.isEmpty ? nil : hangUps.removeFirst()
        if hangUp == .before { return .hangUp }
        let response = ProduceResponse {
            $0.responses = request.topicData.map { topic in
                ProduceResponse.TopicProduceResponse {
                    $0.name = topic.name
                    $0.topicId = topic.topicId
                    $0.partitionResponses = topic.partitionData.map { store($0, at: id) }
                }
            }
            guard hintsLeaders else { return }
            $0.nodeEndpoints = Set(leaders).sorted().map { leader in
                ProduceResponse.NodeEndpoint {
                    $0.nodeId = leader
                    $0.host = "broker"
                    $0.port = leader
                }
            }
        }
        if hangUp == .after { return .hangUp }
        return request.acks == 0 ? .silence : .answer(response)
    }

    private func store(
        _ data: ProduceRequest.PartitionProduceData, at id: Int32
    ) -> ProduceResponse.PartitionProduceResponse {
        ProduceResponse.PartitionProduceResponse {
            $0.index = data.index
            $0.baseOffset = -1
            let index = Int(data.index)
            guard leaders[index] == id else {
                if hintsLeaders { $0.currentLeader = .init { $0.leaderId = leaders[index]; $0.leaderEpoch = 2 } }
                return $0.errorCode = .notLeaderOrFollower
            }
            if !produceErrors.isEmpty {
                let code = produceErrors.removeFirst()
                if code.isError { return $0.errorCode = code }
            }
            guard let bytes = data.records.slice, var batch = RecordBatch(ByteSlice(bytes.array)), batch.hasValidChecksum
            else { return $0.errorCode = .corruptMessage }
            if let known = logs[index].first(where: { sameSequence($0, batch) }) {
                $0.errorCode = .none
                return $0.baseOffset = known.header.baseOffset.rawValue
            }
            batch.place(at: Offset(nextOffsets[index]), epoch: LeaderEpoch(1))
            $0.baseOffset = nextOffsets[index]
            nextOffsets[index] += Int64(batch.header.recordCount)
            logs[index].append(batch)
        }
    }

    private func sameSequence(_ left: RecordBatch, _ right: RecordBatch) -> Bool {
        left.header.hasProducerId && left.header.producerId == right.header.producerId
            && left.header.baseSequence == right.header.baseSequence
    }

    private func offsets(_ request: ListOffsetsRequest) -> ListOffsetsResponse {
        ListOffsetsResponse {
            $0.topics = request.topics.map { topic in
                ListOffsetsResponse.ListOffsetsTopicResponse {
                    $0.name = topic.name
                    $0.partitions = topic.partitions.map { partition in
                        ListOffsetsResponse.ListOffsetsPartitionResponse {
                            $0.partitionIndex = partition.partitionIndex
                            $0.offset = partition.timestamp == -2 ? 5 : nextOffsets[Int(partition.partitionIndex)]
                        }
                    }
                }
            }
        }
    }

    /// The values in the log of a partition.
    func values(_ partition: Int = 0) -> [String] {
        logs[partition].flatMap { batch -> [String] in
            guard var reader = try? RecordReader(batch, expansionLimit: 1 << 24) else { return ["unreadable"] }
            var found: [String] = []
            while let record = try? reader.next() { found.append(record.value?.string ?? "null") }
            return found
        }
    }
}

extension ProducerRecord {
    init(_ text: String, key: String? = nil, partition: Int32? = nil) {
        self.init(partition: partition, key: key.map { ByteSlice($0.utf8) }, value: ByteSlice(text.utf8))
    }
}
