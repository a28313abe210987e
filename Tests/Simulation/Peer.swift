// A client of the simulated world: one loop, one connection at a time, requests by version, answers in order.

import Basics
import Bytes
import Environment
import WireProtocol

/// Sends requests and hands out answers; a broken connection fails all that wait.
final class Peer: TransportHandler {
    private let network: VirtualNetwork
    let loop: VirtualLoop
    private var transport: (any Transport)?
    private var assembler: FrameAssembler
    private var waiting: [(correlation: Int32, take: (ByteSlice?) -> Void)] = []
    private var nextCorrelation: Int32 = 1

    init(_ name: String, _ world: World, _ internet: VirtualInternet) {
        let life = Life(name)
        loop = VirtualLoop(index: 0, world: world, life: life)
        network = VirtualNetwork(internet: internet, loops: [loop], life: life)
        assembler = FrameAssembler(lengthMax: 64 << 20, buffers: loop.buffers)
    }

    var isConnected: Bool { transport != nil }

    /// Calls back inside the loop: connected, or not.
    func connect(_ completion: @escaping (Bool) -> Void) {
        network.connect(Machine.address, on: loop) { result in
            guard case .success(let transport) = result else { return completion(false) }
            self.transport = transport
            self.assembler = FrameAssembler(lengthMax: 64 << 20, buffers: self.loop.buffers)
            transport.start(self)
            completion(true)
        }
    }

    /// Sends `request`; `completion` gets the answer, or nil when the connection broke before.
    func call<Request: RequestMessage>(
        _ request: Request, version: Int16, _ completion: @escaping (Request.Response?) -> Void
    ) {
        guard let transport else { return completion(nil) }
        let correlation = nextCorrelation
        nextCorrelation += 1
        waiting.append(
            (
                correlation,
                { frame in
                    guard let frame else { return completion(nil) }
                    var reader = ByteReader(frame)
                    let headerVersion = Request.apiKey.responseHeaderVersion(version)
                    guard let header = try? ResponseHeader(from: &reader, version: headerVersion),
                        header.correlationId == correlation,
                        let response = try? Request.Response(checking: &reader, version: version)
                    else { preconditionFailure("an answer that does not decode: \(Request.self) \(frame.array)") }
                    completion(response)
                }
            ))
        transport.send(request.frame(version: version, correlationId: correlation, clientId: "peer"))
    }

    var receiveTarget: ReceiveTarget? { assembler.receiveTarget }

    func received(_ bytes: ByteSlice) {
        do {
            try assembler.receive(bytes) { frame in
                guard !waiting.isEmpty else { preconditionFailure("an answer that nobody waits for") }
                waiting.removeFirst().take(frame)
            }
        } catch {
            preconditionFailure("an answer of impossible length")
        }
    }

    func sent() {}

    func closed(_ reason: CloseReason) {
        transport = nil
        let failed = waiting
        waiting = []
        for entry in failed { entry.take(nil) }
    }
}
