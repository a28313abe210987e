// What the controller decides about brokers from what they say of themselves: heartbeats (KIP-631), and their end.
//
// A broker begins fenced. It is unfenced when it has seen its own registration in the metadata, and fenced again when it asks,
// stops, or is silent; so nobody leads who does not live or does not know the cluster.

package import Basics
package import ClusterImage
package import WireProtocol

extension Controller {
    /// The brokers that lead and follow beside `broker`: none of those that are fenced or stop.
    package func serving(beside broker: NodeId) -> [NodeId] {
        image.brokers.values.filter { !$0.isFenced && !$0.isShuttingDown && $0.id != broker }.map(\.id).sorted()
    }

    /// Decides a heartbeat. `mayGo`: all others that serve have seen what the broker handed over, if it did.
    package func beat(_ request: BrokerHeartbeatRequest, mayGo: Bool) -> Decision<BrokerHeartbeatResponse> {
        let id = NodeId(request.brokerId)
        guard let broker = image.brokers[id] else {
            return Decision(reply: BrokerHeartbeatResponse { $0.errorCode = .brokerIdNotRegistered })
        }
        guard broker.epoch == request.brokerEpoch else {
            return Decision(reply: BrokerHeartbeatResponse { $0.errorCode = .staleBrokerEpoch })
        }
        let isCaughtUp = request.currentMetadataOffset >= broker.epoch
        var decision = Decision(
            reply: BrokerHeartbeatResponse {
                $0.isCaughtUp = isCaughtUp
                $0.isFenced = broker.isFenced
            })
        if request.wantShutDown {
            // What others can lead is theirs first; when they have heard of it, the broker may go.
            decision.records = broker.isShuttingDown ? [] : handOver(id)
            decision.reply.shouldShutDown = broker.isFenced || (decision.records.isEmpty && (!broker.isShuttingDown || mayGo))
            decision.reply.isFenced = decision.reply.shouldShutDown
            if decision.reply.shouldShutDown { decision.records = fence(id) }
        } else if request.wantFence {
            decision.records = fenceSilent(id)
            decision.reply.isFenced = true
        } else if broker.isFenced, isCaughtUp {
            decision.records = unfence(id)
            decision.reply.isFenced = false
        }
        decision.records += directoriesOffline(request.offlineLogDirs, of: id)
        return decision
    }

    /// Fences a broker that is not heard any more.
    package func fenceSilent(_ broker: NodeId) -> [VersionedRecord] {
        guard let registered = image.brokers[broker], !registered.isFenced else { return [] }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
            $0.fenced = 1
        }
        return partitionsFenced(from: broker) + [VersionedRecord(.brokerRegistrationChange(change), 0)]
    }

    /// Moves what others can lead away from a broker that stops; nothing if there is no such thing.
    private func handOver(_ broker: NodeId) -> [VersionedRecord] {
        guard let registered = image.brokers[broker], !registered.isFenced else { return [] }
        let moved = partitionsHandedOver(by: broker)
        guard !moved.isEmpty else { return [] }
        let change = BrokerRegistrationChangeRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
            $0.inControlledShutdown = 1
        }
        return [VersionedRecord(.brokerRegistrationChange(change), 1)] + moved
    }

    /// Takes a broker out of the cluster that will not come back (KIP-631).
    package func unregister(_ broker: NodeId) -> Decision<UnregisterBrokerResponse> {
        guard let registered = image.brokers[broker] else {
            return Decision(
                reply: UnregisterBrokerResponse {
                    $0.errorCode = .brokerIdNotRegistered
                    $0.errorMessage = "Broker ID \(broker) is not currently registered"
                })
        }
        let record = UnregisterBrokerRecord {
            $0.brokerId = broker.rawValue
            $0.brokerEpoch = registered.epoch
        }
        return Decision(
            records: partitionsUnregistered(from: broker) + [VersionedRecord(.unregisterBroker(record), 0)],
            reply: UnregisterBrokerResponse { $0.errorMessage = nil })
    }
}
