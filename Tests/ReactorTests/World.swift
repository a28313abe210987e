// What the tests of this room share: a running environment, a place to wait for events, a blocking peer, and a kernel
// that answers as told. No test sleeps; deadlines are guards against waiting for ever.

import Basics
import Bytes
import CLinux
import Environment
import Glibc
import Reactor
import Synchronization

/// Collects values of other threads; the test waits until they satisfy it.
final class Inbox<Value: Sendable>: Sendable {
    private let point = WaitPoint()
    private let stored = Mutex<[Value]>([])

    func put(_ value: Value) {
        stored.withLock { $0.append(value) }
        point.locked { point.wakeAll() }
    }

    var values: [Value] { stored.withLock { $0 } }

    /// Whether `condition` became true within `seconds`.
    @discardableResult
    func wait(seconds: Int64 = 30, until condition: ([Value]) -> Bool) -> Bool {
        let deadline = SystemClock().now.nanoseconds + seconds * 1_000_000_000
        return point.locked {
            while !condition(values) {
                if !point.wait(untilNanoseconds: deadline) { return condition(values) }
            }
            return true
        }
    }

    /// The first value.
    func first() -> Value? {
        wait { !$0.isEmpty }
        return values.first
    }
}

/// Runs `body` with a started environment and stops it afterwards.
func withWorld(
    loops: Int = 2, calls: any SystemCalls = LinuxCalls(), _ body: (Environment) throws -> Void
) throws {
    var settings = RealEnvironment.Settings(loopCount: loops, poolThreads: 2)
    settings.connectTimeoutMilliseconds = 5_000
    let real = try RealEnvironment.make(settings, calls: calls)
    real.start()
    defer {
        real.stop()
        real.join()
    }
    try body(real.environment)
}

extension Environment {
    /// Runs `body` inside a loop and waits for its result.
    func inside<Value: Sendable>(_ index: Int = 0, _ body: @escaping @Sendable (any EventLoop) -> Value) -> Value? {
        let inbox = Inbox<Value>()
        let loop = loops[index]
        loop.post { inbox.put(body(loop)) }
        return inbox.first()
    }
}

/// What a connection told its handler.
enum Event: Hashable, Sendable {
    case received([UInt8])
    case sent(unsent: Int)
    case closed(CloseReason)
}

/// A handler that writes down what it hears, and answers with `answer`.
final class Recorder: TransportHandler {
    let transport: any Transport
    let inbox: Inbox<Event>
    var target: ReceiveTarget?
    var answer: (any Transport, ByteSlice) -> Void

    init(
        _ transport: any Transport, _ inbox: Inbox<Event>,
        _ answer: @escaping (any Transport, ByteSlice) -> Void = { _, _ in }
    ) {
        self.transport = transport
        self.inbox = inbox
        self.answer = answer
    }

    var receiveTarget: ReceiveTarget? { target }

    func received(_ bytes: ByteSlice) {
        inbox.put(.received(bytes.array))
        answer(transport, bytes)
    }

    func sent() { inbox.put(.sent(unsent: transport.unsentCount)) }
    func closed(_ reason: CloseReason) { inbox.put(.closed(reason)) }
}

extension Inbox<Event> {
    var receivedBytes: [UInt8] {
        values.flatMap { event -> [UInt8] in if case .received(let bytes) = event { bytes } else { [] } }
    }

    var closeReason: CloseReason? {
        for case .closed(let reason) in values { return reason }
        return nil
    }

    /// Waits for the end of the connection.
    func waitForClose() -> CloseReason? {
        wait { events in events.contains { if case .closed = $0 { true } else { false } } }
        return closeReason
    }
}

/// A blocking client written with plain system calls.
final class PlainPeer {
    let socket: Int32

    init(port: UInt16, receiveBuffer: Int32 = 0) {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if receiveBuffer > 0 {
            var size = receiveBuffer
            _ = unsafe setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe connect(socket, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), 16)
        }
        precondition(result == 0, "the listener takes connections")
    }

    deinit { if !isClosed { Glibc.close(socket) } }

    private var isClosed = false

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

    /// Reads `count` bytes, fewer only at the end of the stream.
    func read(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = unsafe bytes.withUnsafeMutableBytes {
                unsafe Glibc.recv(socket, $0.baseAddress?.advanced(by: done), count - done, 0)
            }
            guard got > 0 else { break }
            done += got
        }
        return Array(bytes.prefix(done))
    }

    func endSending() { shutdown(socket, Int32(SHUT_WR)) }

    /// Closes so that the peer sees a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        Glibc.close(socket)
        isClosed = true
    }
}

/// A kernel that answers from a script where there is one, and else is the real one. `nil` means the real call.
struct ScriptedCalls: SystemCalls {
    typealias Answer = @Sendable (Int) -> Int?

    let real = LinuxCalls()
    /// Given the room, the count asked for.
    var onReceive: Answer = { _ in nil }
    var onSend: Answer = { _ in nil }
    var onSendFile: Answer = { _ in nil }
    var onAccept: Answer = { _ in nil }
    var onRead: Answer = { _ in nil }
    var onWrite: Answer = { _ in nil }
    var onSync: Answer = { _ in nil }
    var onTruncate: Answer = { _ in nil }

    /// A positive answer limits the call; one of 0 or below is its result.
    private func play(_ answer: Int?, _ count: Int, _ call: (Int) -> Int) -> Int {
        guard let answer else { return call(count) }
        return answer > 0 ? call(min(answer, count)) : answer
    }

    func receive(_ socket: Int32, into target: UnsafeMutableRawBufferPointer) -> Int {
        play(onReceive(target.count), target.count) { limit in
            unsafe real.receive(socket, into: UnsafeMutableRawBufferPointer(rebasing: target.prefix(limit)))
        }
    }

    func send(_ socket: Int32, _ pieces: UnsafeBufferPointer<martlet_piece>, more: Bool) -> Int {
        let count = unsafe pieces.reduce(0) { unsafe $0 + $1.count }
        return play(onSend(count), count) { unsafe first(pieces, $0) { unsafe real.send(socket, $0, more: more) } }
    }

    func sendFile(_ socket: Int32, from file: Int32, at position: Int, count: Int) -> Int {
        play(onSendFile(count), count) { real.sendFile(socket, from: file, at: position, count: $0) }
    }

    func accept(_ socket: Int32, peer: inout PeerAddress) -> Int32 {
        if let answer = onAccept(0) { return Int32(answer) }
        return real.accept(socket, peer: &peer)
    }

    func read(_ file: Int32, at position: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        play(onRead(target.count), target.count) { limit in
            unsafe real.read(file, at: position, into: UnsafeMutableRawBufferPointer(rebasing: target.prefix(limit)))
        }
    }

    func write(_ file: Int32, at position: Int, _ pieces: UnsafeBufferPointer<martlet_piece>) -> Int {
        let count = unsafe pieces.reduce(0) { unsafe $0 + $1.count }
        return play(onWrite(count), count) { unsafe first(pieces, $0) { unsafe real.write(file, at: position, $0) } }
    }

    func sync(_ file: Int32) -> Int32 { onSync(0).map { Int32($0) } ?? real.sync(file) }
    func syncFolder(_ folder: Int32) -> Int32 { onSync(0).map { Int32($0) } ?? real.syncFolder(folder) }
    func syncDisk(_ folder: Int32) -> Int32 { onSync(0).map { Int32($0) } ?? real.syncDisk(folder) }
    func truncate(_ file: Int32, to size: Int) -> Int32 {
        onTruncate(size).map { Int32($0) } ?? real.truncate(file, to: size)
    }

    /// The pieces cut to `limit` bytes.
    private func first(
        _ pieces: UnsafeBufferPointer<martlet_piece>, _ limit: Int, _ call: (UnsafeBufferPointer<martlet_piece>) -> Int
    ) -> Int {
        var left = limit
        var cut: [martlet_piece] = unsafe []
        for index in 0..<pieces.count where left > 0 {
            let piece = unsafe pieces[index]
            unsafe cut.append(unsafe martlet_piece(base: piece.base, count: min(piece.count, left)))
            left -= unsafe min(piece.count, left)
        }
        return unsafe cut.withUnsafeBufferPointer { unsafe call($0) }
    }
}

/// Gives its answers one after the other, then `nil` for ever.
final class Script: Sendable {
    private let answers: Mutex<[Int?]>

    init(_ answers: [Int?]) { self.answers = Mutex(answers.reversed()) }

    var next: Int? { answers.withLock { $0.popLast() } ?? nil }
    var isDone: Bool { answers.withLock { $0.isEmpty } }
}

/// Runs `body` with the path of an empty folder that is removed afterwards.
func withFolder(_ body: (String) throws -> Void) throws {
    let files = RealFileSystem()
    let path = "/tmp/martlet-reactor-\(getpid())-\(SystemRandom().next())"
    try files.createDirectory(path)
    defer { removeAll(path, files) }
    try body(path)
}

private func removeAll(_ path: String, _ files: RealFileSystem) {
    for entry in (try? files.entries(path)) ?? [] {
        if entry.isDirectory { removeAll("\(path)/\(entry.name)", files) }
        try? files.remove("\(path)/\(entry.name)")
    }
    try? files.remove(path)
}
