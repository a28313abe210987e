// Following: fetch, append, cut what diverges, take a snapshot where the log was let go of (KIP-595, KIP-630). Observers do the
// same without a vote, and ask around when they do not know who leads.
//
// Rule: nothing below the high watermark is ever cut. Where a leader seems to ask for it, the replica stops.

package import Basics

extension Quorum {
    mutating func stepFollower(_ now: Instant) -> Bool {
        if now >= patience {
            guard isCandidateToBe else {
                leave()
                role = .unattached
                change { $0.leader = .none }
                return true
            }
            becomeProspective(now)
            return true
        }
        if !isVoter, asksElsewhere {
            askAnyone(now)
        } else if mayFetch, mayAsk(state.leader) {
            send(nextFetch, to: state.leader)
        }
        return false
    }

    /// A fetch claims that the log is durable, and that the epoch is known for good.
    private var mayFetch: Bool { log.isDurable && !isWaiting }

    private var nextFetch: QuorumRequest {
        if let (id, position) = snapshotInTransit {
            return .fetchSnapshot(
                QuorumRequest.FetchSnapshot(epoch: state.epoch, replica: local, snapshot: id, position: position))
        }
        return .fetch(
            QuorumRequest.Fetch(
                epoch: state.epoch, replica: local, offset: log.end, lastEpoch: log.lastEpoch,
                highWatermark: highWatermark, wait: settings.fetchWait))
    }

    /// Who does not know the leader, or cannot reach it, asks any other voter, or an address of the configuration.
    mutating func askAnyone(_ now: Instant) {
        guard mayFetch, mayAsk(.none) else { return }
        let others = voters.voters.filter { $0.key.id != local.id }
        let count = others.count + settings.bootstrapCount
        guard count > 0 else { return }
        let chosen = Int.random(in: 0..<count, using: &random)
        let destination: Destination =
            chosen < others.count ? .voter(others[chosen].key.id) : .bootstrap(chosen - others.count)
        snapshotInTransit = nil
        send(nextFetch, to: destination, as: .none)
    }

    // MARK: Answers

    mutating func receive(
        _ answer: QuorumAnswer, to fetch: QuorumRequest.Fetch, of peer: NodeId, _ now: Instant
    ) {
        if peer == .none { asksElsewhere = false }
        guard answer.error == nil, role == .follower, fetch.epoch == state.epoch, answer.epoch == state.epoch,
            answer.leader == state.leader, fetch.offset == log.end, mayFetch
        else {
            pauses[peer] = now + settings.retryBackoff
            return
        }
        switch answer.body {
        case .entries(let batches, let committed):
            guard log.continues(with: batches, upTo: state.epoch) else {
                pauses[peer] = now + settings.retryBackoff
                return
            }
            heardLeader(now)
            if !batches.isEmpty {
                for batch in batches { log.append(batch) }
                emitNow(.append)
            }
            commit(upTo: min(committed, log.end))
        case .diverges(let other):
            let end = log.cut(against: other)
            guard other.end >= .zero else {
                pauses[peer] = now + settings.retryBackoff
                return
            }
            guard end >= highWatermark else {
                return emitNow(.fault("the leader asks to cut the log to \(end), below \(highWatermark), which is committed"))
            }
            heardLeader(now)
            guard end < log.end else {
                pauses[peer] = now + settings.retryBackoff
                return
            }
            log.truncate(to: end)
            voterHistory.truncate(to: end)
            begin(work: .truncate(end))
        case .needsSnapshot(let id) where id.end > highWatermark:
            heardLeader(now)
            snapshotInTransit = (id, 0)
        default: pauses[peer] = now + settings.retryBackoff
        }
    }

    mutating func receive(
        _ answer: QuorumAnswer, to fetch: QuorumRequest.FetchSnapshot, of peer: NodeId, _ now: Instant
    ) {
        guard role == .follower, fetch.epoch == state.epoch, answer.epoch == state.epoch, let transit = snapshotInTransit,
            transit.id == fetch.snapshot, transit.position == fetch.position
        else {
            pauses[peer] = now + settings.retryBackoff
            return
        }
        guard answer.error == nil, case .snapshotPiece(let id, let position, let count, let size) = answer.body,
            id == transit.id, position == transit.position, count > 0, position + count <= size
        else {
            // The leader has let go of it: begin anew.
            snapshotInTransit = nil
            pauses[peer] = now + settings.retryBackoff
            return
        }
        heardLeader(now)
        begin(work: .storePiece(id, position: position))
        snapshotInTransit = (id, position + count)
        if position + count == size {
            snapshotInTransit = nil
            begin(work: .install(id))
        }
    }

    /// The snapshot took the place of the log.
    mutating func installed(_ id: SnapshotId) {
        log = LogOutline(behind: id)
        commit(upTo: id.end)
    }

    /// The owner read the voters that stand in a snapshot, or in entries that were appended at `offset`; in the call that
    /// follows the effect.
    package mutating func found(_ voters: VoterSet, at offset: Offset?) {
        if let offset { voterHistory.append(voters, at: offset) } else { voterHistory = VoterHistory(voters) }
    }

    private mutating func heardLeader(_ now: Instant) {
        patience = now + settings.fetchTimeout
        hasFetchedFromLeader = true
        asksElsewhere = false
    }

    mutating func commit(upTo offset: Offset) {
        guard offset > highWatermark else { return }
        highWatermark = offset
        voterHistory.trim(below: offset)
        emitNow(.commit(offset))
    }
}
