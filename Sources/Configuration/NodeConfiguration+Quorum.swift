// What a node is to the metadata quorum: its roles, and where the other controllers are.

/// An address of a controller, and its node where the configuration says it.
package struct QuorumAddress: Hashable, Sendable {
    package var id: Int32?
    package var host: String
    package var port: UInt16
}

extension NodeConfiguration {
    package var isBroker: Bool { roles.contains("broker") }
    package var isController: Bool { roles.contains("controller") }

    /// The voters of a quorum that the configuration names (`controller.quorum.voters`); empty where the log names them.
    package var configuredVoters: [QuorumAddress] { (try? quorumAddresses("controller.quorum.voters")) ?? [] }

    /// Where to ask for the leader: `controller.quorum.bootstrap.servers`, without the node's own controller.
    package var quorumBootstrapServers: [QuorumAddress] {
        let servers = (try? quorumAddresses("controller.quorum.bootstrap.servers")) ?? []
        guard isController, let own = controllerEndpoint else { return servers }
        return servers.filter { $0.port != own.port || $0.host != own.host }
    }

    /// How many controllers the configuration names, this node's own among them.
    package var namedControllerCount: Int {
        max(configuredVoters.count, (try? quorumAddresses("controller.quorum.bootstrap.servers"))?.count ?? 0)
    }

    /// Whether other nodes take part in the quorum, as far as the configuration tells.
    package var hasQuorumPeers: Bool {
        !isController || configuredVoters.count > 1 || !quorumBootstrapServers.isEmpty
    }

    /// Addresses of the form HOST:PORT or ID@HOST:PORT.
    func quorumAddresses(_ key: String) throws(ConfigurationProblem) -> [QuorumAddress] {
        var addresses: [QuorumAddress] = []
        for text in list(key) {
            let at = text.firstIndex(of: "@")
            let id = at.flatMap { Int32(text[..<$0]) }
            let rest = at.map { text[text.index(after: $0)...] } ?? text[...]
            guard at == nil || id != nil, let colon = rest.lastIndex(of: ":"), colon > rest.startIndex,
                let port = UInt16(rest[rest.index(after: colon)...])
            else { throw ConfigurationProblem(key: key, reason: "'\(text)' is no address of a controller") }
            var host = String(rest[..<colon])
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            addresses.append(QuorumAddress(id: id, host: host, port: port))
        }
        return addresses
    }
}
