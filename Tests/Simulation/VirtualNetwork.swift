// A network of streams: bytes arrive in order, late, and cut into other chunks than they were sent in; a connection may
// break at any time, and breaks when the process at its other end dies. The way from one machine to another may be closed
// for a while, in one direction or both: what is sent meanwhile arrives afterwards, as by retransmission, and nobody connects.
// A machine's ways may be slow. So a request or its answer is lost with its connection, is doubled by who sends it again, and
// arrives behind later ones that went over another connection.

import Basics
import Bytes
import Environment

/// All listening sockets and connections of a world.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualInternet: @unchecked Sendable {
    let world: World
    fileprivate var listeners: [SocketAddress: VirtualListener] = [:]
    fileprivate var open: [VirtualTransport] = []
    /// Percent of chunks at which a connection breaks.
    var breakChance = 0
    /// Until when nothing goes from one machine to another.
    private var closedWays: [Way: Int64] = [:]

    private struct Way: Hashable {
        var from: String
        var to: String
    }

    init(_ world: World) { self.world = world }

    /// Breaks all connections of a dead process, and forgets where it listened. A machine without power tells nobody: the
    /// others learn it when what they sent stays without an answer.
    func died(_ life: Life, isSilent: Bool = false) {
        listeners = listeners.filter { $0.value.life !== life }
        for transport in open where transport.life === life {
            transport.peer?.breakOff(after: isSilent ? world.delay(upTo: 8_000_000) : 0)
        }
        open.removeAll { $0.life === life }
    }

    /// Closes the way between two machines for `duration` nanoseconds; one direction only, or both.
    func close(from: String, to: String, for duration: Int64) {
        let way = Way(from: from, to: to)
        closedWays[way] = max(closedWays[way] ?? 0, world.now + duration)
    }

    /// All ways are open again, and fast.
    func openWays() {
        closedWays = [:]
        slowMachines = [:]
        breakChance = 0
    }

    /// Makes all that `machine` sends or is sent late by up to `delay` microseconds, for `duration` nanoseconds.
    func slow(_ machine: String, by delay: Int, for duration: Int64) {
        slowMachines[machine] = (world.now + duration, delay)
    }

    private var slowMachines: [String: (until: Int64, delay: Int)] = [:]

    fileprivate func lateness(from: Life, to: Life) -> Int64 {
        guard !slowMachines.isEmpty else { return 0 }
        return [from, to].reduce(0) { sum, life in
            guard let slow = slowMachines[life.machine], slow.until > world.now else { return sum }
            return sum + world.delay(upTo: slow.delay)
        }
    }

    /// When the way is open; a moment that has passed if it is.
    fileprivate func opens(from: Life, to: Life) -> Int64 {
        closedWays.isEmpty ? 0 : closedWays[Way(from: from.machine, to: to.machine)] ?? 0
    }

    /// Breaks all connections of a living process.
    func cut(_ life: Life) {
        for transport in open where transport.life === life { transport.breakOff() }
    }
}

/// The network as one process sees it.
struct VirtualNetwork: Network {
    let internet: VirtualInternet
    let loops: [VirtualLoop]
    let life: Life

    func listen(
        _ address: SocketAddress, accept: @escaping @Sendable (any Transport) -> Void
    ) throws(NetworkError) -> any ListeningSocket {
        guard internet.listeners[address] == nil else { throw NetworkError(.addressInUse, "listen") }
        let listener = VirtualListener(address, internet, loops, life, accept)
        internet.listeners[address] = listener
        return listener
    }

    func connect(
        _ address: SocketAddress, on loop: any EventLoop,
        completion: @escaping (Result<any Transport, NetworkError>) -> Void
    ) {
        guard let local = loops.first(where: { $0 === loop }) else { preconditionFailure("a loop of this process") }
        let delay = internet.world.delay(upTo: 2000) + 1000
        local.enter(after: delay) {
            guard let listener = internet.listeners[address] else {
                return completion(.failure(NetworkError(.refused, "connect")))
            }
            if max(internet.opens(from: life, to: listener.life), internet.opens(from: listener.life, to: life))
                > internet.world.now
            {
                local.enter(after: internet.world.delay(upTo: 3_000_000)) {
                    completion(.failure(NetworkError(.timedOut, "connect")))
                }
                return
            }
            let near = VirtualTransport(local, internet, life)
            let far = VirtualTransport(listener.pick(), internet, listener.life)
            near.peer = far
            far.peer = near
            internet.open += [near, far]
            let accept = listener.accept
            far.virtualLoop.enter(after: internet.world.delay(upTo: 100)) { accept(far) }
            completion(.success(near))
        }
    }
}

/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualListener: ListeningSocket, @unchecked Sendable {
    let address: SocketAddress
    let life: Life
    let accept: @Sendable (any Transport) -> Void
    private let internet: VirtualInternet
    private let loops: [VirtualLoop]

    init(
        _ address: SocketAddress, _ internet: VirtualInternet, _ loops: [VirtualLoop], _ life: Life,
        _ accept: @escaping @Sendable (any Transport) -> Void
    ) {
        self.address = address
        self.internet = internet
        self.loops = loops
        self.life = life
        self.accept = accept
    }

    func pick() -> VirtualLoop { loops[internet.world.number(in: 0...loops.count - 1)] }

    func close() { internet.listeners[address] = nil }
}

/// One end of a connection.
final class VirtualTransport: Transport {
    let virtualLoop: VirtualLoop
    let life: Life
    private let internet: VirtualInternet
    var peer: VirtualTransport?
    private var handler: (any TransportHandler)?
    private var waiting: [[UInt8]] = []
    private var isReading = true
    private var isClosed = false
    /// Nothing that is sent arrives any more.
    private var isBroken = false
    private var endsAfterSending = false
    private var lastArrival: Int64 = 0

    var loop: any EventLoop { virtualLoop }
    let localAddress = SocketAddress(host: "10.0.0.1", port: 1)
    let remoteAddress = SocketAddress(host: "10.0.0.2", port: 2)
    var unsentCount: Int { 0 }

    init(_ loop: VirtualLoop, _ internet: VirtualInternet, _ life: Life) {
        virtualLoop = loop
        self.internet = internet
        self.life = life
    }

    func start(_ handler: any TransportHandler) {
        if isClosed { return virtualLoop.proceed { handler.closed(.endOfStream) } }
        self.handler = handler
        deliverWaiting()
    }

    func send(_ pieces: [Outgoing]) {
        virtualLoop.assertInside()
        guard !isClosed, !isBroken, let peer else { return }
        guard pieces.allSatisfy(VirtualTransport.canBeSent) else { return breakOff() }
        var bytes: [UInt8] = []
        for piece in pieces { bytes += VirtualTransport.content(piece) }
        while !bytes.isEmpty {
            let count = internet.world.number(in: 1...max(1, min(bytes.count, 4000)))
            let chunk = Array(bytes.prefix(count))
            bytes.removeFirst(count)
            if internet.breakChance > 0, internet.world.chance(internet.breakChance) { return breakOff() }
            transmit { peer.arrived(chunk) }
        }
    }

    /// Whether a file's part of the answer can be read; if not, the connection is at its end.
    private static func canBeSent(_ piece: Outgoing) -> Bool {
        guard case .file(let region) = piece, let file = region.source as? VirtualFile else { return true }
        return file.canBeSent
    }

    private static func content(_ piece: Outgoing) -> [UInt8] {
        switch piece {
        case .bytes(let slice): return slice.array
        case .file(let region):
            guard let file = region.source as? VirtualFile else { preconditionFailure("a file of this disk") }
            return Array(file.inode.content[region.position..<region.position + region.count])
        }
    }

    /// Runs `action` at the other end, in the order of sending.
    private func transmit(_ action: @escaping () -> Void) {
        guard let peer else { return }
        let world = internet.world
        lastArrival = max(lastArrival, world.now + 50_000 + world.delay(upTo: world.chance(5) ? 50_000 : 500))
        lastArrival = max(lastArrival, world.now + internet.lateness(from: life, to: peer.life))
        lastArrival = max(lastArrival, life.silentUntil, peer.life.silentUntil, internet.opens(from: life, to: peer.life))
        peer.virtualLoop.enter(after: lastArrival - world.now, action)
    }

    private func arrived(_ chunk: [UInt8]) {
        guard !isClosed else { return }
        waiting.append(chunk)
        deliverWaiting()
    }

    private func deliverWaiting() {
        while isReading, !isClosed, let handler, !waiting.isEmpty {
            let chunk = waiting.removeFirst()
            if let target = handler.receiveTarget, internet.world.chance(50) {
                let count = min(target.capacity, chunk.count)
                if count < chunk.count { waiting.insert(Array(chunk.dropFirst(count)), at: 0) }
                target.memory.copy(ByteSlice(Array(chunk.prefix(count))), to: target.offset)
                handler.received(ByteSlice(target.memory, offset: target.offset, count: count))
            } else {
                handler.received(ByteSlice(chunk))
            }
        }
    }

    /// The network delays everything anyway.
    func setPatient(_ isPatient: Bool) {}

    func setReading(_ isReading: Bool) {
        self.isReading = isReading
        if isReading { virtualLoop.proceed { self.deliverWaiting() } }
    }

    func closeAfterSending() { close() }

    func close() {
        guard !isClosed else { return }
        let peer = peer
        transmit { peer?.end(.endOfStream) }
        end(.closedHere)
    }

    /// The connection is gone for both ends.
    func breakOff(after delay: Int64 = 0) {
        isBroken = true
        let peer = peer
        virtualLoop.enter(after: delay) { self.end(.failed(NetworkError(.reset, "recv"))) }
        peer?.virtualLoop.enter(after: delay + internet.world.delay(upTo: 1000)) {
            peer?.end(.failed(NetworkError(.reset, "recv")))
        }
    }

    private func end(_ reason: CloseReason) {
        guard !isClosed else { return }
        isClosed = true
        internet.open.removeAll { $0 === self }
        let handler = handler
        self.handler = nil
        virtualLoop.proceed { handler?.closed(reason) }
    }
}
