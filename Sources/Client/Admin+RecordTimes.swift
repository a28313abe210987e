// The times of single records: how old is what a group has not read yet.

package import Basics
internal import Bytes
internal import Environment
internal import Records
internal import WireProtocol

extension Admin {
    /// The timestamp of the first record at or behind each offset; partitions without such a record are left out. At most
    /// one batch of each partition is fetched.
    package func recordTimes(
        _ places: [(partition: TopicPartition, offset: Offset)], deadline: Instant,
        completion: @escaping ([TopicPartition: Timestamp]) -> Void
    ) {
        let client = client
        guard !places.isEmpty else { return completion([:]) }
        let topics = Set(places.map(\.partition.topic)).sorted()
        client.refreshMetadata(topics: topics, deadline: deadline) { _ in
            var missing = places.count
            var times: [TopicPartition: Timestamp] = [:]
            for (partition, offset) in places {
                let note = { (time: Timestamp?) in
                    times[partition] = time
                    missing -= 1
                    if missing == 0 { completion(times) }
                }
                guard let leader = client.metadata.leader(of: partition) else {
                    note(nil)
                    continue
                }
                let request = Self.fetch(partition, offset, client.metadata[partition.topic]?.id ?? .zero)
                client.request(request, to: .node(leader), deadline: deadline) { result in
                    guard case .success(let response) = result else { return note(nil) }
                    note(Self.firstTime(response, partition, offset))
                }
            }
        }
    }

    private static func fetch(_ partition: TopicPartition, _ offset: Offset, _ id: Uuid) -> FetchRequest {
        FetchRequest {
            $0.maxWaitMs = 0
            $0.minBytes = 0
            $0.maxBytes = 1
            $0.topics = [
                FetchRequest.FetchTopic {
                    $0.topic = partition.topic
                    $0.topicId = id
                    $0.partitions = [
                        FetchRequest.FetchPartition {
                            $0.partition = partition.partition
                            $0.fetchOffset = offset.rawValue
                            $0.partitionMaxBytes = 1
                        }
                    ]
                }
            ]
        }
    }

    private static func firstTime(_ response: FetchResponse, _ partition: TopicPartition, _ offset: Offset) -> Timestamp? {
        guard let answer = response.responses.first?.partitions.first, !answer.errorCode.isError,
            let batches = answer.records.slice, let batch = RecordBatch(batches)
        else { return nil }
        var walk = RecordWalk(
            FetchedRecords(
                partition: partition, from: offset, next: batch.header.nextOffset,
                highWatermark: Offset(answer.highWatermark), lastStableOffset: Offset(answer.lastStableOffset),
                logStartOffset: Offset(answer.logStartOffset), batches: batches.prefix(batch.bytes.count), aborted: []))
        return (try? walk.next())?.map(\.timestamp) ?? batch.header.maxTimestamp
    }
}
