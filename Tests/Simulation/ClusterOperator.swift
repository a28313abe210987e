// Who changes a cluster while it works: makes, deletes and widens topics, moves partitions and replicas, elects leaders, deletes
// records, changes settings, takes brokers out of the cluster and voters out of the quorum. One thing at a time; what got no
// answer is asked for again, so that each is done by the end or was refused.

import Basics
import Client
import Environment
import WireProtocol

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
            let isOver = operation.isWanted ? operation.isDone(error) : error == nil || !isPassing(error) || world.now > end
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

    private func finish(_ operation: ClusterOperation) {
        var made: [TopicPartition] = []
        switch operation {
        case .create(let topic): made = (0..<topic.partitions).map { TopicPartition(topic.name, $0) }
        case .widen(let topic, let count):
            let known = Int32(partitions.count { $0.topic == topic })
            made = (known..<max(known, count)).map { TopicPartition(topic, $0) }
        case .unregister(_, let then): then()
        case .configure(_, _, _, let then): then?()
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
        case .relocate(let partition, let id, let folder): relocate(partition, id, folder, deadline, completion)
        case .configure(let topic, let key, let value, _):
            admin.alterConfigs(.topic(topic), [Self.change(key, value)], deadline: deadline) {
                completion(Self.error($0) { _ in nil })
            }
        case .throttle(let topic, let rate): throttle(topic, rate, admin, deadline, completion)
        case .deleteRecords(let partition, let offset): deleteRecords(partition, offset, admin, deadline, completion)
        case .unregister(let id, _): admin.unregister(id, deadline: deadline) { completion(Self.error($0) { _ in nil }) }
        case .removeVoter(let id): removeVoter(id, admin, deadline, completion)
        }
    }

    private static func change(_ key: String, _ value: String?) -> ConfigChange {
        ConfigChange(key, value == nil ? .delete : .set, value)
    }

    /// Bounds what replicas of the topic are sent, by its leaders and by their followers (KIP-73).
    private func throttle(
        _ topic: String, _ rate: Int?, _ admin: Admin, _ deadline: Instant, _ completion: @escaping (ClientError?) -> Void
    ) {
        let sides = ["leader.replication.throttled.", "follower.replication.throttled."]
        let rates = sides.map { Self.change($0 + "rate", rate.map { "\($0)" }) }
        let replicas = sides.map { Self.change($0 + "replicas", rate.map { _ in "*" }) }
        admin.alterConfigs(.broker(nil), rates, deadline: deadline) { result in
            if case .failure(let error) = result { return completion(error) }
            admin.alterConfigs(.topic(topic), replicas, deadline: deadline) { completion(Self.error($0) { _ in nil }) }
        }
    }

    private func deleteRecords(
        _ partition: TopicPartition, _ offset: Int64?, _ admin: Admin, _ deadline: Instant,
        _ completion: @escaping (ClientError?) -> Void
    ) {
        oracle.deletions.ask(partition, before: offset)
        admin.deleteRecords([(partition, Offset(offset ?? -1))], deadline: deadline) { [self] result in
            if case .success(let found) = result, let low = found.first, low.error == nil {
                if low.offset.rawValue < offset ?? 0 { oracle.violate("\(partition) begins at \(low.offset), not at \(offset ?? 0)") }
                oracle.begins(partition, at: low.offset.rawValue, by: name)
            }
            completion(Self.error(result, \.first?.error))
        }
    }

    private func relocate(
        _ partition: TopicPartition, _ id: NodeId, _ folder: String, _ deadline: Instant,
        _ completion: @escaping (ClientError?) -> Void
    ) {
        let request = AlterReplicaLogDirsRequest {
            $0.dirs = [
                AlterReplicaLogDirsRequest.AlterReplicaLogDir {
                    $0.path = folder
                    $0.topics = [
                        AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic {
                            $0.name = partition.topic
                            $0.partitions = [partition.partition]
                        }
                    ]
                }
            ]
        }
        client.request(request, to: .node(id), deadline: deadline) { result in
            completion(
                Self.error(result) { response in
                    let code = response.results.first?.partitions.first?.errorCode ?? .none
                    return code.isError ? .refused(code, "\(partition)") : nil
                })
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
