// What a client's operation can end with instead of a result.

package import Channel
package import WireProtocol

/// Why an operation of the client failed.
package enum ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The deadline passed; `last` is what stood in the way, if anything did.
    case timedOut(String, last: String?)
    /// A broker could not be spoken with, and another attempt makes no sense.
    case channel(ChannelError)
    /// The broker refused; the text says what, for people.
    case refused(ErrorCode, String)
    /// Asked for what cannot be, such as a partition that the topic does not have.
    case invalid(String)
    /// The producer's memory is full; see `Producer.whenRoom`.
    case bufferFull
    /// The client was closed.
    case closed

    package var description: String {
        switch self {
        case .timedOut(let what, let last): "\(what) took too long" + (last.map { ": \($0)" } ?? "")
        case .channel(let error): "\(error)"
        case .refused(let code, let text): text.isEmpty ? "\(code): \(code.message)" : "\(text) (\(code))"
        case .invalid(let reason): reason
        case .bufferFull: "the producer's memory is full"
        case .closed: "the client is closed"
        }
    }

    /// A refusal in the words of the broker, or in the table's if it said none.
    static func refused(_ code: ErrorCode, _ what: String, _ message: String?) -> ClientError {
        .refused(code, "\(what): \(message.flatMap { $0.isEmpty ? nil : $0 } ?? code.message)")
    }
}
