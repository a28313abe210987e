// Metadata: brokers, topics, partitions and leaders. Asking for an unknown topic may create it.

internal import Basics
internal import ClusterImage
internal import Configuration
internal import Controller
internal import WireProtocol

enum MetadataHandler {
    static func handle(_ request: MetadataRequest, _ call: Call) {
        let missing = missingTopics(request, call)
        guard !missing.isEmpty else { return call.answer(response(request, call)) }
        let creation = CreateTopicsRequest {
            $0.topics = missing.map { name in
                CreateTopicsRequest.CreatableTopic {
                    $0.name = name
                    $0.numPartitions = -1
                    $0.replicationFactor = -1
                }
            }
        }
        call.shard.broker.ask(creation, timeout: .seconds(10), on: call.loop) { _ in
            call.answer(response(request, call))
        }
    }

    /// Topics to be created: named, unknown, and both client and broker allow it.
    private static func missingTopics(_ request: MetadataRequest, _ call: Call) -> [String] {
        guard request.allowAutoTopicCreation || call.version < 4, let topics = request.topics,
            call.shard.broker.node.bool("auto.create.topics.enable")
        else { return [] }
        var missing: [String] = []
        for topic in topics {
            guard let name = topic.name, topic.topicId == .zero || call.version < 12, !missing.contains(name),
                call.shard.view.topic(name) == nil, TopicName.objection(to: name) == nil,
                !TopicName.isInternal(name)
            else { continue }
            missing.append(name)
        }
        return missing
    }

    private static func response(_ request: MetadataRequest, _ call: Call) -> MetadataResponse {
        let view = call.shard.view
        return MetadataResponse {
            $0.clusterId = view.image.clusterId
            $0.controllerId = view.contact(for: call.shard.broker.nodeId).rawValue
            for broker in view.liveBrokers {
                guard let endpoint = call.shard.broker.endpoint(of: broker, for: call.context) else { continue }
                $0.brokers.append(
                    MetadataResponse.MetadataResponseBroker {
                        $0.nodeId = broker.id.rawValue
                        $0.host = endpoint.host
                        $0.port = Int32(endpoint.port)
                        $0.rack = broker.rack
                    })
            }
            $0.topics = topics(request, call)
            $0.clusterAuthorizedOperations =
                request.includeClusterAuthorizedOperations ? AuthorizedOperations.cluster : Int32.min
        }
    }

    private static func topics(_ request: MetadataRequest, _ call: Call) -> [MetadataResponse.MetadataResponseTopic] {
        let view = call.shard.view
        guard let asked = request.topics, call.version > 0 || !asked.isEmpty else {
            return view.byId.values.sorted { $0.name < $1.name }.map { topic($0, request, call) }
        }
        return asked.map { entry in
            if entry.topicId != .zero {
                guard let found = view.topic(entry.topicId) else { return unknown(nil, entry.topicId, .unknownTopicId) }
                return topic(found, request, call)
            }
            let name = entry.name ?? ""
            if let found = view.topic(name) { return topic(found, request, call) }
            let isLegal = TopicName.objection(to: name) == nil
            return unknown(name, .zero, isLegal ? .unknownTopicOrPartition : .invalidTopicException)
        }
    }

    private static func unknown(
        _ name: String?, _ id: Uuid, _ code: ErrorCode
    ) -> MetadataResponse.MetadataResponseTopic {
        MetadataResponse.MetadataResponseTopic {
            $0.errorCode = code
            $0.name = name
            $0.topicId = id
            $0.isInternal = name.map(TopicName.isInternal) ?? false
        }
    }

    private static func topic(
        _ topic: TopicView, _ request: MetadataRequest, _ call: Call
    ) -> MetadataResponse.MetadataResponseTopic {
        let image = call.shard.view.image
        return MetadataResponse.MetadataResponseTopic {
            $0.name = topic.name
            $0.topicId = topic.id
            $0.isInternal = TopicName.isInternal(topic.name)
            $0.topicAuthorizedOperations =
                request.includeTopicAuthorizedOperations ? AuthorizedOperations.topic : Int32.min
            $0.partitions = topic.image.sortedPartitions.map { index, partition in
                let leaderLives = image.brokers[partition.leader].map { !$0.isFenced } ?? false
                return MetadataResponse.MetadataResponsePartition {
                    $0.errorCode = leaderLives ? .none : .leaderNotAvailable
                    $0.partitionIndex = index
                    $0.leaderId = leaderLives ? partition.leader.rawValue : -1
                    $0.leaderEpoch = partition.leaderEpoch.rawValue
                    $0.replicaNodes = partition.replicas.map(\.rawValue)
                    $0.isrNodes = partition.inSync.map(\.rawValue)
                    $0.offlineReplicas = image.offlineReplicas(of: partition).map(\.rawValue)
                }
            }
        }
    }
}

/// What a principal may do, as a bit set over the numbers of the operations (KIP-430). All are allowed as yet.
enum AuthorizedOperations {
    /// Read, write, create, delete, alter, describe, describe configs, alter configs.
    static let topic: Int32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11
    /// Read, delete, describe, describe configs, alter configs.
    static let group: Int32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
    /// Create, alter, describe, cluster action, describe configs, alter configs, idempotent write.
    static let cluster: Int32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
}
