// Threads with small stacks, and a place to wait. The only file that starts threads.

internal import CLinux
internal import Glibc

/// A started thread; `join` waits for its end.
///
/// Proof of `@unchecked Sendable`: the handle is set in `init` and never changed.
package final class Thread: @unchecked Sendable {
    private var handle: pthread_t = 0

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts `body` on a thread called `name` (at most 15 bytes are kept) with `stackSize` bytes of stack.
    package init(name: String, stackSize: Int, _ body: @escaping @Sendable () -> Void) {
        // Safety: the attributes live during this call; the boxed body is released by the new thread, which is
        // certain to run because creation is checked.
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        var result = unsafe pthread_attr_setstacksize(&attributes, stackSize)
        precondition(result == 0, "the stack is at least as large as the system's minimum")
        let boxed = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
        result = unsafe pthread_create(
            &handle, &attributes,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, boxed)
        precondition(result == 0, "the system can start a thread (error \(result))")
        unsafe pthread_attr_destroy(&attributes)
        unsafe martlet_name_thread(handle, name)
    }

    /// Waits for the end of the thread; to be called once, by another thread.
    package func join() { _ = pthread_join(handle, nil) }

    /// A number that no other living thread has.
    package static var currentIdentity: UInt { UInt(pthread_self()) }
}

/// A lock with a condition to wait for.
///
/// Proof of `@unchecked Sendable`: the two system objects are made for sharing; they stay at one address from init to
/// deinit, and nothing else is stored.
@safe
package final class WaitPoint: @unchecked Sendable {
    // Safety: both valid from init to deinit.
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init() {
        unsafe lock = .allocate(capacity: 1)
        unsafe condition = .allocate(capacity: 1)
        // Safety: both are allocated just above and initialised once; the attributes live during the calls.
        let mutexResult = unsafe pthread_mutex_init(lock, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let conditionResult = unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
        precondition(mutexResult == 0 && conditionResult == 0, "a lock and a condition")
    }

    deinit {
        // Safety: the last reference ends here, so nobody waits.
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(lock)
        unsafe condition.deallocate()
        unsafe lock.deallocate()
    }

    // Safety of the rest: both objects are valid from init to deinit.

    /// Runs `body` under the lock.
    package func locked<Result>(_ body: () -> Result) -> Result {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        return body()
    }

    /// Gives up the lock until woken; only inside `locked`. May return without reason.
    package func wait() { unsafe pthread_cond_wait(condition, lock) }

    /// As `wait`, at most until `nanoseconds` on the monotonic clock; false when that has passed.
    package func wait(untilNanoseconds nanoseconds: Int64) -> Bool {
        var time = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        return unsafe pthread_cond_timedwait(condition, lock, &time) == 0
    }

    package func wakeOne() { unsafe pthread_cond_signal(condition) }
    package func wakeAll() { unsafe pthread_cond_broadcast(condition) }
}
