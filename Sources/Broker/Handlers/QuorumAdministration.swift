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

    /// Who does not lead says so of the partition.
    func refusal(_ code: ErrorCode) -> Response {
        Response {
            guard code == .notController else { return $0.errorCode = code }
            $0.topics = [
                Response.TopicData {
                    $0.topicName = MetadataStore.partition.topic
                    $0.partitions = [Response.PartitionData { $0.errorCode = .notLeaderOrFollower }]
                }
            ]
        }
    }

    static func refusal(in response: Response) -> ErrorCode {
        let partitions = response.topics.flatMap(\.partitions)
        return partitions.contains { $0.errorCode == .notLeaderOrFollower } ? .notController : response.errorCode
    }
}

extension ErrorCode {
    /// The quorum's leader is its controller: in changes of voters one word stands for the other.
    fileprivate var ofQuorum: ErrorCode { self == .notController ? .notLeaderOrFollower : self }
    fileprivate var ofController: ErrorCode { self == .notLeaderOrFollower ? .notController : self }
}

extension DescribeQuorumResponse.PartitionData {
    fileprivate mutating func fill(_ driver: MetadataDriver) {
        let quorum = driver.quorum
        let (now, wall) = (driver.loop.now, driver.environment.clock.wallClock.milliseconds)
        func time(_ instant: Instant?) -> Int64 { instant.map { wall - (now - $0).wholeMilliseconds } ?? -1 }
        leaderId = quorum.local.id.rawValue
        leaderEpoch = quorum.epoch.rawValue
        highWatermark = quorum.committedInEpoch?.rawValue ?? -1
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
                $0.replicaDirectoryId = follower.directory
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
    /// Where other controllers reach it; nil if it does not say.
    fileprivate func address(for driver: MetadataDriver) -> SocketAddress? {
        let names = driver.node.controllerListenerNames
        let endpoint = endpoints.first { names.isEmpty || names.contains($0.name) }
        return endpoint.map { SocketAddress(host: $0.host, port: $0.port) }
    }

    /// Whether it is named as a voter must be: with its folder, and where other controllers reach it.
    fileprivate func isNamed(for driver: MetadataDriver) -> Bool {
        key.id.rawValue >= 0 && key.directory != .zero && address(for: driver) != nil
    }

    /// Asks the voter to be for the levels of kraft.version that it knows: one that is not where it is said to be, or does not know
    /// the quorum's level, would cost the quorum a majority (KIP-853).
    fileprivate func ask(_ driver: MetadataDriver, _ completion: @escaping (Result<Voter, ErrorRefusal>) -> Void) {
        guard let address = address(for: driver) else { return completion(.failure(ErrorRefusal(code: .invalidRequest))) }
        let request = ApiVersionsRequest {
            $0.clientSoftwareName = "martlet"
            $0.clientSoftwareVersion = "0.1"
        }
        let timeout = Duration.milliseconds(driver.node.int("controller.quorum.request.timeout.ms"))
        driver.peers.send(request, to: address, .quorum, timeout: timeout) { result in
            guard case .success(let response) = result, !response.errorCode.isError else {
                return completion(.failure(ErrorRefusal(code: .requestTimedOut)))
            }
            let known = response.supportedFeatures.first { $0.name == "kraft.version" }
            guard let known, known.minVersion <= known.maxVersion,
                (known.minVersion...known.maxVersion).contains(driver.kraftVersion)
            else { return completion(.failure(ErrorRefusal(code: .invalidRequest))) }
            var voter = self
            voter.versions = known.minVersion...known.maxVersion
            completion(.success(voter))
        }
    }
}

private struct ErrorRefusal: Error {
    var code: ErrorCode
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
        if let objection = driver.quorum.objection(to: .add(voter), now: driver.loop.now) {
            return completion(.success(refusal(objection.code)))
        }
        let deadline = driver.loop.now + .milliseconds(max(0, timeoutMs))
        voter.ask(driver) { result in
            switch result {
            case .failure(let reason): completion(.success(self.refusal(reason.code)))
            case .success(let voter):
                driver.changeVoters(.add(voter), deadline: deadline, answersWhenWritten: !self.ackWhenCommitted) { error in
                    completion(.success(error.map { self.refusal($0.code) } ?? Response { $0.errorMessage = nil }))
                }
            }
        }
    }

    func refusal(_ code: ErrorCode) -> Response {
        Response {
            $0.errorCode = code.ofQuorum
            $0.errorMessage = code.ofQuorum.message
        }
    }

    static func refusal(in response: Response) -> ErrorCode { response.errorCode.ofController }
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
            $0.errorCode = code.ofQuorum
            $0.errorMessage = code.ofQuorum.message
        }
    }

    static func refusal(in response: Response) -> ErrorCode { response.errorCode.ofController }
}

extension UpdateRaftVoterRequest: ControllerRequest {
    func decide(on driver: MetadataDriver, completion: @escaping (Result<Response, MetadataFailure>) -> Void) {
        func end(_ code: ErrorCode) { completion(.success(refusal(code, by: driver))) }
        guard clusterId == nil || clusterId == driver.speaker.clusterId else { return end(.inconsistentClusterId) }
        guard currentLeaderEpoch == driver.epoch.rawValue else { return end(.notController) }
        let (low, high) = (kRaftVersionFeature.minSupportedVersion, kRaftVersionFeature.maxSupportedVersion)
        let voter = Voter(
            key: ReplicaKey(id: NodeId(voterId), directory: voterDirectoryId),
            endpoints: listeners.map { Voter.Endpoint(name: $0.name, host: $0.host, port: $0.port) },
            versions: low...max(low, high))
        guard low >= 0, high >= low, voter.isNamed(for: driver) else { return end(.invalidRequest) }
        if driver.quorum.voters.isDynamic, !(low...high).contains(driver.kraftVersion) { return end(.invalidRequest) }
        driver.changeVoters(.update(voter), deadline: driver.loop.now + .seconds(30)) { error in end(error?.code ?? .none) }
    }

    /// Every answer names the leader. Whose epoch is another hears of that first.
    func refusal(_ code: ErrorCode, by driver: MetadataDriver?) -> Response {
        guard let driver else { return refusal(code) }
        let epoch = driver.epoch.rawValue
        let isOfOther = code == .notController && currentLeaderEpoch != epoch
        var response = refusal(isOfOther ? (currentLeaderEpoch < epoch ? .fencedLeaderEpoch : .unknownLeaderEpoch) : code)
        response.currentLeader.leaderEpoch = epoch
        if let leader = driver.quorum.leader {
            response.currentLeader.leaderId = leader.rawValue
            let address = driver.controllerAddress(leader)
            response.currentLeader.host = address?.host ?? ""
            response.currentLeader.port = Int32(address?.port ?? 0)
        }
        return response
    }

    func refusal(_ code: ErrorCode) -> Response { Response { $0.errorCode = code.ofQuorum } }
    static func refusal(in response: Response) -> ErrorCode { response.errorCode.ofController }
}
