// What nodes ask of the active controller: registration, heartbeats, producer ids, topics that a broker makes by itself, and the
// folders of replicas. Each is decided in `Controller`; here it is only handed over.

internal import Basics
internal import ClusterImage
internal import Controller
internal import Environment
internal import Raft
internal import WireProtocol

extension BrokerRegistrationRequest: ControllerRequest {
    /// The broker epoch is where the registration stands in the log (KIP-631).
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        let id = NodeId(brokerId)
        guard clusterId == driver.controller.image.clusterId else {
            return completion(.success(refusal(.inconsistentClusterId)))
        }
        if let known = driver.controller.image.brokers[id], known.incarnation != incarnationId,
            known.incarnation == driver.incarnation || driver.sessions.isAlive(id, now: driver.loop.now)
        {
            return completion(.success(refusal(.duplicateBrokerRegistration)))
        }
        let epoch = driver.nextOffset
        let description = BrokerDescription(
            id: id, incarnation: incarnationId,
            endpoints: listeners.map { listener in
                RegisterBrokerRecord.BrokerEndpoint {
                    $0.name = listener.name
                    $0.host = listener.host
                    $0.port = listener.port
                    $0.securityProtocol = listener.securityProtocol
                }
            }, rack: rack, directories: logDirs,
            features: features.map { feature in
                RegisterBrokerRecord.BrokerFeature {
                    $0.name = feature.name
                    $0.minSupportedVersion = feature.minSupportedVersion
                    $0.maxSupportedVersion = feature.maxSupportedVersion
                }
            })
        if let code = driver.controller.objection(to: description) { return completion(.success(refusal(code))) }
        driver.sessions.forget(id)
        // A life that registers again has lost nothing; another has, unless it took note of the end of the one before.
        let known = driver.controller.image.brokers[id]
        let isWhole = known.map { $0.incarnation == incarnationId || $0.epoch == previousBrokerEpoch } ?? true
        let records = driver.controller.register(description, epoch: epoch, stoppedInOrder: isWhole)
        driver.append(records) { failure in
            completion(
                failure.map { .failure($0) } ?? .success(Response { $0.brokerEpoch = epoch.rawValue }))
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension BrokerHeartbeatRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        let id = NodeId(brokerId)
        let others = wantShutDown ? driver.controller.serving(beside: id) : []
        let decision = driver.controller.beat(self, mayGo: driver.sessions.haveSeenHandover(of: id, others))
        if !decision.reply.errorCode.isError {
            driver.sessions.heard(
                id, isStopping: wantShutDown, seen: Offset(currentMetadataOffset), now: driver.loop.now)
            if wantShutDown, !decision.reply.shouldShutDown, !decision.records.isEmpty {
                driver.sessions.handedOver(id, at: driver.nextOffset + Int64(decision.records.count - 1))
            }
            if driver.sessionTimer == nil { driver.watchSessions() }
        }
        // Most change nothing and rest on nothing that could be lost.
        if decision.records.isEmpty, driver.waiting.isEmpty { return completion(.success(decision.reply)) }
        driver.submit({ _ in decision }, completion: completion)
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension ControllerRegistrationRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        let endpoints = listeners.map { listener in
            RegisterControllerRecord.ControllerEndpoint {
                $0.name = listener.name
                $0.host = listener.host
                $0.port = listener.port
                $0.securityProtocol = listener.securityProtocol
            }
        }
        let records = driver.controller.registerController(
            id: NodeId(controllerId), incarnation: incarnationId, endpoints: endpoints,
            features: features.map { feature in
                RegisterControllerRecord.ControllerFeature {
                    $0.name = feature.name
                    $0.minSupportedVersion = feature.minSupportedVersion
                    $0.maxSupportedVersion = feature.maxSupportedVersion
                }
            })
        driver.append(records) { failure in
            completion(failure.map { .failure($0) } ?? .success(Response()))
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension UnregisterBrokerRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        driver.submit({ $0.unregister(NodeId(self.brokerId)) }) { result in
            if case .success(let response) = result, !response.errorCode.isError {
                driver.sessions.forget(NodeId(self.brokerId))
            }
            completion(result)
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension UnregisterControllerRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        guard !driver.quorum.voters.voters.contains(where: { $0.key.id == NodeId(controllerId) }) else {
            var response = refusal(.invalidRequest)
            response.errorMessage = "Cannot unregister controller \(controllerId) because it is part of the voter set."
            return completion(.success(response))
        }
        driver.submit({ $0.unregisterController(NodeId(self.controllerId)) }, completion: completion)
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension UpdateFeaturesRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        let decision = driver.controller.updateFeatures(self, kraftVersion: driver.kraftVersion)
        let isUpgrade = featureUpdates.contains { $0.feature == "kraft.version" && $0.maxVersionLevel != driver.kraftVersion }
        guard isUpgrade, !decision.reply.errorCode.isError, !validateOnly else {
            return driver.submit({ _ in decision }, completion: completion)
        }
        // The quorum's own level is no record of metadata: the voters are named with their folders (KIP-853).
        driver.changeVoters(.name, deadline: driver.loop.now + .milliseconds(Int64(max(0, timeoutMs)))) { error in
            guard error == nil else {
                var response = self.refusal(.invalidUpdateVersion)
                response.errorMessage = "The voters cannot be named now: all of them must have fetched from the leader."
                return completion(error == .notLeader ? .failure(.notController) : .success(response))
            }
            driver.submit({ $0.updateFeatures(self, kraftVersion: driver.kraftVersion) }, completion: completion)
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension AllocateProducerIdsRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        guard let broker = driver.controller.image.brokers[NodeId(brokerId)], broker.epoch == brokerEpoch else {
            return completion(.success(refusal(.staleBrokerEpoch)))
        }
        driver.submit({ $0.allocateProducerIds(for: NodeId(self.brokerId), epoch: self.brokerEpoch) }) { result in
            completion(
                result.map { first in
                    Response {
                        $0.producerIdStart = first
                        $0.producerIdLen = Int32(Controller.producerIdBlockSize)
                    }
                })
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension CreateTopicsRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        driver.submit({ $0.createTopics(self) }, completion: completion)
    }

    func refusal(_ code: ErrorCode) -> Response {
        Response {
            $0.topics = topics.map { topic in
                Response.CreatableTopicResult {
                    $0.name = topic.name
                    $0.errorCode = code
                }
            }
        }
    }

    static func refusal(in response: Response) -> ErrorCode {
        response.topics.contains { $0.errorCode == .notController } ? .notController : .none
    }
}

extension AssignReplicasToDirsRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        driver.submit({ $0.assignReplicas(self) }, completion: completion)
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension AlterPartitionRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        driver.submit({ $0.alterPartition(self) }, completion: completion)
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}
