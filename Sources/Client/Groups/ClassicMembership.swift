// A member of a classic group: JoinGroup, SyncGroup, heartbeats, LeaveGroup.
//
// With an eager assignor everything is given up before each rejoin; with a cooperative one only what moves, and the member
// rejoins once it has given that up (KIP-429). The work of the group's leader is in `ClassicMembership+Leading`.

internal import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

final class ClassicMembership: Membership {
    static let protocolType = "consumer"

    let client: ClusterClient
    let link: CoordinatorLink
    let settings: GroupConsumerSettings
    weak var owner: (any MembershipOwner)?
    private(set) var identity: MemberIdentity
    private var owned: [TopicPartition] = []
    private var assignor: ClassicAssignor?
    private var heartbeat: TimerToken?
    /// A join, or what leads to one, is under way.
    private(set) var isJoining = false
    /// Partitions are on their way out; the member rejoins when they are.
    private(set) var isGivingUp = false
    private(set) var hasLeft = false
    /// How many partitions of each topic this member divided, if it leads.
    var divided: [String: Int] = [:]
    /// This member leads, and its assignment may have left something over.
    private var hasRest = false
    private var restTimer: TimerToken?
    private var lastHeard: Instant
    /// Counts the joins: answers to what was asked before are not looked at.
    private(set) var attempt = 0

    init(_ client: ClusterClient, _ link: CoordinatorLink, _ settings: GroupConsumerSettings) {
        self.client = client
        self.link = link
        self.settings = settings
        identity = MemberIdentity(memberId: "", generation: -1, instanceId: settings.instanceId)
        lastHeard = client.loop.now
    }

    var loop: any EventLoop { client.loop }
    private var isCooperative: Bool { settings.assignors.allSatisfy(\.isCooperative) || (assignor?.isCooperative ?? false) }

    func start() { join(reason: "joins") }

    // MARK: Joining

    /// Joins, or rejoins; gives up first what must be given up for that.
    func join(reason: String) {
        guard !hasLeft, !isJoining else { return }
        isJoining = true
        stopHeartbeats()
        guard !owned.isEmpty, !isCooperative else { return sendJoin(reason) }
        let given = owned
        owned = []
        owner?.revoke(given, isLost: false) { [weak self] in self?.sendJoin(reason) }
    }

    private func sendJoin(_ reason: String) {
        guard !hasLeft else { return }
        attempt += 1
        let attempt = attempt
        let subscription = ConsumerProtocolSubscription {
            $0.topics = settings.topics.sorted()
            $0.ownedPartitions = ConsumerProtocolSubscription.owning(owned)
            $0.generationId = identity.generation
            $0.rackId = settings.fetch.rack.isEmpty ? nil : settings.fetch.rack
        }.prefixed(version: 3)
        let request = JoinGroupRequest {
            $0.groupId = settings.group
            $0.sessionTimeoutMs = Int32(clamping: settings.sessionTimeout.wholeMilliseconds)
            $0.rebalanceTimeoutMs = Int32(clamping: settings.rebalanceTimeout.wholeMilliseconds)
            $0.memberId = identity.memberId
            $0.groupInstanceId = settings.instanceId
            $0.protocolType = ClassicMembership.protocolType
            $0.protocols = settings.assignors.map { assignor in
                JoinGroupRequest.JoinGroupRequestProtocol {
                    $0.name = assignor.rawValue
                    $0.metadata = subscription
                }
            }
            $0.reason = reason
        }
        let patience = settings.rebalanceTimeout + .seconds(5)
        link.send(request, timeout: patience, deadline: .distantFuture, code: \.errorCode) { [weak self] result in
            guard let self, attempt == self.attempt, !hasLeft else { return }
            switch result {
            case .success(let response): joined(response)
            case .failure(let error): fail(error)
            }
        }
    }

    private func joined(_ response: JoinGroupResponse) {
        guard !response.errorCode.isError else { return refused(response.errorCode, memberId: response.memberId) }
        lastHeard = loop.now
        identity.memberId = response.memberId
        identity.generation = response.generationId
        assignor = response.protocolName.flatMap { ClassicAssignor(rawValue: $0) }
        hasRest = false
        divided = [:]
        guard response.leader == response.memberId else { return sync([]) }
        guard !response.skipAssignment else {
            // The assignment is of a former life of this member.
            hasRest = assignor?.isCooperative ?? false
            return sync([])
        }
        let attempt = attempt
        lead(response, assignor) { [weak self] result in
            guard let self, attempt == self.attempt, !hasLeft else { return }
            switch result {
            case .success(let (assignments, isWhole)):
                hasRest = !isWhole
                sync(assignments)
            // The group cannot be divided before its topics are known; whoever leads next time asks again.
            case .failure(.timedOut): rejoin("the topics are not known")
            case .failure(let error): fail(error)
            }
        }
    }

    /// What was left over is given away when the one who had it has rejoined. Should it come back as another instead, under
    /// a static name, nobody else would see to that: the leader does, after a time that is enough for the usual way.
    private func watchRest() {
        if let restTimer { loop.cancel(restTimer) }
        restTimer = nil
        guard hasRest else { return }
        let generation = identity.generation
        restTimer = loop.schedule(at: loop.now + settings.rebalanceTimeout) { [weak self] in
            guard let self, generation == identity.generation, !isJoining, !hasLeft else { return }
            join(reason: "partitions have no owner")
        }
    }

    private func sync(_ assignments: [SyncGroupRequest.SyncGroupRequestAssignment]) {
        let request = SyncGroupRequest {
            $0.groupId = settings.group
            $0.generationId = identity.generation
            $0.memberId = identity.memberId
            $0.groupInstanceId = settings.instanceId
            $0.protocolType = ClassicMembership.protocolType
            $0.protocolName = assignor?.rawValue
            $0.assignments = assignments
        }
        let attempt = attempt
        let patience = settings.rebalanceTimeout + .seconds(5)
        link.send(request, timeout: patience, deadline: .distantFuture, code: \.errorCode) { [weak self] result in
            guard let self, attempt == self.attempt, !hasLeft else { return }
            switch result {
            case .success(let response): synced(response)
            case .failure(let error): fail(error)
            }
        }
    }

    private func synced(_ response: SyncGroupResponse) {
        guard !response.errorCode.isError else { return refused(response.errorCode, memberId: nil) }
        lastHeard = loop.now
        isJoining = false
        let partitions: [TopicPartition]
        do {
            partitions =
                response.assignment.isEmpty ? [] : try ConsumerProtocolAssignment(prefixed: response.assignment).flat
        } catch {
            return fail(.invalid("an assignment that does not parse: \(error)"))
        }
        scheduleHeartbeat()
        watchRest()
        take(partitions.sorted())
    }

    private func take(_ partitions: [TopicPartition]) {
        let (before, after) = (Set(owned), Set(partitions))
        let given = owned.filter { !after.contains($0) }
        owned = partitions
        let gained = partitions.filter { !before.contains($0) }
        if !gained.isEmpty || given.isEmpty { owner?.assign(gained) }
        guard !given.isEmpty else { return }
        isGivingUp = true
        let attempt = attempt
        owner?.revoke(given, isLost: false) { [weak self] in
            guard let self, attempt == self.attempt else { return }
            isGivingUp = false
            join(reason: "gave up partitions")
        }
    }

    // MARK: Refusals

    /// What an answer's error means for the membership.
    private func refused(_ code: ErrorCode, memberId: String?) {
        switch code {
        case .memberIdRequired:
            identity.memberId = memberId ?? ""
            sendJoin("joins")
        case .rebalanceInProgress:
            // Who rejoins says what it still has; what is on its way out would seem to be given up.
            if isGivingUp { scheduleHeartbeat() } else { rejoin("a rebalance is under way") }
        case .unknownMemberId, .illegalGeneration:
            if code == .unknownMemberId { identity.memberId = "" }
            lose("is not known to the coordinator")
        default: fail(.refused(code, "group '\(settings.group)'", nil))
        }
    }

    private func rejoin(_ reason: String) {
        isJoining = false
        join(reason: reason)
    }

    /// Others may own already what this member had.
    private func lose(_ reason: String) {
        identity.generation = -1
        isGivingUp = false
        stopHeartbeats()
        let lost = owned
        owned = []
        isJoining = false
        owner?.revoke(lost, isLost: true) { [weak self] in self?.join(reason: reason) }
    }

    private func fail(_ error: ClientError) {
        attempt += 1
        stopHeartbeats()
        hasLeft = true
        owner?.membershipFailed(error)
    }

    func commitRefused(_ code: ErrorCode) {
        guard !isJoining, !hasLeft else { return }
        refused(code, memberId: nil)
    }

    // MARK: Heartbeats

    private func scheduleHeartbeat() {
        stopHeartbeats()
        heartbeat = loop.schedule(at: loop.now + settings.heartbeatInterval) { [weak self] in self?.beat() }
    }

    private func stopHeartbeats() {
        if let heartbeat { loop.cancel(heartbeat) }
        heartbeat = nil
    }

    private func beat() {
        heartbeat = nil
        guard !hasLeft, !isJoining else { return }
        let request = HeartbeatRequest {
            $0.groupId = settings.group
            $0.generationId = identity.generation
            $0.memberId = identity.memberId
            $0.groupInstanceId = settings.instanceId
        }
        let attempt = attempt
        link.send(request, deadline: lastHeard + settings.sessionTimeout, code: \.errorCode) { [weak self] result in
            guard let self, attempt == self.attempt, !hasLeft, !isJoining else { return }
            switch result {
            case .success(let response) where response.errorCode.isError: refused(response.errorCode, memberId: nil)
            case .success:
                lastHeard = loop.now
                scheduleHeartbeat()
                lookForMore()
            case .failure:
                // The coordinator has taken the member out by now.
                lastHeard = loop.now
                lose("was silent for too long")
            }
        }
    }

    // MARK: Leaving

    func leave(deadline: Instant, completion: @escaping () -> Void) {
        attempt += 1
        hasLeft = true
        stopHeartbeats()
        // A static member stays in the group until its session ends, so that it can come back without a rebalance.
        guard !identity.memberId.isEmpty, settings.instanceId == nil else { return completion() }
        let request = LeaveGroupRequest {
            $0.groupId = settings.group
            $0.memberId = identity.memberId
            $0.members = [
                LeaveGroupRequest.MemberIdentity {
                    $0.memberId = identity.memberId
                    $0.reason = "the consumer is closed"
                }
            ]
        }
        link.send(request, deadline: deadline, code: \.errorCode) { _ in completion() }
    }
}
