// One attempt to connect: the addresses of a name in turn, each for its part of the time, until one answers.
// Owned by the loop's thread.

internal import Basics
internal import CLinux
internal import Environment
internal import Synchronization

final class Connecting: EventSource {
    private let loop: RealLoop
    private let deadline: Instant
    private var completion: ((Result<any Transport, NetworkError>) -> Void)?
    private var candidates: [PeerAddress] = []
    private var next = 0
    private var socket: Int32 = -1
    private var watch: Watch?
    private var timer: TimerToken?
    private var failure = NetworkError(.unknownHost, "connect")

    init(_ loop: RealLoop, deadline: Instant, _ completion: @escaping (Result<any Transport, NetworkError>) -> Void) {
        self.loop = loop
        self.deadline = deadline
        self.completion = completion
    }

    /// Limits the look-up of the name; each address gets a timer of its own later.
    func startTimer() { schedule(deadline) }

    func begin(_ addresses: [PeerAddress]) {
        guard completion != nil else { return }
        candidates = addresses
        tryNext()
    }

    private func schedule(_ instant: Instant) {
        if let timer { loop.cancel(timer) }
        timer = loop.schedule(at: instant) {
            self.timer = nil
            self.timeOut()
        }
    }

    private func timeOut() {
        failure = NetworkError(.timedOut, "connect")
        drop()
        if loop.now >= deadline { finish(.failure(failure)) } else { tryNext() }
    }

    private func tryNext() {
        while next < candidates.count {
            let candidate = candidates[next]
            next += 1
            let number = unsafe withUnsafePointer(to: candidate.system) { unsafe martlet_connect($0) }
            guard number >= 0 else {
                failure = NetworkError(errno: -number, "connect")
                continue
            }
            socket = number
            do throws(NetworkError) {
                watch = try loop.watch(number, for: .writing, self)
            } catch {
                failure = error
                drop()
                continue
            }
            let left = (deadline - loop.now).wholeNanoseconds
            return schedule(loop.now + .nanoseconds(left / Int64(candidates.count - next + 1)))
        }
        finish(.failure(failure))
    }

    func ready(_ readiness: Readiness) {
        let error = martlet_socket_error(socket)
        guard error == 0 else {
            failure = NetworkError(errno: -error, "connect")
            drop()
            return tryNext()
        }
        if let watch { loop.forget(watch) }
        watch = nil
        let connected = socket
        socket = -1
        loop.connectionCount.add(1, ordering: .relaxed)
        finish(.success(SocketTransport(loop, socket: connected, peer: candidates[next - 1])))
    }

    func loopEnds() {
        drop()
        finish(.failure(NetworkError(.other, "connect")))
    }

    private func drop() {
        guard socket >= 0 else { return }
        if let watch { loop.forget(watch) }
        watch = nil
        _ = martlet_close(socket)
        socket = -1
    }

    func finish(_ result: Result<any Transport, NetworkError>) {
        guard let completion else { return }
        self.completion = nil
        if let timer { loop.cancel(timer) }
        timer = nil
        completion(result)
    }
}
