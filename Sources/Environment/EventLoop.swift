// One loop of events: what is due runs to its end, one thing after the other, on one thread.

package import Basics
package import Bytes

/// A reactor as the code above it sees it.
///
/// `post` may be called on any thread and runs messages in a later turn, in the order of the posts of one thread; all
/// else is called only inside the loop.
package protocol EventLoop: Confinement {
    /// The number of this loop in `Environment.loops`.
    var index: Int { get }
    /// Monotonic time of the current turn of the loop; cheaper than the clock.
    var now: Instant { get }
    /// Blocks for receiving and for building answers.
    var buffers: BufferPool { get }

    /// Runs `action` inside the loop at `instant` or soon after, unless cancelled before.
    func schedule(at instant: Instant, _ action: @escaping () -> Void) -> TimerToken

    /// Forgets a timer; nothing happens if it ran already.
    func cancel(_ token: TimerToken)

    /// Goes on with the next step of a decision, effect and completion: in production at once, in the simulator as an
    /// event of its own, so that other loops can come in between.
    func proceed(_ action: @escaping () -> Void)
}

/// Names one timer of one loop.
@frozen
package struct TimerToken: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}
