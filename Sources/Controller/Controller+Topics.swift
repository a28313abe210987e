// Creating, growing and deleting topics.

internal import Basics
internal import ClusterImage
internal import Configuration
package import WireProtocol

extension Controller {
    // MARK: Creation

    /// Decides a CreateTopics request. Each topic succeeds or fails by itself.
    package mutating func createTopics(_ request: CreateTopicsRequest) -> Decision<CreateTopicsResponse> {
        var decision = Decision(reply: CreateTopicsResponse())
        var counts: [String: Int] = [:]
        for topic in request.topics { counts[topic.name, default: 0] += 1 }
        var created: Set<String> = []
        var duplicates: Set<String> = []
        for topic in request.topics {
            if counts[topic.name, default: 0] > 1 {
                guard duplicates.insert(topic.name).inserted else { continue }
                let refusal = Refusal(.invalidRequest, "Duplicate topic name.")
                decision.reply.topics.append(Controller.failed(topic.name, refusal))
                continue
            }
            do throws(Refusal) {
                guard decision.records.count <= Controller.partitionsPerRequestMax else { throw Refusal.tooManyPartitions }
                let plan = try plan(topic, alsoCreated: created)
                created.insert(topic.name)
                if !request.validateOnly { decision.records += plan.records }
                decision.reply.topics.append(plan.result)
            } catch {
                decision.reply.topics.append(Controller.failed(topic.name, error))
            }
        }
        return decision
    }

    private static func failed(_ name: String, _ refusal: Refusal) -> CreateTopicsResponse.CreatableTopicResult {
        CreateTopicsResponse.CreatableTopicResult {
            $0.name = name
            $0.errorCode = refusal.code
            $0.errorMessage = refusal.message
            $0.numPartitions = -1
            $0.replicationFactor = -1
            $0.configs = []
        }
    }

    private struct Plan {
        var records: [VersionedRecord]
        var result: CreateTopicsResponse.CreatableTopicResult
    }

    private mutating func plan(
        _ topic: CreateTopicsRequest.CreatableTopic, alsoCreated: Set<String>
    ) throws(Refusal) -> Plan {
        try checkName(topic.name, alsoCreated: alsoCreated)
        var configuration: [String: String] = [:]
        for entry in topic.configs {
            guard let value = entry.value else {
                throw Refusal(.invalidConfig, "Null value not supported for topic configs: \(entry.name)")
            }
            try checkTopicValue(entry.name, value)
            configuration[entry.name] = value
        }
        let assignments = try replicas(for: topic)
        let id = newId()
        let name = topic.name
        var records = [
            VersionedRecord(.topic(TopicRecord { $0.name = name; $0.topicId = id }), 0)
        ]
        for (key, value) in configuration.sorted(by: { $0.key < $1.key }) {
            records.append(Controller.configRecord(.topic, name, key, value))
        }
        for (index, replicas) in assignments.enumerated() {
            records.append(partitionRecord(topic: id, Int32(index), replicas))
        }
        let result = CreateTopicsResponse.CreatableTopicResult {
            $0.name = name
            $0.topicId = id
            $0.errorMessage = nil
            $0.numPartitions = Int32(assignments.count)
            $0.replicationFactor = Int16(assignments[0].count)
            $0.configs = describeTopic(configuration)
        }
        return Plan(records: records, result: result)
    }

    private func checkName(_ name: String, alsoCreated: Set<String>) throws(Refusal) {
        if let objection = TopicName.objection(to: name) {
            throw Refusal(.invalidTopicException, "Topic name is invalid: \(objection)")
        }
        if image.topicIds[name] != nil { throw Refusal(.topicAlreadyExists, "Topic '\(name)' already exists.") }
        guard TopicName.mayCollide(name) else { return }
        let key = TopicName.collisionKey(name)
        let names = Array(image.topicIds.keys) + Array(alsoCreated)
        if let other = names.filter({ TopicName.collisionKey($0) == key }).min() {
            throw Refusal(.invalidTopicException, "Topic '\(name)' collides with existing topic: \(other)")
        }
    }

    private mutating func replicas(for topic: CreateTopicsRequest.CreatableTopic) throws(Refusal) -> [[NodeId]] {
        if !topic.assignments.isEmpty { return try manual(topic) }
        let count = topic.numPartitions == -1 ? Int32(node.int("num.partitions")) : topic.numPartitions
        let factor = topic.replicationFactor == -1
            ? Int16(clamping: node.int("default.replication.factor")) : topic.replicationFactor
        guard count > 0 else {
            throw Refusal(.invalidPartitions, "Number of partitions was set to an invalid non-positive value.")
        }
        guard factor > 0 else {
            throw Refusal(.invalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
        }
        guard count <= Controller.partitionsPerTopicMax else {
            throw Refusal(.invalidPartitions, "A topic has at most \(Controller.partitionsPerTopicMax) partitions.")
        }
        return try place(partitions: Int(count), factor: Int(factor))
    }

    /// Partitions that one topic may have.
    static let partitionsPerTopicMax: Int32 = 100_000
    /// Records of one request, beyond which it makes no more: they stand in the log as one batch.
    static let partitionsPerRequestMax = 100_000

    /// Spreads replicas over racks and brokers; `existing`: the partitions that the topic has already.
    mutating func place(partitions: Int, factor: Int, existing: [[NodeId]] = []) throws(Refusal) -> [[NodeId]] {
        let candidates = image.brokers.values.filter { !$0.isShuttingDown && !$0.isCordoned }.map {
            StripedPlacement.Candidate(id: $0.id, rack: $0.rack, isFenced: $0.isFenced)
        }
        return try withRandom { random throws(Refusal) in
            var placement = StripedPlacement(candidates, existing: existing, using: &random)
            guard factor <= placement.count, placement.livingCount > 0 else {
                let reason = placement.livingCount == 0
                    ? "All brokers are currently fenced or in controlled shutdown, or have all their log directories cordoned."
                    : "The target replication factor of \(factor)"
                        + " cannot be reached because only \(placement.count) broker(s) are registered or some brokers have"
                        + " all their log directories cordoned."
                throw Refusal(
                    .invalidReplicationFactor, "Unable to replicate the partition \(factor) time(s): \(reason)")
            }
            return (0..<partitions).map { _ in placement.next(factor: factor, using: &random) }
        }
    }

    private func manual(_ topic: CreateTopicsRequest.CreatableTopic) throws(Refusal) -> [[NodeId]] {
        guard topic.numPartitions == -1, topic.replicationFactor == -1 else {
            throw Refusal(
                .invalidRequest,
                "A manual partition assignment was specified, but numPartitions was not set to -1.")
        }
        var byPartition: [Int32: [NodeId]] = [:]
        for assignment in topic.assignments {
            guard byPartition[assignment.partitionIndex] == nil else {
                throw Refusal(
                    .invalidReplicaAssignment, "Found multiple manual partition assignments for partition"
                        + " \(assignment.partitionIndex)")
            }
            byPartition[assignment.partitionIndex] = assignment.brokerIds.map(NodeId.init)
        }
        var ordered: [[NodeId]] = []
        for index in 0..<Int32(byPartition.count) {
            guard let replicas = byPartition[index] else {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "partitions should be a consecutive 0-based integer sequence")
            }
            ordered.append(replicas)
        }
        try checkManual(ordered, factor: nil)
        try checkLiving(ordered)
        return ordered
    }

    func checkManual(_ assignments: [[NodeId]], factor: Int?) throws(Refusal) {
        var expected = factor
        for replicas in assignments {
            guard !replicas.isEmpty else {
                throw Refusal(.invalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
            }
            if Set(replicas).count != replicas.count {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "The manual partition assignment includes the broker \(replicas[0]) more than once.")
            }
            for id in replicas where image.brokers[id] == nil {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "The manual partition assignment includes broker \(id), but no such broker is registered.")
            }
            if let expected, replicas.count != expected {
                throw Refusal(
                    .invalidReplicaAssignment,
                    "The manual partition assignment includes a partition with \(replicas.count) replica(s), but this is"
                        + " not consistent with previous partitions, which have \(expected) replica(s).")
            }
            expected = replicas.count
        }
    }

    /// A new partition has somebody who leads it.
    private func checkLiving(_ assignments: [[NodeId]]) throws(Refusal) {
        guard let index = assignments.firstIndex(where: { !$0.contains(where: isActive) }) else { return }
        throw Refusal(
            .invalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition \(index) are"
                + " fenced or in controlled shutdown.")
    }

    private func partitionRecord(topic: Uuid, _ index: Int32, _ replicas: [NodeId]) -> VersionedRecord {
        let inSync = replicas.filter(isActive)
        let record = PartitionRecord {
            $0.partitionId = index
            $0.topicId = topic
            $0.replicas = replicas.map(\.rawValue)
            $0.isr = inSync.map(\.rawValue)
            $0.leader = inSync.first?.rawValue ?? -1
            $0.leaderEpoch = 0
            $0.partitionEpoch = 0
            $0.directories = replicas.map { id in
                let directories = image.brokers[id]?.directories ?? []
                return directories.count == 1 ? directories[0] : .zero
            }
        }
        return VersionedRecord(.partition(record), image.recordVersions.partition)
    }

    // MARK: Growth

    /// Decides a CreatePartitions request.
    package mutating func createPartitions(
        _ request: CreatePartitionsRequest
    ) -> Decision<CreatePartitionsResponse> {
        var decision = Decision(reply: CreatePartitionsResponse())
        var counts: [String: Int] = [:]
        for topic in request.topics { counts[topic.name, default: 0] += 1 }
        for (name, count) in counts.sorted(by: { $0.key < $1.key }) where count > 1 {
            decision.reply.results.append(
                CreatePartitionsResponse.CreatePartitionsTopicResult {
                    $0.name = name
                    $0.errorCode = .invalidRequest
                    $0.errorMessage = "Duplicate topic name."
                })
        }
        for topic in request.topics where counts[topic.name] == 1 {
            let result: Refusal?
            do throws(Refusal) {
                guard decision.records.count <= Controller.partitionsPerRequestMax else { throw Refusal.tooManyPartitions }
                let records = try grow(topic)
                if !request.validateOnly { decision.records += records }
                result = nil
            } catch {
                result = error
            }
            decision.reply.results.append(
                CreatePartitionsResponse.CreatePartitionsTopicResult {
                    $0.name = topic.name
                    $0.errorCode = result?.code ?? .none
                    $0.errorMessage = result?.message
                })
        }
        return decision
    }

    private mutating func grow(
        _ request: CreatePartitionsRequest.CreatePartitionsTopic
    ) throws(Refusal) -> [VersionedRecord] {
        guard let topic = image.topic(named: request.name) else { throw Refusal(.unknownTopicOrPartition) }
        let before = topic.partitions.count
        guard Int(request.count) > before else {
            throw Refusal(
                .invalidPartitions, "The topic \(request.name) currently has \(before) partition(s); \(request.count)"
                    + " would not be an increase.")
        }
        guard request.count <= Controller.partitionsPerTopicMax else {
            throw Refusal(.invalidPartitions, "A topic has at most \(Controller.partitionsPerTopicMax) partitions.")
        }
        let added = Int(request.count) - before
        let factor = topic.partitions[0]?.replicas.count ?? 1
        var assignments: [[NodeId]]
        if let manual = request.assignments {
            assignments = manual.map { $0.brokerIds.map(NodeId.init) }
            guard assignments.count == added else {
                throw Refusal(
                    .invalidReplicaAssignment, "Attempted to add \(added) additional partition(s), but only"
                        + " \(assignments.count) assignment(s) were specified.")
            }
            try checkManual(assignments, factor: factor)
            try checkLiving(assignments)
        } else {
            assignments = try place(
                partitions: added, factor: factor, existing: topic.sortedPartitions.map(\.image.replicas))
        }
        return assignments.enumerated().map { partitionRecord(topic: topic.id, Int32(before + $0), $1) }
    }

    // MARK: Deletion

    /// Decides a DeleteTopics request; names and ids as the version carries them.
    package func deleteTopics(_ request: DeleteTopicsRequest) -> Decision<DeleteTopicsResponse> {
        var decision = Decision(reply: DeleteTopicsResponse())
        var deleted: Set<Uuid> = []
        let asked: [(name: String?, id: Uuid)] =
            request.topicNames.map { ($0, .zero) } + request.topics.map { ($0.name, $0.topicId) }
        for entry in asked {
            let topic = entry.name.map { image.topic(named: $0) } ?? image.topics[entry.id]
            let result = DeleteTopicsResponse.DeletableTopicResult {
                $0.name = topic?.name ?? entry.name
                $0.topicId = topic?.id ?? entry.id
                if topic == nil {
                    let code: ErrorCode = entry.name == nil ? .unknownTopicId : .unknownTopicOrPartition
                    $0.errorCode = code
                    $0.errorMessage = entry.name == nil
                        ? "This server does not host this topic ID." : "This server does not host this topic-partition."
                } else if !node.bool("delete.topic.enable") {
                    $0.errorCode = .topicDeletionDisabled
                    $0.errorMessage = "Topic deletion is disabled."
                }
            }
            decision.reply.responses.append(result)
            if let topic, result.errorCode == .none, deleted.insert(topic.id).inserted {
                decision.records.append(
                    VersionedRecord(.removeTopic(RemoveTopicRecord { $0.topicId = topic.id }), 0))
            }
        }
        return decision
    }
}
