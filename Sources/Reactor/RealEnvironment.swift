// The real world, put together: loops and pool as threads, the kernel's clocks, files and sockets.
//
// Life: `make`, then `start`; any thread may call `stop`; `join` waits until the loops have closed what was open and
// the pool has run what was queued. A graceful stop of the broker comes before `stop`.

internal import Basics
internal import CLinux
package import Environment
internal import Synchronization

/// The environment of a process, and the threads behind it.
package final class RealEnvironment: Sendable {
    /// Sizes; the defaults suit a broker.
    package struct Settings: Sendable {
        package var loopCount: Int
        package var poolThreads: Int
        package var loopStackSize = 1 << 20
        package var poolStackSize = 512 << 10
        /// Bytes of free receive blocks that each loop keeps.
        package var idleBytesMax = 32 << 20
        package var connectTimeoutMilliseconds = 10_000

        package init(loopCount: Int, poolThreads: Int) {
            self.loopCount = loopCount
            self.poolThreads = poolThreads
        }
    }

    package let environment: Environment
    private let settings: Settings
    private let loops: [RealLoop]
    private let pool: ThreadPool
    private let threads = Mutex<[Thread]>([])

    private init(_ settings: Settings, _ loops: [RealLoop], _ calls: any SystemCalls) {
        self.settings = settings
        self.loops = loops
        pool = ThreadPool()
        environment = Environment(
            clock: SystemClock(), random: SystemRandom(), loops: loops, fileSystem: RealFileSystem(calls: calls),
            network: SocketNetwork(
                loops: loops, pool: pool, connectTimeout: .milliseconds(settings.connectTimeoutMilliseconds)),
            pool: pool)
    }

    /// An environment whose threads do not run yet. From here on a write to a closed connection is an error and not the
    /// end of the process.
    package static func make(
        _ settings: Settings, calls: any SystemCalls = LinuxCalls()
    ) throws(NetworkError) -> RealEnvironment {
        precondition(settings.loopCount > 0 && settings.poolThreads > 0, "at least one loop and one pool thread")
        let pipes = martlet_ignore_broken_pipes()
        precondition(pipes == 0, "a signal handler can be set")
        var loops: [RealLoop] = []
        for index in 0..<settings.loopCount {
            loops.append(try RealLoop(index: index, calls: calls, idleBytesMax: settings.idleBytesMax))
        }
        return RealEnvironment(settings, loops, calls)
    }

    package static func make(loopCount: Int, poolThreads: Int) throws(NetworkError) -> RealEnvironment {
        try make(Settings(loopCount: loopCount, poolThreads: poolThreads))
    }

    /// Starts the threads; once.
    package func start() {
        pool.start(count: settings.poolThreads, stackSize: settings.poolStackSize)
        let started = loops.map { loop in
            Thread(name: "loop-\(loop.index)", stackSize: settings.loopStackSize) { loop.run() }
        }
        threads.withLock { threads in
            precondition(threads.isEmpty, "an environment is started once")
            threads = started
        }
    }

    /// From now on SIGTERM, SIGINT and SIGHUP call `action` inside loop 0. Once in a process.
    package func onSignal(_ action: @escaping @Sendable (ProcessSignal) -> Void) throws(NetworkError) {
        let loop = loops[0]
        let watch = Confined(try SignalWatch(action), to: loop)
        loop.post {
            do throws(NetworkError) {
                try watch.value.begin(on: loop)
            } catch {
                preconditionFailure("the signal pipe can be watched: \(error)")
            }
        }
    }

    /// Ends the loops: listeners and connections are closed, timers forgotten. Any thread; returns at once.
    package func stop() {
        for loop in loops { loop.stop() }
    }

    /// Waits for the end of all threads; not on one of them.
    package func join() {
        let waited = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in waited { thread.join() }
        pool.stop()
    }
}
