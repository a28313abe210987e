// ListGroups, DescribeGroups and DeleteGroups: each group is asked of the coordinator that has it, and the answers are
// gathered in the order of the request.

internal import Coordination
internal import Groups
internal import WireProtocol

enum ListGroupsHandler {
    static func handle(_ request: ListGroupsRequest, _ call: Call) {
        call.shard.askAll({ core, token, moment in core.listGroups(request, token, moment) }) { outcomes in
            var response = ListGroupsResponse()
            for outcome in outcomes {
                switch outcome {
                case .success(.listGroups(let part)): response.groups += part.groups
                case .success, .failure(.notCoordinator): break
                case .failure(let refusal): response.errorCode = refusal.code
                }
            }
            if response.errorCode.isError { response.groups = [] }
            response.groups.sort { $0.groupId < $1.groupId }
            call.answer(response)
        }
    }
}

/// Answers to parts of a request, which come in any order. Belongs to the call's loop.
final class Gathering<Part> {
    private var parts: [Part?]
    private var missing: Int
    private let done: ([Part]) -> Void

    init(_ count: Int, done: @escaping ([Part]) -> Void) {
        parts = [Part?](repeating: nil, count: count)
        missing = count
        self.done = done
        if count == 0 { done([]) }
    }

    func put(_ index: Int, _ part: Part) {
        guard parts[index] == nil else { return }
        parts[index] = part
        missing -= 1
        if missing == 0 { done(parts.compactMap { $0 }) }
    }
}

enum DescribeGroupsHandler {
    private typealias Described = DescribeGroupsResponse.DescribedGroup

    static func handle(_ request: DescribeGroupsRequest, _ call: Call) {
        let operations = request.includeAuthorizedOperations ? AuthorizedOperations.group : Int32.min
        let gathering = Gathering<Described>(request.groups.count) { groups in
            call.answer(DescribeGroupsResponse { $0.groups = groups })
        }
        let client = call.groupClient()
        for (index, groupId) in request.groups.enumerated() {
            guard index < Call.groupsMax else {
                gathering.put(index, failed(groupId, .invalidRequest))
                continue
            }
            call.coordinate(groupId) { core, token, moment in
                core.describeGroup(groupId, client, token, moment)
            } then: { outcome in
                switch outcome {
                case .success(.describeGroup(var described)):
                    if !described.errorCode.isError { described.authorizedOperations = operations }
                    gathering.put(index, described)
                case .success: call.fail("an answer to another request")
                case .failure(let refusal): gathering.put(index, failed(groupId, refusal.code))
                }
            }
        }
    }

    private static func failed(_ groupId: String, _ code: ErrorCode) -> Described {
        Described {
            $0.groupId = groupId
            $0.errorCode = code
        }
    }
}

enum DeleteGroupsHandler {
    private typealias Result = DeleteGroupsResponse.DeletableGroupResult

    static func handle(_ request: DeleteGroupsRequest, _ call: Call) {
        var seen: Set<String> = []
        let names = request.groupsNames.filter { seen.insert($0).inserted }
        let gathering = Gathering<Result>(names.count) { results in
            call.answer(DeleteGroupsResponse { $0.results = results })
        }
        for (index, groupId) in names.enumerated() {
            guard index < Call.groupsMax else {
                gathering.put(index, failed(groupId, .invalidRequest))
                continue
            }
            call.coordinate(groupId) { core, token, moment in
                core.deleteGroup(groupId, token, moment)
            } then: { outcome in
                switch outcome {
                case .success(.deleteGroup(let result)): gathering.put(index, result)
                case .success: call.fail("an answer to another request")
                case .failure(let refusal): gathering.put(index, failed(groupId, refusal.code))
                }
            }
        }
    }

    private static func failed(_ groupId: String, _ code: ErrorCode) -> Result {
        Result {
            $0.groupId = groupId
            $0.errorCode = code
        }
    }
}
