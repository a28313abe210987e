// What a client is made with.

package import Channel
package import Environment

/// Where the cluster is, and how long to try.
package struct ClientSettings: Sendable {
    /// Brokers to begin with; asked again whenever all known ones are gone (KIP-899).
    package var bootstrap: [SocketAddress]
    /// Time that one request may take on one connection.
    package var requestTimeout = Duration.seconds(30)
    /// Time that a broker which owes nothing else may take over what any broker can answer; then another is asked.
    package var patience = Duration.seconds(3)
    /// Age beyond which metadata is asked for again.
    package var metadataAgeMax = Duration.seconds(300)
    /// Whether asking for a topic may create it, if the broker allows that.
    package var allowsAutoCreation = false
    package var channel = ChannelSettings()

    package init(bootstrap: [SocketAddress]) { self.bootstrap = bootstrap }

    /// Reads `host[:port][,host[:port]…]`, with IPv6 addresses in brackets; the port is 9092 unless given.
    /// Nil if any part is malformed or none is there.
    package static func addresses(_ text: String) -> [SocketAddress]? {
        var found: [SocketAddress] = []
        for part in text.split(separator: ",") {
            guard let address = address(part.filter { $0 != " " }) else { return nil }
            found.append(address)
        }
        return found.isEmpty ? nil : found
    }

    private static func address(_ text: String) -> SocketAddress? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            if rest.isEmpty { return SocketAddress(host: host, port: 9092) }
            guard rest.hasPrefix(":"), let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
            return SocketAddress(host: host, port: port)
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2 else { return nil }
        guard parts.count == 2 else { return SocketAddress(host: String(host), port: 9092) }
        guard let port = UInt16(parts[1]), port > 0 else { return nil }
        return SocketAddress(host: String(host), port: port)
    }
}
