// A whole broker inside the test's process, with real threads, files and sockets.

import Basics
import Broker
import Bytes
import Configuration
import Environment
import Foundation
import Reactor
import Synchronization

/// Collects a value of another thread.
final class Outcome<Value: Sendable>: Sendable {
    private let point = WaitPoint()
    private let stored = Mutex<Value?>(nil)

    func put(_ value: Value) {
        stored.withLock { $0 = value }
        point.locked { point.wakeAll() }
    }

    /// The value, or nil after `seconds`.
    func wait(seconds: Int64 = 30) -> Value? {
        let deadline = SystemClock().now.nanoseconds + seconds * 1_000_000_000
        return point.locked {
            while stored.withLock({ $0 == nil }) {
                if !point.wait(untilNanoseconds: deadline) { break }
            }
            return stored.withLock { $0 }
        }
    }
}

/// A running broker; its folder outlives it until the test ends. The lock on the folder lasts as long as the process, so
/// that a second life begins on a copy.
final class TestBroker {
    private let real: RealEnvironment
    private let broker: Broker
    let port: UInt16
    /// The epoch of its registration.
    var epoch: Int64 { broker.brokerEpoch }
    /// Of all listeners, those for controllers first.
    var ports: [UInt16] { broker.addresses.map(\.port) }

    init(folder: String, _ settings: [String: String] = [:]) throws {
        var values = [
            GivenValue(key: "listeners", value: "PLAINTEXT://127.0.0.1:0", origin: .flag),
            GivenValue(key: "log.dirs", value: folder, origin: .flag),
        ]
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            values.append(GivenValue(key: key, value: value, origin: .flag))
        }
        let node = try NodeConfiguration(values)
        real = try RealEnvironment.make(loopCount: 2, poolThreads: 2)
        real.start()
        let started = Outcome<String>()
        broker = try Broker.start(
            real.environment, node, logger: Logger(clock: SystemClock()) { _ in }, onHalt: { started.put("\($0)") }
        ) { failure in
            started.put(failure.map { "\($0)" } ?? "")
        }
        let failure = started.wait()
        guard failure == "", let address = broker.addresses.first else {
            throw TestFailure("the broker did not start: \(failure ?? "no word of it")")
        }
        port = address.port
    }

    /// A copy of a folder as another process would find it.
    static func copy(_ folder: String) throws -> String {
        let target = folder + "+"
        try FileManager.default.copyItem(atPath: folder, toPath: target)
        return target
    }

    /// Ends the process's threads as a crash would, without an orderly stop.
    func kill() {
        real.stop()
        real.join()
    }

    func stop() throws {
        let stopped = Outcome<String>()
        broker.stop { failure in stopped.put(failure.map { "\($0)" } ?? "") }
        let failure = stopped.wait()
        kill()
        if failure != "" { throw TestFailure("the broker did not stop: \(failure ?? "no word of it")") }
    }
}

/// Runs `body` with a broker on an empty folder, and stops it in order afterwards.
func withBroker(_ settings: [String: String] = [:], _ body: (TestBroker) throws -> Void) throws {
    try withFolder { folder in
        let broker = try TestBroker(folder: folder, settings)
        do {
            try body(broker)
        } catch {
            broker.kill()
            throw error
        }
        try broker.stop()
    }
}

/// Runs `body` with the path of an empty folder that is removed afterwards, with all copies of it.
func withFolder(_ body: (String) throws -> Void) throws {
    let files = FileManager.default
    // In memory where that is possible: these tests are of answers, and a disk's syncs would take most of their time.
    let place = files.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
    let root = place + "/martlet-broker-\(ProcessInfo.processInfo.processIdentifier)-\(UUID())"
    try files.createDirectory(atPath: root + "/data", withIntermediateDirectories: true)
    defer { try? files.removeItem(atPath: root) }
    try body(root + "/data")
}
