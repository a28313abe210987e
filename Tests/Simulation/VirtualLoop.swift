// Event loops, pool, clock and chance of one simulated process.

import Basics
import Bytes
import Environment

/// Whether a simulated process lives; events of a dead one do not run.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class Life: @unchecked Sendable {
    var isAlive = true
    let name: String
    /// Where it runs, for the network.
    let machine: String
    /// Microseconds that a job of its pool may wait; the world's if nil.
    var poolDelayMax: Int?
    /// Until then none of its loops runs anything, as if the machine did nothing else than swap.
    var stalledUntil: Int64 = 0
    /// Until then nothing that it sends or is sent arrives; then all of it does.
    var silentUntil: Int64 = 0
    /// How far the wall clock of its machine is off the world's, in milliseconds.
    var wallClockJump: Int64 = 0

    init(_ name: String, on machine: String? = nil) {
        self.name = name
        self.machine = machine ?? name
    }
}

/// A loop whose every callback is an event of the world.
///
/// Proof of `@unchecked Sendable`: as for `World`.
final class VirtualLoop: EventLoop, @unchecked Sendable {
    let index: Int
    let buffers = BufferPool(idleBytesMax: 1 << 20)
    let world: World
    let life: Life
    private var nextToken: UInt64 = 1
    private var timers: Set<UInt64> = []
    /// Messages are delivered in the order of the posts.
    private var lastPost: Int64 = 0

    init(index: Int, world: World, life: Life) {
        self.index = index
        self.world = world
        self.life = life
    }

    var now: Instant { Instant(nanoseconds: world.now) }
    var isInside: Bool { world.running === self }

    func assertInside() { precondition(isInside, "called outside of the loop") }

    /// Runs `action` inside the loop after `delay`, if the process still lives then.
    func enter(after delay: Int64, _ action: @escaping () -> Void) {
        world.after(delay) {
            guard self.life.isAlive else { return }
            let stalled = self.life.stalledUntil - self.world.now
            if stalled <= 0, self.held.isEmpty { return self.run(action) }
            self.held.append(action)
            if self.held.count == 1 { self.world.after(stalled, self.release) }
        }
    }

    /// What came while the process stood still, in the order in which it came.
    private var held: [() -> Void] = []

    private func release() {
        guard life.isAlive else { return }
        let stalled = life.stalledUntil - world.now
        if stalled > 0 { return world.after(stalled, release) }
        let actions = held
        held = []
        for action in actions { run(action) }
    }

    private func run(_ action: () -> Void) {
        let before = world.running
        world.running = self
        action()
        world.running = before
    }

    func post(_ message: @escaping @Sendable () -> Void) {
        lastPost = max(lastPost, world.now + world.delay(upTo: 50))
        enter(after: lastPost - world.now, message)
    }

    func schedule(at instant: Instant, _ action: @escaping () -> Void) -> TimerToken {
        let token = nextToken
        nextToken += 1
        timers.insert(token)
        let delay = instant == .distantFuture ? Int64.max / 4 : instant.nanoseconds - world.now
        enter(after: delay) {
            guard self.timers.remove(token) != nil else { return }
            action()
        }
        return TimerToken(rawValue: token)
    }

    func cancel(_ token: TimerToken) { timers.remove(token.rawValue) }

    private var lastStep: Int64 = 0

    func proceed(_ action: @escaping () -> Void) {
        lastStep = max(lastStep, world.now + world.delay(upTo: 5))
        enter(after: lastStep - world.now, action)
    }
}

/// A pool whose jobs run after a while, in any order.
struct VirtualPool: Pool {
    let world: World
    let life: Life

    func run(_ work: @escaping @Sendable () -> Void) {
        begin(after: world.delay(upTo: life.poolDelayMax ?? world.poolDelayMax), work)
    }

    /// A process that stands still works nothing.
    private func begin(after delay: Int64, _ work: @escaping @Sendable () -> Void) {
        world.after(delay) {
            guard life.isAlive else { return }
            let stalled = life.stalledUntil - world.now
            if stalled > 0 { return begin(after: stalled, work) }
            work()
        }
    }
}

struct VirtualClock: Clock {
    let world: World
    var life: Life?

    var now: Instant { Instant(nanoseconds: world.now) }
    /// 2026-01-01, what has passed since, and how far the clock has jumped.
    var wallClock: Timestamp {
        let jump = world.wallClockJump + (life?.wallClockJump ?? 0)
        return Timestamp(milliseconds: 1_767_225_600_000 + world.now / 1_000_000 + jump)
    }
}

struct VirtualRandom: RandomSource {
    let world: World

    func next() -> UInt64 { world.next() }
}
