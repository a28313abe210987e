// A world of one to seven voters and some observers with a network that loses, doubles, delays and reorders messages and disks
// that forget, all by one seed, and an oracle that holds what must be true: one leader in an epoch (I3), what was committed
// stays and is the same everywhere (I1), logs that agree on an entry agree on all before it (I2), and a high watermark never
// falls (I4). Who is cut off from all others raises no epoch (KIP-996), and does not lead for long (KIP-595).

package import Basics
import Raft

package struct QuorumWorld {
    package struct Faults {
        package var lossPercent = 0
        package var duplicatePercent = 0
        package var delayMax: Duration = .milliseconds(20)
        package var syncMax: Duration = .milliseconds(30)
        package var kills = false
        package var partitions = false
        package var changes = false
        package var snapshots = false

        package init() {}
    }

    private enum Event {
        case wake(Int, incarnation: Int)
        case worked(Int, incarnation: Int)
        case synced(Int, incarnation: Int, round: Int, count: Int)
        case request(QuorumRequest, from: Int, incarnation: Int, to: Int, id: UInt64)
        case answer(QuorumAnswer, [QuorumEntry], VoterSet?, to: Int, incarnation: Int, id: UInt64)
        case timeout(Int, incarnation: Int, id: UInt64)
        case propose
        case trouble
        case restart(Int)
        case strike(Int, incarnation: Int)
    }

    private struct Asked {
        var from: Int
        var incarnation: Int
        var id: UInt64
        var by: Int
    }

    private struct Timed {
        var at: Instant
        var event: Event
    }

    private(set) var replicas: [QuorumReplica]
    package private(set) var now = Instant(nanoseconds: 1)
    private(set) var committed: [QuorumEntry] = []
    package var committedCount: Int { committed.count }
    package private(set) var violations: [String] = []
    /// One line per event that is worth a line.
    package private(set) var trace: [String] = []
    package private(set) var eventCount = 0
    package private(set) var elections = 0
    package private(set) var changesDone = 0
    package private(set) var installs = 0
    package private(set) var truncations = 0
    private var votersAt: [VoterSet] = []
    private var leaders: [LeaderEpoch: NodeId] = [:]
    private var events: [Timed] = []
    private var asked: [UInt64: Asked] = [:]
    private var answered: Set<UInt64> = []
    private var nextToken: UInt64 = 1
    private var nextValue: UInt64 = 1
    private var cut: Set<Int> = []
    /// Replicas that are cut off from all others, and since when.
    private var aloneSince: [Int: Instant] = [:]
    private var oneWay: (from: Int, to: Int)?
    private var random: SeededRandom
    private var faults: Faults
    private let settings: QuorumSettings
    private let firstVoters: VoterSet

    package init(seed: UInt64, voters voterCount: Int, observers: Int, faults: Faults) {
        random = SeededRandom(seed: seed)
        self.faults = faults
        var settings = QuorumSettings()
        settings.bootstrapCount = voterCount
        self.settings = settings
        let keys = (1...(voterCount + observers)).map {
            ReplicaKey(id: NodeId(Int32($0)), directory: Uuid(high: 7, low: UInt64($0)))
        }
        let voters = VoterSet(keys.prefix(voterCount).map { Voter(key: $0) })
        firstVoters = voters
        replicas = keys.map { QuorumReplica(key: $0, voters: voters) }
        for index in replicas.indices { start(index) }
        after(.milliseconds(100), .propose)
        after(.milliseconds(500), .trouble)
    }

    private mutating func note(_ text: String) { trace.append("\(now.nanoseconds / 1000) \(text)") }

    package mutating func violate(_ text: String) {
        note("VIOLATION \(text)")
        violations.append(text)
    }

    // MARK: Time

    private mutating func after(_ delay: Duration, _ event: Event) {
        let timed = Timed(at: now + delay, event: event)
        var (low, high) = (0, events.count)
        while low < high {
            let middle = (low + high) / 2
            // The earliest is last.
            if events[middle].at > timed.at { low = middle + 1 } else { high = middle }
        }
        events.insert(timed, at: low)
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func within(_ most: Duration) -> Duration {
        .nanoseconds(Int64.random(in: 1...max(most.wholeNanoseconds, 1), using: &random))
    }

    package mutating func run(for duration: Duration) {
        let end = now + duration
        while violations.isEmpty, let first = events.last, first.at <= end {
            events.removeLast()
            now = first.at
            eventCount += 1
            handle(first.event)
        }
        now = max(now, end)
    }

    /// Ends all faults; nobody stays down or cut off.
    package mutating func heal() {
        faults = Faults()
        note("HEAL")
        cut = []
        oneWay = nil
        aloneSince = [:]
        for index in replicas.indices where replicas[index].quorum == nil { start(index) }
    }

    // MARK: Events

    private mutating func handle(_ event: Event) {
        switch event {
        case .wake(let index, let incarnation):
            step(index, incarnation) { quorum, now in quorum.tick(now: now) }
        case .worked(let index, let incarnation): worked(index, incarnation)
        case .synced(let index, let incarnation, let round, let count):
            if replicas[index].syncRound == round { synced(index, incarnation, count) }
        case .request(let request, let from, let incarnation, let to, let id):
            guard isConnected(from, to), replicas[to].quorum != nil else { return }
            let token = nextToken
            nextToken += 1
            asked[token] = Asked(from: from, incarnation: incarnation, id: id, by: to)
            step(to, replicas[to].incarnation) { quorum, now in quorum.receive(request, token: token, now: now) }
        case .answer(let answer, let entries, let voters, let to, let incarnation, let id):
            guard answered.insert(UInt64(to) << 48 | UInt64(incarnation) << 32 | id).inserted else { return }
            step(to, incarnation, entries, voters) { quorum, now in quorum.receive(answer, to: id, now: now) }
        case .timeout(let index, let incarnation, let id):
            guard answered.insert(UInt64(index) << 48 | UInt64(incarnation) << 32 | id).inserted else { return }
            step(index, incarnation) { quorum, now in quorum.failed(id, now: now) }
        case .propose: propose()
        case .trouble: trouble()
        case .restart(let index): if replicas[index].quorum == nil { start(index) }
        case .strike(let index, let incarnation): if replicas[index].incarnation == incarnation { strike(index) }
        }
    }

    private mutating func start(_ index: Int) {
        note("START \(replicas[index].key.id)")
        replicas[index].start(settings, seed: random.next())
        step(index, replicas[index].incarnation) { quorum, now in quorum.start(now: now) }
    }

    private mutating func step(
        _ index: Int, _ incarnation: Int, _ entries: [QuorumEntry] = [], _ voters: VoterSet? = nil,
        _ body: (inout Quorum, Instant) -> [Quorum.Effect]
    ) {
        guard replicas[index].incarnation == incarnation, var quorum = replicas[index].quorum else { return }
        let (before, epoch) = (quorum.highWatermark, quorum.epoch)
        let effects = body(&quorum, now)
        if quorum.highWatermark < before { violate("I4 the high watermark of \(index) fell") }
        checkAlone(index, quorum, epoch)
        replicas[index].quorum = quorum
        for effect in effects { carryOut(effect, index, entries, voters) }
        wake(index)
    }

    private mutating func wake(_ index: Int) {
        guard let deadline = replicas[index].quorum?.deadline, deadline < .distantFuture else { return }
        let at = max(deadline, now + .microseconds(1))
        if let planned = replicas[index].wake, planned <= at, planned > now { return }
        replicas[index].wake = at
        after(at - now, .wake(index, incarnation: replicas[index].incarnation))
    }

    // MARK: Effects

    private mutating func carryOut(_ effect: Quorum.Effect, _ index: Int, _ entries: [QuorumEntry], _ voters: VoterSet?) {
        let incarnation = replicas[index].incarnation
        switch effect {
        case .persist, .truncate, .storePiece, .install:
            if case .install = effect { snapshotVoters[index] = voters }
            if case .persist = effect, faults.kills, chance(5) {
                after(within(faults.syncMax), .strike(index, incarnation: incarnation))
            }
            replicas[index].works.append(effect)
            guard replicas[index].works.count == 1 else { return }
            after(within(faults.syncMax), .worked(index, incarnation: incarnation))
        case .send(let request, let destination, let id): send(request, destination, id, index)
        case .answer(let answer, let token): reply(answer, [], nil, token)
        case .serve(var answer, let from, let token):
            let found = replicas[index].batches(from: from, count: 5)
            guard case .entries(_, let mark) = answer.body else { return }
            let replica = replicas[index]
            answer.body = .entries(found.map { replica.batch(at: $0) }, highWatermark: mark)
            reply(answer, found.map { replica.entries[$0] }, nil, token)
        case .servePiece(let fetch, let answer, let token): servePiece(fetch, answer, token, index)
        case .append:
            for entry in entries {
                let end = replicas[index].end
                if let voters = entry.voters { replicas[index].quorum?.found(voters, at: end) }
                replicas[index].entries.append(entry)
            }
            sync(index)
        case .lead(let epoch, _): lead(epoch, index)
        case .unlead: replicas[index].isLeading = false
        case .appendVoters(let voters):
            note("\(replicas[index].key.id) proposes the voters \(voters.voters.map { "\($0.key.id)" })")
            append(QuorumEntry(epoch: replicas[index].quorum?.epoch ?? .none, value: 0, voters: voters), index)
        case .answerChange(let error, _): if error == nil { changesDone += 1 }
        case .commit(let offset): commit(offset, index)
        case .fault(let reason): violate("replica \(index): \(reason)")
        }
    }

    private var snapshotVoters: [Int: VoterSet] = [:]

    private mutating func worked(_ index: Int, _ incarnation: Int) {
        guard replicas[index].incarnation == incarnation, replicas[index].quorum != nil else { return }
        switch replicas[index].works.removeFirst() {
        case .persist(let state): replicas[index].state = state
        case .truncate(let offset):
            truncations += 1
            note("\(replicas[index].key.id) cuts its log at \(offset)")
            replicas[index].truncate(to: offset)
        case .install(let id):
            installs += 1
            note("\(replicas[index].key.id) takes the snapshot at \(id.end)")
            replicas[index].install(id, voters: snapshotVoters[index] ?? firstVoters)
        default: break
        }
        if !replicas[index].works.isEmpty { after(within(faults.syncMax), .worked(index, incarnation: incarnation)) }
        step(index, incarnation) { quorum, now in quorum.worked(now: now) }
    }

    private mutating func sync(_ index: Int) {
        guard !replicas[index].isSyncing else { return }
        replicas[index].isSyncing = true
        let (incarnation, end) = (replicas[index].incarnation, Int(replicas[index].end.rawValue))
        let round = replicas[index].syncRound
        after(within(faults.syncMax), .synced(index, incarnation: incarnation, round: round, count: end))
    }

    /// `count`: the end of the log when the sync began.
    private mutating func synced(_ index: Int, _ incarnation: Int, _ count: Int) {
        guard replicas[index].incarnation == incarnation, replicas[index].quorum != nil else { return }
        replicas[index].isSyncing = false
        let inLog = min(count - Int(replicas[index].base.rawValue), replicas[index].entries.count)
        replicas[index].syncedCount = max(replicas[index].syncedCount, inLog)
        step(index, incarnation) { quorum, now in quorum.persisted(upTo: Offset(Int64(count)), now: now) }
        if replicas[index].syncedCount < replicas[index].entries.count { sync(index) }
    }

    private mutating func lead(_ epoch: LeaderEpoch, _ index: Int) {
        elections += 1
        let id = replicas[index].key.id
        note("\(id) leads in epoch \(epoch) from \(replicas[index].end)")
        if let other = leaders[epoch], other != id { violate("I3 \(other) and \(id) lead in epoch \(epoch)") }
        leaders[epoch] = id
        if replicas[index].end.rawValue < Int64(committed.count) {
            violate("I1 the leader \(id) of epoch \(epoch) lacks what was committed")
        }
        compare(index, upTo: min(replicas[index].end, Offset(Int64(committed.count))))
        replicas[index].isLeading = true
        append(QuorumEntry(epoch: epoch, value: 0), index)
    }

    private mutating func append(_ entry: QuorumEntry, _ index: Int) {
        guard replicas[index].quorum?.isLeader ?? false else { return }
        replicas[index].entries.append(entry)
        let batch = replicas[index].batch(at: replicas[index].entries.count - 1)
        sync(index)
        step(index, replicas[index].incarnation) { quorum, now in quorum.appended(batch, voters: entry.voters, now: now) }
    }

    // MARK: Oracle

    /// Who hears nobody stays in its epoch, and gives up to lead. What was on its way comes first.
    private mutating func checkAlone(_ index: Int, _ quorum: Quorum, _ epoch: LeaderEpoch) {
        guard let since = aloneSince[index], quorum.voters.voters.count > 1 else { return }
        // An own election that was won before, and a leader's silence, end by these times.
        if quorum.epoch > epoch, !quorum.isLeader, quorum.role != .unattached, now - since > .seconds(1) {
            violate("\(replicas[index].key.id) raised its epoch to \(quorum.epoch), and nobody heard it")
        }
        if quorum.isLeader, now - since > .seconds(8) { violate("\(replicas[index].key.id) leads, and nobody hears it") }
    }

    private mutating func noteAlone() {
        for index in replicas.indices {
            let side = replicas.indices.count { cut.contains($0) == cut.contains(index) }
            aloneSince[index] = side == 1 ? aloneSince[index] ?? now : nil
        }
    }

    private mutating func commit(_ offset: Offset, _ index: Int) {
        guard offset <= replicas[index].end else {
            if replicas[index].works.contains(where: { if case .install = $0 { true } else { false } }) { return }
            return violate("replica \(index) commits to \(offset), behind its end")
        }
        compare(index, upTo: min(offset, Offset(Int64(committed.count))))
        for position in committed.count..<max(committed.count, Int(offset.rawValue)) {
            let entry = replicas[index].entries[position - Int(replicas[index].base.rawValue)]
            committed.append(entry)
            votersAt.append(entry.voters ?? votersAt.last ?? firstVoters)
        }
    }

    private mutating func compare(_ index: Int, upTo end: Offset) {
        let replica = replicas[index]
        var position = replica.base
        while position < end {
            let own = replica.entries[Int(position - replica.base)]
            if own != committed[Int(position.rawValue)] {
                return violate("I1 replica \(index) has another entry at \(position) than was committed")
            }
            position = position + 1
        }
    }

    /// Logs that agree on an entry agree on all before it.
    package mutating func checkMatching() {
        for (left, one) in replicas.enumerated() {
            for other in replicas[(left + 1)...] {
                let end = min(one.end, other.end)
                let base = max(one.base, other.base)
                var agrees = false
                for position in stride(from: end.rawValue - 1, through: base.rawValue, by: -1) {
                    let (a, b) = (
                        one.entries[Int(position - one.base.rawValue)], other.entries[Int(position - other.base.rawValue)]
                    )
                    if a.epoch == b.epoch { agrees = true }
                    if agrees, a != b { violate("I2 \(one.key.id) and \(other.key.id) differ at \(position)") }
                }
            }
        }
    }

    // MARK: Network

    private func isConnected(_ from: Int, _ to: Int) -> Bool {
        if let oneWay, oneWay == (from: from, to: to) { return false }
        return cut.contains(from) == cut.contains(to)
    }

    private mutating func send(_ request: QuorumRequest, _ destination: Quorum.Destination, _ id: UInt64, _ from: Int) {
        let to =
            switch destination {
            case .voter(let id): replicas.firstIndex { $0.key.id == id } ?? from
            case .bootstrap(let number): number
            }
        let incarnation = replicas[from].incarnation
        after(.seconds(2), .timeout(from, incarnation: incarnation, id: id))
        guard to != from, !chance(faults.lossPercent) else { return }
        for _ in 0..<(chance(faults.duplicatePercent) ? 2 : 1) {
            after(within(faults.delayMax), .request(request, from: from, incarnation: incarnation, to: to, id: id))
        }
    }

    private mutating func reply(_ answer: QuorumAnswer, _ entries: [QuorumEntry], _ voters: VoterSet?, _ token: UInt64) {
        guard let asked = asked.removeValue(forKey: token), isConnected(asked.by, asked.from), !chance(faults.lossPercent)
        else { return }
        after(
            within(faults.delayMax),
            .answer(answer, entries, voters, to: asked.from, incarnation: asked.incarnation, id: asked.id))
    }

    private mutating func servePiece(
        _ fetch: QuorumRequest.FetchSnapshot, _ answer: QuorumAnswer, _ token: UInt64, _ index: Int
    ) {
        var answer = answer
        guard replicas[index].snapshot == fetch.snapshot else {
            answer.error = .snapshotNotFound
            return reply(answer, [], nil, token)
        }
        answer.body = .snapshotPiece(fetch.snapshot, position: fetch.position, count: 50, size: 100)
        reply(answer, [], replicas[index].voters, token)
    }

    // MARK: Load and trouble

    private mutating func propose() {
        for index in replicas.indices where replicas[index].isLeading {
            append(QuorumEntry(epoch: replicas[index].quorum?.epoch ?? .none, value: nextValue), index)
            nextValue += 1
        }
        after(within(.milliseconds(200)), .propose)
    }

    private mutating func trouble() {
        after(within(.milliseconds(1500)), .trouble)
        let index = Int.random(in: replicas.indices, using: &random)
        if faults.kills, chance(30), replicas[index].quorum != nil {
            note("KILL \(replicas[index].key.id)")
            replicas[index].kill(survivors: Int.random(in: 0...3, using: &random))
            after(within(.seconds(3)), .restart(index))
        }
        if faults.partitions, chance(30) {
            cut = chance(40) ? [] : Set(replicas.indices.filter { _ in chance(40) })
            let other = Int.random(in: replicas.indices, using: &random)
            oneWay = chance(30) ? (from: index, to: other) : nil
            note("CUT \(cut.sorted()), one way \(oneWay.map { "\($0)" } ?? "none")")
            noteAlone()
        }
        if faults.snapshots, chance(40), let mark = replicas[index].quorum?.highWatermark, replicas[index].works.isEmpty {
            replicas[index].makeSnapshot(at: mark)
        }
        if faults.changes, chance(40) { changeVoters(index) }
    }

    /// Kills a replica that is about to keep a vote, and cuts off the one that it voted for: what it forgets it does again.
    private mutating func strike(_ index: Int) {
        guard faults.kills, let quorum = replicas[index].quorum else { return }
        note("KILL \(replicas[index].key.id), which voted for \(quorum.state.votedFor)")
        replicas[index].kill(survivors: Int.random(in: 0...3, using: &random))
        after(within(.milliseconds(500)), .restart(index))
        guard faults.partitions, chance(70), let voted = replicas.firstIndex(where: { $0.key.id == quorum.state.votedFor }) else {
            return
        }
        cut = [voted]
        oneWay = nil
        noteAlone()
    }

    private mutating func changeVoters(_ subject: Int) {
        let key = replicas[subject].key
        for index in replicas.indices where replicas[index].isLeading {
            guard let quorum = replicas[index].quorum else { continue }
            let change: VoterChange = quorum.voters.contains(key) ? .remove(key) : .add(Voter(key: key))
            let deadline = now + .seconds(5)
            step(index, replicas[index].incarnation) { quorum, now in
                quorum.changeVoters(change, token: 1, deadline: deadline, now: now)
            }
        }
    }

    // MARK: Liveness

    /// How each replica stands, for people.
    package var standing: String {
        replicas.map { replica in
            guard let quorum = replica.quorum else { return "\(replica.key.id): down" }
            let voters = quorum.voters.voters.map { "\($0.key.id)" }.joined(separator: ",")
            return "\(replica.key.id): \(quorum.role) epoch \(quorum.epoch) leader \(quorum.state.leader) voted \(quorum.state.votedFor)"
                + " log \(quorum.log.start)-\(quorum.log.durableEnd)-\(quorum.log.end) epoch \(quorum.log.lastEpoch)"
                + " committed \(quorum.highWatermark) voters \(voters)"
        }.joined(separator: "; ")
    }

    /// One leads, and all that live have all that it committed.
    package var isSettled: Bool {
        let leading = replicas.filter(\.isLeading)
        guard leading.count == 1, let mark = leading[0].quorum?.highWatermark else { return false }
        return replicas.allSatisfy { ($0.quorum?.highWatermark ?? .none) >= mark + -20 && $0.quorum?.leader == leading[0].key.id }
    }
}
