// Brokers that answer as the test tells them, at addresses of a network that exists only here.

import Basics
import Bytes
import Environment
import WireProtocol

/// What a fake broker does with a request.
enum Reaction<Response> {
    case answer(Response)
    /// Sends these bytes as they are, a length and a correlation id included.
    case raw([UInt8])
    case silence
    case hangUp
}

/// One broker. Tests run on one thread, which is why nothing here is guarded.
final class FakeBroker {
    struct Seen: Equatable {
        var key: ApiKey
        var version: Int16
        var correlationId: Int32
    }

    private typealias Handler = (inout ByteReader, RequestHeader, FakeConnection) -> Void

    /// All requests in the order of their coming.
    private(set) var seen: [Seen] = []
    /// Connections made so far.
    fileprivate(set) var connectionCount = 0
    var isDown = false
    private var handlers: [ApiKey: Handler] = [:]
    private var announced: [ApiKey: ClosedRange<Int16>] = [:]

    init() {
        on(ApiVersionsRequest.self, 0...4) { [unowned self] _, _ in .answer(self.versions) }
    }

    /// What ApiVersions tells.
    var versions: ApiVersionsResponse {
        ApiVersionsResponse {
            $0.apiKeys = announced.sorted { $0.key.rawValue < $1.key.rawValue }.map { key, range in
                ApiVersionsResponse.ApiVersion {
                    $0.apiKey = key.rawValue
                    $0.minVersion = range.lowerBound
                    $0.maxVersion = range.upperBound
                }
            }
        }
    }

    /// Announces an api and answers it by `react`.
    func on<Request: RequestMessage>(
        _ type: Request.Type, _ versions: ClosedRange<Int16>? = nil,
        _ react: @escaping (Request, RequestHeader) -> Reaction<Request.Response>
    ) {
        announced[Request.apiKey] = versions ?? Request.versions
        handlers[Request.apiKey] = { reader, header, connection in
            let version = header.requestApiVersion
            guard let request = try? Request(checking: &reader, version: version) else { return connection.hangUp() }
            switch react(request, header) {
            case .answer(let response): connection.reply(response.frame(version: version, correlationId: header.correlationId))
            case .raw(let bytes): connection.reply([.bytes(ByteSlice(bytes))])
            case .silence: break
            case .hangUp: connection.hangUp()
            }
        }
    }

    func count(_ key: ApiKey) -> Int { seen.filter { $0.key == key }.count }

    fileprivate func take(_ frame: ByteSlice, _ connection: FakeConnection) {
        var reader = ByteReader(frame)
        guard let header = try? RequestHeader(from: &reader), let key = header.apiKey else { return connection.hangUp() }
        seen.append(Seen(key: key, version: header.requestApiVersion, correlationId: header.correlationId))
        guard let handler = handlers[key] else { return connection.hangUp() }
        handler(&reader, header, connection)
    }
}

/// The client's end of a connection to a fake broker.
final class FakeConnection: Transport {
    let loop: any EventLoop
    let remoteAddress: SocketAddress
    var localAddress: SocketAddress { SocketAddress(host: "client", port: 1) }
    var unsentCount: Int { 0 }
    /// How many bytes arrive at a time.
    var pieceSize = Int.max
    private let broker: FakeBroker
    private var handler: (any TransportHandler)?
    private var assembler: FrameAssembler
    private var isOpen = true

    init(_ loop: any EventLoop, _ address: SocketAddress, _ broker: FakeBroker, pieceSize: Int) {
        self.loop = loop
        self.broker = broker
        self.pieceSize = pieceSize
        remoteAddress = address
        assembler = FrameAssembler(lengthMax: 1 << 30, buffers: loop.buffers)
    }

    func start(_ handler: any TransportHandler) { self.handler = handler }

    func send(_ pieces: [Outgoing]) {
        guard isOpen else { return }
        let bytes = FakeConnection.joined(pieces)
        loop.proceed { [self] in
            guard isOpen else { return }
            try? assembler.receive(bytes) { frame in broker.take(frame, self) }
        }
    }

    static func joined(_ pieces: [Outgoing]) -> ByteSlice {
        ByteSlice(
            pieces.flatMap { piece -> [UInt8] in
                if case .bytes(let slice) = piece { return slice.array }
                preconditionFailure("a client sends no files")
            })
    }

    func reply(_ pieces: [Outgoing]) {
        var rest = FakeConnection.joined(pieces)
        while !rest.isEmpty {
            let piece = rest.prefix(pieceSize)
            rest = rest.dropFirst(piece.count)
            loop.proceed { [self] in if isOpen { handler?.received(piece) } }
        }
    }

    func hangUp() {
        loop.proceed { [self] in
            guard isOpen else { return }
            isOpen = false
            handler?.closed(.endOfStream)
        }
    }

    func setReading(_ isReading: Bool) {}
    func setPatient(_ isPatient: Bool) {}
    func closeAfterSending() { close() }
    func close() { isOpen = false }
}

/// Fake brokers by port.
///
/// Proof of `@unchecked Sendable`: a test uses its network on its own thread alone.
final class FakeNetwork: Network, @unchecked Sendable {
    var brokers: [UInt16: FakeBroker] = [:]
    /// Bytes that arrive at a time on new connections.
    var pieceSize = Int.max
    private(set) var connections: [FakeConnection] = []

    func listen(
        _ address: SocketAddress, accept: @escaping @Sendable (any Transport) -> Void
    ) throws(NetworkError) -> any ListeningSocket {
        throw NetworkError(.notPermitted, "listen")
    }

    func connect(
        _ address: SocketAddress, on loop: any EventLoop,
        completion: @escaping (Result<any Transport, NetworkError>) -> Void
    ) {
        loop.proceed { [self] in
            guard let broker = brokers[address.port], !broker.isDown else {
                return completion(.failure(NetworkError(.refused, "connect")))
            }
            broker.connectionCount += 1
            let connection = FakeConnection(loop, address, broker, pieceSize: pieceSize)
            connections.append(connection)
            completion(.success(connection))
        }
    }
}

/// A loop, a network, and an environment around them.
struct FakeWorld {
    let loop = ManualLoop()
    let network = FakeNetwork()

    var environment: Environment {
        Environment(
            clock: FixedClock(), random: FixedRandom(), loops: [loop], fileSystem: NoFiles(), network: network,
            pool: NoPool())
    }

    func address(_ port: UInt16) -> SocketAddress { SocketAddress(host: "broker", port: port) }
}
