// The requests that many tests begin with.

import Basics
import Bytes
import Reactor
import Records
import WireProtocol

func text(_ string: String) -> ByteSlice { ByteSlice(Array(string.utf8)) }

/// A batch as a producer sends it.
func batch(
    _ compression: CompressionType = .none, count: Int = 3, key: String? = "k", from time: Int64 = now(),
    change: (inout RecordBatchBuilder) -> Void = { _ in }
) throws -> ByteSlice {
    var builder = RecordBatchBuilder()
    change(&builder)
    for number in 0..<count {
        builder.append(
            timestamp: Timestamp(milliseconds: time + Int64(number)), key: key.map { text($0) },
            value: text("value \(number)"))
    }
    return try builder.finish(compression)
}

func now() -> Int64 { SystemClock().wallClock.milliseconds }

/// The batch with `value` at `position`; `heals`: with the CRC made right again.
func patched<Value: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: ByteSlice, _ value: Value, at position: Int, heals: Bool = true
) -> ByteSlice {
    let copy = ByteSlice(bytes.array)
    copy.patch(value, at: position)
    if heals { copy.patch(copy.dropFirst(21).crc32c(), at: 17) }
    return copy
}

extension Peer {
    @discardableResult
    func create(_ name: String, partitions: Int32 = 1, _ configuration: [String: String] = [:]) throws -> ErrorCode {
        let request = CreateTopicsRequest {
            $0.topics = [
                CreateTopicsRequest.CreatableTopic {
                    $0.name = name
                    $0.numPartitions = partitions
                    $0.replicationFactor = 1
                    $0.configs = configuration.sorted { $0.key < $1.key }.map { key, value in
                        CreateTopicsRequest.CreatableTopicConfig {
                            $0.name = key
                            $0.value = value
                        }
                    }
                }
            ]
            $0.timeoutMs = 10_000
        }
        return try call(request, version: 5).topics[0].errorCode
    }

    /// What became of one batch for partition 0 of `topic`.
    func produce(
        _ records: ByteSlice?, to topic: String, version: Int16 = 9, acks: Int16 = -1
    ) throws -> ProduceResponse.PartitionProduceResponse {
        send(Peer.production(records, to: topic, acks: acks), version: version)
        return try produced(version: version)
    }

    /// The request for it.
    static func production(_ records: ByteSlice?, to topic: String, acks: Int16 = -1) -> ProduceRequest {
        ProduceRequest {
            $0.acks = acks
            $0.timeoutMs = 5000
            $0.topicData = [
                ProduceRequest.TopicProduceData {
                    $0.name = topic
                    $0.partitionData = [
                        ProduceRequest.PartitionProduceData {
                            $0.records = records.map { RecordsField.bytes($0) } ?? .none
                        }
                    ]
                }
            ]
        }
    }

    /// The next answer to one.
    func produced(version: Int16 = 9) throws -> ProduceResponse.PartitionProduceResponse {
        let response = try answer(to: ProduceRequest.self, version: version)
        guard let partition = response.responses.first?.partitionResponses.first else {
            throw TestFailure("an empty answer to a produce")
        }
        return partition
    }

    /// The offset that a timestamp or a mark means in partition 0.
    func offset(
        of timestamp: Int64, in topic: String
    ) throws -> ListOffsetsResponse.ListOffsetsPartitionResponse {
        let request = ListOffsetsRequest {
            $0.replicaId = -1
            $0.topics = [
                ListOffsetsRequest.ListOffsetsTopic {
                    $0.name = topic
                    $0.partitions = [ListOffsetsRequest.ListOffsetsPartition { $0.timestamp = timestamp }]
                }
            ]
        }
        return try call(request, version: 7).topics[0].partitions[0]
    }

    func fetch(
        _ topic: String, from offset: Int64, sessionId: Int32 = 0, epoch: Int32 = -1, names: Bool = true,
        maxWait: Int32 = 0, minBytes: Int32 = 1, maxBytes: Int32 = 1 << 20, forget: Bool = false, replica: Int32 = -1
    ) throws -> FetchResponse {
        let request = FetchRequest {
            $0.replicaId = replica
            $0.maxWaitMs = maxWait
            $0.minBytes = minBytes
            $0.maxBytes = maxBytes
            $0.sessionId = sessionId
            $0.sessionEpoch = epoch
            if names {
                $0.topics = [
                    FetchRequest.FetchTopic {
                        $0.topic = topic
                        $0.partitions = [
                            FetchRequest.FetchPartition {
                                $0.fetchOffset = offset
                                $0.partitionMaxBytes = 1 << 20
                            }
                        ]
                    }
                ]
            }
            if forget {
                $0.forgottenTopicsData = [
                    FetchRequest.ForgottenTopic {
                        $0.topic = topic
                        $0.partitions = [0]
                    }
                ]
            }
        }
        return try call(request, version: 11)
    }

    /// All records of partition 0 from `offset` on that one fetch brings.
    func records(_ topic: String, from offset: Int64 = 0) throws -> [Record] {
        let response = try fetch(topic, from: offset)
        guard let bytes = response.responses.first?.partitions.first?.records.slice else { return [] }
        var records: [Record] = []
        for batch in RecordBatchSequence(bytes) {
            var reader = try RecordReader(batch, expansionLimit: 1 << 26)
            while let record = try reader.next() { records.append(record) }
        }
        return records.filter { $0.offset.rawValue >= offset }
    }
}
