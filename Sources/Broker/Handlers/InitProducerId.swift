// InitProducerId: ids for idempotent producers (KIP-98). The controller hands out blocks of ids and notes each in the
// metadata log before the first of it is used; what is left of a block at the end of the process is never used again.
//
// There is no transaction coordinator yet. A request with a transactional id is answered as by any broker that does not
// coordinate it: NOT_COORDINATOR. (Clients ask FindCoordinator first and learn there that it is not served.)

internal import Basics
internal import Controller
internal import WireProtocol

enum InitProducerIdHandler {
    /// The highest version that is stable; 6 (KIP-939) may still change.
    static let latestVersion: Int16 = 5

    static func handle(_ request: InitProducerIdRequest, _ call: Call) {
        if let id = request.transactionalId {
            return fail(id.isEmpty ? .invalidRequest : .notCoordinator, call)
        }
        guard (request.producerId == -1) == (request.producerEpoch == -1) else { return fail(.invalidRequest, call) }
        if call.shard.producerIds.isEmpty { return fetchBlock(call) }
        answer(call)
    }

    private static func answer(_ call: Call) {
        guard let id = call.shard.producerIds.popFirst() else { return fail(.coordinatorLoadInProgress, call) }
        call.answer(
            InitProducerIdResponse {
                $0.producerId = id
                $0.producerEpoch = 0
            })
    }

    private static func fail(_ code: ErrorCode, _ call: Call) {
        call.answer(
            InitProducerIdResponse {
                $0.errorCode = code
                $0.producerEpoch = -1
            })
    }

    /// Takes the next block for this loop. What was left by another request meanwhile is taken first, then the block.
    private static func fetchBlock(_ call: Call) {
        let broker = call.shard.broker
        let (node, epoch) = (broker.nodeId, broker.brokerEpoch)
        let shard = call.shard
        shard.waitingForProducerId.append(call)
        guard shard.waitingForProducerId.count == 1 else { return }
        let request = AllocateProducerIdsRequest {
            $0.brokerId = node.rawValue
            $0.brokerEpoch = epoch
        }
        broker.ask(request, timeout: .seconds(10), on: call.loop) { result in
            let waiting = shard.waitingForProducerId
            shard.waitingForProducerId = []
            switch result {
            case .success(let block) where !block.errorCode.isError && block.producerIdLen > 0:
                shard.producerIds = block.producerIdStart..<block.producerIdStart + Int64(block.producerIdLen)
            case .success, .failure:
                // Clients try again.
                for call in waiting { fail(.coordinatorLoadInProgress, call) }
                return
            }
            for call in waiting {
                if shard.producerIds.isEmpty { fetchBlock(call) } else { answer(call) }
            }
        }
    }
}
