// Messages from any thread to one loop.
//
// Invariant: messages run in the order of the posts; the loop is woken only if it waits (or is about to), so that a
// busy loop costs its senders no system call.

internal import Basics
internal import CLinux
internal import Synchronization

final class Mailbox: Sendable {
    private struct State {
        var messages: [@Sendable () -> Void] = []
        /// When the loop wakes by itself; nil while it is awake.
        var waitsUntil: Instant?
        var isClosed = false
    }

    private let state = Mutex(State())
    /// Readable when there is something to take; watched by the loop.
    let wakeDescriptor: Descriptor
    /// Wakes so far, for tests.
    let wakes = Atomic<Int>(0)

    init(wakeDescriptor: Descriptor) { self.wakeDescriptor = wakeDescriptor }

    /// Any thread. After `close` messages are dropped.
    /// The loop takes the message by `deadline`, or as soon as it can after that.
    func post(by deadline: Instant, _ message: @escaping @Sendable () -> Void) {
        let mustWake = state.withLock { state in
            guard !state.isClosed else { return false }
            state.messages.append(message)
            guard let waitsUntil = state.waitsUntil, waitsUntil > deadline else { return false }
            state.waitsUntil = nil
            return true
        }
        guard mustWake else { return }
        wakes.add(1, ordering: .relaxed)
        let result = martlet_wake(wakeDescriptor.raw)
        precondition(result == 0, "the wake descriptor of a loop can be written")
    }

    /// The loop is about to wait; false if there are messages already.
    func prepareToWait(until instant: Instant) -> Bool {
        state.withLock { state in
            state.waitsUntil = state.messages.isEmpty ? instant : nil
            return state.waitsUntil != nil
        }
    }

    /// The loop has woken: it need not be woken for what comes now.
    func wake() { state.withLock { $0.waitsUntil = nil } }

    /// Exchanges the waiting messages with `emptied`, whose room is used again.
    func take(into emptied: inout [@Sendable () -> Void]) {
        state.withLock { state in
            swap(&state.messages, &emptied)
        }
    }

    func clearWake() { martlet_wake_clear(wakeDescriptor.raw) }

    func close() {
        let dropped = state.withLock { state in
            state.isClosed = true
            defer { state.messages = [] }
            return state.messages
        }
        // Dropped outside of the lock: the end of a message's captures may post.
        _ = dropped.count
    }
}
