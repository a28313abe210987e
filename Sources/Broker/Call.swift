// One request under way: who asks, what was asked, and the way back.

internal import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

/// The origin of a request; handlers decide by it, and (later) an authorizer.
struct RequestContext {
    var apiKey: ApiKey
    var version: Int16
    var correlationId: Int32
    var clientId: String?
    var origin: Origin

    var listener: String { origin.listener }
}

/// What all requests of a connection have in common.
final class Origin: Sendable {
    /// The name of the listener that the connection came in by.
    let listener: String
    /// Whether the listener is for clients or for controllers.
    let kind: ListenerKinds
    let remoteAddress: SocketAddress
    let localAddress: SocketAddress
    /// The address of the client, as groups tell it.
    let groupHost: String
    /// Nobody is anybody until authentication is built.
    let principal = "User:ANONYMOUS"

    init(listener: String, kind: ListenerKinds, remoteAddress: SocketAddress, localAddress: SocketAddress) {
        self.listener = listener
        self.kind = kind
        self.remoteAddress = remoteAddress
        self.localAddress = localAddress
        groupHost = "/\(remoteAddress.host)"
    }
}

/// Where a call came from, and where its answer goes. Owner: the loop of the call.
protocol CallSink: AnyObject {
    var isClosed: Bool { get }
    /// How long each way between loops may take: nothing, unless the client is in no hurry.
    var patience: Duration { get }
    func complete(_ slot: UInt64, with pieces: [Outgoing], of call: Call)
    func close(_ reason: String)
    func mute(for delay: Duration)
    func hold()
    func endHold()
    func parked(_ call: Call)
    func unparked(_ call: Call)
}

/// A request that waits for its answer. Owner: the loop of its connection.
///
/// It is answered once: by `answer`, `answerNothing` or `fail`; later calls do nothing.
final class Call {
    let context: RequestContext
    let shard: Shard
    /// Bytes of the request's frame, counted against the limits until it is answered.
    let frameCount: Int
    private let connection: any CallSink
    private let slot: UInt64
    private var isAnswered = false
    private var onEnd: ((WaitEnd) -> Void)?

    init(context: RequestContext, shard: Shard, connection: any CallSink, slot: UInt64, frameCount: Int) {
        self.context = context
        self.shard = shard
        self.connection = connection
        self.slot = slot
        self.frameCount = frameCount
    }

    var version: Int16 { context.version }
    var patience: Duration { connection.patience }
    var loop: any EventLoop { shard.loop }

    /// Sends `response` when all earlier requests of the connection are answered.
    func answer(_ response: some ResponseMessage) { answer(response, version: context.version) }

    /// The same in another version than the request's, for ApiVersions alone.
    func answer(_ response: some ResponseMessage, version: Int16) {
        guard settle() else { return }
        connection.complete(
            slot, with: response.frame(version: version, correlationId: context.correlationId), of: self)
    }

    /// Sends an answer that is encoded already, header and all.
    func answer(frame: ByteSlice) {
        guard settle() else { return }
        var length = ByteWriter(capacity: 4)
        length.writeInteger(Int32(clamping: frame.count))
        connection.complete(slot, with: length.finish() + [.bytes(frame)], of: self)
    }

    /// Ends a request that gets no answer (acks=0).
    func answerNothing() {
        guard settle() else { return }
        connection.complete(slot, with: [], of: self)
    }

    /// Closes the connection: Kafka's answer to what cannot be answered.
    func fail(_ reason: String) {
        guard settle() else { return }
        connection.close(reason)
    }

    /// Takes nothing more from the client for so long: it was asked to wait, and some do not.
    func mute(for delay: Duration) { if delay > .zero { connection.mute(for: delay) } }

    // MARK: Order

    /// Does `work` on the pool and `then` on the loop. Later requests of the connection are begun only then.
    func away<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        connection.hold()
        aside(work) { result in
            then(result)
            self.connection.endHold()
        }
    }

    /// Does `work` on the pool and `then` on the loop. Later requests of the connection go on meanwhile.
    func aside<Result: Sendable>(_ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void) {
        let loop = loop
        let end = Confined(then, to: loop)
        shard.broker.environment.pool.run {
            let result = work()
            loop.post { end.value(result) }
        }
    }

    // MARK: Waiting

    /// Why a request that waits need not wait any longer.
    enum WaitEnd {
        /// The peer is gone; there is nobody to answer.
        case abandoned
        /// The node stops, and answers what it has.
        case hurried
    }

    /// Says that the request waits for something other than this node; `onEnd` is called if that has become pointless.
    func park(_ onEnd: @escaping (WaitEnd) -> Void) {
        guard !isAnswered, self.onEnd == nil else { return }
        self.onEnd = onEnd
        connection.parked(self)
    }

    /// Ends the waiting. An abandoned request is under way no more.
    func endWait(_ end: WaitEnd) {
        guard let onEnd else { return }
        self.onEnd = nil
        if end == .abandoned { _ = settle() }
        onEnd(end)
    }

    /// The request is under way no more; false if it was answered before.
    private func settle() -> Bool {
        guard !isAnswered else { return false }
        isAnswered = true
        if onEnd != nil { connection.unparked(self) }
        onEnd = nil
        shard.ended(frameCount)
        return true
    }

    /// Whether the peer is still there to be answered.
    var isWanted: Bool { !isAnswered && !connection.isClosed }
}
