// How one log folder stands: whether its disk can still be believed, and how much room is left on it.
//
// Invariant: a folder that went offline stays so until the process ends. The room is measured now and then, and in
// between whatever is admitted is taken off, so that a fast writer does not run past the reserve from one look to the next.

internal import Basics
internal import Environment
package import Synchronization

/// The standing of a log folder. Any thread may ask and tell.
package final class FolderStanding: Sendable {
    package let path: String
    private let offline = Atomic(false)
    private let state = Mutex(State())
    /// Free bytes, as of the last look and what was admitted since.
    package let freeBytes = Atomic(Int.max)
    // Asked by every append on every loop: no lock.
    private let reserve = Atomic(SpaceLimits.none.reserve)
    private let throttle = Atomic(SpaceLimits.none.throttle)
    private let lastLook = Mutex((verdict: SpaceLimits.Verdict.open, refusedCount: 0))
    /// Requests refused for want of room, and answers that asked their client to wait; for the metrics.
    package let refusedCount = Atomic(0)
    package let throttledCount = Atomic(0)

    private struct State {
        var failure: StorageError?
        var onFailure: (@Sendable (StorageError) -> Void)?
    }

    package init(_ path: String) { self.path = path }

    // MARK: Failure

    package var isOffline: Bool { offline.load(ordering: .acquiring) }

    /// Why the folder is offline, or nil.
    package var failure: StorageError? { isOffline ? state.withLock { $0.failure } : nil }

    /// Takes the folder offline; the first reason counts.
    package func fail(_ error: StorageError) {
        let told = state.withLock { state -> (@Sendable (StorageError) -> Void)? in
            guard state.failure == nil else { return nil }
            state.failure = error
            offline.store(true, ordering: .releasing)
            return state.onFailure
        }
        told?(error)
    }

    /// Calls `action` once, on any thread, when the folder goes offline; at once if it is. It must not block.
    package func onFailure(_ action: @escaping @Sendable (StorageError) -> Void) {
        let failure = state.withLock { state in
            state.onFailure = action
            return state.failure
        }
        if let failure { action(failure) }
    }

    // MARK: Room

    /// Notes what the disk says, and how low its room may get. Answers what that means for producers, before and now; who
    /// was refused since the last look counts: what was asked for did not fit, though a smaller batch might.
    @discardableResult
    package func measured(
        free: Int, _ limits: SpaceLimits
    ) -> (before: SpaceLimits.Verdict, now: SpaceLimits.Verdict) {
        reserve.store(limits.reserve, ordering: .relaxed)
        throttle.store(limits.throttle, ordering: .relaxed)
        freeBytes.store(free, ordering: .relaxed)
        let refused = refusedCount.load(ordering: .relaxed)
        return lastLook.withLock { last in
            let before = last.verdict
            last = (refused > last.refusedCount ? .refused : limits.verdict(free: free), refused)
            return (before, last.verdict)
        }
    }

    private var limits: SpaceLimits {
        SpaceLimits(
            total: 0, reserve: reserve.load(ordering: .relaxed), throttle: throttle.load(ordering: .relaxed))
    }

    /// What the room that is left means for producers.
    package var verdict: SpaceLimits.Verdict { limits.verdict(free: freeBytes.load(ordering: .relaxed)) }

    /// How long a producer is to wait after its answer; counted, if at all.
    package func delayOfProducer() -> Duration {
        let delay = verdict.delay
        if delay > .zero { throttledCount.add(1, ordering: .relaxed) }
        return delay
    }

    /// Takes `count` bytes off the room; false if the reserve would not be left.
    package func admit(_ count: Int) -> Bool {
        let limits = limits
        guard limits.verdict(free: freeBytes.load(ordering: .relaxed) - count) != .refused else {
            refusedCount.add(1, ordering: .relaxed)
            return false
        }
        freeBytes.subtract(count, ordering: .relaxed)
        return true
    }
}
