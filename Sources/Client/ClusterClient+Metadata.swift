// Asking for metadata: one request at a time, for all topics that anybody waits for.

package import Basics
internal import Environment
internal import WireProtocol

/// The metadata request under way, and who waits for the one after it.
struct MetadataRefresh {
    var isUnderWay = false
    /// What the next request is to ask for; nil is all topics.
    var wanted: Set<String>? = []
    var waiting: [(Result<ClusterMetadata, ClientError>) -> Void] = []
    var deadline = Instant(nanoseconds: .min)
    /// When each topic was last told of.
    var heardOf: [String: Instant] = [:]
}

extension ClusterClient {
    /// Asks for brokers and `topics` (nil: all topics). An unknown topic is an `error` in its `TopicInfo`.
    package func refreshMetadata(
        topics: [String]?, deadline: Instant, completion: @escaping (Result<ClusterMetadata, ClientError>) -> Void
    ) {
        if let topics { refresh.wanted?.formUnion(topics) } else { refresh.wanted = nil }
        refresh.waiting.append(completion)
        refresh.deadline = max(refresh.deadline, deadline)
        guard !refresh.isUnderWay else { return }
        refresh.isUnderWay = true
        loop.proceed { self.sendMetadataRequest() }
    }

    /// The topic as it is known, or asked for if it is not, or is too old. Waits until it has a leader for each
    /// partition, or the deadline passes. `.refused(.unknownTopicOrPartition)` for a topic that does not exist.
    package func topic(
        _ name: String, deadline: Instant, completion: @escaping (Result<TopicInfo, ClientError>) -> Void
    ) {
        if let known = metadata[name], !known.error.isError, !isOld(topic: name) {
            return loop.proceed { completion(.success(known)) }
        }
        refreshMetadata(topics: [name], deadline: deadline) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let metadata):
                guard let topic = metadata[name] else {
                    return completion(.failure(.refused(.unknownTopicOrPartition, "topic '\(name)'", nil)))
                }
                if !topic.error.isError { return completion(.success(topic)) }
                let waits = topic.error == .leaderNotAvailable
                    || (topic.error == .unknownTopicOrPartition && self.settings.allowsAutoCreation)
                guard waits, self.loop.now + .milliseconds(100) < deadline else {
                    return completion(.failure(.refused(topic.error, "topic '\(name)'", nil)))
                }
                _ = self.loop.schedule(at: self.loop.now + .milliseconds(100)) {
                    self.topic(name, deadline: deadline, completion: completion)
                }
            }
        }
    }

    /// Whether what is known of the topic was told too long ago, or never.
    func isOld(topic: String) -> Bool {
        guard let heard = refresh.heardOf[topic] else { return true }
        return loop.now - heard >= settings.metadataAgeMax
    }

    private func sendMetadataRequest() {
        let wanted = refresh.wanted
        let waiting = refresh.waiting
        let deadline = refresh.deadline
        refresh.wanted = []
        refresh.waiting = []
        refresh.deadline = Instant(nanoseconds: .min)
        let message = MetadataRequest {
            $0.topics = wanted.map { names in
                names.sorted().map { name in MetadataRequest.MetadataRequestTopic { $0.name = name } }
            }
            $0.allowAutoTopicCreation = settings.allowsAutoCreation
        }
        request(message, to: .any, deadline: deadline) { [self] result in
            let answer = result.flatMap { response -> Result<ClusterMetadata, ClientError> in
                guard !response.errorCode.isError else { return .failure(.refused(response.errorCode, "metadata", nil)) }
                take(response, wanted)
                return .success(metadata)
            }
            for completion in waiting { completion(answer) }
            refresh.isUnderWay = !refresh.waiting.isEmpty
            if refresh.isUnderWay { loop.proceed { self.sendMetadataRequest() } }
        }
    }

    private func take(_ response: MetadataResponse, _ wanted: Set<String>?) {
        if wanted == nil {
            let told = Set(response.topics.compactMap(\.name))
            for name in metadata.topicNames where !told.contains(name) { metadata.remove(name) }
        }
        metadata.update(response)
        for topic in response.topics { if let name = topic.name { refresh.heardOf[name] = loop.now } }
        if !metadata.brokers.isEmpty { channels.keep(only: metadata.brokers) }
    }
}
