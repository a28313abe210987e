// Everything that broker and client ask of the world outside: time, chance, loops, files, peers, and a place for work
// that blocks. Production gives the real ones (`Reactor`), the simulator gives virtual ones with seeds and faults.
//
// Rule: broker code reaches the world through these protocols only. They are held as `any` and called about once per
// input or output, never per record.

package import Basics

/// The world as one process sees it.
package struct Environment: Sendable {
    package let clock: any Clock
    package let random: any RandomSource
    package let loops: [any EventLoop]
    package let fileSystem: any FileSystem
    package let network: any Network
    package let pool: any Pool

    package init(
        clock: any Clock, random: any RandomSource, loops: [any EventLoop], fileSystem: any FileSystem,
        network: any Network, pool: any Pool
    ) {
        precondition(!loops.isEmpty, "a process has at least one event loop")
        self.clock = clock
        self.random = random
        self.loops = loops
        self.fileSystem = fileSystem
        self.network = network
        self.pool = pool
    }
}

/// The two clocks. Any thread may ask.
package protocol Clock: Sendable {
    /// Monotonic time, for waits, leases and latencies.
    var now: Instant { get }
    /// Wall-clock time, for record timestamps and retention. It may jump in both directions.
    var wallClock: Timestamp { get }
}

/// The only source of chance. Any thread may ask.
package protocol RandomSource: Sendable {
    func next() -> UInt64
}

/// A `RandomSource` where the standard library wants a generator.
package struct RandomSourceGenerator: RandomNumberGenerator {
    private let source: any RandomSource

    package init(_ source: any RandomSource) { self.source = source }

    package mutating func next() -> UInt64 { source.next() }
}

/// A few threads for work that may block: sync, deletion, compaction, cold reads, name look-ups.
package protocol Pool: Sendable {
    /// Runs `work` on some pool thread, in no particular order. The work posts its result to a loop by itself.
    func run(_ work: @escaping @Sendable () -> Void)
    /// Runs `body` for each number below `count`, on the caller's and on pool threads, and returns when all are done. Not
    /// for loops, nor for work of the pool.
    func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void)
}

extension Pool {
    /// One after the other.
    package func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        for index in 0..<count { body(index) }
    }
}
