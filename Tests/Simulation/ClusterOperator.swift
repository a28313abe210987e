// Who changes a cluster while it works: makes, deletes and widens topics, moves partitions, elects leaders, changes settings,
// takes brokers out of the cluster and voters out of the quorum. One thing at a time; what got no answer is asked for again,
// so that each is done by the end or was refused.

import Basics
import Client
import Environment
import WireProtocol

/// What an operator does.
enum ClusterOperation: CustomStringConvertible {
    case create(NewTopic)
    case delete(String)
    case widen(String, Int32)
    case move(TopicPartition, [NodeId]?)
    case elect
    case configure(String, key: String, value: String)
    case unregister(NodeId, then: () -> Void)
    case removeVoter(NodeId)

    var description: String {
        switch self {
        case .create(let topic): "create \(topic.name)"
        case .delete(let topic): "delete \(topic)"
        case .widen(let topic, let count): "widen \(topic) to \(count)"
        case .move(let partition, let replicas): "move \(partition) to \(replicas.map { "\($0)" } ?? "where it was")"
        case .elect: "elect the preferred leaders"
        case .configure(let topic, let key, let value): "set \(key) of \(topic) to \(value)"
        case .unregister(let id, _): "unregister n\(id)"
        case .removeVoter(let id): "remove the voter n\(id)"
        }
    }

    /// Whether it must come about: clients rely on it.
    fileprivate var isWanted: Bool {
        switch self {
        case .create, .delete, .widen: true
        default: false
        }
    }
}

/// Does one operation after the other.
final class ClusterOperator: ClusterClientProcess {
    private(set) var partitions: [TopicPartition] = []
    /// Begins to read what is new.
    var onPartitions: ([TopicPartition]) -> Void = { _ in }
    private var topics = 0
    private var waiting: [ClusterOperation] = []
    private var isUnderWay = false
    private lazy var group = CoordinatorLink(client, group: ClusterGroup.id)

    var isBusy: Bool { isUnderWay || !waiting.isEmpty }

    /// Topics that may go: groups read the first.
    var spareTopics: [String] { Set(partitions.map(\.topic)).subtracting(["t0"]).sorted() }

    func create(_ plan: ClusterPlan) {
        topics += 1
        begin(.create(plan.topic("t\(topics - 1)", partitions: world.number(in: 1...3))))
    }

    func begin(_ operation: ClusterOperation) {
        waiting.append(operation)
        next()
    }

    private func next() {
        guard !isUnderWay, !waiting.isEmpty else { return }
        isUnderWay = true
        let operation = waiting.removeFirst()
        inside { self.attempt(operation, until: self.world.now + 20_000_000_000) }
    }

    private func attempt(_ operation: ClusterOperation, until end: Int64) {
        begin(operation) { [self] error in
            let outcome = error.map { "\($0)" } ?? "done"
            world.note("\(operation): \(outcome)")
            let isOver = operation.isWanted ? isDone(operation, error) : error == nil || !isPassing(error) || world.now > end
            guard isOver else { return inside(after: 300_000_000) { self.attempt(operation, until: end) } }
            finish(operation)
            isUnderWay = false
            next()
        }
    }

    private func isPassing(_ error: ClientError?) -> Bool {
        switch error {
        case .timedOut, .channel: true
        case .refused(let code, _): code.isRetriable
        default: false
        }
    }

    /// What was done before without an answer is refused now.
    private func isDone(_ operation: ClusterOperation, _ error: ClientError?) -> Bool {
        switch (operation, error) {
        case (_, nil), (.create, .refused(.topicAlreadyExists, _)), (.delete, .refused(.unknownTopicOrPartition, _)),
            (.widen, .refused(.invalidPartitions, _)):
            true
        default: false
        }
    }

    private func finish(_ operation: ClusterOperation) {
        var made: [TopicPartition] = []
        switch operation {
        case .create(let topic): made = (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
        case .widen(let topic, let count):
            let known = Int32(partitions.count { $0.topic == topic })
            made = (known..<max(known, count)).map { TopicPartition(topic, $0) }
        case .unregister(_, let then): then()
        default: break
        }
        partitions += made
        if !made.isEmpty { onPartitions(made) }
    }

    private func begin(_ operation: ClusterOperation, _ completion: @escaping (ClientError?) -> Void) {
        let (admin, deadline) = (Admin(client), client.loop.now + .seconds(5))
        switch operation {
        case .create(let topic):
            admin.createTopics([topic], deadline: deadline) { completion(Self.error($0) { $0.lazy.compactMap(\.error).first }) }
        case .delete(let topic):
            partitions.removeAll { $0.topic == topic }
            oracle.forget(topic: topic)
            admin.deleteTopics([topic], deadline: deadline) { completion(Self.error($0) { $0.lazy.compactMap(\.error).first }) }
        case .widen(let topic, let count):
            admin.createPartitions(of: topic, count: count, deadline: deadline) { completion(Self.error($0, \.error)) }
        case .move(let partition, let replicas):
            admin.reassign([(partition, replicas)], deadline: deadline) {
                completion(Self.error($0) { $0.lazy.compactMap(\.error).first })
            }
        case .elect:
            admin.electLeaders(.preferred, nil, deadline: deadline) {
                completion(Self.error($0) { $0.lazy.compactMap(\.error).first })
            }
        case .configure(let topic, let key, let value):
            admin.alterConfigs(.topic(topic), [ConfigChange(key, .set, value)], deadline: deadline) {
                completion(Self.error($0) { _ in nil })
            }
        case .unregister(let id, _): admin.unregister(id, deadline: deadline) { completion(Self.error($0) { _ in nil }) }
        case .removeVoter(let id): removeVoter(id, admin, deadline, completion)
        }
    }

    /// Takes a voter out that the leader of the quorum knows, if others are left.
    private func removeVoter(
        _ id: NodeId, _ admin: Admin, _ deadline: Instant, _ completion: @escaping (ClientError?) -> Void
    ) {
        admin.describeQuorum(deadline: deadline) { [self] result in
            guard case .success(let quorum) = result else { return completion(Self.error(result) { _ in nil }) }
            let voters = quorum.replicas.filter(\.isVoter)
            guard voters.count > 1, let voter = voters.first(where: { $0.node == id }) else { return completion(nil) }
            let request = RemoveRaftVoterRequest {
                $0.voterId = id.rawValue
                $0.voterDirectoryId = voter.directory
            }
            client.request(request, to: .any, deadline: deadline) { result in
                switch result {
                case .success(let response) where response.errorCode.isError:
                    completion(.refused(response.errorCode, response.errorMessage ?? ""))
                case .success: completion(nil)
                case .failure(let error): completion(error)
                }
            }
        }
    }

    /// Why something failed, as a whole or in what `find` looks at.
    private static func error<Value>(_ result: Result<Value, ClientError>, _ find: (Value) -> ClientError?) -> ClientError? {
        switch result {
        case .success(let value): find(value)
        case .failure(let error): error
        }
    }

    // MARK: Groups

    /// What the world's group has committed, told by its coordinator; asked for again until there is an answer.
    func committed(_ completion: @escaping ([TopicPartition: Int64]) -> Void) {
        inside {
            Admin(self.client).fetchOffsets(self.group, partitions: nil, deadline: self.client.loop.now + .seconds(5)) { result in
                guard case .success(let offsets) = result else { return self.committed(completion) }
                completion(Dictionary(offsets.map { ($0.partition, $0.offset.rawValue) }) { _, last in last })
            }
        }
    }
}
