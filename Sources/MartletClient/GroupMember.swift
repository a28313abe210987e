// Reading as a member of a group, from Swift programs: an asynchronous sequence of records and of changes of the assignment.
//
// Records that were fetched together count as processed when the element behind the last of them is asked for; so a loop over
// the elements that ends by a thrown error commits nothing of the record that it failed at, nor of those fetched with it.
// Commits go by the clock, by `commit()`, or both.

internal import Basics
internal import Client
internal import Environment
internal import Records
internal import Synchronization

/// How a program takes part in a group.
public struct GroupOptions: Sendable {
    /// How members agree on who reads what.
    public enum Agreement: Sendable {
        /// The classic protocol, in which one member computes the assignment.
        case classic
        /// KIP-848: the broker does.
        case broker
    }

    /// Where to begin in a partition of which the group has committed nothing.
    public enum Beginning: Sendable {
        case earliest
        case latest
        /// An error.
        case none
    }

    public var agreement = Agreement.classic
    public var beginning = Beginning.latest
    /// The name of a static member, which may be away for a session without a rebalance (KIP-345).
    public var instanceId: String?
    /// Nil commits only when asked to.
    public var commitInterval: Duration? = .seconds(5)
    public var sessionTimeout = Duration.seconds(45)
    public var heartbeatInterval = Duration.seconds(3)
    /// How long the others wait for this member in a rebalance.
    public var rebalanceTimeout = Duration.seconds(300)
    /// Leaves out records of transactions that were aborted or are not decided.
    public var committedOnly = false

    public init() {}
}

/// A partition of a topic.
public struct PartitionName: Hashable, Sendable {
    public let topic: String
    public let partition: Int

    public init(_ topic: String, _ partition: Int) {
        self.topic = topic
        self.partition = partition
    }

    init(_ partition: TopicPartition) { self.init(partition.topic, Int(partition.partition)) }

    var name: TopicPartition { TopicPartition(topic, Int32(clamping: partition)) }
}

/// What a member of a group learns.
public enum GroupEvent: Sendable {
    case record(IncomingRecord)
    /// Reading of these partitions begins.
    case assigned([PartitionName])
    /// Others read these now. `isLost`: they may have done so for a while, and nothing can be committed any more.
    case revoked([PartitionName], isLost: Bool)
}

extension Cluster {
    /// Joins `group` and reads `topics` with its other members.
    public func join(_ group: String, topics: [String], _ options: GroupOptions = GroupOptions()) async -> GroupMember {
        var settings = GroupConsumerSettings(group: group, topics: topics)
        settings.groupProtocol = options.agreement == .classic ? .classic : .consumer
        settings.reset =
            switch options.beginning {
            case .earliest: .earliest
            case .latest: .latest
            case .none: .none
            }
        settings.instanceId = options.instanceId
        settings.commitInterval = options.commitInterval
        settings.sessionTimeout = options.sessionTimeout
        settings.heartbeatInterval = options.heartbeatInterval
        settings.rebalanceTimeout = options.rebalanceTimeout
        settings.fetch.readsCommitted = options.committedOnly
        settings.fetch.outOfRange =
            switch options.beginning {
            case .earliest: .earliest
            case .latest: .latest
            case .none: .fail
            }
        return await GroupMember.begin(self, settings)
    }
}

/// A member of a group. To be read by one task; the other calls may come from any.
public final class GroupMember: AsyncSequence, Sendable {
    public typealias Element = GroupEvent
    public typealias Failure = ClusterError

    private struct State {
        var events: [GroupConsumer.Event] = []
        var error: ClientError?
        var isClosed = false
        var waiter: CheckedContinuation<Void, Never>?

        var hasNews: Bool { !events.isEmpty || error != nil || isClosed }
    }

    private let cluster: Cluster
    private let consumer: Confined<GroupConsumer>
    private let state = Mutex(State())

    private init(_ cluster: Cluster, _ consumer: Confined<GroupConsumer>) {
        self.cluster = cluster
        self.consumer = consumer
    }

    static func begin(_ cluster: Cluster, _ settings: GroupConsumerSettings) async -> GroupMember {
        let client = cluster.client
        return await withCheckedContinuation { continuation in
            cluster.loop.post {
                let consumer = GroupConsumer(client.value, settings)
                let member = GroupMember(cluster, Confined(consumer, to: cluster.loop))
                consumer.onEvent = { [weak member] event in member?.take(event) }
                consumer.start()
                continuation.resume(returning: member)
            }
        }
    }

    deinit {
        let consumer = consumer
        let loop = cluster.loop
        loop.post { consumer.value.close(deadline: loop.now + .seconds(5)) {} }
    }

    private func take(_ event: GroupConsumer.Event) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            switch event {
            case .records, .assigned, .revoked: state.events.append(event)
            case .failed(let error): state.error = error
            case .end, .committed, .commitFailed: break
            }
            guard state.hasNews else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// The next event; nil when the member was closed.
    func next() async throws(ClusterError) -> GroupConsumer.Event? {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let hasNews = state.withLock { state in
                if !state.hasNews { state.waiter = continuation }
                return state.hasNews
            }
            if hasNews { continuation.resume() }
        }
        let (first, error) = state.withLock { state in
            (state.events.isEmpty ? nil : state.events.removeFirst(), state.error)
        }
        if first == nil, let error { throw ClusterError(error) }
        return first
    }

    func release(_ records: FetchedRecords) {
        let consumer = consumer
        cluster.loop.post { consumer.value.release(records) }
    }

    // MARK: Control

    /// Commits what was processed. Throws code 25 or 22 when the group has gone on without this member.
    public func commit() async throws(ClusterError) {
        let consumer = consumer
        let result: Result<Void, ClientError> = await withCheckedContinuation { continuation in
            cluster.loop.post { consumer.value.commit { continuation.resume(returning: $0) } }
        }
        if case .failure(let error) = result { throw ClusterError(error) }
    }

    /// Stops or resumes the reading of a partition, which stays with this member.
    public func setPaused(_ partition: PartitionName, _ isPaused: Bool) {
        let consumer = consumer
        cluster.loop.post { consumer.value.setPaused(partition.name, isPaused) }
    }

    /// Goes on at another offset of a partition.
    public func seek(_ partition: PartitionName, to offset: Int64) {
        let consumer = consumer
        cluster.loop.post { consumer.value.seek(partition.name, to: Offset(offset)) }
    }

    /// Commits what was processed, unless commits are only made when asked for, and leaves the group.
    public func close() async {
        let (consumer, loop) = (consumer, cluster.loop)
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.post { consumer.value.close(deadline: loop.now + .seconds(10)) { continuation.resume() } }
        }
        let waiter = state.withLock { state in
            state.isClosed = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let member: GroupMember
        private var fetched: FetchedRecords?
        private var walk: RecordWalk?

        init(_ member: GroupMember) { self.member = member }

        /// The next event; nil when the member was closed. Throws when it cannot be a member any more.
        public mutating func next() async throws(ClusterError) -> GroupEvent? {
            while true {
                if let record = try read() { return .record(record) }
                if let fetched { member.release(fetched) }
                fetched = nil
                switch try await member.next() {
                case nil: return nil
                case .records(let records)?:
                    fetched = records
                    walk = RecordWalk(records)
                case .assigned(let begun)?: return .assigned(begun.map { PartitionName($0.partition) })
                case .revoked(let partitions, let isLost)?:
                    return .revoked(partitions.map { PartitionName($0) }, isLost: isLost)
                default: break
                }
            }
        }

        private mutating func read() throws(ClusterError) -> IncomingRecord? {
            guard let partition = fetched?.partition else { return nil }
            do throws(FetchedRecordsError) {
                return try walk?.next().map { IncomingRecord($0, of: partition) }
            } catch {
                throw ClusterError("\(error)")
            }
        }
    }
}
