// Between the loop that fetches and the task that reads: what was fetched and not read yet, and whether more will come.
// At most one task waits at a time. The last reference stops the fetching.

internal import Basics
internal import Client
internal import Synchronization

/// A partition, where its reading begins, and the first offset that is not wanted, if there is one.
struct Assignment: Sendable {
    var partition: TopicPartition
    var from: Offset
    var stop: Offset?
}

/// A consumer on the loop, and what it has fetched for the reading task.
final class Subscription: Sendable {
    private struct State {
        var fetched: [FetchedRecords] = []
        var error: ClientError?
        var open: Set<TopicPartition>
        var waiter: CheckedContinuation<Void, Never>?

        var hasNews: Bool { !fetched.isEmpty || error != nil || open.isEmpty }
    }

    private let state: Mutex<State>
    private let stops: [TopicPartition: Offset]
    private let cluster: Cluster
    private let consumer: Confined<Consumer>

    private init(_ cluster: Cluster, _ consumer: Confined<Consumer>, _ assignment: [Assignment]) {
        self.cluster = cluster
        self.consumer = consumer
        state = Mutex(State(open: Set(assignment.map(\.partition))))
        stops = Dictionary(assignment.compactMap { item in item.stop.map { (item.partition, $0) } }) { first, _ in first }
    }

    static func begin(
        _ cluster: Cluster, _ settings: ConsumerSettings, _ assignment: [Assignment]
    ) async -> Subscription {
        let client = cluster.client
        return await withCheckedContinuation { continuation in
            cluster.loop.post {
                let consumer = Consumer(client.value, settings)
                let subscription = Subscription(cluster, Confined(consumer, to: cluster.loop), assignment)
                consumer.onEvent = { [weak subscription] event in subscription?.take(event) }
                for item in assignment { consumer.assign(item.partition, from: item.from, stop: item.stop) }
                continuation.resume(returning: subscription)
            }
        }
    }

    deinit {
        let consumer = consumer
        cluster.loop.post { consumer.value.close() }
    }

    private func take(_ event: Consumer.Event) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            switch event {
            case .records(let records):
                state.fetched.append(records)
                if let stop = stops[records.partition], records.next >= stop { state.open.remove(records.partition) }
            case .end(let partition, _): if stops[partition] != nil { state.open.remove(partition) }
            case .reset: break
            case .failed(_, let error): state.error = error
            }
            guard state.hasNews else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// The next batches; nil when all partitions have ended.
    func next() async throws(ClusterError) -> FetchedRecords? {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let hasNews = state.withLock { state in
                if !state.hasNews { state.waiter = continuation }
                return state.hasNews
            }
            if hasNews { continuation.resume() }
        }
        let (first, error) = state.withLock { state in
            (state.fetched.isEmpty ? nil : state.fetched.removeFirst(), state.error)
        }
        if first == nil, let error { throw ClusterError(error) }
        return first
    }

    func release(_ records: FetchedRecords) {
        let consumer = consumer
        cluster.loop.post { consumer.value.release(records) }
    }

    func isBeyondEnd(_ offset: Offset, of partition: TopicPartition) -> Bool {
        stops[partition].map { offset >= $0 } ?? false
    }
}
