// The requests of one connection that wait for their answers, as a plain value.
//
// A broker answers in the order of the requests; an answer with any other correlation id than the oldest one's means
// that the two sides do not understand each other any more.

internal import Basics
internal import Bytes
internal import WireProtocol

/// The answer of a request on its way to whoever asked: the frame and the version it is written in, or an error.
typealias AnswerHandler = (Result<ByteSlice, ChannelError>, _ version: Int16) -> Void

/// Correlation ids, deadlines and handlers in the order of sending.
struct RequestLedger {
    struct Entry {
        var correlationId: Int32
        var apiKey: ApiKey
        var version: Int16
        var deadline: Instant
        var handler: AnswerHandler
    }

    private var entries: [Entry] = []
    private var nextCorrelationId: Int32 = 0

    var count: Int { entries.count }
    var nextDeadline: Instant? { entries.lazy.map(\.deadline).min() }

    /// The id for a request that is not answered, or that `add` is told of.
    mutating func takeCorrelationId() -> Int32 {
        defer { nextCorrelationId = nextCorrelationId == .max ? 0 : nextCorrelationId + 1 }
        return nextCorrelationId
    }

    mutating func add(
        _ apiKey: ApiKey, version: Int16, correlationId: Int32, deadline: Instant, _ handler: @escaping AnswerHandler
    ) {
        entries.append(
            Entry(
                correlationId: correlationId, apiKey: apiKey, version: version, deadline: deadline, handler: handler))
    }

    /// The oldest request, if `correlationId` is its own; nil breaks the connection.
    mutating func take(_ correlationId: Int32) -> Entry? {
        guard let first = entries.first, first.correlationId == correlationId else { return nil }
        return entries.removeFirst()
    }

    /// The oldest request whose deadline has come, taken out.
    mutating func takeOverdue(at now: Instant) -> Entry? {
        guard let index = entries.firstIndex(where: { $0.deadline <= now }) else { return nil }
        return entries.remove(at: index)
    }

    /// All that wait, oldest first, taken out.
    mutating func takeAll() -> [Entry] {
        defer { entries = [] }
        return entries
    }
}
