// TCP for the environment: listening, and connecting with a deadline.

internal import Basics
internal import CLinux
package import Environment
internal import Synchronization

/// The network of the real environment.
package final class SocketNetwork: Network {
    /// Connections that the kernel keeps for us until they are accepted.
    static let backlog: Int32 = 4096

    private let loops: [RealLoop]
    private let pool: any Pool
    private let connectTimeout: Duration

    package init(loops: [RealLoop], pool: any Pool, connectTimeout: Duration = .seconds(10)) {
        self.loops = loops
        self.pool = pool
        self.connectTimeout = connectTimeout
    }

    package func listen(
        _ address: SocketAddress, accept: @escaping @Sendable (any Transport) -> Void
    ) throws(NetworkError) -> any ListeningSocket {
        let candidates = try PeerAddress.resolve(address, listening: true)
        // All interfaces: one IPv6 socket takes both families, where the system has IPv6.
        let ordered = address.host.isEmpty ? candidates.filter(\.isIPv6) + candidates.filter { !$0.isIPv6 } : candidates
        var failure = NetworkError(.unknownHost, "listen")
        for candidate in ordered {
            let number = unsafe withUnsafePointer(to: candidate.system) {
                unsafe martlet_listen($0, SocketNetwork.backlog)
            }
            if number >= 0 {
                let real = PeerAddress(localEndOf: number)
                let shown = SocketAddress(host: address.host, port: real.address.port)
                let listener = SocketListener(Descriptor(number), address: shown, loops: loops, accept: accept)
                listener.begin()
                return listener
            }
            failure = NetworkError(errno: -number, "listen")
        }
        throw failure
    }

    package func connect(
        _ address: SocketAddress, on loop: any EventLoop,
        completion: @escaping (Result<any Transport, NetworkError>) -> Void
    ) {
        guard let loop = loop as? RealLoop else { preconditionFailure("a loop of another environment") }
        loop.assertInside()
        let connecting = Connecting(loop, deadline: loop.now + connectTimeout, completion)
        if let numeric = try? PeerAddress.resolve(address, listening: false, numericOnly: true) {
            loop.proceed { connecting.begin(numeric) }
            return
        }
        let confined = Confined(connecting, to: loop)
        pool.run {
            let result = Result<[PeerAddress], NetworkError> { () throws(NetworkError) in
                try PeerAddress.resolve(address, listening: false)
            }
            loop.post {
                switch result {
                case .success(let found): confined.value.begin(found)
                case .failure(let error): confined.value.finish(.failure(error))
                }
            }
        }
        connecting.startTimer()
    }
}
