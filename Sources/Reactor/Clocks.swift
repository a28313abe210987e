// The system's clocks, and chance from the kernel.

package import Basics
internal import Environment
internal import CLinux
internal import Glibc
internal import Synchronization

/// CLOCK_MONOTONIC and CLOCK_REALTIME, answered by the vDSO without entering the kernel.
package struct SystemClock: Clock {
    package init() {}

    package var now: Instant { Instant(nanoseconds: SystemClock.read(CLOCK_MONOTONIC, unitsPerSecond: 1_000_000_000)) }

    package var wallClock: Timestamp {
        Timestamp(milliseconds: SystemClock.read(CLOCK_REALTIME, unitsPerSecond: 1000))
    }

    private static func read(_ clock: clockid_t, unitsPerSecond units: Int64) -> Int64 {
        var time = timespec()
        // Safety: the structure is filled by the call and not kept.
        let result = unsafe clock_gettime(clock, &time)
        precondition(result == 0, "the system has this clock")
        return Int64(time.tv_sec) * units + Int64(time.tv_nsec) / (1_000_000_000 / units)
    }
}

/// A generator seeded by the kernel.
package final class SystemRandom: RandomSource {
    private let generator: Mutex<SeededRandom>

    package init() {
        var seed: UInt64 = 0
        // Safety: the variable is filled by the call and not kept.
        let result = unsafe martlet_random_seed(&seed)
        precondition(result == 0, "the kernel has chance for a seed")
        generator = Mutex(SeededRandom(seed: seed))
    }

    package func next() -> UInt64 { generator.withLock { $0.next() } }
}
