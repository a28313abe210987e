import Basics
import Bytes
import CLinux
import Environment
import Glibc
import Reactor
import Synchronization
import Testing

private let loopback = SocketAddress(host: "127.0.0.1", port: 0)

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

/// Serves one connection whose kernel is `calls`; the answer to any bytes is `pieces`.
private func exchange(
    _ calls: ScriptedCalls, pieces: @escaping @Sendable () -> [Outgoing] = { [] },
    _ body: (PlainPeer, Inbox<Event>) throws -> Void
) throws {
    try withWorld(loops: 1, calls: calls) { world in
        let server = Inbox<Event>()
        let listener = try world.network.listen(loopback) { transport in
            transport.start(Recorder(transport, server) { transport, _ in transport.send(pieces()) })
        }
        try body(PlainPeer(port: listener.address.port), server)
    }
}

@Suite struct KernelTests {
    @Test func `a socket without bytes after all, and an interrupted read, are read again`() throws {
        let script = Script([-Int(EAGAIN), -Int(EINTR), 1, -Int(EAGAIN), 2])
        var calls = ScriptedCalls()
        calls.onReceive = { _ in script.next }
        try exchange(calls) { peer, server in
            peer.write([1, 2, 3, 4, 5])
            server.wait { _ in server.receivedBytes.count == 5 }
            #expect(server.values.prefix(2) == [.received([1]), .received([2, 3])])
            #expect(script.isDone)
        }
    }

    @Test func `a read that fails closes with the reason`() throws {
        for (number, kind) in [(ECONNRESET, NetworkError.Kind.reset), (ETIMEDOUT, .timedOut), (EIO, .other)] {
            let script = Script([-Int(number)])
            var calls = ScriptedCalls()
            calls.onReceive = { _ in script.next }
            try exchange(calls) { peer, server in
                peer.write([1])
                #expect(server.waitForClose() == .failed(NetworkError(kind, "recv", errno: number)))
            }
        }
    }

    @Test func `sends go on after short, interrupted and refused calls, without loss or repetition`() throws {
        let script = Script([1, -Int(EINTR), 3, -Int(EAGAIN), 100, -Int(EAGAIN), -Int(EINTR), 5000, 1])
        var calls = ScriptedCalls()
        calls.onSend = { _ in script.next }
        let pieces = (1...200).map { Outgoing.bytes(ByteSlice(pattern($0))) }
        let expected = (1...200).flatMap { pattern($0) }
        try exchange(calls, pieces: { pieces }) { peer, server in
            peer.write([1])
            #expect(peer.read(expected.count) == expected)
            #expect(script.isDone)
            server.wait { $0.contains(.sent(unsent: 0)) }
        }
    }

    @Test func `a send to a connection that is gone closes it once`() throws {
        let script = Script([10, -Int(EPIPE)])
        var calls = ScriptedCalls()
        calls.onSend = { _ in script.next }
        try exchange(calls, pieces: { [.bytes(ByteSlice(pattern(100)))] }) { peer, server in
            peer.write([1])
            #expect(server.waitForClose() == .failed(NetworkError(.reset, "sendmsg", errno: EPIPE)))
            #expect(peer.read(100).count == 10)
            #expect(server.values.count == 2)
        }
    }

    @Test func `a file that became shorter than its region closes the connection`() throws {
        try withFolder { folder in
            let file = try RealFileSystem().open("\(folder)/f", .create)
            try file.write([ByteSlice(pattern(1000))], at: 0)
            try exchange(ScriptedCalls(), pieces: { [.file(FileRegion(source: file, position: 0, count: 2000))] }) {
                peer, server in
                peer.write([1])
                #expect(peer.read(2000) == pattern(1000))
                #expect(server.waitForClose() == .failed(NetworkError(.shortFile, "sendfile")))
            }
        }
    }

    @Test func `a disk error while sending a file closes the connection, not the process`() throws {
        try withFolder { folder in
            let file = try RealFileSystem().open("\(folder)/f", .create)
            try file.write([ByteSlice(pattern(1000))], at: 0)
            let script = Script([-Int(EINTR), 400, -Int(EAGAIN), -Int(EIO)])
            var calls = ScriptedCalls()
            calls.onSendFile = { _ in script.next }
            try exchange(calls, pieces: { [.file(FileRegion(source: file, position: 0, count: 1000))] }) {
                peer, server in
                peer.write([1])
                #expect(peer.read(1000) == Array(pattern(1000).prefix(400)))
                #expect(server.waitForClose() == .failed(NetworkError(.other, "sendfile", errno: EIO)))
            }
        }
    }

    @Test func `a connection sends no more than its share in a turn, others come in between`() throws {
        try withFolder { folder in
            let content = pattern(2_000_000)
            let file = try RealFileSystem().open("\(folder)/f", .create)
            try file.write([ByteSlice(content)], at: 0)
            let log = TurnLog()
            try withWorld(loops: 1, calls: TurnCounting(log: log)) { world in
                log.loop.withLock { $0 = world.loops[0] as? RealLoop }
                let server = Inbox<Event>()
                let listener = try world.network.listen(loopback) { transport in
                    transport.start(
                        Recorder(transport, server) { transport, _ in
                            transport.send([.file(FileRegion(source: file, position: 0, count: content.count))])
                            transport.send([.bytes(ByteSlice(content))])
                        })
                }
                let peer = PlainPeer(port: listener.address.port)
                peer.write([1])
                #expect(peer.read(content.count * 2) == content + content)
                let sums = log.sent.withLock { Array($0.values) }
                #expect(sums.reduce(0, +) == content.count * 2)
                #expect(sums.max() ?? 0 <= SocketTransport.sendShare)
                #expect(sums.count >= content.count * 2 / SocketTransport.sendShare)
                log.loop.withLock { $0 = nil }
            }
        }
    }

    @Test func `one connection is read once in a turn`() throws {
        let log = TurnLog()
        try withWorld(loops: 1, calls: TurnCounting(log: log)) { world in
            log.loop.withLock { $0 = world.loops[0] as? RealLoop }
            let server = Inbox<Event>()
            let listener = try world.network.listen(loopback) { $0.start(Recorder($0, server)) }
            let peer = PlainPeer(port: listener.address.port)
            peer.write(pattern(4_000_000))
            peer.endSending()
            #expect(server.waitForClose() == .endOfStream)
            let reads = log.reads.withLock { $0 }
            #expect(reads.count > 20 && Set(reads).count == reads.count)
            log.loop.withLock { $0 = nil }
        }
    }

    @Test func `without free descriptors accepting pauses and goes on later`() throws {
        let attempts = Mutex(0)
        let script = Script([-Int(EMFILE), -Int(ECONNABORTED), -Int(EMFILE)])
        var calls = ScriptedCalls()
        calls.onAccept = { _ in
            attempts.withLock { $0 += 1 }
            return script.next
        }
        try exchange(calls) { peer, server in
            peer.write([7])
            server.wait { !$0.isEmpty }
            #expect(server.receivedBytes == [7])
            #expect(attempts.withLock { $0 } < 10, "no spinning")
        }
    }
}

/// What happened in which turn of a loop.
private final class TurnLog: Sendable {
    let loop = Mutex<RealLoop?>(nil)
    let sent = Mutex<[UInt64: Int]>([:])
    let reads = Mutex<[UInt64]>([])

    /// Called by the loop's own thread.
    var turn: UInt64 { loop.withLock { $0?.turn } ?? 0 }

    func add(_ count: Int) -> Int {
        let turn = turn
        if count > 0 { sent.withLock { $0[turn, default: 0] += count } }
        return count
    }
}

/// The real kernel, with a log of what is sent and read in each turn.
private struct TurnCounting: SystemCalls {
    let real = LinuxCalls()
    let log: TurnLog

    func receive(_ socket: Int32, into target: UnsafeMutableRawBufferPointer) -> Int {
        let turn = log.turn
        log.reads.withLock { $0.append(turn) }
        return unsafe real.receive(socket, into: target)
    }

    func send(_ socket: Int32, _ pieces: UnsafeBufferPointer<martlet_piece>, more: Bool) -> Int {
        log.add(unsafe real.send(socket, pieces, more: more))
    }

    func sendFile(_ socket: Int32, from file: Int32, at position: Int, count: Int) -> Int {
        log.add(real.sendFile(socket, from: file, at: position, count: count))
    }

    func accept(_ socket: Int32, peer: inout PeerAddress) -> Int32 { real.accept(socket, peer: &peer) }

    func read(_ file: Int32, at position: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        unsafe real.read(file, at: position, into: target)
    }

    func write(_ file: Int32, at position: Int, _ pieces: UnsafeBufferPointer<martlet_piece>) -> Int {
        unsafe real.write(file, at: position, pieces)
    }

    func sync(_ file: Int32) -> Int32 { real.sync(file) }
    func syncFolder(_ folder: Int32) -> Int32 { real.syncFolder(folder) }
    func syncDisk(_ folder: Int32) -> Int32 { real.syncDisk(folder) }
    func truncate(_ file: Int32, to size: Int) -> Int32 { real.truncate(file, to: size) }
}
