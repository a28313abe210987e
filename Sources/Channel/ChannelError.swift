// What can go wrong on one outgoing connection. A protocol refusal (an error code inside of an answer) is no error here:
// the answer is handed on as it is.

internal import Bytes
package import Environment
package import WireProtocol

/// Why a request on a channel has no answer.
package enum ChannelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No connection came about.
    case unreachable(SocketAddress, NetworkError)
    /// The connection ended before the answer came; whether the request was carried out is not known.
    case closed(SocketAddress, CloseReason)
    /// No answer came in time; whether the request was carried out is not known. The channel is closed with it.
    case timedOut(SocketAddress, ApiKey)
    /// The peer does not announce the api, or no version of it that is known here and holds all of the request. Nothing was
    /// sent.
    case unsupported(ApiKey)
    /// More requests wait than the channel keeps. Nothing was sent.
    case full
    /// The peer broke the protocol; the channel is closed with it.
    case malformed(SocketAddress, String)

    /// Whether another attempt, on a new connection, may succeed.
    package var isRetriable: Bool {
        switch self {
        case .unreachable, .closed, .timedOut, .full: true
        case .unsupported, .malformed: false
        }
    }

    /// Whether the request may have been carried out.
    package var mayHaveTakenEffect: Bool {
        switch self {
        case .closed, .timedOut, .malformed: true
        case .unreachable, .unsupported, .full: false
        }
    }

    package var description: String {
        switch self {
        case .unreachable(let address, let error): "cannot connect to \(address): \(error)"
        case .closed(let address, .closedHere): "the connection to \(address) was closed"
        case .closed(let address, .endOfStream): "\(address) closed the connection"
        case .closed(let address, .failed(let error)): "the connection to \(address) failed: \(error)"
        case .timedOut(let address, let key): "\(address) did not answer \(key) in time"
        case .unsupported(let key): "the broker does not serve \(key) in a version that is known here"
        case .full: "too many requests wait for one broker"
        case .malformed(let address, let reason): "\(address) sent what is no answer: \(reason)"
        }
    }
}

extension ChannelError {
    static func malformed(_ address: SocketAddress, _ error: DecodeError) -> ChannelError {
        .malformed(address, "\(error)")
    }
}
