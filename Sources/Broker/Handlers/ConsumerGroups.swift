// ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups of the new protocol (KIP-848), where the cluster has it on.

internal import ClusterImage
internal import Configuration
internal import Coordination
internal import Groups
internal import WireProtocol

extension Call {
    /// Whether groups of the new protocol are served: the feature is on, and the node offers them.
    fileprivate var servesConsumerGroups: Bool {
        shard.view.image.level(of: "group.version") >= 1
            && shard.broker.node.list("group.coordinator.rebalance.protocols").contains("consumer")
    }
}

enum ConsumerGroupHeartbeatHandler {
    static func handle(_ request: ConsumerGroupHeartbeatRequest, _ call: Call) {
        guard call.servesConsumerGroups else { return fail(.unsupportedVersion, call) }
        let client = call.groupClient(isNew: request.memberId.isEmpty)
        call.coordinate(request.groupId) { core, token, moment in
            core.consumerGroupHeartbeat(request, client, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.consumerGroupHeartbeat(let response)): call.answer(response)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): fail(refusal.code, call)
            }
        }
    }

    private static func fail(_ code: ErrorCode, _ call: Call) {
        call.answer(ConsumerGroupHeartbeatResponse { $0.errorCode = code })
    }
}

enum ConsumerGroupDescribeHandler {
    private typealias Described = ConsumerGroupDescribeResponse.DescribedGroup

    static func handle(_ request: ConsumerGroupDescribeRequest, _ call: Call) {
        let operations = request.includeAuthorizedOperations ? AuthorizedOperations.group : Int32.min
        let gathering = Gathering<Described>(request.groupIds.count) { groups in
            call.answer(ConsumerGroupDescribeResponse { $0.groups = groups })
        }
        let isServed = call.servesConsumerGroups
        for (index, groupId) in request.groupIds.enumerated() {
            guard isServed, index < Call.groupsMax else {
                gathering.put(index, failed(groupId, isServed ? .invalidRequest : .unsupportedVersion))
                continue
            }
            call.coordinate(groupId) { core, token, moment in
                core.describeConsumerGroup(groupId, token, moment)
            } then: { outcome in
                switch outcome {
                case .success(.consumerGroupDescribe(var described)):
                    if !described.errorCode.isError { described.authorizedOperations = operations }
                    gathering.put(index, described)
                case .success: call.fail("an answer to another request")
                case .failure(let refusal): gathering.put(index, failed(groupId, refusal.code))
                }
            }
        }
    }

    private static func failed(_ groupId: String, _ code: ErrorCode) -> Described {
        Described {
            $0.groupId = groupId
            $0.errorCode = code
        }
    }
}
