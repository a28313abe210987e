// The client as a library for Swift programs: `import MartletClient`. It works with Martlet and with Apache Kafka.
//
// Below this face everything is callbacks on one event loop, on a thread of its own; here they become `async` calls.
// Any task may call. Producing is in `ClusterProducer`, consuming in `ClusterRecords`.

internal import Basics
internal import Channel
internal import Client
internal import Environment
internal import Reactor
internal import WireProtocol

/// Why an operation failed.
public struct ClusterError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What happened, for people.
    public let description: String
    /// The protocol's error code, if a broker refused; such as 3 for an unknown topic, 36 for one that is there already.
    public let code: Int?

    init(_ error: ClientError) {
        description = "\(error)"
        if case .refused(let refusal, _) = error { code = Int(refusal.rawValue) } else { code = nil }
    }

    init(_ description: String) {
        self.description = description
        code = nil
    }
}

/// A topic as the cluster describes it.
public struct TopicDescription: Hashable, Sendable {
    public let name: String
    public let partitionCount: Int
    public let replicationFactor: Int
}

/// A connection to a cluster. Its last reference closes it.
public final class Cluster: Sendable {
    private let real: RealEnvironment
    let loop: any EventLoop
    let client: Confined<ClusterClient>
    private let timeout: Duration

    /// A client of the cluster that `bootstrap` belongs to: `host:port`, several parted by commas. Connects when there is
    /// something to ask. Throws for a list that cannot be read, or when the system gives no threads or descriptors.
    ///
    /// - Parameter timeout: how long administrative operations, and asking for topics, are tried.
    public init(
        bootstrap: String, clientId: String = "martlet", timeout: Duration = .seconds(10)
    ) async throws(ClusterError) {
        guard let addresses = ClientSettings.addresses(bootstrap) else {
            throw ClusterError("'\(bootstrap)' is no list of HOST:PORT")
        }
        var settings = ClientSettings(bootstrap: addresses)
        settings.channel.clientId = clientId
        let real: RealEnvironment
        do throws(NetworkError) {
            real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
        } catch {
            throw ClusterError("\(error)")
        }
        real.start()
        let loop = real.environment.loops[0]
        let environment = real.environment
        let chosen = settings
        let made: Confined<ClusterClient> = await withCheckedContinuation { continuation in
            loop.post {
                continuation.resume(returning: Confined(ClusterClient(environment, on: loop, chosen), to: loop))
            }
        }
        self.real = real
        self.loop = loop
        self.timeout = timeout
        client = made
    }

    deinit { real.stop() }

    /// Ends all connections; what is under way fails.
    public func close() {
        let client = client
        loop.post { client.value.close() }
    }

    /// Runs `body` inside the loop and waits for what it hands to its last argument.
    func ask<Value: Sendable>(
        _ body: @escaping @Sendable (Admin, Instant, @escaping (Result<Value, ClientError>) -> Void) -> Void
    ) async throws(ClusterError) -> Value {
        let client = client
        let timeout = timeout
        let result: Result<Value, ClientError> = await withCheckedContinuation { continuation in
            loop.post {
                body(Admin(client.value), client.value.loop.now + timeout) { continuation.resume(returning: $0) }
            }
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw ClusterError(error)
        }
    }

    // MARK: Topics

    /// All topics, sorted by name.
    public func topics() async throws(ClusterError) -> [TopicDescription] {
        let found: [TopicInfo] = try await ask { admin, deadline, done in
            admin.listTopics(deadline: deadline, completion: done)
        }
        return found.map { topic in
            TopicDescription(
                name: topic.name, partitionCount: topic.partitions.count,
                replicationFactor: topic.partitions.first?.replicas.count ?? 0)
        }
    }

    /// Creates a topic; nil leaves a count to the broker. Throws code 36 for one that is there already.
    public func createTopic(
        _ name: String, partitions: Int? = nil, replicationFactor: Int? = nil, configuration: [String: String] = [:]
    ) async throws(ClusterError) {
        let outcomes: [Admin.Outcome] = try await ask { admin, deadline, done in
            var topic = NewTopic(name)
            topic.partitions = partitions.map { Int32(clamping: $0) } ?? -1
            topic.replicationFactor = replicationFactor.map { Int16(clamping: $0) } ?? -1
            topic.configs = configuration.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            admin.createTopics([topic], deadline: deadline, completion: done)
        }
        if let error = outcomes.first?.error { throw ClusterError(error) }
    }

    /// Deletes a topic with all its records. Throws code 3 for one that is not there.
    public func deleteTopic(_ name: String) async throws(ClusterError) {
        let outcomes: [Admin.Outcome] = try await ask { admin, deadline, done in
            admin.deleteTopics([name], deadline: deadline, completion: done)
        }
        if let error = outcomes.first?.error { throw ClusterError(error) }
    }
}
