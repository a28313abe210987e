// The producer id and its sequence numbers (KIP-98), by which the broker stores a repeated batch once.
//
// A batch gets its number at its first sending. When one is given up after it was sent, the numbers have a gap that the
// broker does not accept; then a new id is asked for as soon as nothing is under way, and numbers begin anew. Where it is not
// known whether it was stored, as after a lost answer, those sent with it may be stored, too: under another id they would
// be stored twice. They keep their numbers until each is acknowledged or given up, and nothing new is sent meanwhile.

internal import Basics
internal import Channel
internal import Environment
internal import WireProtocol

/// What a producer is to the broker.
struct ProducerIdentity {
    var producerId: Int64 = -1
    var epoch: Int16 = -1
    /// Rises with each identity.
    var generation = 0
    /// The numbers have a gap: a new identity is needed.
    var isStale = false
    /// The same, and what was sent under the present one may be stored.
    var isUncertain = false
    var isAsking = false
    /// The broker does not serve it, and it is not required.
    var isUnavailable = false

    var isKnown: Bool { producerId >= 0 }
}

extension Producer {
    private var wantsIdentity: Bool {
        switch settings.idempotence {
        case .off: false
        case .automatic: settings.acks == -1 && !identity.isUnavailable
        case .required: true
        }
    }

    /// Whether batches may be sent; asks for an identity if one is wanted and missing.
    func identityIsSettled() -> Bool {
        guard wantsIdentity else { return true }
        if identity.isUncertain {
            if active.contains(where: \.hasNumbered) { return true }
            identity.isUncertain = false
            identity.isStale = true
        }
        if identity.isStale {
            guard active.allSatisfy({ $0.underWay == 0 }) else { return false }
            identity.producerId = -1
            identity.isStale = false
        }
        if identity.isKnown { return true }
        guard active.contains(where: { $0.open != nil || !$0.closed.isEmpty }) else { return false }
        askForIdentity()
        return false
    }

    private func askForIdentity() {
        guard !identity.isAsking else { return }
        identity.isAsking = true
        let request = InitProducerIdRequest {
            $0.transactionalId = nil
            $0.transactionTimeoutMs = .max
        }
        client.request(request, to: .any, deadline: loop.now + settings.deliveryTimeout) { [self] result in
            identity.isAsking = false
            switch result {
            case .success(let response) where !response.errorCode.isError:
                identity.producerId = response.producerId
                identity.epoch = response.producerEpoch
                identity.generation += 1
                for topic in topics.values { for queue in topic.queues { queue.nextSequence = 0 } }
            case .success(let response) where response.errorCode.isRetriable:
                return wake(at: loop.now + .milliseconds(100))
            case .success(let response): withoutIdentity(.refused(response.errorCode, "producer id", nil))
            case .failure(let error): withoutIdentity(error)
            }
            scheduleDrain()
        }
    }

    /// Goes on without numbers, or fails all that waits if they are required.
    private func withoutIdentity(_ error: ClientError) {
        guard settings.idempotence == .required else {
            identity.isUnavailable = true
            return
        }
        for queue in active {
            close(queue)
            while !queue.closed.isEmpty {
                let batch = queue.takeFirst()
                if batch.reports.isEmpty { onFailure?(queue.partition, error, batch.recordCount) }
                settle(batch.charge) { for report in batch.reports { report.handler(.failure(error)) } }
            }
        }
    }

    /// Gives a batch its number, unless it has one of this identity.
    func stamp(_ batch: ClosedBatch, _ queue: PartitionQueue) {
        guard identity.isKnown, batch.stampedFor != identity.generation else { return }
        batch.stamp(
            producerId: identity.producerId, epoch: identity.epoch, sequence: queue.nextSequence,
            generation: identity.generation)
        queue.nextSequence = Int32((Int64(queue.nextSequence) + Int64(batch.recordCount)) & 0x7fff_ffff)
    }
}
