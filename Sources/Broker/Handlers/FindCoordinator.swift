// FindCoordinator: which broker has a group. The first request for a group makes the topic that remembers groups.
//
// Transactional ids and share partitions have no coordinator here: the answer is that of a broker whose coordinator
// does not serve, which clients take for "try later".

internal import Basics
internal import ClusterImage
internal import Controller
internal import WireProtocol

enum FindCoordinatorHandler {
    private enum KeyType: Int8 {
        case group = 0
        case transaction = 1
        case sharePartition = 2
    }

    /// Where a coordinator is, or why there is none.
    private struct Found {
        var node: Int32 = -1
        var host = ""
        var port: Int32 = -1
        var code = ErrorCode.none
        /// What the batch form says beside the code.
        var message = ""
    }

    /// Since this version several keys may be asked for at once.
    private static let batchForm: Int16 = 4

    static func handle(_ request: FindCoordinatorRequest, _ call: Call) {
        guard KeyType(rawValue: request.keyType) == .group, call.shard.view.topic(GroupTopic.name) == nil else {
            return answer(request, call)
        }
        let broker = call.shard.broker
        let creation = GroupTopic.creation(broker.node, brokers: call.shard.view.image.brokers.count)
        broker.ask(creation, timeout: .seconds(10), on: call.loop) { result in
            if case .success(let response) = result, let topic = response.topics.first,
                topic.errorCode != .none, topic.errorCode != .topicAlreadyExists
            {
                broker.logger.error(
                    "coordinator", "cannot create the topic of groups",
                    [("code", "\(topic.errorCode)"), ("reason", topic.errorMessage ?? "")])
            }
            answer(request, call)
        }
    }

    private static func answer(_ request: FindCoordinatorRequest, _ call: Call) {
        guard call.version >= batchForm else {
            let found = find(request.key, request.keyType, call)
            return call.answer(
                FindCoordinatorResponse {
                    $0.errorCode = found.code
                    $0.errorMessage = found.code == .none ? "NONE" : found.code.message
                    $0.nodeId = found.node
                    $0.host = found.host
                    $0.port = found.port
                })
        }
        call.answer(
            FindCoordinatorResponse {
                $0.coordinators = request.coordinatorKeys.map { key in
                    let found = find(key, request.keyType, call)
                    return FindCoordinatorResponse.Coordinator {
                        $0.key = key
                        $0.nodeId = found.node
                        $0.host = found.host
                        $0.port = found.port
                        $0.errorCode = found.code
                        $0.errorMessage = found.message
                    }
                }
            })
    }

    private static func find(_ key: String, _ type: Int8, _ call: Call) -> Found {
        switch KeyType(rawValue: type) {
        case .group: group(key, call)
        case .transaction: Found(code: .coordinatorNotAvailable)
        case .sharePartition: Found(code: isSharePartition(key) ? .coordinatorNotAvailable : .invalidRequest)
        case nil: Found(code: .invalidRequest, message: ErrorCode.invalidRequest.message)
        }
    }

    private static func group(_ key: String, _ call: Call) -> Found {
        let view = call.shard.view
        guard let topic = view.topic(GroupTopic.name),
            let partition = topic.image.partitions[
                GroupTopic.partition(of: key, count: topic.image.partitions.count)],
            let broker = view.image.brokers[partition.leader], !broker.isFenced,
            let endpoint = call.shard.broker.endpoint(of: broker, for: call.context)
        else { return Found(code: .coordinatorNotAvailable) }
        return Found(node: broker.id.rawValue, host: endpoint.host, port: Int32(endpoint.port))
    }

    /// `group:topic id:partition`; a group's id may hold colons, too.
    private static func isSharePartition(_ key: String) -> Bool {
        let parts = key.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3, !parts[0].isEmpty, let partition = Int32(parts[parts.count - 1]) else { return false }
        return partition >= 0 && Uuid(String(parts[parts.count - 2])) != nil
    }
}
