// What the controller decides about brokers from what they say of themselves: heartbeats (KIP-631), and their end.
//
// A broker begins fenced. It is unfenced when it has seen its own registration in the metadata, and fenced again when it asks,
// stops, or is silent; so nobody leads who does not live or does not know the cluster.

package import Basics
package import ClusterImage
package import WireProtocol

extension Controller {
    /// Decides a heartbeat.
    package func beat(_ request: BrokerHeartbeatRequest) -> Decision<BrokerHeartbeatResponse> {
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
            decision.records = fence(id)
            decision.reply.isFenced = true
            decision.reply.shouldShutDown = true
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
        return [VersionedRecord(.brokerRegistrationChange(change), 0)]
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
            records: fenceSilent(broker) + [VersionedRecord(.unregisterBroker(record), 0)],
            reply: UnregisterBrokerResponse { $0.errorMessage = nil })
    }
}
