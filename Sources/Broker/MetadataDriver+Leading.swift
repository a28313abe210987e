// The active controller: what it writes first, how it stops to be, idle records, and the brokers' sessions.

internal import Basics
internal import Bytes
internal import ClusterImage
internal import Configuration
internal import Controller
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

extension MetadataDriver {
    // MARK: Election

    /// The first record of an epoch tells of the election; with it go the voters, where the log does not name them as they
    /// are (KIP-853).
    func lead(_ epoch: LeaderEpoch, granting: [ReplicaKey]) {
        logger.info("metadata", "leads the quorum", [("epoch", "\(epoch)")])
        isActive = true
        log.beginEpoch(epoch)
        let change = LeaderChangeMessage {
            $0.leaderId = quorum.local.id.rawValue
            $0.voters = quorum.voters.voters.map { LeaderChangeMessage.Voter(id: $0.key.id) }
            $0.grantingVoters = granting.map { LeaderChangeMessage.Voter(id: $0.id) }
        }
        var records = [ControlType.leaderChange.record(change)]
        let voters = dueVoters
        if let voters {
            records.append(MetadataDriver.kraftVersionRecord)
            records.append(ControlType.voters.record(voters.record))
        }
        let everything = Touched(topics: [], everything: true)
        append(records, isControl: true, touched: everything, voters: voters) { failure in
            guard case .storage(let error) = failure else { return }
            // Another voter may have room; a lone one has nobody to give way to.
            if error.isWantOfRoom, self.quorum.voters.voters.count > 1 { self.resign() } else { self.fail(error) }
        }
        guard failure == nil, isActive else { return }
        if controller.image.isInTransaction { append(controller.abandonTransaction()) { _ in } }
        if controller.image.level(of: "metadata.version") == 0, !bootstrap.isEmpty {
            append(controller.bootstrap(bootstrap)) { _ in }
        }
        sessions.begin(
            controller.image.brokers.values.filter { !$0.isFenced }.map(\.id).sorted(), at: nextOffset + -1, now: loop.now)
        watchSessions()
        keepMoving()
    }

    /// From here on the log names the voters.
    private static let kraftVersionRecord = ControlType.kraftVersion.record(KRaftVersionRecord { $0.kRaftVersion = 1 })

    /// The voters, if the log does not name them yet or not with the endpoint that this node has now.
    private var dueVoters: VoterSet? {
        let known = quorum.voters
        guard known.isDynamic else { return nil }
        let moved = known.moved(quorum.local, to: speaker.endpoints)
        return quorum.voterHistory.latestOffset == .none && log.startOffset == .zero || moved != known ? moved : nil
    }

    /// What was decided may yet be committed by another leader, but nobody here knows.
    func unlead() {
        logger.info("metadata", "leads the quorum no more", [("epoch", "\(epoch)")])
        isActive = false
        if let sessionTimer { loop.cancel(sessionTimer) }
        sessionTimer = nil
        let told = waiting.compactMap(\.completion)
        for index in waiting.indices { waiting[index].completion = nil }
        for completion in told { completion(.notController) }
    }

    func append(_ voters: VoterSet) {
        guard isActive else { return }
        var records = [ControlType.voters.record(voters.record)]
        if !quorum.voters.isDynamic { records.insert(MetadataDriver.kraftVersionRecord, at: 0) }
        append(records, isControl: true, touched: Touched(), voters: voters) { _ in }
    }

    // MARK: Sessions

    /// Fences the brokers that were not heard in time, and comes back for the next.
    func watchSessions() {
        if let sessionTimer { loop.cancel(sessionTimer) }
        sessionTimer = nil
        guard isActive, sessions.deadline < .distantFuture else { return }
        sessionTimer = loop.schedule(at: sessions.deadline) {
            self.sessionTimer = nil
            guard self.isActive, !self.isClosed else { return }
            for broker in self.sessions.overdue(at: self.loop.now) {
                self.logger.warning("controller", "fences a broker that is silent", [("broker", "\(broker)")])
                self.sessions.forget(broker)
                self.append(self.controller.fenceSilent(broker)) { failure in
                    // What cannot be written now must be written later: nobody else looks for this broker.
                    guard case .storage = failure, self.isActive else { return }
                    self.sessions.postpone(broker, now: self.loop.now)
                    self.watchSessions()
                }
            }
            self.watchSessions()
        }
    }

    // MARK: Idleness

    /// Appends a record that changes nothing whenever nothing else was appended for a while: followers' progress shows by it.
    /// A lone node has none, and writes such records only if it is asked to.
    private func keepMoving() {
        let key = "metadata.max.idle.interval.ms"
        guard node.int(key) > 0, quorum.voters.voters.count > 1 || node.origin(of: key) != .defaultValue else { return }
        let (end, leading) = (log.endOffset, epoch)
        _ = loop.schedule(at: loop.now + .milliseconds(node.int(key))) {
            guard !self.isClosed, self.isActive, self.epoch == leading else { return }
            if self.log.endOffset == end { self.append([VersionedRecord(.noOp(NoOpRecord()), 0)]) { _ in } }
            self.keepMoving()
        }
    }
}

extension LeaderChangeMessage.Voter {
    fileprivate init(id: NodeId) { self.init { $0.voterId = id.rawValue } }
}

extension VoterSet {
    /// The set with other endpoints of the voter `key`; nothing is changed where there are none to be named.
    func moved(_ key: ReplicaKey, to endpoints: [Voter.Endpoint]) -> VoterSet {
        guard !endpoints.isEmpty else { return self }
        return VoterSet(
            voters.map { voter in
                guard voter.key == key else { return voter }
                var voter = voter
                voter.endpoints = endpoints
                return voter
            })
    }
}
