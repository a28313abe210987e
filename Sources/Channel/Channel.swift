// One outgoing connection to a broker or controller: it connects, asks for the announced versions, sends requests in
// the versions that both sides know, and hands out the answers in order.
//
//     connecting -> negotiating -> ready -> closed      (each may go straight to closed)
//
// Requests given before it is ready wait; bounded are those in flight, those that wait, and unsent bytes. A channel
// lives for one connection: when it has closed, its owner makes a new one after a back-off.
// Owner: its loop. Negotiation is in `Channel+Setup`.

internal import Basics
package import Bytes
package import Environment
package import WireProtocol

/// A connection to one peer.
package final class Channel: TransportHandler {
    package enum State: Hashable, Sendable {
        case connecting, negotiating, ready, closed
    }

    /// A request that is not sent yet.
    struct Queued {
        var deadline: Instant
        var apiKey: ApiKey
        var begin: (Channel, AnnouncedVersions) -> Void
        var fail: (ChannelError) -> Void
    }

    package let address: SocketAddress
    package let loop: any EventLoop
    package internal(set) var state = State.connecting
    /// What the peer announces; nil until the channel is ready.
    package internal(set) var announced: AnnouncedVersions?
    /// Called once when the channel became ready.
    package var onReady: (() -> Void)?
    /// Called once when the channel has closed, before its requests fail.
    package var onClose: ((ChannelError) -> Void)?
    let network: any Network
    let settings: ChannelSettings
    var transport: (any Transport)?
    var ledger = RequestLedger()
    private var queue: [Queued] = []
    private var assembler: FrameAssembler
    private var timer: TimerToken?
    private var timerInstant = Instant.distantFuture
    private var isPumping = false
    /// Ends an attempt that takes too long; nil once the channel is ready or closed.
    var setupTimer: TimerToken?

    package init(
        _ address: SocketAddress, on loop: any EventLoop, network: any Network, settings: ChannelSettings
    ) {
        self.address = address
        self.loop = loop
        self.network = network
        self.settings = settings
        assembler = FrameAssembler(lengthMax: settings.responseBytesMax, buffers: loop.buffers)
    }

    /// Requests that wait for an answer or to be sent.
    package var pendingCount: Int { ledger.count + queue.count }

    // MARK: Sending

    /// Sends `request` and calls `completion` with the answer, never before this returns.
    /// An answer with an error code is a success here. `isWhole`: where the version that both know has no place for a field
    /// that must not be lost, the request is `unsupported`, and nothing is sent.
    package func send<Request: RequestMessage>(
        _ request: Request, timeout: Duration, isWhole: Bool = false,
        completion: @escaping (Result<Request.Response, ChannelError>) -> Void
    ) {
        let deadline = loop.now + timeout
        enqueue(
            Queued(deadline: deadline, apiKey: Request.apiKey) { channel, announced in
                guard let version = announced.pick(Request.self),
                    !isWhole || request.unsupportedField(version: version) == nil
                else { return completion(.failure(.unsupported(Request.apiKey))) }
                channel.transmit(request, version: version, deadline: deadline, completion)
            } fail: { completion(.failure($0)) })
    }

    /// Sends a request that the peer does not answer, such as a produce with acks=0; `completion` follows when the
    /// request was given to the connection, nil for no error.
    package func sendWithoutAnswer<Request: RequestMessage>(
        _ request: Request, timeout: Duration, completion: @escaping (ChannelError?) -> Void
    ) {
        enqueue(
            Queued(deadline: loop.now + timeout, apiKey: Request.apiKey) { channel, announced in
                guard let version = announced.pick(Request.self) else {
                    return completion(.unsupported(Request.apiKey))
                }
                let id = channel.ledger.takeCorrelationId()
                let clientId = channel.settings.clientId
                channel.transport?.send(request.frame(version: version, correlationId: id, clientId: clientId))
                completion(nil)
            } fail: { completion($0) })
    }

    private func enqueue(_ queued: Queued) {
        loop.assertInside()
        if state == .closed {
            return loop.proceed { queued.fail(.closed(self.address, .closedHere)) }
        }
        guard queue.count < settings.queuedMax else { return loop.proceed { queued.fail(.full) } }
        queue.append(queued)
        wake(at: queued.deadline)
        schedulePump()
    }

    private func schedulePump() {
        guard !isPumping, state == .ready else { return }
        isPumping = true
        loop.proceed { self.pump() }
    }

    /// Sends what may be sent now.
    private func pump() {
        isPumping = false
        while !queue.isEmpty, state == .ready, let announced, ledger.count < settings.inFlightMax,
            (transport?.unsentCount ?? 0) < settings.unsentMax
        {
            // Out of the queue first: its completion may close the channel, which fails what is in the queue.
            queue.removeFirst().begin(self, announced)
        }
    }

    func transmit<Request: RequestMessage>(
        _ request: Request, version: Int16, deadline: Instant,
        _ completion: @escaping (Result<Request.Response, ChannelError>) -> Void
    ) {
        let id = ledger.takeCorrelationId()
        let address = address
        ledger.add(Request.apiKey, version: version, correlationId: id, deadline: deadline) { [weak self] frame, version in
            switch frame {
            case .failure(let error): completion(.failure(error))
            case .success(let frame):
                do throws(DecodeError) {
                    completion(.success(try Channel.decode(Request.Response.self, frame, version: version)))
                } catch {
                    let failure = ChannelError.malformed(address, error)
                    completion(.failure(failure))
                    self?.close(failure)
                }
            }
        }
        wake(at: deadline)
        transport?.send(request.frame(version: version, correlationId: id, clientId: settings.clientId))
    }

    static func decode<Response: ResponseMessage>(
        _ type: Response.Type, _ frame: ByteSlice, version: Int16
    ) throws(DecodeError) -> Response {
        var reader = ByteReader(frame)
        _ = try ResponseHeader(from: &reader, version: Response.apiKey.responseHeaderVersion(version))
        return try Response(checking: &reader, version: version)
    }

    // MARK: Receiving

    package var receiveTarget: ReceiveTarget? { assembler.receiveTarget }

    package func received(_ bytes: ByteSlice) {
        var failure: ChannelError?
        do {
            try assembler.receive(bytes) { frame in
                if failure == nil { failure = take(frame) }
            }
        } catch {
            failure = .malformed(address, "\(error)")
        }
        if let failure { close(failure) } else { schedulePump() }
    }

    /// Hands an answer to its request; an error means that the stream has no meaning any more.
    private func take(_ frame: ByteSlice) -> ChannelError? {
        guard state != .closed else { return nil }
        guard frame.count >= 4 else { return .malformed(address, "an answer of \(frame.count) bytes") }
        let id = frame.load(Int32.self, at: 0)
        guard let entry = ledger.take(id) else {
            return .malformed(address, "correlation id \(id) is not that of the oldest request")
        }
        entry.handler(.success(frame), entry.version)
        return nil
    }

    package func sent() { schedulePump() }

    // MARK: Time

    func wake(at instant: Instant) {
        guard instant < timerInstant, state != .closed else { return }
        if let timer { loop.cancel(timer) }
        timerInstant = instant
        timer = loop.schedule(at: instant) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        timer = nil
        timerInstant = .distantFuture
        let now = loop.now
        while let index = queue.firstIndex(where: { $0.deadline <= now }) {
            let late = queue.remove(at: index)
            late.fail(.timedOut(address, late.apiKey))
        }
        if let late = ledger.takeOverdue(at: now) {
            // What follows on this connection comes after the answer that is missing.
            late.handler(.failure(.timedOut(address, late.apiKey)), late.version)
            return close(.timedOut(address, late.apiKey))
        }
        let next = min(ledger.nextDeadline ?? .distantFuture, queue.lazy.map(\.deadline).min() ?? .distantFuture)
        if next < .distantFuture { wake(at: next) }
    }

    // MARK: Ending

    package func closed(_ reason: CloseReason) { end(.closed(address, reason)) }

    /// Closes at once; all requests fail with `error`.
    package func close(_ error: ChannelError? = nil) {
        guard state != .closed else { return }
        end(error ?? .closed(address, .closedHere))
    }

    func end(_ error: ChannelError) {
        guard state != .closed else { return }
        state = .closed
        for token in [timer, setupTimer] { if let token { loop.cancel(token) } }
        timer = nil
        setupTimer = nil
        transport?.close()
        transport = nil
        // The owner hears of it first, so that whoever asks again at once is not given this channel.
        let tell = onClose
        onClose = nil
        onReady = nil
        tell?(error)
        for entry in ledger.takeAll() { entry.handler(.failure(error), entry.version) }
        let waiting = queue
        queue = []
        for queued in waiting { queued.fail(error) }
    }

    func becomeReady(_ announced: AnnouncedVersions) {
        self.announced = announced
        state = .ready
        if let setupTimer { loop.cancel(setupTimer) }
        setupTimer = nil
        let tell = onReady
        onReady = nil
        tell?()
        schedulePump()
    }
}
