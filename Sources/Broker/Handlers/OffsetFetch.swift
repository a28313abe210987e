// OffsetFetch: how far groups have consumed. One group in old versions, several since version 8; topics by id since 10.

internal import Basics
internal import ClusterImage
internal import Groups
internal import WireProtocol

enum OffsetFetchHandler {
    private typealias Asked = OffsetFetchRequest.OffsetFetchRequestGroup
    private typealias Found = OffsetFetchResponse.OffsetFetchResponseGroup

    private static let namesSeveral: Int16 = 8
    private static let usesIds: Int16 = 10
    /// Since this version the answer has a code for the whole group.
    private static let hasGroupCode: Int16 = 2

    static func handle(_ request: OffsetFetchRequest, _ call: Call) {
        guard call.version >= namesSeveral else {
            return fetch(single(request), request.requireStable, call) { call.answer(old($0, call.version)) }
        }
        guard !request.groups.isEmpty else { return call.answer(OffsetFetchResponse()) }
        var found = [Found?](repeating: nil, count: request.groups.count)
        var missing = found.count
        for (index, group) in request.groups.enumerated() {
            let put: (Found) -> Void = { answer in
                found[index] = answer
                missing -= 1
                if missing == 0 { call.answer(OffsetFetchResponse { $0.groups = found.compactMap { $0 } }) }
            }
            if index < Call.groupsMax {
                fetch(group, request.requireStable, call, then: put)
            } else {
                put(failed(group, .invalidRequest, call.version))
            }
        }
    }

    /// A refusal of the whole group; version 1 has no place for it but the partitions.
    private static func failed(_ asked: Asked, _ code: ErrorCode, _ version: Int16) -> Found {
        Found {
            $0.groupId = asked.groupId
            $0.errorCode = code
            if version < hasGroupCode { $0.topics = (asked.topics ?? []).map { unknown($0, code) } }
        }
    }

    /// Asks for one group; topics whose id is not known are answered here.
    private static func fetch(
        _ asked: Asked, _ requiresStable: Bool, _ call: Call, then: @escaping (Found) -> Void
    ) {
        var known = asked
        var refused: [OffsetFetchResponse.OffsetFetchResponseTopics] = []
        if call.version >= usesIds, let topics = asked.topics {
            known.topics = []
            for var topic in topics {
                if let view = call.shard.view.topic(topic.topicId) {
                    topic.name = view.name
                    known.topics?.append(topic)
                } else {
                    refused.append(unknown(topic, .unknownTopicId))
                }
            }
        }
        let named = known
        call.coordinate(asked.groupId) { core, token, moment in
            core.fetchOffsets(named, requiresStable: requiresStable, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.offsetFetch(var found)):
                if call.version >= usesIds { found.topics.removeAll { $0.topicId == .zero } }
                if !found.errorCode.isError { found.topics = refused + found.topics }
                then(found)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): then(failed(asked, refusal.code, call.version))
            }
        }
    }

    private static func unknown(
        _ topic: OffsetFetchRequest.OffsetFetchRequestTopics, _ code: ErrorCode
    ) -> OffsetFetchResponse.OffsetFetchResponseTopics {
        OffsetFetchResponse.OffsetFetchResponseTopics {
            $0.name = topic.name
            $0.topicId = topic.topicId
            $0.partitions = topic.partitionIndexes.map { index in
                OffsetFetchResponse.OffsetFetchResponsePartitions {
                    $0.partitionIndex = index
                    $0.committedOffset = -1
                    $0.metadata = ""
                    $0.errorCode = code
                }
            }
        }
    }

    // MARK: Old versions

    private static func single(_ request: OffsetFetchRequest) -> Asked {
        Asked {
            $0.groupId = request.groupId
            $0.topics = request.topics.map { topics in
                topics.map { topic in
                    OffsetFetchRequest.OffsetFetchRequestTopics {
                        $0.name = topic.name
                        $0.partitionIndexes = topic.partitionIndexes
                    }
                }
            }
        }
    }

    private static func old(_ found: Found, _ version: Int16) -> OffsetFetchResponse {
        OffsetFetchResponse {
            $0.errorCode = version >= hasGroupCode ? found.errorCode : .none
            $0.topics = found.topics.map { topic in
                OffsetFetchResponse.OffsetFetchResponseTopic {
                    $0.name = topic.name
                    $0.partitions = topic.partitions.map { partition in
                        OffsetFetchResponse.OffsetFetchResponsePartition {
                            $0.partitionIndex = partition.partitionIndex
                            $0.committedOffset = partition.committedOffset
                            $0.committedLeaderEpoch = partition.committedLeaderEpoch
                            $0.metadata = partition.metadata
                            $0.errorCode = partition.errorCode
                        }
                    }
                }
            }
        }
    }
}
