// ElectLeaders and moves of partitions, from whoever runs the cluster: the controller decides, the answer leaves when it is
// done.

internal import Controller
internal import WireProtocol

enum ElectLeadersHandler {
    static func handle(_ request: ElectLeadersRequest, _ call: Call) {
        call.shard.broker.decide(on: call.loop, { $0.electLeaders(request) }) { result in
            switch result {
            case .success(let response): call.answer(response)
            case .failure(let failure): call.answer(ElectLeadersResponse { $0.errorCode = failure.code })
            }
        }
    }
}

enum AlterPartitionReassignmentsHandler {
    static func handle(_ request: AlterPartitionReassignmentsRequest, _ call: Call) {
        call.shard.broker.decide(on: call.loop, { $0.alterReassignments(request) }) { result in
            switch result {
            case .success(let response): call.answer(response)
            case .failure(let failure):
                call.answer(AlterPartitionReassignmentsResponse { $0.errorCode = failure.code })
            }
        }
    }
}

enum ListPartitionReassignmentsHandler {
    static func handle(_ request: ListPartitionReassignmentsRequest, _ call: Call) {
        call.shard.broker.decide(on: call.loop, { Decision(reply: $0.listReassignments(request)) }) { result in
            switch result {
            case .success(let response): call.answer(response)
            case .failure(let failure):
                call.answer(ListPartitionReassignmentsResponse { $0.errorCode = failure.code })
            }
        }
    }
}
