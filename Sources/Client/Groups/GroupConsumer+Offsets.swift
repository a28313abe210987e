// The offsets of a group's consumer: where reading begins, and what is committed.

package import Basics
internal import Environment
internal import WireProtocol

extension GroupConsumer {
    private var patience: Duration { .seconds(30) }

    // MARK: Where reading begins

    /// Begins to read newly assigned partitions: behind what the group has committed, else where the settings say.
    func begin(_ partitions: [TopicPartition]) {
        guard !partitions.isEmpty else {
            onEvent?(.assigned([]))
            return
        }
        // A commit on its way may still be taken: what is committed is asked for when it has its answer.
        guard !isCommitting else { return waitingToBegin.append(partitions) }
        let life = life
        fetchCommitted(partitions) { [weak self] result in
            guard let self, !isClosed, life == self.life else { return }
            switch result {
            case .failure(.refused(let code, _)) where Self.fencing.contains(code): beginAgain(partitions, code)
            case .failure(.timedOut): beginLater(partitions)
            case .failure(let error): membershipFailed(error)
            case .success(let committed):
                let missing = partitions.filter { committed[$0] == nil }
                if missing.count < partitions.count { read(from: committed) }
                if !missing.isEmpty { beginReset(missing) }
            }
        }
    }

    private func beginReset(_ partitions: [TopicPartition]) {
        let life = life
        findReset(partitions) { [weak self] result in
            guard let self, !isClosed, life == self.life else { return }
            switch result {
            case .failure(.timedOut): beginLater(partitions)
            case .failure(let error): membershipFailed(error)
            case .success(let found): read(from: found)
            }
        }
    }

    /// Who answers is away: the others are read meanwhile.
    private func beginLater(_ partitions: [TopicPartition]) {
        let life = life
        _ = loop.schedule(at: loop.now + .seconds(1)) { [weak self] in
            guard let self, !isClosed, life == self.life else { return }
            beginLeft(of: partitions)
        }
    }

    /// What tells that the coordinator thinks otherwise of this member.
    private static let fencing: Set<ErrorCode> = [
        .unknownMemberId, .illegalGeneration, .staleMemberEpoch, .fencedInstanceId,
    ]

    /// The member was in another epoch when it asked: it asks again for what it still has then.
    private func beginAgain(_ partitions: [TopicPartition], _ code: ErrorCode) {
        membership.commitRefused(code)
        let life = life
        _ = loop.schedule(at: loop.now + .milliseconds(100)) { [weak self] in
            guard let self, !isClosed, life == self.life else { return }
            beginLeft(of: partitions)
        }
    }

    private func read(from offsets: [TopicPartition: Offset]) {
        var begun: [(partition: TopicPartition, offset: Offset)] = []
        for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            // It may have been given up again meanwhile.
            guard let state = owned[partition], state.processed == nil else { continue }
            owned[partition]?.processed = offset
            begun.append((partition, offset))
            consumer.assign(partition, from: offset)
            if state.isPaused { consumer.setPaused(partition, true) }
        }
        onEvent?(.assigned(begun))
    }

    /// What the group has committed, of each partition that has something.
    private func fetchCommitted(
        _ partitions: [TopicPartition], completion: @escaping (Result<[TopicPartition: Offset], ClientError>) -> Void
    ) {
        Admin(client).fetchOffsets(
            link, partitions: partitions, requireStable: true, member: settings.groupProtocol == .consumer ? identity : nil,
            deadline: loop.now + patience
        ) { result in
            completion(
                result.map { found in
                    Dictionary(found.map { ($0.partition, $0.offset) }) { first, _ in first }
                })
        }
    }

    private func findReset(
        _ partitions: [TopicPartition], completion: @escaping (Result<[TopicPartition: Offset], ClientError>) -> Void
    ) {
        let place: OffsetPlace
        switch settings.reset {
        case .earliest: place = .start
        case .latest: place = .end
        case .none:
            return completion(
                .failure(.invalid("group '\(settings.group)' has committed no offset of \(partitions[0]), and none is the default")))
        }
        Admin(client).listOffsets(
            partitions.map { ($0, place) }, readsCommitted: settings.fetch.readsCommitted, waitsForUnknown: true,
            deadline: loop.now + patience
        ) { result in
            completion(
                result.flatMap { found in
                    if let error = found.lazy.compactMap(\.error).first { return .failure(error) }
                    return .success(Dictionary(found.map { ($0.partition, $0.offset) }) { first, _ in first })
                })
        }
    }

    // MARK: Commits

    /// Commits what was processed and is not committed yet; of `only`, if some are named.
    package func commit(
        only: Set<TopicPartition>? = nil, deadline: Instant? = nil,
        completion: @escaping (Result<Void, ClientError>) -> Void
    ) {
        var offsets: [TopicPartition: Offset] = [:]
        for (partition, state) in owned where only?.contains(partition) ?? true {
            guard let processed = state.processed, processed != state.committed else { continue }
            offsets[partition] = processed
        }
        commit(offsets, deadline: deadline, completion: completion)
    }

    /// Commits these offsets, each the one of the next record to be read. Commits are sent one after the other, each
    /// when the one before has its answer: else one that is repeated on a new connection would overtake a later one,
    /// and the group's offset would go back.
    package func commit(
        _ offsets: [TopicPartition: Offset], deadline: Instant? = nil,
        completion: @escaping (Result<Void, ClientError>) -> Void
    ) {
        guard !offsets.isEmpty else { return completion(.success(())) }
        guard commits.count < GroupConsumer.commitsMax else { return completion(.failure(.bufferFull)) }
        // In the name of whom it was asked for: should the member be another by then, it is refused.
        commits.append(
            PendingCommit(
                offsets: offsets, member: identity, deadline: deadline ?? loop.now + settings.sessionTimeout,
                completion: completion))
        sendCommit()
    }

    private func sendCommit() {
        guard !isCommitting, !commits.isEmpty else { return }
        isCommitting = true
        let next = commits.removeFirst()
        let offsets = next.offsets.map { OffsetToCommit($0.key, $0.value) }.sorted { $0.partition < $1.partition }
        Admin(client).commitOffsets(link, offsets, member: next.member, deadline: next.deadline) { [self] result in
            isCommitting = false
            let outcome = committed(result, next)
            next.completion(outcome)
            sendCommit()
            if !isCommitting { beginWaiting() }
        }
    }

    private func beginWaiting() {
        let waiting = waitingToBegin
        waitingToBegin = []
        for partitions in waiting where !isClosed { beginLeft(of: partitions) }
    }

    /// Begins with what was not given up meanwhile, and not begun.
    private func beginLeft(of partitions: [TopicPartition]) {
        let left = partitions.filter { owned[$0].map { $0.processed == nil } ?? false }
        if !left.isEmpty { begin(left) }
    }

    private func committed(
        _ result: Result<[CommittedOutcome], ClientError>, _ commit: PendingCommit
    ) -> Result<Void, ClientError> {
        switch result {
        case .failure(let error):
            onEvent?(.commitFailed(error))
            return .failure(error)
        case .success(let outcomes):
            var stored: [TopicPartition: Offset] = [:]
            var refusal: ErrorCode?
            for outcome in outcomes {
                if outcome.code.isError {
                    refusal = refusal ?? outcome.code
                } else if let offset = commit.offsets[outcome.partition] {
                    stored[outcome.partition] = offset
                    owned[outcome.partition]?.committed = offset
                }
            }
            if !stored.isEmpty { onEvent?(.committed(stored)) }
            guard let refusal else { return .success(()) }
            let error = ClientError.refused(refusal, "commit of group '\(settings.group)'", nil)
            onEvent?(.commitFailed(error))
            // The refusal of a former self says nothing about the present one.
            if Self.fencing.contains(refusal), commit.member == identity {
                membership.commitRefused(refusal)
            }
            return .failure(error)
        }
    }
}
