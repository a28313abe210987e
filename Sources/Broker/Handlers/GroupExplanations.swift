// What the coordinator of a group tells of its history, as entries of a DescribeConfigs with a resource type of our own
// (Docs/decisions/0006). The resource's name is the group's.
//
//     group.type, group.state, group.paused, group.idle     idle: no member has a partition
//     event.<number>      milliseconds, kind, member, reason, parted by tabs; numbers have ten digits
//     member.<id>         milliseconds since it was heard of (-1: not known), its session timeout in milliseconds

internal import Basics
internal import Groups
internal import WireProtocol

enum GroupExplanations {
    typealias Result = DescribeConfigsResponse.DescribeConfigsResult
    private typealias Entry = DescribeConfigsResponse.DescribeConfigsResourceResult

    /// The resource type by which `martlet group explain` asks.
    static let type: Int8 = 122

    /// Asks the coordinators of the groups that are named; calls back in the call's loop with the answers by group.
    static func collect(_ groups: [String], _ call: Call, completion: @escaping ([String: Result]) -> Void) {
        let names = Array(Set(groups)).sorted()
        let gathering = Gathering<Result>(names.count) { results in
            completion(Dictionary(results.map { ($0.resourceName, $0) }) { first, _ in first })
        }
        for (index, name) in names.enumerated() {
            guard index < Call.groupsMax, !name.isEmpty else {
                gathering.put(index, failed(name, name.isEmpty ? .invalidGroupId : .invalidRequest, nil))
                continue
            }
            call.coordinate(name) { core, token, moment in
                core.explain(name, token, moment)
            } then: { outcome in
                switch outcome {
                case .success(.explanation(let explanation?)): gathering.put(index, result(name, explanation))
                case .success(.explanation(nil)):
                    gathering.put(index, failed(name, .groupIdNotFound, "Group \(name) not found."))
                case .success: call.fail("an answer to another request")
                case .failure(let refusal): gathering.put(index, failed(name, refusal.code, nil))
                }
            }
        }
    }

    private static func failed(_ name: String, _ code: ErrorCode, _ message: String?) -> Result {
        Result {
            $0.resourceType = type
            $0.resourceName = name
            $0.errorCode = code
            $0.errorMessage = message
        }
    }

    private static func result(_ name: String, _ explanation: GroupExplanation) -> Result {
        var entries = [
            entry("group.type", explanation.type), entry("group.state", explanation.state),
            entry("group.paused", "\(explanation.isPaused)"), entry("group.idle", "\(explanation.ownsNothing)"),
        ]
        entries += explanation.events.map { event in
            let digits = String(event.number)
            let number = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
            let member = event.member.replacing("\t", with: " ")
            return entry(
                "event.\(number)", "\(event.time.milliseconds)\t\(event.kind.rawValue)\t\(member)\t\(event.reason)")
        }
        entries += explanation.members.map { member in
            let silence = member.silence?.wholeMilliseconds ?? -1
            return entry("member.\(member.id)", "\(silence)\t\(member.sessionTimeout.wholeMilliseconds)")
        }
        return Result {
            $0.resourceType = type
            $0.resourceName = name
            $0.configs = entries
        }
    }

    private static func entry(_ name: String, _ value: String) -> Entry {
        Entry {
            $0.name = name
            $0.value = value
            $0.readOnly = true
        }
    }
}
