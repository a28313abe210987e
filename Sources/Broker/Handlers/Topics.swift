// CreateTopics, DeleteTopics and CreatePartitions: the controller decides, the answer leaves when it is done.

internal import Controller
internal import WireProtocol

enum CreateTopicsHandler {
    static func handle(_ request: CreateTopicsRequest, _ call: Call) {
        call.shard.broker.decide(on: call.loop, { $0.createTopics(request) }) { result in
            switch result {
            case .success(let response): call.answer(response)
            case .failure(let failure):
                call.answer(
                    CreateTopicsResponse {
                        $0.topics = request.topics.map { topic in
                            CreateTopicsResponse.CreatableTopicResult {
                                $0.name = topic.name
                                $0.errorCode = failure.code
                            }
                        }
                    })
            }
        }
    }
}

enum DeleteTopicsHandler {
    static func handle(_ request: DeleteTopicsRequest, _ call: Call) {
        call.shard.broker.decide(on: call.loop, { $0.deleteTopics(request) }) { result in
            switch result {
            case .success(let response): call.answer(response)
            case .failure(let failure):
                let names = request.topicNames + request.topics.compactMap(\.name)
                call.answer(
                    DeleteTopicsResponse {
                        $0.responses = names.map { name in
                            DeleteTopicsResponse.DeletableTopicResult {
                                $0.name = name
                                $0.errorCode = failure.code
                            }
                        }
                    })
            }
        }
    }
}

enum CreatePartitionsHandler {
    static func handle(_ request: CreatePartitionsRequest, _ call: Call) {
        call.shard.broker.decide(on: call.loop, { $0.createPartitions(request) }) { result in
            switch result {
            case .success(let response): call.answer(response)
            case .failure(let failure):
                call.answer(
                    CreatePartitionsResponse {
                        $0.results = request.topics.map { topic in
                            CreatePartitionsResponse.CreatePartitionsTopicResult {
                                $0.name = topic.name
                                $0.errorCode = failure.code
                            }
                        }
                    })
            }
        }
    }
}

extension MetadataFailure {
    var code: ErrorCode {
        switch self {
        case .storage: .kafkaStorageError
        case .stopped, .notController: .notController
        }
    }
}
