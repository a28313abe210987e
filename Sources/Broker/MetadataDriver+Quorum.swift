// Carrying out what the quorum decides: work for the disk in order, requests to other nodes, answers to theirs, and time.
//
// One job of the pool at a time, and syncs only when no other waits: a cut never meets a sync of what it cuts. The quorum itself
// holds back what must not leave before its work is done.

internal import Basics
internal import Bytes
internal import Channel
internal import ClusterImage
internal import Controller
internal import Environment
internal import Log
internal import Raft
internal import Records
internal import WireProtocol

/// Work of the quorum for the disk. Answers what was loaded anew, if anything was.
struct QuorumJob: Sendable {
    var name: String
    var run: @Sendable () throws(StorageError) -> ReloadedMetadata?
}

extension MetadataDriver {
    /// The wait before a sync or write that had no room is tried again.
    private static let retryPause: Duration = .milliseconds(200)

    // MARK: Inputs

    /// Begins to take part.
    func start() {
        snapshots.onWritten = { id, start, startEpoch in
            self.quorum.snapshotted(id, start: start, startEpoch: startEpoch)
        }
        // What was found is committed when the quorum says so.
        waiting.append(
            Waiting(
                committedAt: log.endOffset, image: controller.image, touched: Touched(topics: [], everything: true),
                completion: nil))
        carryOut(quorum.start(now: loop.now))
    }

    /// A request of another replica; `reply` runs once with the answer and the records that it holds.
    func receive(_ request: QuorumRequest, reply: @escaping (QuorumAnswer, RecordsField) -> Void) {
        guard !isClosed, failure == nil else {
            return reply(QuorumAnswer(error: .other, epoch: epoch, leader: .none), .none)
        }
        let token = nextToken
        nextToken += 1
        replies[token] = reply
        carryOut(quorum.receive(request, token: token, now: loop.now))
    }

    /// Changes the voters; `completion` when that is committed, or only written if that is enough, or cannot be.
    func changeVoters(
        _ change: VoterChange, deadline: Instant, answersWhenWritten: Bool = false,
        completion: @escaping (VoterChangeError?) -> Void
    ) {
        let token = nextToken
        nextToken += 1
        changeReplies[token] = completion
        carryOut(
            quorum.changeVoters(
                change, token: token, deadline: deadline, answersWhenWritten: answersWhenWritten, now: loop.now))
    }

    /// Gives up leading, as far as this replica does.
    func resign() { carryOut(quorum.resign(now: loop.now)) }

    /// How long a leader that goes waits for the other voters to hear of it.
    private static let resignationMax: Duration = .seconds(5)

    /// The same; `completion` when the other voters that can be reached have heard of it, or for long enough did not.
    func resign(_ completion: @escaping () -> Void) {
        onTold = completion
        _ = loop.schedule(at: loop.now + MetadataDriver.resignationMax) { self.told() }
        resign()
    }

    private func told() {
        let completion = onTold
        onTold = nil
        completion?()
    }

    // MARK: Effects

    /// What is appended on the way, a new leader's first records and the registrations that wait for it, shares one sync.
    func carryOut(_ effects: [Quorum.Effect], with payload: QuorumPayload = .none) {
        depth += 1
        for effect in effects where failure == nil { carryOut(effect, payload) }
        if depth == 1 { tellOfController() }
        depth -= 1
        guard depth == 0 else { return }
        setTimer()
        runNext()
        if onTold != nil, quorum.hasToldAll { told() }
    }

    private func tellOfController() {
        let leader = quorum.leader ?? .none
        guard leader != toldLeader || isActive != toldActive else { return }
        (toldLeader, toldActive) = (leader, isActive)
        outlets.controllerChanged(leader, isActive)
    }

    private func carryOut(_ effect: Quorum.Effect, _ payload: QuorumPayload) {
        switch effect {
        case .persist(let state):
            let store = store
            begin("quorum state") { () throws(StorageError) in
                try store.write(state)
                return nil
            }
        case .truncate(let offset): truncate(to: offset)
        case .storePiece(let id, let position): storePiece(id, position, payload)
        case .install(let id): install(id)
        case .send(let request, let destination, let id): send(request, to: destination, id)
        case .answer(let answer, let token): reply(token, answer, .none)
        case .serve(let answer, let offset, let token): serve(answer, from: offset, token)
        case .servePiece(let fetch, let answer, let token): servePiece(fetch, answer, token)
        case .append: if case .batches(let batches) = payload { follow(batches) }
        case .lead(let epoch, let granting): lead(epoch, granting: granting)
        case .unlead: unlead()
        case .appendVoters(let voters): append(voters)
        case .answerChange(let error, let token): changeReplies.removeValue(forKey: token)?(error)
        case .commit(let offset): release(upTo: offset)
        case .fault(let reason): fail(.malformed(path: store.directory, reason: reason))
        }
    }

    private func setTimer() {
        let deadline = isClosed ? .distantFuture : quorum.deadline
        guard deadline != timerAt || timer == nil else { return }
        if let timer { loop.cancel(timer) }
        timer = nil
        timerAt = deadline
        guard deadline < .distantFuture else { return }
        timer = loop.schedule(at: deadline) {
            self.timer = nil
            guard !self.isClosed, self.failure == nil else { return }
            self.carryOut(self.quorum.tick(now: max(self.loop.now, deadline)))
        }
    }

    // MARK: Following

    /// Writes what the leader sent. What finds no room stays in hand: nothing is fetched before it is durable.
    private func follow(_ batches: [RecordBatch]) {
        unwritten += batches
        writeFollowed()
    }

    private func writeFollowed() {
        var touched = Touched()
        let before = log.endOffset
        while let batch = unwritten.first, failure == nil {
            do {
                try store(batch)
            } catch {
                guard error.isWantOfRoom else { return fail(error) }
                retry()
                break
            }
            unwritten.removeFirst()
            do {
                for (offset, voters) in try batch.voterSets() { quorum.found(voters, at: offset) }
                touched.form(self.touched(by: try replay(batch)))
            } catch {
                return fail(.malformed(path: store.directory, reason: "a batch at \(batch.header.baseOffset): \(error)"))
            }
        }
        guard log.endOffset > before else { return }
        waiting.append(
            Waiting(committedAt: log.endOffset, image: controller.image, touched: touched, completion: nil))
    }

    // MARK: Jobs

    func begin(_ name: String, _ run: @escaping @Sendable () throws(StorageError) -> ReloadedMetadata?) {
        jobs.append(QuorumJob(name: name, run: run))
    }

    func runNext() {
        guard !isBusy, failure == nil else { return }
        if let job = jobs.first { run(job) } else if !quorum.log.isDurable, unwritten.isEmpty { sync() }
    }

    private func run(_ job: QuorumJob) {
        isBusy = true
        let driver = Confined(self, to: loop)
        environment.pool.run {
            let result: Result<ReloadedMetadata?, StorageError>
            do throws(StorageError) {
                result = .success(try job.run())
            } catch {
                result = .failure(error)
            }
            driver.confinement.post { driver.value.ended(job, result) }
        }
    }

    private func ended(_ job: QuorumJob, _ result: Result<ReloadedMetadata?, StorageError>) {
        isBusy = false
        switch result {
        case .success(let reloaded):
            jobs.removeFirst()
            if let reloaded { adopt(reloaded) }
            carryOut(quorum.worked(now: loop.now))
            release(upTo: quorum.highWatermark)
        case .failure(let error) where error.isWantOfRoom: retry()
        case .failure(let error):
            jobs = []
            logger.error("metadata", "cannot go on", [("job", job.name), ("reason", "\(error)")])
            fail(error)
        }
    }

    private func retry() {
        guard !isBusy else { return }
        isBusy = true
        _ = loop.schedule(at: loop.now + MetadataDriver.retryPause) {
            self.isBusy = false
            guard self.failure == nil else { return }
            self.writeFollowed()
            self.release(upTo: self.quorum.highWatermark)
            self.runNext()
        }
    }

    private func sync() {
        isBusy = true
        let end = log.endOffset
        let log = log
        let driver = Confined(self, to: loop)
        environment.pool.run {
            let failure: StorageError?
            do throws(StorageError) {
                try log.sync()
                failure = nil
            } catch {
                failure = error
            }
            driver.confinement.post { driver.value.synced(upTo: end, failure) }
        }
    }

    private func synced(upTo end: Offset, _ failure: StorageError?) {
        isBusy = false
        guard let failure else { return carryOut(quorum.persisted(upTo: end, now: loop.now)) }
        // What was decided cannot be taken back: it waits for room.
        if failure.isWantOfRoom { retry() } else { fail(failure) }
    }

    // MARK: Cuts and snapshots

    private func truncate(to offset: Offset) {
        unwritten = []
        dropWaiting(behind: offset)
        let (log, loader, checkpoint) = (log, loader, outlets.checkpoint)
        begin("cut") { () throws(StorageError) in
            _ = try log.truncate(to: offset)
            try checkpoint()
            return try loader.reload(log)
        }
        logger.info("metadata", "cut the log", [("offset", "\(offset)")])
    }

    private func storePiece(_ id: SnapshotId, _ position: Int, _ payload: QuorumPayload) {
        guard case .piece(let bytes) = payload else { return }
        let (store, copy) = (store, ByteSlice(bytes.array))
        begin("piece of a snapshot") { () throws(StorageError) in
            try store.writePiece(copy, of: id, at: position)
            return nil
        }
    }

    private func install(_ id: SnapshotId) {
        unwritten = []
        dropWaiting(behind: .none)
        let (log, loader, store, checkpoint) = (log, loader, store, outlets.checkpoint)
        begin("snapshot") { () throws(StorageError) in
            try store.finishPieces(of: id)
            try log.restart(at: id.end)
            try checkpoint()
            try store.removeSnapshots(below: id.end)
            return try loader.reload(log)
        }
        snapshots.installed(id)
        logger.info("metadata", "takes a snapshot of the leader", [("end", "\(id.end)")])
    }

    /// What ends behind `offset` will not be committed here.
    private func dropWaiting(behind offset: Offset) {
        let dropped = waiting.filter { $0.committedAt > offset }
        waiting.removeAll { $0.committedAt > offset }
        for entry in dropped { entry.completion?(.notController) }
    }

    private func adopt(_ reloaded: ReloadedMetadata) {
        controller = Controller(image: reloaded.image, node: node, seed: environment.random.next())
        if log.endOffset == log.startOffset, log.startOffset > .zero { quorum.found(reloaded.snapshotVoters, at: nil) }
        waiting.append(
            Waiting(
                committedAt: log.endOffset, image: controller.image, touched: Touched(topics: [], everything: true),
                completion: nil))
    }

    // MARK: Answers

    private func reply(_ token: UInt64, _ answer: QuorumAnswer, _ records: RecordsField) {
        replies.removeValue(forKey: token)?(answer, records)
    }

    /// Reads the entries on the pool, which may wait for the disk.
    private func serve(_ answer: QuorumAnswer, from offset: Offset, _ token: UInt64) {
        guard offset < log.endOffset else { return reply(token, answer, .bytes(.empty)) }
        let (log, bytesMax) = (log, speaker.fetchBytesMax)
        let driver = Confined(self, to: loop)
        environment.pool.run {
            let read = try? log.read(from: offset, limit: log.endOffset, countMax: bytesMax, wholeFirst: true)
            driver.confinement.post {
                guard let region = read?.region else {
                    return driver.value.reply(token, QuorumAnswer(error: .other, epoch: answer.epoch, leader: answer.leader), .none)
                }
                driver.value.reply(token, answer, .pieces([.file(region)]))
            }
        }
    }

    private func servePiece(_ fetch: QuorumRequest.FetchSnapshot, _ answer: QuorumAnswer, _ token: UInt64) {
        let (store, bytesMax) = (store, min(speaker.snapshotBytesMax, max(1, fetch.bytesMax)))
        let driver = Confined(self, to: loop)
        environment.pool.run {
            // What formatting wrote is in the log of the first leader, and no snapshot of it.
            let isSnapshot = fetch.snapshot.end > .zero
            let piece = isSnapshot ? try? store.readPiece(of: fetch.snapshot, at: fetch.position, bytesMax: bytesMax) : nil
            driver.confinement.post {
                var answer = answer
                guard let piece, piece.bytes.count > 0 else {
                    answer.error = piece == nil ? .snapshotNotFound : .positionOutOfRange
                    return driver.value.reply(token, answer, .bytes(.empty))
                }
                answer.body = .snapshotPiece(
                    fetch.snapshot, position: fetch.position, count: piece.bytes.count, size: piece.size)
                driver.value.reply(token, answer, .bytes(piece.bytes))
            }
        }
    }
}

extension RecordBatch {
    /// The sets of voters that a control batch names, with their offsets.
    func voterSets() throws -> [(offset: Offset, voters: VoterSet)] {
        guard header.isControl else { return [] }
        return try plainRecords().compactMap { offset, record in
            guard ControlType(key: record.key) == .voters, let value = record.value else { return nil }
            return (offset, VoterSet(try VotersRecord(decoding: ByteSlice(value), version: 0)))
        }
    }
}
