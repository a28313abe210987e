// What people and nodes ask about the quorum, and changes of its voters (KIP-595, KIP-836, KIP-853). The leader answers.

internal import Basics
internal import Configuration
internal import Environment
internal import Raft
internal import WireProtocol

extension DescribeQuorumRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        completion(
            .success(
                Response {
                    $0.topics = topics.map { topic in
                        Response.TopicData {
                            $0.topicName = topic.topicName
                            $0.partitions = topic.partitions.map { partition in
                                let isKnown = topic.topicName == MetadataStore.partition.topic && partition.partitionIndex == 0
                                return Response.PartitionData {
                                    $0.partitionIndex = partition.partitionIndex
                                    if isKnown { $0.fill(driver) } else { $0.errorCode = .unknownTopicOrPartition }
                                }
                            }
                        }
                    }
                    $0.nodes = driver.quorum.voters.voters.map { voter in
                        Response.Node {
                            $0.nodeId = voter.key.id.rawValue
                            $0.listeners = voter.endpoints.map { endpoint in
                                Response.Listener {
                                    $0.name = endpoint.name
                                    $0.host = endpoint.host
                                    $0.port = endpoint.port
                                }
                            }
                        }
                    }
                }))
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension DescribeQuorumResponse.PartitionData {
    fileprivate mutating func fill(_ driver: MetadataDriver) {
        let quorum = driver.quorum
        let (now, wall) = (driver.loop.now, driver.environment.clock.wallClock.milliseconds)
        func time(_ instant: Instant?) -> Int64 { instant.map { wall - (now - $0).wholeMilliseconds } ?? -1 }
        leaderId = quorum.local.id.rawValue
        leaderEpoch = quorum.epoch.rawValue
        highWatermark = quorum.highWatermark.rawValue
        let own = DescribeQuorumResponse.ReplicaState {
            $0.replicaId = quorum.local.id.rawValue
            $0.replicaDirectoryId = quorum.local.directory
            $0.logEndOffset = quorum.log.end.rawValue
            $0.lastFetchTimestamp = wall
            $0.lastCaughtUpTimestamp = wall
        }
        for follower in quorum.followers
        where quorum.voters.contains(follower.key) || now - follower.lastFetch < Quorum.observerTimeout {
            let state = DescribeQuorumResponse.ReplicaState {
                $0.replicaId = follower.key.id.rawValue
                $0.replicaDirectoryId = follower.key.directory
                $0.logEndOffset = follower.offset.rawValue
                $0.lastFetchTimestamp = follower.offset == .none ? -1 : time(follower.lastFetch)
                $0.lastCaughtUpTimestamp = time(follower.caughtUpAt)
            }
            if quorum.voters.contains(follower.key) { currentVoters.append(state) } else { observers.append(state) }
        }
        if quorum.isVoter { currentVoters.append(own) } else { observers.append(own) }
        currentVoters.sort { $0.replicaId < $1.replicaId }
    }
}

extension VoterChangeError {
    var code: ErrorCode {
        switch self {
        case .notLeader: .notController
        case .unsupported: .unsupportedVersion
        case .duplicateVoter: .duplicateVoter
        case .voterNotFound: .voterNotFound
        case .timedOut: .requestTimedOut
        }
    }
}

extension Voter {
    /// Whether it is named as a voter must be: with its folder, and where other controllers reach it.
    fileprivate func isNamed(for driver: MetadataDriver) -> Bool {
        let names = driver.node.controllerListenerNames
        return key.id.rawValue >= 0 && key.directory != .zero
            && endpoints.contains { names.isEmpty || names.contains($0.name) }
    }
}

extension AddRaftVoterRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        guard clusterId == nil || clusterId == driver.speaker.clusterId else {
            return completion(.success(refusal(.inconsistentClusterId)))
        }
        let voter = Voter(
            key: ReplicaKey(id: NodeId(voterId), directory: voterDirectoryId),
            endpoints: listeners.map { Voter.Endpoint(name: $0.name, host: $0.host, port: $0.port) })
        guard voter.isNamed(for: driver) else { return completion(.success(refusal(.invalidRequest))) }
        let deadline = driver.loop.now + .milliseconds(max(0, timeoutMs))
        driver.changeVoters(.add(voter), deadline: deadline) { error in
            completion(.success(error.map { self.refusal($0.code) } ?? Response { $0.errorMessage = nil }))
        }
    }

    func refusal(_ code: ErrorCode) -> Response {
        Response {
            $0.errorCode = code
            $0.errorMessage = code.message
        }
    }

    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension RemoveRaftVoterRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        guard clusterId == nil || clusterId == driver.speaker.clusterId else {
            return completion(.success(refusal(.inconsistentClusterId)))
        }
        let key = ReplicaKey(id: NodeId(voterId), directory: voterDirectoryId)
        guard voterId >= 0, voterDirectoryId != .zero else { return completion(.success(refusal(.invalidRequest))) }
        driver.changeVoters(.remove(key), deadline: driver.loop.now + .seconds(30)) { error in
            completion(.success(error.map { self.refusal($0.code) } ?? Response { $0.errorMessage = nil }))
        }
    }

    func refusal(_ code: ErrorCode) -> Response {
        Response {
            $0.errorCode = code
            $0.errorMessage = code.message
        }
    }

    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}

extension UpdateRaftVoterRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        guard clusterId == nil || clusterId == driver.speaker.clusterId else {
            return completion(.success(refusal(.inconsistentClusterId)))
        }
        let (low, high) = (kRaftVersionFeature.minSupportedVersion, kRaftVersionFeature.maxSupportedVersion)
        let voter = Voter(
            key: ReplicaKey(id: NodeId(voterId), directory: voterDirectoryId),
            endpoints: listeners.map { Voter.Endpoint(name: $0.name, host: $0.host, port: $0.port) },
            versions: low...max(low, high))
        guard low >= 0, high >= low, voter.isNamed(for: driver) else { return completion(.success(refusal(.invalidRequest))) }
        guard currentLeaderEpoch == driver.epoch.rawValue else {
            let isOld = currentLeaderEpoch < driver.epoch.rawValue
            return completion(.success(refusal(isOld ? .fencedLeaderEpoch : .unknownLeaderEpoch)))
        }
        driver.changeVoters(.update(voter), deadline: driver.loop.now + .seconds(30)) { error in
            completion(.success(error.map { self.refusal($0.code) } ?? Response()))
        }
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode }
}
