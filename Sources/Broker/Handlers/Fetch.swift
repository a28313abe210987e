// Fetch: ranges of segment files below the high watermark. A fetch that finds too little waits, parked, until a watched
// partition has more or its time is up.
//
// What is read of the logs is in `FetchReader`: on the loop as long as it is in memory, else on the pool.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Environment
internal import Log
internal import Replication
internal import WireProtocol

enum FetchHandler {
    static func handle(_ request: FetchRequest, _ call: Call) {
        FetchOperation(request, call).start()
    }
}

/// One Fetch request under way. Owner: the loop of its connection.
final class FetchOperation {
    let request: FetchRequest
    let call: Call
    let byId: Bool
    /// The broker that fetches as a follower; nil for a consumer.
    let follower: NodeId?
    /// Why the leader does not count what the follower says it holds.
    var refused: [PartitionKey: ErrorCode] = [:]
    private var session: FetchSession?
    private var isFull = false
    /// The partitions of this fetch in the order of service.
    private(set) var wanted: [(key: PartitionKey, state: FetchedPartition)] = []
    private var timer: TimerToken?
    private var watches: [(partition: Partition, token: Partition.WatchToken)] = []
    private var isDone = false
    /// A job of the pool reads for it.
    private var isAway = false
    /// Its time is up, or nobody can wait any longer.
    private var mustAnswer = false

    init(_ request: FetchRequest, _ call: Call) {
        self.request = request
        self.call = call
        byId = call.version >= 13
        let replica = call.version >= 15 ? request.replicaState.replicaId : request.replicaId
        follower = replica < 0 ? nil : NodeId(replica)
    }

    var shard: Shard { call.shard }

    func start() {
        if let code = openSession() {
            return call.answer(FetchResponse { $0.errorCode = code })
        }
        if let follower { note(follower) }
        let deadline = call.loop.now + .milliseconds(Int64(max(0, request.maxWaitMs)))
        attempt(isLast: request.maxWaitMs <= 0, deadline: deadline)
    }

    // MARK: Session

    private func openSession() -> ErrorCode? {
        let epoch = request.sessionEpoch
        if epoch == FetchSessions.initialEpoch || epoch == FetchSessions.finalEpoch {
            isFull = true
            if request.sessionId != 0 { shard.sessions.close(request.sessionId) }
            if epoch == FetchSessions.initialEpoch, call.version >= 7 {
                let random = shard.broker.environment.random
                session = shard.sessions.open(now: call.loop.now, isFollower: follower != nil) { random.next() }
            }
            let asked = namedPartitions()
            for (key, state) in asked { session?.set(key, state) }
            wanted = asked
            return nil
        }
        guard let known = shard.sessions[request.sessionId] else { return .fetchSessionIdNotFound }
        guard known.epoch == epoch else { return .invalidFetchSessionEpoch }
        known.epoch = FetchSessions.next(epoch)
        known.lastUsed = call.loop.now
        for (key, state) in namedPartitions() { known.set(key, state) }
        for topic in request.forgottenTopicsData {
            for partition in topic.partitions { known.forget(key(topic.topic, topic.topicId, partition)) }
        }
        session = known
        wanted = known.order.compactMap { key in known.partitions[key].map { (key, $0) } }
        return nil
    }

    private func key(_ name: String, _ id: Uuid, _ partition: Int32) -> PartitionKey {
        byId
            ? PartitionKey(topicId: id, topicName: "", partition: partition)
            : PartitionKey(topicId: .zero, topicName: name, partition: partition)
    }

    private func namedPartitions() -> [(key: PartitionKey, state: FetchedPartition)] {
        var named: [(key: PartitionKey, state: FetchedPartition)] = []
        for topic in request.topics {
            for partition in topic.partitions {
                var state = FetchedPartition(
                    topicId: topic.topicId, topicName: topic.topic, partition: partition.partition)
                state.fetchOffset = partition.fetchOffset
                state.bytesMax = partition.partitionMaxBytes
                state.currentLeaderEpoch = partition.currentLeaderEpoch
                state.lastFetchedEpoch = partition.lastFetchedEpoch
                state.logStartOffset = partition.logStartOffset
                state.knownHighWatermark = partition.highWatermark
                named.append((key(topic.topic, topic.topicId, partition.partition), state))
            }
        }
        return named
    }

    // MARK: Reading

    /// What of the wanted partitions can be read here, and what is answered of the others.
    private func reader() -> FetchReader {
        FetchReader(
            subjects: wanted.map { entry in
                refused[entry.key].map { .settled(Fetched(entry.state, $0)) } ?? subject(of: entry.state)
            }, limit: follower != nil ? .logEnd : request.isolationLevel == 1 ? .lastStable : .highWatermark,
            bytesMax: bytesMax, logger: shard.logger)
    }

    private var bytesMax: Int { min(Int(max(0, request.maxBytes)), shard.limits.fetchBytesMax) }

    /// Reads all partitions: here if all is in memory, else on the pool, where it may wait for the disk. Nothing of the
    /// session changes while that is under way; what else would wake the fetch waits until it is back.
    private func attempt(isLast: Bool, deadline: Instant, afterAppend: Bool = false) {
        guard call.isWanted else { return stopWaiting() }
        mustAnswer = mustAnswer || isLast
        guard !isAway else { return }
        let reader = reader()
        if let found = reader.read(afterAppend ? .refusedAfterAppend : .refused) {
            for ahead in found.compactMap(\.ahead) { shard.broker.environment.pool.run { ahead.begin() } }
            return settle(found, deadline: deadline)
        }
        isAway = true
        call.aside({ reader.read(.allowed) ?? [] }) { found in
            self.isAway = false
            guard !self.isDone else { return }
            guard self.call.isWanted else { return self.stopWaiting() }
            self.settle(found, deadline: deadline)
        }
    }

    private func settle(_ found: [Fetched], deadline: Instant) {
        let total = found.reduce(0) { $0 + $1.count }
        let isEnough = mustAnswer || wanted.isEmpty || found.contains(where: \.isUrgent)
        let enough = min(Int(request.minBytes), bytesMax, FetchReader.coldBytesMax)
        if isEnough || total >= enough || !park(found, deadline: deadline) { answer(found) }
    }

    private func subject(of state: FetchedPartition) -> FetchReader.Subject {
        let view = shard.view
        guard let topic = byId ? view.topic(state.topicId) : view.topic(state.topicName) else {
            return .settled(Fetched(state, byId ? .unknownTopicId : .unknownTopicOrPartition))
        }
        guard let image = topic.image.partitions[state.partition] else {
            return .settled(Fetched(state, .unknownTopicOrPartition))
        }
        guard let replica = topic.replicas[state.partition] else {
            return .settled(Fetched(state, topic.absence(of: state.partition, at: shard.broker.nodeId), image))
        }
        let leaderEpoch = replica.leaderEpoch
        // Consumers that know of racks may read from a follower (KIP-392).
        let mayFollow = follower == nil && call.version >= 11
        guard let epoch = leaderEpoch ?? (mayFollow ? replica.follower?.epoch : nil) else {
            return .settled(Fetched(state, .notLeaderOrFollower, image))
        }
        if state.currentLeaderEpoch >= 0 {
            if state.currentLeaderEpoch < epoch.rawValue { return .settled(Fetched(state, .fencedLeaderEpoch, image)) }
            if state.currentLeaderEpoch > epoch.rawValue { return .settled(Fetched(state, .unknownLeaderEpoch)) }
        }
        if leaderEpoch != nil, let nearer = nearer(to: state, replica) { return .settled(nearer) }
        if let held = heldBack(state, replica, topic) { return .settled(held) }
        return .log(state, replica, isLed: leaderEpoch != nil)
    }

    // MARK: Waiting

    /// Watches all partitions; false if one has grown meanwhile and it is better to look again.
    private func park(_ found: [Fetched], deadline: Instant) -> Bool {
        stopWatching()
        let operation = Confined(self, to: call.loop)
        let loop = call.loop
        for answer in found {
            guard let replica = answer.replica else { continue }
            let wake: @Sendable () -> Void = { loop.post { operation.value.woken(deadline: deadline) } }
            let token = answer.follows.map { follows in
                replica.watchForReplica(at: follows.offset, knowing: follows.highWatermark, notify: wake)
            } ?? replica.watch(above: Offset(answer.data.highWatermark), notify: wake)
            guard let token else {
                stopWatching()
                loop.post { operation.value.woken(deadline: deadline) }
                break
            }
            watches.append((replica, token))
        }
        call.park { end in
            guard !self.isDone else { return }
            if end == .abandoned { self.stopWaiting() } else { self.attempt(isLast: true, deadline: deadline) }
        }
        if timer == nil {
            timer = loop.schedule(at: deadline) {
                self.timer = nil
                guard !self.isDone else { return }
                self.attempt(isLast: true, deadline: deadline)
            }
        }
        return true
    }

    private func woken(deadline: Instant) {
        guard !isDone else { return }
        attempt(isLast: false, deadline: deadline, afterAppend: true)
    }

    private func stopWatching() {
        for watch in watches { watch.partition.unwatch(watch.token) }
        watches = []
    }

    private func stopWaiting() {
        isDone = true
        stopWatching()
        if let timer { call.loop.cancel(timer) }
        timer = nil
    }

    // MARK: Answering

    private func answer(_ found: [Fetched]) {
        guard !isDone else { return }
        stopWaiting()
        var response = FetchResponse()
        response.sessionId = session?.id ?? 0
        countThrottled(found)
        var served: Set<PartitionKey> = []
        for (entry, answer) in zip(wanted, found) {
            if answer.count > 0 { served.insert(entry.key) }
            guard isNews(entry.key, answer) else { continue }
            add(answer.data, of: entry.state, to: &response)
        }
        session?.rotate(served)
        hintLeaders(&response)
        call.answer(response)
    }

    /// Whether the client is told of a partition: always in a full fetch, else when something is new.
    private func isNews(_ key: PartitionKey, _ answer: Fetched) -> Bool {
        guard let session, var state = session.partitions[key] else { return true }
        let data = answer.data
        let isNews =
            isFull || answer.isUrgent || answer.count > 0 || data.errorCode.isError || state.hadError || data.divergingEpoch.epoch >= 0
            || state.toldHighWatermark != data.highWatermark || state.toldStartOffset != data.logStartOffset
        state.toldHighWatermark = data.highWatermark
        state.toldStartOffset = data.logStartOffset
        state.hadError = data.errorCode.isError
        session.partitions[key] = state
        return isNews
    }

    private func add(
        _ data: FetchResponse.PartitionData, of state: FetchedPartition, to response: inout FetchResponse
    ) {
        let isSame = response.responses.last.map { byId ? $0.topicId == state.topicId : $0.topic == state.topicName }
        if isSame ?? false {
            response.responses[response.responses.count - 1].partitions.append(data)
            return
        }
        response.responses.append(
            FetchResponse.FetchableTopicResponse {
                $0.topic = state.topicName
                $0.topicId = state.topicId
                $0.partitions = [data]
            })
    }

    private func hintLeaders(_ response: inout FetchResponse) {
        var ids: Set<Int32> = []
        for topic in response.responses {
            for partition in topic.partitions where partition.currentLeader.leaderId >= 0 {
                ids.insert(partition.currentLeader.leaderId)
            }
        }
        for id in ids.sorted() {
            guard let leader = shard.view.image.brokers[NodeId(id)],
                let endpoint = shard.broker.endpoint(of: leader, for: call.context)
            else { continue }
            response.nodeEndpoints.append(
                FetchResponse.NodeEndpoint {
                    $0.nodeId = id
                    $0.host = endpoint.host
                    $0.port = Int32(endpoint.port)
                    $0.rack = leader.rack
                })
        }
    }
}
