// Administration: creating, describing and changing topics, configurations and offsets. Each operation asks the broker
// that can answer, again if need be, until its deadline.
//
// Results keep the order of what was asked. A refusal of one item is that item's error; the operation fails as a whole
// only when no answer came. Topics are in `Admin+Topics`, configurations in `Admin+Configs`, offsets in `Admin+Offsets`.

internal import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// The administrative operations of a client.
package struct Admin {
    package let client: ClusterClient

    package init(_ client: ClusterClient) { self.client = client }

    /// What became of one named item.
    package struct Outcome: Hashable, Sendable {
        package var name: String
        package var error: ClientError?
    }

    /// An operation's time for the broker, in its own unit.
    func milliseconds(until deadline: Instant) -> Int32 {
        Int32(clamping: max(1, (deadline - client.loop.now).wholeMilliseconds))
    }

    /// Sends and, as long as `code` finds a retriable refusal in the answer and there is time, sends again.
    func retrying<Request: RequestMessage>(
        _ request: Request, to destination: @escaping (ClusterClient) -> Destination, deadline: Instant,
        code codeOf: @escaping (Request.Response) -> ErrorCode?,
        completion: @escaping (Result<Request.Response, ClientError>) -> Void
    ) {
        let client = client
        client.request(request, to: destination(client), deadline: deadline) { result in
            guard case .success(let response) = result, let code = codeOf(response), code.isRetriable,
                client.loop.now + .milliseconds(200) < deadline
            else { return completion(result) }
            _ = client.loop.schedule(at: client.loop.now + .milliseconds(100)) {
                client.refreshMetadata(topics: [], deadline: deadline) { _ in
                    Admin(client).retrying(
                        request, to: destination, deadline: deadline, code: codeOf, completion: completion)
                }
            }
        }
    }
}
