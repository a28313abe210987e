// A client's connection: frames in, answers out in the order of the requests.
//
// Requests are started without waiting for the answers of earlier ones (pipelining). What is under way is bounded in
// requests and bytes; beyond that, and while the peer does not take its answers, nothing more is read.
//
// Owner: the loop of its transport.

internal import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

final class Connection: TransportHandler, CallSink {
    /// Unsent bytes beyond which nothing more is read.
    private static let unsentMax = 1 << 20

    let transport: any Transport
    /// Counts the connections of its loop.
    let number: Int
    private let shard: Shard
    private let origin: Origin
    private var assembler: FrameAssembler
    /// Answers by request: nil until it is there. The first is of the request `firstSlot`.
    private var answers: [[Outgoing]?] = []
    private var firstSlot: UInt64 = 0
    /// Frames that wait until less is under way.
    private var backlog: [ByteSlice] = []
    private var bytesUnderWay = 0
    /// Bytes of answers that are there and were not given to the transport yet.
    private var answeredCount = 0
    /// Requests that wait for something to happen, such as a fetch for records.
    private var waiting: [Call] = []
    /// Requests that must have taken their place before the next one is begun.
    private var holds = 0
    private var isReading = true
    private(set) var isClosed = false
    private var isFlushing = false
    private var isResuming = false
    private var isEnding = false
    /// How many of the last requests were heartbeats, one after the other.
    private var heartbeatsInARow = 0
    /// Until it fires, the client waits as it was asked to (KIP-219).
    private var muteTimer: TimerToken?
    private(set) var lastActive: Instant
    /// What the client said of itself in ApiVersions.
    var software: (name: String, version: String)?

    init(_ transport: any Transport, shard: Shard, listener: String, number: Int) {
        self.transport = transport
        self.number = number
        self.shard = shard
        origin = Origin(
            listener: listener, kind: shard.broker.kind(of: listener), remoteAddress: transport.remoteAddress,
            localAddress: transport.localAddress)
        lastActive = shard.loop.now
        assembler = FrameAssembler(lengthMax: shard.limits.requestBytesMax, buffers: shard.loop.buffers)
    }

    // MARK: Receiving

    var receiveTarget: ReceiveTarget? { assembler.receiveTarget }

    func received(_ bytes: ByteSlice) {
        lastActive = shard.loop.now
        do {
            try assembler.receive(bytes) { frame in take(frame) }
        } catch {
            close("a frame of impossible length")
        }
    }

    private func take(_ frame: ByteSlice) {
        guard !isClosed, !isEnding else { return }
        guard backlog.isEmpty, hasRoom else {
            backlog.append(frame)
            return adjustReading()
        }
        begin(frame)
        adjustReading()
    }

    private var hasRoom: Bool {
        holds == 0 && muteTimer == nil && answers.count < shard.limits.requestsPerConnectionMax
            && answeredCount + transport.unsentCount < Connection.unsentMax
            && (bytesUnderWay == 0 || shard.hasRoom)
    }

    private func begin(_ frame: ByteSlice) {
        var reader = ByteReader(frame)
        let header: RequestHeader
        do {
            header = try RequestHeader(from: &reader)
        } catch {
            return close("a request header that does not parse: \(error)")
        }
        guard let key = header.apiKey, let api = ApiTable[key], key.listeners.contains(origin.kind) else {
            return close("unknown api key \(header.requestApiKey)")
        }
        let context = RequestContext(
            apiKey: key, version: header.requestApiVersion, correlationId: header.correlationId,
            clientId: header.clientId, origin: origin)
        let call = Call(
            context: context, shard: shard, connection: self, slot: firstSlot + UInt64(answers.count),
            frameCount: frame.count)
        answers.append(nil)
        bytesUnderWay += frame.count
        shard.began(frame.count)
        guard api.versions.contains(context.version) else {
            return api.refuseVersion(call)
        }
        shard.counters.count(key)
        note(key)
        if origin.kind == .broker, Forwarding.keys.contains(key), Forwarding.isDue(shard.broker) {
            return Forwarding.forward(frame, call)
        }
        do {
            try api.handle(&reader, call)
        } catch {
            call.fail("a request that does not parse: \(key) version \(context.version): \(error)")
        }
    }

    var patience: Duration { heartbeatsInARow >= 2 ? .milliseconds(10) : .zero }

    /// A client that sends nothing but heartbeats is in no hurry.
    private func note(_ key: ApiKey) {
        if key == .heartbeat || key == .consumerGroupHeartbeat {
            heartbeatsInARow += 1
            if heartbeatsInARow == 2 { transport.setPatient(true) }
        } else if heartbeatsInARow > 0 {
            heartbeatsInARow = 0
            transport.setPatient(false)
        }
    }

    /// Begins no further request until `endHold`, so that what the client sent later does not come first.
    func hold() {
        holds += 1
        adjustReading()
    }

    func endHold() {
        holds -= 1
        if !isClosed { resume() }
    }

    /// Begins no further request for so long. What was begun is answered.
    func mute(for delay: Duration) {
        guard !isClosed, !isEnding, muteTimer == nil else { return }
        muteTimer = shard.loop.schedule(at: shard.loop.now + delay) { [weak self] in
            guard let self else { return }
            self.muteTimer = nil
            if !self.isClosed { self.resume() }
        }
        adjustReading()
    }

    private func unmute() {
        if let muteTimer { shard.loop.cancel(muteTimer) }
        muteTimer = nil
    }

    // MARK: Answering

    /// Puts the answer of the request `slot` in its place and sends what is complete from the front.
    func complete(_ slot: UInt64, with pieces: [Outgoing], of call: Call) {
        guard !isClosed, slot >= firstSlot, slot - firstSlot < answers.count else { return }
        bytesUnderWay -= call.frameCount
        answers[Int(slot - firstSlot)] = pieces
        for piece in pieces { answeredCount += piece.count }
        guard slot == firstSlot, !isFlushing else { return }
        isFlushing = true
        shard.loop.proceed { self.flush() }
    }

    private func flush() {
        isFlushing = false
        guard !isClosed else { return }
        if answers.count == 1, let only = answers[0] {
            answers.removeLast()
            firstSlot += 1
            pass(only)
            return resume()
        }
        var pieces: [Outgoing] = []
        var count = 0
        while count < answers.count, let answer = answers[count] {
            pieces += answer
            count += 1
        }
        if count == answers.count { answers = [] } else { answers.removeFirst(count) }
        firstSlot += UInt64(count)
        pass(pieces)
        resume()
    }

    private func pass(_ pieces: [Outgoing]) {
        for piece in pieces { answeredCount -= piece.count }
        if !pieces.isEmpty { transport.send(pieces) }
    }

    /// Begins what waits, as far as there is room. What is begun may be answered at once, and so make room for others, and
    /// for this connection again: that call leaves the rest to the one that is under way.
    private func resume() {
        guard !isResuming else { return }
        isResuming = true
        defer { isResuming = false }
        var taken = 0
        while taken < backlog.count, hasRoom, !isClosed {
            begin(backlog[taken])
            taken += 1
        }
        if taken > 0 { backlog.removeFirst(min(taken, backlog.count)) }
        if backlog.isEmpty, backlog.capacity > 0 { backlog = [] }
        adjustReading()
        if isEnding, answers.isEmpty, backlog.isEmpty, !isClosed { transport.closeAfterSending() }
    }

    private func adjustReading() {
        let wanted = backlog.isEmpty && hasRoom && !isEnding
        guard wanted != isReading, !isClosed else { return }
        isReading = wanted
        transport.setReading(wanted)
        if !wanted { shard.paused(self) }
    }

    /// Looks again whether there is room, when something else than this connection made some.
    func roomMayHaveCome() {
        guard !isClosed, !isReading || !backlog.isEmpty else { return }
        resume()
    }

    func sent() {
        lastActive = shard.loop.now
        if !isReading { resume() }
    }

    // MARK: Waiting requests

    func parked(_ call: Call) { waiting.append(call) }

    func unparked(_ call: Call) { waiting.removeAll { $0 === call } }

    private func endWaits(_ end: Call.WaitEnd) {
        let calls = waiting
        waiting = []
        for call in calls { call.endWait(end) }
    }

    // MARK: Ending

    /// Answers what is under way and closes.
    func end() {
        guard !isEnding, !isClosed else { return }
        isEnding = true
        unmute()
        resume()
        endWaits(.hurried)
        if answers.isEmpty, backlog.isEmpty { transport.closeAfterSending() }
    }

    func close(_ reason: String) {
        guard !isClosed else { return }
        shard.logger.info(
            "connection", "closed", [("peer", "\(origin.remoteAddress)"), ("reason", reason)])
        release()
        transport.close()
    }

    func closed(_ reason: CloseReason) { release() }

    private func release() {
        guard !isClosed else { return }
        isClosed = true
        unmute()
        shard.removed(self)
        answers = []
        backlog = []
        endWaits(.abandoned)
    }
}
