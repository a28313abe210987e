// What a coordinator that is ours tells of a group beyond Kafka's protocol (Docs/decisions/0006), and pausing it.

package import Basics
internal import WireProtocol

/// One thing that happened to a group.
package struct GroupHistoryEvent: Hashable, Sendable {
    package var number: Int64
    package var time: Timestamp
    /// A word such as `member-joined`.
    package var kind: String
    /// Empty for what happened to the group as a whole.
    package var member: String
    package var reason: String
}

/// The lately of a group.
package struct GroupHistory: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        /// How long ago it was heard of; nil if that is not known.
        package var silence: Duration?
        package var sessionTimeout: Duration

        /// Whether it was silent for more than half of its session.
        package var isStale: Bool { silence.map { $0 > sessionTimeout / 2 } ?? false }
    }

    package var type = ""
    package var state = ""
    package var isPaused = false
    /// Whether no member has a partition, or has still to give one up.
    package var isIdle = false
    /// Oldest first.
    package var events: [GroupHistoryEvent] = []
    package var members: [String: Member] = [:]

    package init() {}
}

extension Admin {
    /// The configuration key of a group by which it is paused: milliseconds of the clock, -1 until it is resumed.
    package static let pauseKey = "martlet.paused.until.ms"

    /// The resource type by which coordinators are asked for the history of a group.
    private static let historyType: Int8 = 122

    /// What happened to a group lately, as its coordinator remembers. Coordinators that are not ours refuse.
    package func groupHistory(
        _ link: CoordinatorLink, deadline: Instant, completion: @escaping (Result<GroupHistory, ClientError>) -> Void
    ) {
        let request = DescribeConfigsRequest {
            $0.resources = [
                DescribeConfigsRequest.DescribeConfigsResource {
                    $0.resourceType = Self.historyType
                    $0.resourceName = link.group
                    $0.configurationKeys = nil
                }
            ]
        }
        let code: (DescribeConfigsResponse) -> ErrorCode = { $0.results.first?.errorCode ?? .none }
        link.send(request, deadline: deadline, code: code) { result in
            completion(
                result.flatMap { response in
                    let answer = response.results.first
                    let code = answer?.errorCode ?? .unknownServerError
                    guard !code.isError else {
                        return .failure(.refused(code, "history of group '\(link.group)'", answer?.errorMessage))
                    }
                    return .success(GroupHistory(answer?.configs ?? []))
                })
        }
    }
}

extension GroupHistory {
    /// What cannot be read is left out: it is of a newer release.
    fileprivate init(_ entries: [DescribeConfigsResponse.DescribeConfigsResourceResult]) {
        for entry in entries {
            let value = entry.value ?? ""
            let parts = value.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            switch entry.name {
            case "group.type": type = value
            case "group.state": state = value
            case "group.paused": isPaused = value == "true"
            case "group.idle": isIdle = value == "true"
            case let name where name.hasPrefix("event."):
                guard let number = Int64(name.dropFirst(6)), parts.count >= 4, let time = Int64(parts[0]) else { continue }
                events.append(
                    GroupHistoryEvent(
                        number: number, time: Timestamp(milliseconds: time), kind: parts[1], member: parts[2],
                        reason: parts[3...].joined(separator: " ")))
            case let name where name.hasPrefix("member."):
                guard parts.count >= 2, let silence = Int64(parts[0]), let session = Int64(parts[1]) else { continue }
                members[String(name.dropFirst(7))] = Member(
                    silence: silence < 0 ? nil : .milliseconds(silence), sessionTimeout: .milliseconds(session))
            default: continue
            }
        }
        events.sort { $0.number < $1.number }
    }
}
