// Offsets by time or place, and deleting records: both are asked of the leaders of the partitions.

package import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// A place in a partition, or a time.
package enum OffsetPlace: Hashable, Sendable {
    case start
    /// After the last record that can be read.
    case end
    /// The record with the greatest timestamp (KIP-734).
    case latestTimestamp
    /// The first record of this time or later.
    case time(Timestamp)

    var wireValue: Int64 {
        switch self {
        case .start: -2
        case .end: -1
        case .latestTimestamp: -3
        case .time(let timestamp): max(0, timestamp.milliseconds)
        }
    }
}

/// What was found at a place. An offset of -1 means that no record is that young.
package struct FoundOffset: Hashable, Sendable {
    package var partition: TopicPartition
    package var place: OffsetPlace
    package var offset: Offset
    package var timestamp: Timestamp
    package var error: ClientError?
}

extension Admin {
    /// The offsets of places, in the order in which they were asked for. `waitsForUnknown`: the partitions are known to exist, so
    /// that a broker that does not know one will.
    package func listOffsets(
        _ places: [(TopicPartition, OffsetPlace)], readsCommitted: Bool, waitsForUnknown: Bool = false, deadline: Instant,
        completion: @escaping (Result<[FoundOffset], ClientError>) -> Void
    ) {
        let job = OffsetsJob(self, places, readsCommitted, waitsForUnknown, deadline, completion)
        client.loop.proceed { job.start() }
    }

    /// Deletes the records before an offset of each partition; -1 deletes up to the high watermark. Tells the first
    /// offset that is left.
    package func deleteRecords(
        _ before: [(TopicPartition, Offset)], deadline: Instant,
        completion: @escaping (Result<[FoundOffset], ClientError>) -> Void
    ) {
        let client = client
        byLeader(before, deadline: deadline, completion: completion) { node, items, done in
            var request = DeleteRecordsRequest { $0.timeoutMs = milliseconds(until: deadline) }
            for (partition, offset) in items {
                let entry = DeleteRecordsRequest.DeleteRecordsPartition {
                    $0.partitionIndex = partition.partition
                    $0.offset = offset.rawValue
                }
                if let index = request.topics.firstIndex(where: { $0.name == partition.topic }) {
                    request.topics[index].partitions.append(entry)
                } else {
                    request.topics.append(
                        DeleteRecordsRequest.DeleteRecordsTopic {
                            $0.name = partition.topic
                            $0.partitions = [entry]
                        })
                }
            }
            client.request(request, to: .node(node), deadline: deadline) { result in
                done(result.map { Self.found(in: $0) })
            }
        }
    }

    private static func found(in response: DeleteRecordsResponse) -> [FoundOffset] {
        response.topics.flatMap { topic in
            topic.partitions.map { partition in
                let key = TopicPartition(topic.name, partition.partitionIndex)
                return FoundOffset(
                    partition: key, place: .start, offset: Offset(partition.lowWatermark), timestamp: .none,
                    error: partition.errorCode.isError ? .refused(partition.errorCode, "\(key)", nil) : nil)
            }
        }
    }

    /// Sends the items to the leaders of their partitions and gathers the answers.
    func byLeader<Item>(
        _ items: [(TopicPartition, Item)], deadline: Instant,
        completion: @escaping (Result<[FoundOffset], ClientError>) -> Void,
        send: @escaping (NodeId, [(TopicPartition, Item)], @escaping (Result<[FoundOffset], ClientError>) -> Void) -> Void
    ) {
        let client = client
        client.refreshMetadata(topics: Array(Set(items.map(\.0.topic))), deadline: deadline) { result in
            guard case .success(let metadata) = result else {
                return completion(result.map { _ in [] })
            }
            var groups: [(node: NodeId, items: [(TopicPartition, Item)])] = []
            var found: [FoundOffset] = []
            for item in items {
                guard let node = metadata.leader(of: item.0) else {
                    let topicError = metadata[item.0.topic]?.error ?? .unknownTopicOrPartition
                    let code: ErrorCode =
                        topicError.isError
                        ? topicError
                        : metadata[item.0.topic]?[item.0.partition] == nil ? .unknownTopicOrPartition : .leaderNotAvailable
                    found.append(
                        FoundOffset(
                            partition: item.0, place: .start, offset: .none, timestamp: .none,
                            error: .refused(code, "\(item.0)", nil)))
                    continue
                }
                if let index = groups.firstIndex(where: { $0.node == node }) {
                    groups[index].items.append(item)
                } else {
                    groups.append((node, [item]))
                }
            }
            let gathering = Gathering(found, groups.count, completion)
            for group in groups { send(group.node, group.items) { gathering.take($0) } }
        }
    }
}

/// The answers of several brokers.
private final class Gathering {
    private var found: [FoundOffset]
    private var missing: Int
    private let completion: (Result<[FoundOffset], ClientError>) -> Void

    init(_ found: [FoundOffset], _ count: Int, _ completion: @escaping (Result<[FoundOffset], ClientError>) -> Void) {
        self.found = found
        missing = count
        self.completion = completion
        if count == 0 { completion(.success(found)) }
    }

    func take(_ result: Result<[FoundOffset], ClientError>) {
        guard missing > 0 else { return }
        switch result {
        case .failure(let error):
            missing = 0
            completion(.failure(error))
        case .success(let more):
            found += more
            missing -= 1
            if missing == 0 { completion(.success(found)) }
        }
    }
}

/// Looks for offsets until all are found or refused for good. A request names a partition once, so that several places
/// of one partition go in several requests.
private final class OffsetsJob {
    private let admin: Admin
    private let places: [(TopicPartition, OffsetPlace)]
    private let readsCommitted: Bool
    private let waitsForUnknown: Bool
    private let deadline: Instant
    private let completion: (Result<[FoundOffset], ClientError>) -> Void
    private var found: [Int: FoundOffset] = [:]

    init(
        _ admin: Admin, _ places: [(TopicPartition, OffsetPlace)], _ readsCommitted: Bool, _ waitsForUnknown: Bool,
        _ deadline: Instant, _ completion: @escaping (Result<[FoundOffset], ClientError>) -> Void
    ) {
        self.admin = admin
        self.places = places
        self.readsCommitted = readsCommitted
        self.waitsForUnknown = waitsForUnknown
        self.deadline = deadline
        self.completion = completion
    }

    func start() {
        var seen: Set<TopicPartition> = []
        var round: [(TopicPartition, (Int, OffsetPlace))] = []
        for (index, place) in places.enumerated() where found[index] == nil && seen.insert(place.0).inserted {
            round.append((place.0, (index, place.1)))
        }
        guard !round.isEmpty else {
            return completion(.success(places.indices.compactMap { found[$0] }))
        }
        let byPartition = Dictionary(round.map { ($0.0, $0.1) }) { first, _ in first }
        admin.byLeader(round, deadline: deadline) { [self] result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let answers): take(answers, byPartition)
            }
        } send: { [self] node, items, done in
            admin.client.request(request(items), to: .node(node), deadline: deadline) { result in
                done(result.map { Self.found(in: $0) })
            }
        }
    }

    private func take(_ answers: [FoundOffset], _ asked: [TopicPartition: (Int, OffsetPlace)]) {
        var mustWait = false
        for answer in answers {
            guard let (index, place) = asked[answer.partition] else { continue }
            if case .refused(let code, _) = answer.error, code.isRetriable,
                waitsForUnknown || code != .unknownTopicOrPartition,
                admin.client.loop.now + .milliseconds(200) < deadline
            {
                mustWait = true
                continue
            }
            var answer = answer
            answer.place = place
            found[index] = answer
        }
        guard mustWait else { return start() }
        _ = admin.client.loop.schedule(at: admin.client.loop.now + .milliseconds(100)) { self.start() }
    }

    private func request(_ items: [(TopicPartition, (Int, OffsetPlace))]) -> ListOffsetsRequest {
        var request = ListOffsetsRequest {
            $0.replicaId = -1
            $0.isolationLevel = readsCommitted ? 1 : 0
            $0.timeoutMs = admin.milliseconds(until: deadline)
        }
        for (partition, (_, place)) in items {
            let entry = ListOffsetsRequest.ListOffsetsPartition {
                $0.partitionIndex = partition.partition
                $0.timestamp = place.wireValue
            }
            if let index = request.topics.firstIndex(where: { $0.name == partition.topic }) {
                request.topics[index].partitions.append(entry)
            } else {
                request.topics.append(
                    ListOffsetsRequest.ListOffsetsTopic {
                        $0.name = partition.topic
                        $0.partitions = [entry]
                    })
            }
        }
        return request
    }

    private static func found(in response: ListOffsetsResponse) -> [FoundOffset] {
        response.topics.flatMap { topic in
            topic.partitions.map { partition in
                let key = TopicPartition(topic.name, partition.partitionIndex)
                return FoundOffset(
                    partition: key, place: .start, offset: Offset(partition.offset),
                    timestamp: Timestamp(milliseconds: partition.timestamp),
                    error: partition.errorCode.isError ? .refused(partition.errorCode, "\(key)", nil) : nil)
            }
        }
    }
}
