// OffsetCommit and OffsetDelete: offsets of topics and partitions that exist go to the group's coordinator, the others
// are refused here.

internal import Basics
internal import ClusterImage
internal import Groups
internal import WireProtocol

enum OffsetCommitHandler {
    private typealias Topic = OffsetCommitResponse.OffsetCommitResponseTopic

    /// Since this version topics are named by their ids.
    private static let usesIds: Int16 = 10

    static func handle(_ request: OffsetCommitRequest, _ call: Call) {
        var known = request
        known.topics = []
        var refused: [Topic] = []
        for topic in request.topics { sort(topic, &known.topics, &refused, call) }
        guard !known.topics.isEmpty else { return call.answer(OffsetCommitResponse { $0.topics = refused }) }
        let client = call.groupClient()
        let commit = known
        call.coordinate(request.groupId) { core, token, moment in
            core.commitOffsets(commit, client, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.offsetCommit(let response)): answer(response, refused, call)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): answer(.refused(commit, refusal.code), refused, call)
            }
        }
    }

    /// Parts what is known from what is not.
    private static func sort(
        _ topic: OffsetCommitRequest.OffsetCommitRequestTopic,
        _ known: inout [OffsetCommitRequest.OffsetCommitRequestTopic], _ refused: inout [Topic], _ call: Call
    ) {
        let view = call.version >= usesIds ? call.shard.view.topic(topic.topicId) : call.shard.view.topic(topic.name)
        var asked = topic
        asked.name = view?.name ?? topic.name
        asked.partitions = topic.partitions.filter { view?.image.partitions[$0.partitionIndex] != nil }
        if !asked.partitions.isEmpty { known.append(asked) }
        let missing = topic.partitions.filter { view?.image.partitions[$0.partitionIndex] == nil }
        guard !missing.isEmpty else { return }
        let isIdUnknown = view == nil && call.version >= usesIds
        refused.append(
            Topic {
                $0.name = topic.name
                $0.topicId = topic.topicId
                $0.partitions = missing.map { partition in
                    OffsetCommitResponse.OffsetCommitResponsePartition {
                        $0.partitionIndex = partition.partitionIndex
                        $0.errorCode = isIdUnknown ? .unknownTopicId : .unknownTopicOrPartition
                    }
                }
            })
    }

    /// Answers with both parts, one entry for each topic.
    private static func answer(_ response: OffsetCommitResponse, _ refused: [Topic], _ call: Call) {
        var topics = refused
        for topic in response.topics {
            let index = topics.firstIndex {
                call.version >= usesIds ? $0.topicId == topic.topicId : $0.name == topic.name
            }
            if let index { topics[index].partitions += topic.partitions } else { topics.append(topic) }
        }
        call.answer(OffsetCommitResponse { $0.topics = topics })
    }
}

enum OffsetDeleteHandler {
    private typealias Topic = OffsetDeleteResponse.OffsetDeleteResponseTopic

    static func handle(_ request: OffsetDeleteRequest, _ call: Call) {
        var known = request
        known.topics = []
        var refused: [Topic] = []
        for topic in request.topics {
            let partitions = call.shard.view.topic(topic.name)?.image.partitions ?? [:]
            var asked = topic
            asked.partitions = topic.partitions.filter { partitions[$0.partitionIndex] != nil }
            if !asked.partitions.isEmpty || topic.partitions.isEmpty { known.topics.append(asked) }
            let missing = topic.partitions.filter { partitions[$0.partitionIndex] == nil }
            guard !missing.isEmpty else { continue }
            refused.append(
                Topic {
                    $0.name = topic.name
                    $0.partitions = missing.map { partition in
                        OffsetDeleteResponse.OffsetDeleteResponsePartition {
                            $0.partitionIndex = partition.partitionIndex
                            $0.errorCode = .unknownTopicOrPartition
                        }
                    }
                })
        }
        let asked = known
        let client = call.groupClient()
        call.coordinate(request.groupId) { core, token, moment in
            core.deleteOffsets(asked, client, token, moment)
        } then: { outcome in
            switch outcome {
            case .success(.offsetDelete(let response)): answer(response, refused, call)
            case .success: call.fail("an answer to another request")
            case .failure(let refusal): call.answer(OffsetDeleteResponse { $0.errorCode = refusal.code })
            }
        }
    }

    private static func answer(_ response: OffsetDeleteResponse, _ refused: [Topic], _ call: Call) {
        var response = response
        guard !response.errorCode.isError else { return call.answer(response) }
        for topic in refused {
            if let index = response.topics.firstIndex(where: { $0.name == topic.name }) {
                response.topics[index].partitions += topic.partitions
            } else {
                response.topics.append(topic)
            }
        }
        call.answer(response)
    }
}
