// Listeners, their security protocols, and which of them are for controllers.

extension NodeConfiguration {
    /// Listeners that serve clients.
    package var brokerListeners: [Listener] { listeners.filter { !controllerListenerNames.contains($0.name) } }

    /// What clients are told: the advertised listeners, or those that are listened on.
    package var brokerEndpoints: [Listener] {
        let own = advertised.isEmpty ? listeners : advertised
        return own.filter { !controllerListenerNames.contains($0.name) }
    }

    /// The listener by which brokers reach each other: the one that is named, else the first that speaks
    /// `security.inter.broker.protocol`.
    package var interBrokerListener: String {
        if let name = self["inter.broker.listener.name"] { return name.uppercased() }
        let spoken = self["security.inter.broker.protocol"]
        return (brokerListeners.first { $0.protocolName == spoken } ?? brokerListeners.first)?.name ?? ""
    }

    /// The endpoint of the own controller: a listener if there is one, else what the quorum is told.
    package var controllerEndpoint: Listener? {
        (advertised + listeners).first { controllerListenerNames.contains($0.name) }
    }

    mutating func readListeners(acceptsUnbuilt: Bool) throws(ConfigurationProblem) {
        let protocols = try protocolMap()
        controllerListenerNames = list("controller.listener.names")
        listeners = try parse("listeners", protocols)
        advertised = given["advertised.listeners"].map { $0.value.isEmpty } ?? true
            ? [] : try parse("advertised.listeners", protocols)
        for listener in advertised where listener.host.isEmpty || listener.host == "0.0.0.0" {
            throw ConfigurationProblem(
                key: "advertised.listeners", reason: "\(listener.name) names no address that a client could connect to")
        }
        var names: Set<String> = []
        var ports: Set<UInt16> = []
        for listener in listeners {
            guard names.insert(listener.name).inserted else {
                throw ConfigurationProblem(key: "listeners", reason: "\(listener.name) stands there twice")
            }
            guard listener.port == 0 || ports.insert(listener.port).inserted else {
                throw ConfigurationProblem(key: "listeners", reason: "port \(listener.port) stands there twice")
            }
        }
        for listener in listeners where listener.protocolName != "PLAINTEXT" {
            let problem = ConfigurationProblem(
                key: "listeners", reason: "\(listener.name) needs \(listener.protocolName), which is not built yet")
            guard acceptsUnbuilt else { throw problem }
            // It stays shut; it is never opened without the security that was asked for.
            warnings.append("\(problem); the listener is not opened")
        }
        listeners.removeAll { $0.protocolName != "PLAINTEXT" }
        advertised.removeAll { $0.protocolName != "PLAINTEXT" }
    }

    private func protocolMap() throws(ConfigurationProblem) -> [String: String] {
        var map: [String: String] = [:]
        for entry in list("listener.security.protocol.map") {
            let parts = entry.split(separator: ":")
            guard parts.count == 2 else {
                throw ConfigurationProblem(
                    key: "listener.security.protocol.map", reason: "'\(entry)' is not NAME:PROTOCOL")
            }
            map[String(parts[0]).uppercased()] = String(parts[1]).uppercased()
        }
        return map
    }

    private func parse(_ key: String, _ protocols: [String: String]) throws(ConfigurationProblem) -> [Listener] {
        var parsed: [Listener] = []
        for text in list(key) {
            guard let scheme = text.firstRange(of: "://"), let colon = text.lastIndex(of: ":"),
                colon >= scheme.upperBound, let port = UInt16(text[text.index(after: colon)...])
            else { throw ConfigurationProblem(key: key, reason: "'\(text)' is not NAME://HOST:PORT") }
            let name = text[..<scheme.lowerBound].uppercased()
            let isController = list("controller.listener.names").contains(name)
            guard let protocolName = protocols[name] ?? (isController ? "PLAINTEXT" : nil) else {
                throw ConfigurationProblem(
                    key: key, reason: "listener.security.protocol.map does not say what \(name) is")
            }
            var host = String(text[scheme.upperBound..<colon])
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            parsed.append(Listener(name: name, host: host, port: port, protocolName: protocolName))
        }
        return parsed
    }

    func checkRoles() throws(ConfigurationProblem) {
        guard isBroker || isController else {
            throw ConfigurationProblem(key: "process.roles", reason: "names neither broker nor controller")
        }
        let (voters, servers) = (try quorumAddresses("controller.quorum.voters"), try quorumAddresses(bootstrapKey))
        if let voter = voters.first(where: { $0.id == nil }) {
            throw ConfigurationProblem(key: "controller.quorum.voters", reason: "'\(voter.host)' is not ID@HOST:PORT")
        }
        if isController, !voters.isEmpty, !voters.contains(where: { $0.id == nodeId }) {
            throw ConfigurationProblem(
                key: "controller.quorum.voters", reason: "does not name this controller, whose node.id is \(nodeId)")
        }
        if !isController, voters.contains(where: { $0.id == nodeId }) {
            throw ConfigurationProblem(
                key: "controller.quorum.voters", reason: "names this node, which is no controller")
        }
        if !isController, voters.isEmpty, servers.isEmpty {
            throw ConfigurationProblem(key: bootstrapKey, reason: "a broker that is no controller needs to know of one")
        }
        if isController, voters.count > 1 || servers.count > 1, !listeners.contains(where: isForControllers) {
            throw ConfigurationProblem(
                key: "controller.listener.names", reason: "names no listener, and other controllers could not reach this one")
        }
        if isBroker, brokerListeners.isEmpty {
            throw ConfigurationProblem(key: "listeners", reason: "has no listener for clients")
        }
    }

    private var bootstrapKey: String { "controller.quorum.bootstrap.servers" }

    private func isForControllers(_ listener: Listener) -> Bool { controllerListenerNames.contains(listener.name) }
}
