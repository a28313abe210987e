// Fetches from one leader for the replicas here that follow it: fetch, append, sync what the topic wants synced, fetch
// again. A fetch says that what lies below its offset is held here, so it leaves only when that is true.
//
// A partition that failed waits by itself, as does one that is being cut, while the others go on. Everything is told to
// the leader in a fetch session (KIP-227): partitions once, later what changed. Owner: its loop.
// What is made of an answer is in `ReplicaFetcher+Answers`.

internal import Basics
internal import Configuration
internal import Channel
internal import ClusterImage
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

/// A followed partition.
struct FollowedId: Hashable, Comparable {
    var topicId: Uuid
    var partition: Int32

    static func < (left: FollowedId, right: FollowedId) -> Bool {
        (left.topicId, left.partition) < (right.topicId, right.partition)
    }
}

final class ReplicaFetcher {
    struct Followed {
        let replica: Partition
        let epoch: LeaderEpoch
        /// Not to be asked for before.
        var retryAt: Instant?
        /// Counts against the follower's quota, and waits for it while it is not in sync.
        var isThrottled = false
        /// The high watermark that the leader told last: who has all below it is in sync.
        var leaderHighWatermark: Offset?
        /// Its log is being cut, or looked for the place to begin anew.
        var isAway = false
    }

    let leader: NodeId
    let loop: any EventLoop
    let broker: Broker
    var followed: [FollowedId: Followed] = [:]
    private(set) var channel: Channel?
    private var backoff = Backoff()
    private var timer: TimerToken?
    private var isUnderWay = false
    private var isClosed = false
    /// The session with the leader: what it knows of each partition in it.
    private var sessionId: Int32 = 0
    private var sessionEpoch: Int32 = 0
    private var told: [FollowedId: FollowerPosition] = [:]
    /// Appends of the last answer that are not done.
    private var appending = 0

    init(from leader: NodeId, loop: any EventLoop, broker: Broker) {
        self.leader = leader
        self.loop = loop
        self.broker = broker
    }

    // MARK: Partitions

    func follow(_ id: FollowedId, _ replica: Partition, _ epoch: LeaderEpoch, isThrottled: Bool) {
        defer { followed[id]?.isThrottled = isThrottled }
        guard followed[id]?.epoch != epoch || followed[id]?.replica !== replica else { return }
        followed[id] = Followed(replica: replica, epoch: epoch, isThrottled: isThrottled)
        proceed()
    }

    func remove(_ id: FollowedId) { followed[id] = nil }

    func close() {
        isClosed = true
        followed = [:]
        if let timer { loop.cancel(timer) }
        timer = nil
        channel?.close()
    }

    /// The entry, if it still stands for what the leader was asked in `epoch`.
    func current(_ id: FollowedId, _ epoch: LeaderEpoch) -> Followed? {
        guard let entry = followed[id], entry.epoch == epoch else { return nil }
        return entry
    }

    /// Leaves a partition alone for a while.
    func rest(_ id: FollowedId, _ epoch: LeaderEpoch) {
        guard current(id, epoch) != nil else { return }
        followed[id]?.retryAt = loop.now + fetchBackoff
    }

    // MARK: Rounds

    /// Begins the next round, if none is under way.
    func proceed() {
        guard !isUnderWay, !isClosed else { return }
        if let timer { loop.cancel(timer) }
        timer = nil
        var positions: [(id: FollowedId, position: FollowerPosition)] = []
        var nextRetry = Instant.distantFuture
        for (id, entry) in followed.sorted(by: { $0.key < $1.key }) where !entry.isAway {
            if let retryAt = entry.retryAt, retryAt > loop.now {
                nextRetry = min(nextRetry, retryAt)
            } else if let position = entry.replica.position(in: entry.epoch) {
                if isHeldBack(entry, position) {
                    nextRetry = min(nextRetry, loop.now + fetchBackoff)
                } else {
                    positions.append((id, position))
                }
            } else {
                // Its role has not begun; that is a matter of moments.
                nextRetry = min(nextRetry, loop.now + ReplicaFetcher.rolePause)
            }
        }
        guard !positions.isEmpty else { return wait(until: nextRetry) }
        isUnderWay = true
        guard let channel = connected() else { return failed() }
        fetch(positions, on: channel)
    }

    private static let rolePause: Duration = .milliseconds(10)

    private var fetchBackoff: Duration { .milliseconds(Int64(broker.node.int("replica.fetch.backoff.ms"))) }

    /// Whether a throttled replica that is not in sync waits for the quota (KIP-73).
    private func isHeldBack(_ entry: Followed, _ position: FollowerPosition) -> Bool {
        guard entry.isThrottled, entry.leaderHighWatermark.map({ position.offset < $0 }) ?? true else { return false }
        return broker.quotas.follower.isExceeded(broker, at: loop.now)
    }

    private func wait(until instant: Instant) {
        guard instant < .distantFuture else { return }
        timer = loop.schedule(at: instant) { [weak self] in
            self?.timer = nil
            self?.proceed()
        }
    }

    /// A channel to the leader; nil if nobody knows where it is.
    private func connected() -> Channel? {
        if let channel, channel.state != .closed { return channel }
        guard let endpoint = broker.interBrokerEndpoint(of: leader) else { return nil }
        var settings = ChannelSettings()
        settings.clientId = "broker-\(broker.nodeId)-fetcher-\(loop.index)"
        settings.responseBytesMax = max(settings.responseBytesMax, broker.node.int("replica.fetch.response.max.bytes"))
        let made = Channel(
            SocketAddress(host: endpoint.host, port: endpoint.port), on: loop, network: broker.environment.network,
            settings: settings)
        channel = made
        endSession()
        made.open()
        return made
    }

    private func endSession() {
        sessionId = 0
        sessionEpoch = FetchSessions.initialEpoch
        told = [:]
    }

    /// The round came to nothing; the next one waits.
    private func failed() {
        endSession()
        var random = RandomSourceGenerator(broker.environment.random)
        timer = loop.schedule(at: loop.now + backoff.next(&random)) { [weak self] in
            self?.timer = nil
            self?.ended()
        }
    }

    private func ended() {
        isUnderWay = false
        proceed()
    }

    // MARK: Asking

    private func fetch(_ wanted: [(id: FollowedId, position: FollowerPosition)], on channel: Channel) {
        let positions = Dictionary(uniqueKeysWithValues: wanted.map { ($0.id, $0.position) })
        let request = request(wanted, positions)
        told = positions
        let timeout = Duration.milliseconds(Int64(broker.node.int("replica.socket.timeout.ms")))
        channel.send(request, timeout: timeout) { [weak self] result in
            guard let self, !self.isClosed else { return }
            switch result {
            case .failure: self.failed()
            case .success(let response): self.take(response, positions)
            }
        }
    }

    private func request(
        _ wanted: [(id: FollowedId, position: FollowerPosition)], _ positions: [FollowedId: FollowerPosition]
    ) -> FetchRequest {
        let node = broker.node
        return FetchRequest {
            $0.clusterId = broker.identity.clusterId
            $0.replicaId = broker.nodeId.rawValue
            $0.replicaState.replicaId = broker.nodeId.rawValue
            $0.replicaState.replicaEpoch = broker.brokerEpoch
            $0.maxWaitMs = Int32(clamping: node.int("replica.fetch.wait.max.ms"))
            $0.minBytes = Int32(clamping: node.int("replica.fetch.min.bytes"))
            $0.maxBytes = Int32(clamping: node.int("replica.fetch.response.max.bytes"))
            $0.sessionId = sessionId
            $0.sessionEpoch = sessionEpoch
            for (id, position) in wanted where told[id] != position { add(id, position, to: &$0) }
            for id in told.keys.sorted() where positions[id] == nil {
                $0.forgottenTopicsData.append(
                    FetchRequest.ForgottenTopic {
                        $0.topicId = id.topicId
                        $0.partitions = [id.partition]
                    })
            }
        }
    }

    private func add(_ id: FollowedId, _ position: FollowerPosition, to request: inout FetchRequest) {
        let data = FetchRequest.FetchPartition {
            $0.partition = id.partition
            $0.currentLeaderEpoch = position.leaderEpoch.rawValue
            $0.fetchOffset = position.offset.rawValue
            $0.lastFetchedEpoch = position.lastEpoch.rawValue
            $0.logStartOffset = position.startOffset.rawValue
            $0.partitionMaxBytes = Int32(clamping: broker.node.int("replica.fetch.max.bytes"))
            $0.highWatermark = position.highWatermark.rawValue
            $0.replicaDirectoryId = broker.replicas.directoryId(of: followed[id]?.replica)
        }
        if request.topics.last?.topicId == id.topicId {
            request.topics[request.topics.count - 1].partitions.append(data)
        } else {
            request.topics.append(
                FetchRequest.FetchTopic {
                    $0.topicId = id.topicId
                    $0.partitions = [data]
                })
        }
    }

    // MARK: Answers

    private func take(_ response: FetchResponse, _ positions: [FollowedId: FollowerPosition]) {
        guard !response.errorCode.isError else {
            // The leader has forgotten the session, or refuses everything; another one begins with everything.
            let isSession = response.errorCode == .fetchSessionIdNotFound || response.errorCode == .invalidFetchSessionEpoch
            guard isSession, sessionId != 0 else { return failed() }
            endSession()
            return ended()
        }
        backoff.reset()
        if sessionId == response.sessionId, sessionId != 0 {
            sessionEpoch = FetchSessions.next(sessionEpoch)
        } else {
            sessionId = response.sessionId
            sessionEpoch = sessionId == 0 ? FetchSessions.initialEpoch : 1
            if sessionId == 0 { told = [:] }
        }
        appending = 1
        for topic in response.responses {
            for data in topic.partitions {
                let id = FollowedId(topicId: topic.topicId, partition: data.partitionIndex)
                guard let position = positions[id] else { continue }
                take(data, of: id, asked: position)
            }
        }
        appendEnded()
    }

    /// The round waits for an append. To be called before it is begun, since it may end at once.
    func appendBegins() { appending += 1 }

    /// One of the appends of this round is done; when all are, the next round begins.
    func appendEnded() {
        appending -= 1
        guard appending == 0, !isClosed else { return }
        // What was given has been taken; the leader hears of it at once.
        loop.proceed { self.ended() }
    }
}
