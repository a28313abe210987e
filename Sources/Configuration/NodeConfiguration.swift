// The effective configuration of a node: every key with its value and origin, checked as a whole.

/// A node's configuration. Values are looked up by key; those that the table knows always have an answer.
package struct NodeConfiguration: Sendable {
    package private(set) var given: [String: GivenValue] = [:]
    /// Things to say once at start: keys that have no effect yet.
    package internal(set) var warnings: [String] = []
    package internal(set) var listeners: [Listener] = []
    package internal(set) var advertised: [Listener] = []
    package internal(set) var controllerListenerNames: [String] = []

    /// Checks `values`, of which the one of the highest origin counts, the later of equals.
    /// `acceptsUnbuilt`: keys whose absence weakens security or durability are only warned of.
    package init(_ values: [GivenValue], acceptsUnbuilt: Bool = false) throws(ConfigurationProblem) {
        for value in values {
            let key = value.key == "broker.id" ? "node.id" : value.key
            if let before = given[key], before.origin > value.origin { continue }
            given[key] = value
        }
        for (_, value) in given.sorted(by: { $0.key < $1.key }) { try check(value, acceptsUnbuilt) }
        try readListeners(acceptsUnbuilt: acceptsUnbuilt)
        try checkRoles()
    }

    private mutating func check(_ value: GivenValue, _ acceptsUnbuilt: Bool) throws(ConfigurationProblem) {
        guard let key = KeyTable.broker[value.key] else {
            if NodeConfiguration.isUnbuiltFamily(value.key) {
                return try refuse(value, acceptsUnbuilt)
            }
            let hint = KeyTable.broker.suggestion(for: value.key).map { "; did you mean \($0)?" } ?? ""
            throw ConfigurationProblem(key: value.key, reason: "is not a known key" + hint)
        }
        if !(value.value.isEmpty && (key.isNullable || key.defaultValue == nil)),
            let objection = key.objection(to: value.value)
        {
            throw ConfigurationProblem(key: value.key, reason: objection)
        }
        switch key.support {
        case .works, .pointless: break
        case .later where value.value != key.defaultValue:
            warnings.append("\(key.name) has no effect yet")
        case .later: break
        case .refused where value.value != key.defaultValue: try refuse(value, acceptsUnbuilt)
        case .refused: break
        }
    }

    private mutating func refuse(_ value: GivenValue, _ acceptsUnbuilt: Bool) throws(ConfigurationProblem) {
        guard acceptsUnbuilt else {
            throw ConfigurationProblem(
                key: value.key,
                reason: "is not built yet, and to ignore it could weaken security or durability;"
                    + " --accept-unbuilt starts without it")
        }
        warnings.append("\(value.key) is not built yet and is ignored")
    }

    /// Keys that belong to a family instead of standing in the table.
    private static func isUnbuiltFamily(_ key: String) -> Bool {
        ["listener.name.", "remote.log.", "rlmm.config.", "rsm.config.", "sasl.", "ssl."].contains { key.hasPrefix($0) }
    }

    // MARK: Values

    /// The effective text of a key of the table; nil where it has none.
    package subscript(key: String) -> String? {
        if let value = given[key]?.value { return value }
        return KeyTable.broker[key]?.defaultValue
    }

    package func origin(of key: String) -> ConfigurationOrigin { given[key]?.origin ?? .defaultValue }

    package func int(_ key: String) -> Int { self[key].flatMap(wholeNumber) ?? 0 }
    package func bool(_ key: String) -> Bool { self[key].map(isTrue) ?? false }
    package func list(_ key: String) -> [String] { splitList(self[key] ?? "") }

    package var nodeId: Int32 { Int32(int("node.id")) }
    package var roles: [String] { list("process.roles") }

    /// The folders of data: `log.dirs`, else `log.dir`, else `./data`.
    package var logDirectories: [String] {
        let several = list("log.dirs")
        if !several.isEmpty { return several }
        return [given["log.dir"]?.value ?? "data"]
    }
}

/// A listener as configured: `NAME://HOST:PORT`.
package struct Listener: Hashable, Sendable {
    package var name: String
    package var host: String
    package var port: UInt16
    package var protocolName: String

    /// Kafka's number of the security protocol.
    package var protocolId: Int16 {
        ["PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3][protocolName] ?? 0
    }
}
