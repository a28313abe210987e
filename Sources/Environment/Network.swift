// Stream connections between processes, as callbacks inside a loop.

package import Bytes

/// Where to listen or to connect.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// A name or a numeric address; empty for all interfaces.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

package protocol Network: Sendable {
    /// Listens at `address` and spreads the accepted connections over the loops. `accept` runs inside the loop of the
    /// new connection, which reads nothing before `start`.
    func listen(
        _ address: SocketAddress, accept: @escaping @Sendable (any Transport) -> Void
    ) throws(NetworkError) -> any ListeningSocket

    /// Connects from `loop`, which must be the calling one; `completion` runs inside it, never before this returns.
    func connect(
        _ address: SocketAddress, on loop: any EventLoop,
        completion: @escaping (Result<any Transport, NetworkError>) -> Void
    )
}

/// A listening socket; any thread may call.
package protocol ListeningSocket: AnyObject, Sendable {
    /// The address with the real port, where 0 was asked for.
    var address: SocketAddress { get }
    /// Accepts no more.
    func close()
}

/// One connection. Owner: its loop; all calls are made inside it.
package protocol Transport: AnyObject {
    var loop: any EventLoop { get }
    var localAddress: SocketAddress { get }
    var remoteAddress: SocketAddress { get }
    /// Bytes given to `send` that the kernel has not taken yet.
    var unsentCount: Int { get }

    /// Begins to read. The handler is held until `closed` was called.
    func start(_ handler: any TransportHandler)
    /// Queues pieces and sends what the kernel takes now; the rest follows, a bounded share per turn of the loop.
    func send(_ pieces: [Outgoing])
    /// Stops or resumes reading: back-pressure on the peer.
    func setReading(_ isReading: Bool)
    /// Whether what the peer says may wait some milliseconds, to be read together with what others say.
    func setPatient(_ isPatient: Bool)
    /// Closes when all that was queued has been sent, and reads no more.
    func closeAfterSending()
    /// Closes at once; unsent data is dropped.
    func close()
}

/// What a connection tells its owner, inside its loop.
package protocol TransportHandler: AnyObject {
    /// Where the next bytes should be put, if the handler knows; else they come in a block of the loop.
    var receiveTarget: ReceiveTarget? { get }
    /// Some bytes have come: in the target that was asked for, or elsewhere.
    func received(_ bytes: ByteSlice)
    /// The kernel took data; `unsentCount` tells what is left.
    func sent()
    /// The connection is gone; nothing else follows.
    func closed(_ reason: CloseReason)
}

/// Room for the bytes to come.
package struct ReceiveTarget {
    package let memory: Memory
    package let offset: Int
    package let capacity: Int

    package init(_ memory: Memory, offset: Int, capacity: Int) {
        self.memory = memory
        self.offset = offset
        self.capacity = capacity
    }
}

package enum CloseReason: Hashable, Sendable {
    /// Closed from this side.
    case closedHere
    /// The peer ended the stream.
    case endOfStream
    /// Reset, timed out, or the sending of a file came up short.
    case failed(NetworkError)
}

package struct NetworkError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case refused
        case reset
        case timedOut
        case unreachable
        case addressInUse
        case notPermitted
        case unknownHost
        case tooManyOpenFiles
        case shortFile
        case other
    }

    package var kind: Kind
    package var operation: String
    package var errno: Int32

    package init(_ kind: Kind, _ operation: String, errno: Int32 = 0) {
        self.kind = kind
        self.operation = operation
        self.errno = errno
    }

    package var description: String { "\(operation): \(kind) (errno \(errno))" }
}
