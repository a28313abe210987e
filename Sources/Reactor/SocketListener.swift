// A listening socket: accepts on one loop, in batches, and hands each connection to the loop that has the fewest.
//
// When descriptors or memory run out, accepting pauses for `pause` and the connections wait in the kernel's queue; the
// loop never spins on a socket that it cannot serve.

internal import Basics
internal import CLinux
internal import Environment
internal import Glibc
internal import Synchronization

/// The listener of the real environment.
///
/// Proof of `@unchecked Sendable`: `token` and `timer` are touched inside `loop` alone; the rest is constant.
final class SocketListener: ListeningSocket, EventSource, @unchecked Sendable {
    /// Connections accepted in one turn.
    static let batch = 64
    static let pause = Duration.milliseconds(100)

    let address: SocketAddress
    private let loop: RealLoop
    private let loops: [RealLoop]
    private let descriptor: Descriptor
    private let accept: @Sendable (any Transport) -> Void
    /// Whether accepting has ended. Held while the descriptor is shut or closed, so that `close` on another thread never
    /// meets a number that the kernel has given to somebody else.
    private let ended = Mutex(false)
    private var watching: Watch?
    private var timer: TimerToken?

    init(
        _ descriptor: Descriptor, address: SocketAddress, loops: [RealLoop],
        accept: @escaping @Sendable (any Transport) -> Void
    ) {
        self.descriptor = descriptor
        self.address = address
        self.loops = loops
        self.accept = accept
        loop = loops[0]
    }

    /// Begins to accept, as soon as the loop runs.
    func begin() { loop.post { self.watch() } }

    func close() {
        let isFirst = ended.withLock { ended in
            guard !ended else { return false }
            ended = true
            martlet_listen_end(descriptor.raw)
            return true
        }
        if isFirst { loop.post { self.loopEnds() } }
    }

    private var isClosed: Bool { ended.withLock { $0 } }

    private func watch() {
        guard watching == nil, !isClosed else { return }
        do throws(NetworkError) {
            watching = try loop.watch(descriptor.raw, for: .reading, self)
        } catch {
            pauseAccepting()
        }
    }

    func loopEnds() {
        if let timer { loop.cancel(timer) }
        timer = nil
        if let watching { loop.forget(watching) }
        watching = nil
        ended.withLock { ended in
            ended = true
            descriptor.close()
        }
    }

    func ready(_ readiness: Readiness) {
        for _ in 0..<SocketListener.batch {
            guard !isClosed else { return }
            var peer = PeerAddress()
            let accepted = loop.calls.accept(descriptor.raw, peer: &peer)
            if accepted >= 0 {
                handOver(Descriptor(accepted), peer)
                continue
            }
            switch -accepted {
            case EAGAIN: return
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return pauseAccepting()
            case EINVAL, EBADF: return loopEnds()
            default: continue
            }
        }
    }

    private func pauseAccepting() {
        if let watching { loop.forget(watching) }
        watching = nil
        timer = loop.schedule(at: loop.now + SocketListener.pause) {
            self.timer = nil
            self.watch()
        }
    }

    private func handOver(_ connection: Descriptor, _ peer: PeerAddress) {
        let target = leastLoaded()
        target.connectionCount.add(1, ordering: .relaxed)
        if target === loop { return adopt(connection, peer, on: target) }
        target.post { self.adopt(connection, peer, on: target) }
    }

    private func leastLoaded() -> RealLoop {
        var best = loops[0]
        var fewest = Int.max
        for each in loops {
            let count = each.connectionCount.load(ordering: .relaxed)
            if count < fewest {
                fewest = count
                best = each
            }
        }
        return best
    }

    private func adopt(_ connection: Descriptor, _ peer: PeerAddress, on target: RealLoop) {
        accept(SocketTransport(target, socket: connection.release(), peer: peer))
    }
}
