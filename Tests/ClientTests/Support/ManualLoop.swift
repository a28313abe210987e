// A loop whose time stands still until the test moves it, so that timeouts and back-offs are tested without waiting.

import Basics
import Bytes
import Environment

/// Proof of `@unchecked Sendable`: a test uses its loop on its own thread alone.
final class ManualLoop: EventLoop, @unchecked Sendable {
    let index = 0
    let buffers = BufferPool(idleBytesMax: 0)
    private(set) var now = Instant(nanoseconds: 0)
    private var steps: [() -> Void] = []
    private var timers: [(at: Instant, token: UInt64, action: () -> Void)] = []
    private var nextToken: UInt64 = 0

    var isInside: Bool { true }
    func assertInside() {}
    func post(_ message: @escaping @Sendable () -> Void) { steps.append(message) }
    func proceed(_ action: @escaping () -> Void) { steps.append(action) }

    func schedule(at instant: Instant, _ action: @escaping () -> Void) -> TimerToken {
        nextToken += 1
        timers.append((instant, nextToken, action))
        return TimerToken(rawValue: nextToken)
    }

    func cancel(_ token: TimerToken) { timers.removeAll { $0.token == token.rawValue } }

    /// Runs all that can run without time passing.
    func run() {
        while !steps.isEmpty { steps.removeFirst()() }
    }

    /// Lets `duration` pass, timer by timer.
    func pass(_ duration: Duration) {
        let end = now + duration
        run()
        while let next = timers.min(by: { ($0.at, $0.token) < ($1.at, $1.token) }), next.at <= end {
            timers.removeAll { $0.token == next.token }
            now = max(now, next.at)
            next.action()
            run()
        }
        now = end
    }

    /// Lets time pass until `condition` holds; false after `limit`.
    func pass(upTo limit: Duration = .seconds(600), until condition: () -> Bool) -> Bool {
        let end = now + limit
        run()
        while !condition() {
            guard let next = timers.min(by: { ($0.at, $0.token) < ($1.at, $1.token) }), next.at <= end else { return false }
            pass(max(.zero, next.at - now))
        }
        return true
    }
}

struct FixedClock: Clock {
    var now: Instant { Instant(nanoseconds: 0) }
    var wallClock: Timestamp { Timestamp(milliseconds: 1_700_000_000_000) }
}

final class FixedRandom: RandomSource {
    func next() -> UInt64 { 0x5555_5555_5555_5555 }
}

struct NoPool: Pool {
    func run(_ work: @escaping @Sendable () -> Void) { preconditionFailure("nothing here blocks") }
}

struct NoFiles: FileSystem {
    private func none(_ path: String) -> FileError { FileError(.notFound, "none", path: path) }
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File { throw none(path) }
    func createDirectory(_ path: String) throws(FileError) { throw none(path) }
    func entries(_ path: String) throws(FileError) -> [DirectoryEntry] { throw none(path) }
    func attributes(_ path: String) throws(FileError) -> FileAttributes? { throw none(path) }
    func rename(_ source: String, to target: String) throws(FileError) { throw none(source) }
    func remove(_ path: String) throws(FileError) { throw none(path) }
    func syncDirectory(_ path: String) throws(FileError) { throw none(path) }
    func disk(_ path: String) throws(FileError) -> (any Disk)? { nil }
    func lock(_ path: String) throws(FileError) -> any FileLock { throw none(path) }
    func space(_ path: String) throws(FileError) -> (total: Int, free: Int) { throw none(path) }
}
