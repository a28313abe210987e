// Requests of the quorum to other nodes: where they are, and what their answers say.

internal import Basics
internal import Bytes
internal import Channel
internal import Configuration
internal import Environment
internal import Raft
internal import WireProtocol

extension MetadataDriver {
    /// Where the controller `id` listens: as the voters' record says, else as an answer said.
    func controllerAddress(_ id: NodeId) -> SocketAddress? {
        if id == quorum.local.id, let own = speaker.endpoints.first { return SocketAddress(host: own.host, port: own.port) }
        // A leader that moved may have told before the log does.
        if id == quorum.leader, let announced, announced.leader == id { return announced.address }
        let names = node.controllerListenerNames
        if let endpoints = quorum.voters[id]?.endpoints,
            let endpoint = endpoints.first(where: { names.contains($0.name) }) ?? endpoints.first
        {
            return SocketAddress(host: endpoint.host, port: endpoint.port)
        }
        return learned[id]
    }

    /// Addresses of nodes that are kept.
    private static let learnedMax = 1000

    /// A node that says it leads says where it listens.
    func note(_ leader: NodeId, at endpoints: [(name: String, host: String, port: UInt16)]) {
        let names = node.controllerListenerNames
        guard let endpoint = endpoints.first(where: { names.contains($0.name) }) ?? endpoints.first else { return }
        announced = (leader, SocketAddress(host: endpoint.host, port: endpoint.port))
    }

    private func address(of destination: Quorum.Destination) -> SocketAddress? {
        switch destination {
        case .voter(let id): return controllerAddress(id)
        case .bootstrap(let number):
            let servers = node.quorumBootstrapServers
            guard number < servers.count else { return nil }
            return SocketAddress(host: servers[number].host, port: servers[number].port)
        }
    }

    func send(_ request: QuorumRequest, to destination: Quorum.Destination, _ id: UInt64) {
        guard let address = address(of: destination) else {
            return loop.proceed { self.carryOut(self.quorum.failed(id, now: self.loop.now)) }
        }
        switch request {
        case .vote(let vote): send(VoteRequest(vote, speaker), to: address, .quorum, id) { ReceivedAnswer($0) }
        case .beginEpoch(let epoch, let leader, let voter):
            send(BeginQuorumEpochRequest(epoch, leader: leader, voter: voter, speaker), to: address, .quorum, id) {
                ReceivedAnswer($0)
            }
        case .endEpoch(let epoch, let leader, let successors):
            send(EndQuorumEpochRequest(epoch, leader: leader, successors: successors, speaker), to: address, .quorum, id) {
                ReceivedAnswer($0)
            }
        case .fetch(let fetch): send(FetchRequest(fetch, speaker), to: address, .fetch, id) { ReceivedAnswer($0) }
        case .fetchSnapshot(let fetch):
            send(FetchSnapshotRequest(fetch, speaker), to: address, .fetch, id) { ReceivedAnswer($0) }
        }
    }

    private func send<Request: RequestMessage>(
        _ request: Request, to address: SocketAddress, _ lane: NodePeers.Lane, _ id: UInt64,
        _ decode: @escaping (Request.Response) -> ReceivedAnswer?
    ) {
        let timeout = Duration.milliseconds(node.int("controller.quorum.request.timeout.ms"))
        peers.send(request, to: address, lane, timeout: timeout, isWhole: request is VoteRequest) { result in
            guard !self.isClosed, self.failure == nil else { return }
            if case .failure(.unsupported) = result {
                return self.carryOut(self.quorum.unsupported(id, now: self.loop.now))
            }
            guard case .success(let response) = result, let received = decode(response) else {
                return self.carryOut(self.quorum.failed(id, now: self.loop.now))
            }
            for (node, host, port) in received.addresses where self.learned.count < MetadataDriver.learnedMax {
                self.learned[node] = SocketAddress(host: host, port: port)
            }
            self.carryOut(
                self.quorum.receive(received.answer, to: id, now: self.loop.now), with: received.payload)
        }
    }
}
