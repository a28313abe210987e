// The quorum's part of a node's configuration, as `Raft` wants it.

internal import Basics
package import Configuration
package import Raft

extension QuorumSettings {
    init(_ node: NodeConfiguration) {
        self.init()
        electionTimeout = .milliseconds(node.int("controller.quorum.election.timeout.ms"))
        electionBackoffMax = .milliseconds(node.int("controller.quorum.election.backoff.max.ms"))
        fetchTimeout = .milliseconds(node.int("controller.quorum.fetch.timeout.ms"))
        retryBackoff = .milliseconds(max(1, node.int("controller.quorum.retry.backoff.ms")))
        fetchWait = min(.milliseconds(500), fetchTimeout / 4)
        bootstrapCount = node.quorumBootstrapServers.count
    }
}

extension NodeConfiguration {
    /// The voters that the configuration names; their folders are not known.
    var staticVoters: VoterSet {
        let name = controllerListenerNames.first ?? "CONTROLLER"
        return VoterSet(
            configuredVoters.compactMap { address in
                address.id.map { id in
                    Voter(
                        key: ReplicaKey(id: NodeId(id)),
                        endpoints: [Voter.Endpoint(name: name, host: address.host, port: address.port)])
                }
            })
    }

    /// Where other controllers reach this one; empty for a node that has no listener for them.
    package var ownQuorumEndpoints: [Voter.Endpoint] {
        guard isController, let listener = controllerEndpoint, listener.port != 0 else { return [] }
        // A node with others must be named by an address that they can use: this one is used by them as it stands.
        let isAny = listener.host.isEmpty || listener.host == "0.0.0.0"
        if isAny, hasQuorumPeers { return [] }
        return [Voter.Endpoint(name: listener.name, host: isAny ? "localhost" : listener.host, port: listener.port)]
    }
}
