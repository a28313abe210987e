import Basics
import Bytes
import CLinux
import Environment
import Glibc
import Reactor
import Synchronization
import Testing

private let loopback = SocketAddress(host: "127.0.0.1", port: 0)

/// Listens and gives each connection to a recorder.
private func serve(
    _ world: Environment, _ inbox: Inbox<Event>, _ answer: @escaping @Sendable (any Transport, ByteSlice) -> Void
) throws -> any ListeningSocket {
    try world.network.listen(loopback) { transport in transport.start(Recorder(transport, inbox, answer)) }
}

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

@Suite struct NetworkTests {
    @Test func `echoes over many connections at once`() throws {
        try withWorld { world in
            let server = Inbox<Event>()
            let listener = try serve(world, server) { $0.send([.bytes($1)]) }
            let done = Inbox<Bool>()
            let payload = pattern(200_000)
            for number in 0..<100 {
                let loop = world.loops[number % 2]
                loop.post {
                    world.network.connect(listener.address, on: loop) { result in
                        guard case .success(let transport) = result else { return done.put(false) }
                        let client = Inbox<Event>()
                        var count = 0
                        transport.start(
                            Recorder(transport, client) { transport, bytes in
                                count += bytes.count
                                if count == payload.count {
                                    done.put(client.receivedBytes == payload)
                                    transport.close()
                                }
                            })
                        transport.send([.bytes(ByteSlice(payload))])
                    }
                }
            }
            done.wait { $0.count == 100 }
            #expect(done.values == Array(repeating: true, count: 100))
        }
    }

    @Test func `what patient peers say arrives, while they keep on saying something and after a silence`() throws {
        try withWorld(loops: 1) { world in
            let server = Inbox<Event>()
            let listener = try serve(world, server) { transport, bytes in
                transport.setPatient(bytes.array.first != 0)
                transport.send([.bytes(bytes)])
            }
            let peers = (0..<600).map { _ in PlainPeer(port: listener.address.port) }
            // The first byte makes patient, then many at once, each after its answer, and a silence in between.
            for value in UInt8(1)...20 {
                for peer in peers { peer.write([value]) }
                for peer in peers { #expect(peer.read(1) == [value]) }
            }
            for value in UInt8(1)...20 {
                peers[0].write([value])
                #expect(peers[0].read(1) == [value])
            }
            // In a hurry again, and one that goes.
            for peer in peers { peer.write([0]) }
            for peer in peers { #expect(peer.read(1) == [0]) }
            for peer in peers { peer.write([1]) }
            for peer in peers { #expect(peer.read(1) == [1]) }
            peers[0].endSending()
            #expect(server.waitForClose() == .endOfStream)
        }
    }

    @Test func `serves two thousand connections, spread evenly over the loops`() throws {
        try withWorld { world in
            let server = Inbox<Event>()
            let places = Inbox<Int>()
            let listener = try world.network.listen(loopback) { transport in
                places.put(transport.loop.index)
                transport.start(Recorder(transport, server) { $0.send([.bytes($1)]) })
            }
            let peers = (0..<2000).map { _ in PlainPeer(port: listener.address.port) }
            for peer in peers { peer.write([1, 2, 3]) }
            for peer in peers { #expect(peer.read(3) == [1, 2, 3]) }
            #expect(places.values.filter { $0 == 0 }.count == 1000)
        }
    }

    @Test func `tells both addresses and the port that was asked for as 0`() throws {
        try withWorld { world in
            let inbox = Inbox<[SocketAddress]>()
            let listener = try world.network.listen(SocketAddress(host: "", port: 0)) {
                inbox.put([$0.localAddress, $0.remoteAddress])
            }
            let peer = PlainPeer(port: listener.address.port)
            let addresses = inbox.first() ?? []
            #expect(listener.address.port != 0)
            #expect(addresses.map(\.host) == ["127.0.0.1", "127.0.0.1"])
            #expect(addresses.first?.port == listener.address.port)
            withExtendedLifetime(peer) {}
        }
    }

    @Test func `the end of the peer's stream closes after all bytes were delivered`() throws {
        try withWorld { world in
            let server = Inbox<Event>()
            let listener = try serve(world, server) { _, _ in }
            let peer = PlainPeer(port: listener.address.port)
            peer.write(pattern(100_000))
            peer.endSending()
            #expect(server.waitForClose() == .endOfStream)
            #expect(server.receivedBytes == pattern(100_000))
        }
    }

    @Test func `a reset is told as a reset, also while reading is stopped`() throws {
        try withWorld { world in
            for pauses in [false, true] {
                let server = Inbox<Event>()
                let listener = try serve(world, server) { transport, _ in if pauses { transport.setReading(false) } }
                let peer = PlainPeer(port: listener.address.port)
                peer.write([1])
                server.wait { !$0.isEmpty }
                peer.reset()
                guard case .failed(let error) = server.waitForClose() else {
                    Issue.record("closed for another reason")
                    continue
                }
                #expect(error.kind == .reset)
            }
        }
    }

    @Test func `reading that was stopped gives nothing until it is resumed`() throws {
        try withWorld { world in
            let server = Inbox<Event>()
            let kept = Inbox<Confined<any Transport>>()
            let listener = try serve(world, server) { transport, _ in
                if kept.values.isEmpty {
                    transport.setReading(false)
                    kept.put(Confined(transport, to: transport.loop))
                }
            }
            let peer = PlainPeer(port: listener.address.port)
            peer.write([1])
            let transport = try #require(kept.first())
            peer.write([2])
            for _ in 0..<50 { _ = world.inside(0) { _ in } }
            #expect(server.receivedBytes == [1])
            let loop = transport.confinement as? any EventLoop
            loop?.post { transport.value.setReading(true) }
            server.wait { $0.count == 2 }
            #expect(server.receivedBytes == [1, 2])
        }
    }

    @Test func `sends what is queued before it closes`() throws {
        try withWorld { world in
            let server = Inbox<Event>()
            let answer = pattern(3_000_000)
            let listener = try serve(world, server) { transport, _ in
                transport.send([.bytes(ByteSlice(answer))])
                transport.closeAfterSending()
                transport.send([.bytes(ByteSlice([9]))])
            }
            let peer = PlainPeer(port: listener.address.port)
            peer.write([1])
            #expect(peer.read(answer.count + 1) == answer)
            #expect(server.waitForClose() == .closedHere)
        }
    }

    @Test func `sends files between bytes, and as they were written`() throws {
        try withFolder { folder in
            try withWorld { world in
                let content = pattern(1_500_000)
                let file = try world.fileSystem.open("\(folder)/f", .create)
                try file.write([ByteSlice(content)], at: 0)
                let server = Inbox<Event>()
                let listener = try serve(world, server) { transport, _ in
                    transport.send([
                        .bytes(ByteSlice([1, 2])), .file(FileRegion(source: file, position: 7, count: 1_000_000)),
                        .bytes(.empty), .bytes(ByteSlice([3])), .file(FileRegion(source: file, position: 0, count: 1))
                    ])
                }
                let peer = PlainPeer(port: listener.address.port)
                peer.write([1])
                let expected = [1, 2] + content[7..<1_000_007] + [3, content[0]]
                #expect(peer.read(expected.count) == expected)
            }
        }
    }

    @Test func `receives into the place that the handler names`() throws {
        try withWorld { world in
            let inbox = Inbox<Event>()
            let inPlace = Inbox<Bool>()
            let listener = try world.network.listen(loopback) { transport in
                let block = Memory(capacity: 1000)
                let recorder = Recorder(transport, inbox) { _, bytes in
                    inPlace.put(bytes.memory === block && bytes.offset == 100 && bytes.count <= 50)
                }
                recorder.target = ReceiveTarget(block, offset: 100, capacity: 50)
                transport.start(recorder)
            }
            let peer = PlainPeer(port: listener.address.port)
            peer.write(pattern(500))
            peer.endSending()
            #expect(inbox.waitForClose() == .endOfStream)
            #expect(inbox.receivedBytes == pattern(500))
            #expect(inPlace.values.count >= 10 && inPlace.values.allSatisfy { $0 })
        }
    }

    @Test func `slices that are held are not overwritten by later bytes`() throws {
        try withWorld(loops: 1) { world in
            let server = Inbox<Event>()
            let held = Mutex<[ByteSlice]>([])
            let listener = try serve(world, server) { transport, bytes in
                held.withLock { $0.append(bytes) }
                transport.send([.bytes(ByteSlice([1]))])
            }
            let peer = PlainPeer(port: listener.address.port)
            for number in 0..<300 {
                peer.write([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1000))
                while held.withLock({ $0.reduce(0) { $0 + $1.count } }) < (number + 1) * 1000 { _ = peer.read(1) }
            }
            let all = held.withLock { $0.flatMap(\.array) }
            #expect(all == (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 1000) })
            let blocks = Set(held.withLock { $0.map { ObjectIdentifier($0.memory) } })
            #expect(blocks.count <= 4, "requests share blocks")
        }
    }

    @Test func `connecting says why it failed, and never before it returns`() throws {
        try withWorld { world in
            let unused = try world.network.listen(loopback) { _ in }
            unused.close()
            let port = unused.address.port
            let outcomes = Inbox<NetworkError.Kind?>()
            let loop = world.loops[0]
            for (index, host) in ["127.0.0.1", "localhost", "no-such-host.invalid"].enumerated() {
                loop.post {
                    var isReturned = false
                    world.network.connect(SocketAddress(host: host, port: port), on: loop) { result in
                        guard isReturned, case .failure(let error) = result else { return outcomes.put(nil) }
                        outcomes.put(error.kind)
                    }
                    isReturned = true
                }
                outcomes.wait { $0.count == index + 1 }
            }
            #expect(outcomes.values.prefix(2) == [.refused, .refused])
            #expect(outcomes.values.last.map { $0 == .unknownHost || $0 == .other } == true)
        }
    }

    @Test func `a closed listener refuses, and its port can be taken again`() throws {
        try withWorld { world in
            let first = try world.network.listen(loopback) { _ in }
            #expect(throws: NetworkError(.addressInUse, "listen", errno: EADDRINUSE)) {
                try world.network.listen(first.address) { _ in }
            }
            first.close()
            let second = try world.network.listen(first.address) { _ in }
            #expect(second.address == first.address)
        }
    }

    @Test func `stopping closes every connection and tells its handler`() throws {
        let server = Inbox<Event>()
        var peers: [PlainPeer] = []
        try withWorld { world in
            let listener = try serve(world, server) { _, _ in }
            peers = (0..<20).map { _ in PlainPeer(port: listener.address.port) }
            for peer in peers { peer.write([1]) }
            server.wait { $0.count == 20 }
        }
        #expect(server.values.filter { $0 == .closed(.closedHere) }.count == 20)
        for peer in peers { #expect(peer.read(1) == []) }
    }
}
