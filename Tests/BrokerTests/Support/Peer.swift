// A blocking client of plain system calls: what it sends is exactly what the test says.

import Bytes
import Glibc
import WireProtocol

/// What came back.
enum Reply {
    case frame(ByteSlice)
    case closed
    /// Nothing within the time; the connection stands.
    case silence
}

final class Peer {
    private let socket: Int32

    /// Receiving gives up after `seconds`.
    init(port: UInt16, seconds: Int = 10) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe connect(socket, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
        }
        guard result == 0 else { throw TestFailure("cannot connect to \(port)") }
        patience(milliseconds: seconds * 1000)
    }

    deinit { Glibc.close(socket) }

    /// A port that nobody listens on.
    static func freePort() throws -> UInt16 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return Int32(-1) }
            guard unsafe bind(socket, base, length) == 0 else { return Int32(-1) }
            return unsafe getsockname(socket, base, &length)
        }
        guard result == 0 else { throw TestFailure("no port is free") }
        return UInt16(bigEndian: address.sin_port)
    }

    func patience(milliseconds: Int) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sends bytes as they are.
    func write(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes[done...].withUnsafeBytes {
                unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            done += count
        }
    }

    func endSending() { shutdown(socket, Int32(SHUT_WR)) }

    /// Sends `frame` behind its length.
    func send(_ frame: [UInt8]) {
        let count = UInt32(frame.count)
        write([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + frame)
    }

    private enum Part {
        case bytes([UInt8])
        case end
        case silence
    }

    private func read(_ count: Int) -> Part {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = unsafe bytes.withUnsafeMutableBytes {
                unsafe Glibc.recv(socket, $0.baseAddress?.advanced(by: done), count - done, 0)
            }
            if got < 0, errno == EAGAIN || errno == EWOULDBLOCK { return .silence }
            if got <= 0 { return .end }
            done += got
        }
        return .bytes(bytes)
    }

    func receive() -> Reply {
        switch read(4) {
        case .end: return .closed
        case .silence: return .silence
        case .bytes(let length):
            let count = length.reduce(0) { $0 << 8 | Int($1) }
            guard count < 1 << 28 else { return .closed }
            switch read(count) {
            case .bytes(let frame): return .frame(ByteSlice(frame))
            case .end: return .closed
            case .silence: return .silence
            }
        }
    }

    /// Sends a request and gives its answer.
    func call<Request: RequestMessage>(
        _ request: Request, version: Int16, clientId: String = "test"
    ) throws -> Request.Response {
        send(request, version: version, clientId: clientId)
        return try answer(to: Request.self, version: version)
    }

    /// Sends a request without waiting for its answer.
    func send<Request: RequestMessage>(_ request: Request, version: Int16, clientId: String = "test") {
        // In one write: the kernel would hold a second small one back until the first is acknowledged.
        let pieces = request.frame(version: version, correlationId: 7, clientId: clientId)
        write(pieces.flatMap { piece in if case .bytes(let slice) = piece { slice.array } else { [UInt8]() } })
    }

    /// The next answer, which must be one to a request of this kind.
    func answer<Request: RequestMessage>(to _: Request.Type, version: Int16) throws -> Request.Response {
        guard case .frame(let frame) = receive() else { throw TestFailure("no answer to \(Request.apiKey)") }
        var reader = ByteReader(frame)
        let header = try ResponseHeader(from: &reader, version: Request.apiKey.responseHeaderVersion(version))
        guard header.correlationId == 7 else { throw TestFailure("an answer to something else") }
        return try Request.Response(checking: &reader, version: version)
    }
}
