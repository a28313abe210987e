// Addresses as the kernel gives them: 24 bytes without an allocation, turned into text when somebody asks.

internal import Bytes
internal import CLinux
package import Environment
internal import Glibc

/// A numeric address and port.
package struct PeerAddress: Sendable {
    var system = martlet_address()

    package init() {}

    /// What the kernel says of this end of `socket`; all zero if it says nothing.
    init(localEndOf socket: Int32) {
        // Safety: the structure is filled by the call and not kept.
        _ = unsafe martlet_local_address(socket, &system)
    }

    /// As text and port; an empty host where there is no address.
    package var address: SocketAddress {
        var copy = system
        let host = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MARTLET_ADDRESS_TEXT_MAX)) {
            // Safety: the buffer has the room that the call needs, and ends with a zero on success.
            text in
            guard let start = text.baseAddress, unsafe martlet_address_text(&copy, start) == 0 else { return "" }
            return unsafe String(cString: start)
        }
        return SocketAddress(host: host, port: system.port)
    }

    /// The addresses that `target` stands for. Blocks for a name server unless the host is numeric.
    static func resolve(
        _ target: SocketAddress, listening: Bool, numericOnly: Bool = false
    ) throws(NetworkError) -> [PeerAddress] {
        let room = 8
        var found: [PeerAddress] = []
        let count = unsafe withUnsafeTemporaryAllocation(of: martlet_address.self, capacity: room) { addresses in
            // Safety: the call fills at most `room` entries and keeps no pointer.
            let start = addresses.baseAddress
            let count: Int32
            if target.host.isEmpty {
                count = unsafe martlet_resolve(
                    nil, target.port, listening ? 1 : 0, numericOnly ? 1 : 0, start, Int32(room))
            } else {
                count = unsafe martlet_resolve(
                    target.host, target.port, listening ? 1 : 0, numericOnly ? 1 : 0, start, Int32(room))
            }
            for index in 0..<max(0, Int(count)) {
                var address = PeerAddress()
                address.system = unsafe addresses[index]
                found.append(address)
            }
            return count
        }
        guard count >= -9000 else { throw NetworkError(.unknownHost, "getaddrinfo", errno: count + 10000) }
        guard count >= 0 else { throw NetworkError(errno: -count, "getaddrinfo") }
        guard count > 0 else { throw NetworkError(.unknownHost, "getaddrinfo") }
        return found
    }

    var isIPv6: Bool { system.family == 6 }
}

extension NetworkError {
    /// The error for an error number of the system.
    package init(errno number: Int32, _ operation: String) {
        let kind: Kind =
            switch number {
            case ECONNREFUSED: .refused
            case ECONNRESET, EPIPE, ECONNABORTED: .reset
            case ETIMEDOUT: .timedOut
            case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN: .unreachable
            case EADDRINUSE: .addressInUse
            case EACCES, EPERM: .notPermitted
            case EMFILE, ENFILE: .tooManyOpenFiles
            default: .other
            }
        self.init(kind, operation, errno: number)
    }
}
