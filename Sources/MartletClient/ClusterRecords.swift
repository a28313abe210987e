// Reading records from Swift programs, as an asynchronous sequence.
//
// The loop fetches ahead of the task that reads, up to the consumer's bound; a task that reads slowly stops the fetching
// and nothing else. Decompression happens in the reading task. What the loop hands over is in `Subscription`.

internal import Basics
internal import Bytes
internal import Client
internal import Records

/// A record that was read.
public struct IncomingRecord: Sendable {
    public let topic: String
    public let partition: Int
    public let offset: Int64
    /// Milliseconds since 1970.
    public let timestamp: Int64
    public let key: [UInt8]?
    /// Nil is a tombstone.
    public let value: [UInt8]?
    public let headers: [(name: String, value: [UInt8]?)]

    /// The value as text, ill-formed parts replaced; nil for a tombstone.
    public var text: String? { value.map { String(decoding: $0, as: UTF8.self) } }
}

extension IncomingRecord {
    init(_ record: Record, of partition: TopicPartition) {
        self.init(
            topic: partition.topic, partition: Int(partition.partition), offset: record.offset.rawValue,
            timestamp: record.timestamp.milliseconds, key: record.key?.array, value: record.value?.array,
            headers: record.headers.map { ($0.key, $0.value?.array) })
    }
}

/// Where reading begins in each partition.
public enum StartingPoint: Sendable {
    case beginning
    case end
    case offset(Int64)
    /// The first record of this time or later, in milliseconds since 1970.
    case time(Int64)

    var place: OffsetPlace? {
        switch self {
        case .beginning: .start
        case .end: .end
        case .offset: nil
        case .time(let milliseconds): .time(Timestamp(milliseconds: milliseconds))
        }
    }
}

extension Cluster {
    /// The records of a topic, of all partitions or of those named, in order within each partition.
    ///
    /// - Parameter stopsAtEnd: ends behind what is there now, instead of waiting for more.
    /// - Parameter committedOnly: leaves out records of transactions that were aborted or are not decided.
    public func records(
        of topic: String, partitions: [Int]? = nil, from start: StartingPoint = .beginning, stopsAtEnd: Bool = false,
        committedOnly: Bool = false
    ) async throws(ClusterError) -> ClusterRecords {
        let info: TopicInfo = try await ask { admin, deadline, done in
            admin.client.topic(topic, deadline: deadline, completion: done)
        }
        let chosen = (partitions.map { $0.map { Int32(clamping: $0) } } ?? info.partitions.map(\.partition)).map {
            TopicPartition(topic, $0)
        }
        let place = start.place
        let places = chosen.flatMap { partition in [(partition, OffsetPlace.end), (partition, place ?? .start)] }
        let found: [FoundOffset] = try await ask { admin, deadline, done in
            admin.listOffsets(places, readsCommitted: committedOnly, deadline: deadline, completion: done)
        }
        if let error = found.lazy.compactMap(\.error).first { throw ClusterError(error) }
        var assignment: [Assignment] = []
        for (index, partition) in chosen.enumerated() where found.count == 2 * chosen.count {
            let end = found[index * 2].offset
            var from = found[index * 2 + 1].offset
            if case .offset(let offset) = start { from = Offset(offset) }
            if from == .none { from = end }
            if stopsAtEnd, from >= end { continue }
            assignment.append(Assignment(partition: partition, from: from, stop: stopsAtEnd ? end : nil))
        }
        var settings = ConsumerSettings()
        settings.readsCommitted = committedOnly
        return ClusterRecords(await Subscription.begin(self, settings, assignment))
    }
}

/// Records as they come. To be read by one task.
public struct ClusterRecords: AsyncSequence, Sendable {
    public typealias Element = IncomingRecord
    public typealias Failure = ClusterError

    private let subscription: Subscription

    init(_ subscription: Subscription) { self.subscription = subscription }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(subscription) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let subscription: Subscription
        private var fetched: FetchedRecords?
        private var walk: RecordWalk?

        init(_ subscription: Subscription) { self.subscription = subscription }

        /// The next record; nil behind the last, if there is one. Throws when a partition cannot be read any more.
        public mutating func next() async throws(ClusterError) -> IncomingRecord? {
            while true {
                if let record = try read() { return record }
                if let fetched { subscription.release(fetched) }
                fetched = try await subscription.next()
                guard let fetched else { return nil }
                walk = RecordWalk(fetched)
            }
        }

        private mutating func read() throws(ClusterError) -> IncomingRecord? {
            guard let partition = fetched?.partition else { return nil }
            let found: Record?
            do throws(FetchedRecordsError) {
                found = try walk?.next()
            } catch {
                throw ClusterError("\(error)")
            }
            guard let record = found, !subscription.isBeyondEnd(record.offset, of: partition) else { return nil }
            return IncomingRecord(record, of: partition)
        }
    }
}
