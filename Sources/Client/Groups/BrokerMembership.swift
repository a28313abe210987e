// A member of a consumer group of the new protocol (KIP-848): one heartbeat that joins, tells what changed, brings the
// target and leaves. The broker decides; a member first gives up what it shall not have, says so, and gets the rest when
// the others have given it up.

internal import Basics
internal import Environment
internal import WireProtocol

final class BrokerMembership: Membership {
    private static let joinEpoch: Int32 = 0
    private static let leaveEpoch: Int32 = -1
    private static let pauseEpoch: Int32 = -2

    private let client: ClusterClient
    private let link: CoordinatorLink
    private let settings: GroupConsumerSettings
    weak var owner: (any MembershipOwner)?
    private(set) var identity: MemberIdentity
    private var owned: [TopicPartition] = []
    /// What the broker wants this member to have, as it said last.
    private var target: [TopicPartition]?
    private var isReconciling = false
    /// What the broker has to be told with the next heartbeat.
    private var tellsAll = true
    private var tellsOwned = false
    private var interval = Duration.seconds(5)
    private var timer: TimerToken?
    /// Asks again for the names of topics that were assigned.
    private var nameTimer: TimerToken?
    private var isUnderWay = false
    /// The heartbeat that is under way tells what the member has. Until it is answered nothing is gained: what it does not
    /// name would be taken for given up.
    private var isTelling = false
    private var isLate = false
    private var hasLeft = false
    private var attempt = 0
    /// Counts the assignments that were told: names that are found for an older one are of no use.
    private var told = 0

    init(_ client: ClusterClient, _ link: CoordinatorLink, _ settings: GroupConsumerSettings) {
        self.client = client
        self.link = link
        self.settings = settings
        var random = RandomSourceGenerator(client.environment.random)
        identity = MemberIdentity(
            memberId: Uuid.random(using: &random).description, generation: BrokerMembership.joinEpoch,
            instanceId: settings.instanceId)
    }

    private var loop: any EventLoop { client.loop }

    func start() { beat() }

    // MARK: Heartbeats

    private func schedule(in pause: Duration) {
        if let timer { loop.cancel(timer) }
        timer = loop.schedule(at: loop.now + pause) { [weak self] in
            self?.timer = nil
            self?.beat()
        }
    }

    private func beat() {
        guard !hasLeft else { return }
        if isUnderWay {
            isLate = true
            return
        }
        isUnderWay = true
        isTelling = tellsAll || tellsOwned
        let attempt = attempt
        let request = heartbeat(tellsAll)
        // An answer that was lost may have brought an assignment; the broker tells it again to who tells everything. One
        // who is another by now repeats what is refused.
        let repetition = { [weak self] in
            guard let self, attempt == self.attempt else { return request }
            isTelling = true
            return heartbeat(true)
        }
        tellsAll = false
        tellsOwned = false
        link.send(
            request, repetition: repetition, deadline: loop.now + settings.sessionTimeout, code: \.errorCode
        ) { [weak self] result in
            guard let self, attempt == self.attempt, !hasLeft else { return }
            (isUnderWay, isTelling) = (false, false)
            switch result {
            case .success(let response): answered(response)
            case .failure(.timedOut):
                tellsAll = true
                schedule(in: .zero)
            case .failure(let error): fail(error)
            }
        }
    }

    private func heartbeat(_ tellsAll: Bool) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            $0.groupId = settings.group
            $0.memberId = identity.memberId
            $0.memberEpoch = identity.generation
            $0.instanceId = settings.instanceId
            if tellsAll {
                $0.rackId = settings.fetch.rack.isEmpty ? nil : settings.fetch.rack
                $0.rebalanceTimeoutMs = Int32(clamping: settings.rebalanceTimeout.wholeMilliseconds)
                $0.subscribedTopicNames = settings.topics.sorted()
                $0.subscribedTopicRegex = settings.topicPattern
                $0.serverAssignor = settings.remoteAssignor
            }
            if tellsAll || tellsOwned { $0.topicPartitions = wire(owned) }
        }
    }

    private func wire(_ partitions: [TopicPartition]) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        var byId: [(id: Uuid, numbers: [Int32])] = []
        for partition in partitions.sorted() {
            guard let id = client.metadata[partition.topic]?.id else { continue }
            if let index = byId.firstIndex(where: { $0.id == id }) {
                byId[index].numbers.append(partition.partition)
            } else {
                byId.append((id, [partition.partition]))
            }
        }
        return byId.map { entry in
            ConsumerGroupHeartbeatRequest.TopicPartitions {
                $0.topicId = entry.id
                $0.partitions = entry.numbers
            }
        }
    }

    private func answered(_ response: ConsumerGroupHeartbeatResponse) {
        switch response.errorCode {
        case .unknownMemberId, .fencedMemberEpoch: return lose()
        // The group has become a classic one meanwhile, or is gone: it is made anew, or made one of this protocol.
        case .groupIdNotFound where identity.generation > BrokerMembership.joinEpoch: return lose()
        case let code where code.isError:
            return fail(.refused(code, "group '\(settings.group)'", response.errorMessage))
        default: break
        }
        identity.memberId = response.memberId ?? identity.memberId
        identity.generation = response.memberEpoch
        interval = .milliseconds(Int64(max(response.heartbeatIntervalMs, 1)))
        schedule(in: isLate ? .zero : interval)
        isLate = false
        guard let assignment = response.assignment else { return reconcile() }
        told += 1
        resolve(assignment)
    }

    // MARK: Assignment

    /// Finds the names of the topics, which the broker tells by their ids. `known`: how many were found before.
    private func resolve(_ assignment: ConsumerGroupHeartbeatResponse.Assignment, known: Int? = nil) {
        guard !hasLeft else { return }
        let (attempt, told) = (attempt, told)
        let isNamed = assignment.topicPartitions.allSatisfy { client.metadata[$0.topicId] != nil }
        guard !isNamed else { return aim(at: assignment, known: known) }
        let topics = settings.topicPattern == nil ? settings.topics : nil
        client.refreshMetadata(topics: topics, deadline: loop.now + interval) { [weak self] _ in
            guard let self, attempt == self.attempt, told == self.told, !hasLeft else { return }
            aim(at: assignment, known: known)
        }
    }

    /// Partitions of topics without a name are left out: they are not owned, and so not told of, until a broker names them.
    /// The coordinator tells an assignment once.
    private func aim(at assignment: ConsumerGroupHeartbeatResponse.Assignment, known: Int?) {
        let named = assignment.topicPartitions.compactMap { topic in
            client.metadata[topic.topicId].map { (name: $0.name, partitions: topic.partitions) }
        }
        if let nameTimer { loop.cancel(nameTimer) }
        nameTimer = nil
        if named.count < assignment.topicPartitions.count {
            let told = told
            nameTimer = loop.schedule(at: loop.now + min(interval, .seconds(1))) { [weak self] in
                guard let self, told == self.told else { return }
                resolve(assignment, known: named.count)
            }
        }
        guard named.count != known else { return }
        target = named.flatMap { topic in topic.partitions.map { TopicPartition(topic.name, $0) } }.sorted()
        reconcile()
    }

    private func reconcile() {
        guard !isReconciling, !isTelling, let wanted = target else { return }
        target = nil
        let keep = Set(wanted)
        let given = owned.filter { !keep.contains($0) }
        guard !given.isEmpty else { return gain(wanted) }
        isReconciling = true
        let attempt = attempt
        owner?.revoke(given, isLost: false) { [weak self] in
            guard let self, attempt == self.attempt, !hasLeft else { return }
            isReconciling = false
            guard isTelling else { return gain(wanted) }
            target = target ?? wanted
        }
    }

    private func gain(_ wanted: [TopicPartition]) {
        let before = Set(owned)
        owned = wanted
        owner?.assign(wanted.filter { !before.contains($0) })
        tellsOwned = true
        beat()
        reconcile()
    }

    // MARK: Fencing and leaving

    /// Others may own already what this member had: it joins anew, with nothing.
    private func lose() {
        attempt += 1
        (isUnderWay, isTelling) = (false, false)
        if let nameTimer { loop.cancel(nameTimer) }
        let lost = owned
        owned = []
        target = nil
        isReconciling = false
        tellsAll = true
        identity.generation = BrokerMembership.joinEpoch
        let attempt = attempt
        owner?.revoke(lost, isLost: true) { [weak self] in
            guard let self, attempt == self.attempt else { return }
            schedule(in: .zero)
        }
    }

    private func fail(_ error: ClientError) {
        attempt += 1
        hasLeft = true
        if let timer { loop.cancel(timer) }
        owner?.membershipFailed(error)
    }

    func commitRefused(_ code: ErrorCode) {
        guard !hasLeft else { return }
        switch code {
        case .unknownMemberId: lose()
        // To join again would take the name back, and so on without end.
        case .fencedInstanceId: fail(.refused(code, "group '\(settings.group)'", nil))
        default: schedule(in: .zero)
        }
    }

    func leave(deadline: Instant, completion: @escaping () -> Void) {
        attempt += 1
        hasLeft = true
        if let timer { loop.cancel(timer) }
        let request = ConsumerGroupHeartbeatRequest {
            $0.groupId = settings.group
            $0.memberId = identity.memberId
            $0.memberEpoch = settings.instanceId == nil ? BrokerMembership.leaveEpoch : BrokerMembership.pauseEpoch
            $0.instanceId = settings.instanceId
        }
        link.send(request, deadline: deadline, code: \.errorCode) { _ in completion() }
    }
}
