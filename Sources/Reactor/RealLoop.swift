// A reactor: one thread that waits for sockets, messages and timers and runs what is due, one thing after the other.
//
// A turn: wait; ready sockets, those of patient peers (`PatientSources`) among them; sends that had used up their share;
// messages; timers. After each of these callbacks the steps given to `proceed` run, before anything else does; they are
// queued and not nested, so that no step finds its caller half way through its own.
//
// Invariant: everything but `mailbox`, `connectionCount`, `thread` and the constants is touched by the loop's thread
// alone. Timers have the resolution of epoll_pwait2 (nanoseconds; on older kernels milliseconds, rounded up).

package import Basics
package import Bytes
internal import CLinux
package import Environment
internal import Synchronization

/// The event loop of the real environment.
///
/// Proof of `@unchecked Sendable`: the state named in the head of the file is confined to the thread that runs `run`,
/// which `assertInside` checks at every entry but `post`; the rest is constant, atomic or behind the mailbox's lock.
@safe
package final class RealLoop: EventLoop, @unchecked Sendable {
    /// Steps after one callback; what is beyond goes on in the next turn, so that a chain without end starves nobody.
    private static let stepsMax = 1000

    package let index: Int
    package let buffers: BufferPool
    let calls: any SystemCalls
    /// Open connections, for choosing a loop; any thread may read and change it.
    let connectionCount = Atomic<Int>(0)
    private let mailbox: Mailbox
    private let thread = Atomic<UInt>(0)
    private let clock = SystemClock()

    package private(set) var now: Instant
    /// Counts the turns; a connection's share of sending is per turn.
    package private(set) var turn: UInt64 = 0
    private var poller: Poller
    private let patient: PatientSources
    private var timers = TimerHeap()
    private var steps: [() -> Void] = []
    private var runningMessages: [@Sendable () -> Void] = []
    private var resumed: [SocketTransport] = []
    private var isEnding = false
    var receiving: ReceiveBlock
    let gathering = GatherScratch()
    // Safety: MARTLET_READY_MAX entries, from init to deinit.
    private let ready: UnsafeMutablePointer<martlet_ready>

    package init(
        index: Int, calls: any SystemCalls = LinuxCalls(), idleBytesMax: Int = 32 << 20
    ) throws(NetworkError) {
        let wake = martlet_wake_create()
        guard wake >= 0 else { throw NetworkError(errno: -wake, "eventfd") }
        self.index = index
        self.calls = calls
        buffers = BufferPool(idleBytesMax: idleBytesMax)
        mailbox = Mailbox(wakeDescriptor: Descriptor(wake))
        poller = try Poller()
        patient = try PatientSources(in: &poller)
        receiving = ReceiveBlock()
        now = clock.now
        unsafe ready = .allocate(capacity: Int(MARTLET_READY_MAX))
        let doorbell = Doorbell(mailbox)
        _ = try poller.watch(wake, for: .reading, doorbell)
    }

    deinit { unsafe ready.deallocate() }

    package func assertInside() { precondition(isInside, "called outside of the loop") }

    package var isInside: Bool { thread.load(ordering: .relaxed) == Thread.currentIdentity }

    /// Wakes by messages so far.
    package var wakeCount: Int { mailbox.wakes.load(ordering: .relaxed) }

    // MARK: EventLoop

    package func post(_ message: @escaping @Sendable () -> Void) { post(within: .zero, message) }

    package func post(within delay: Duration, _ message: @escaping @Sendable () -> Void) {
        mailbox.post(by: delay > .zero ? clock.now + delay : Instant(nanoseconds: .min), message)
    }

    package func schedule(at instant: Instant, _ action: @escaping () -> Void) -> TimerToken {
        assertInside()
        return timers.schedule(at: instant, action)
    }

    package func cancel(_ token: TimerToken) {
        assertInside()
        let dropped = timers.cancel(token)
        _ = dropped
    }

    package func proceed(_ action: @escaping () -> Void) {
        assertInside()
        steps.append(action)
    }

    // MARK: Running

    /// Runs until `stop`; on the thread that is to be the loop's.
    package func run() {
        thread.store(Thread.currentIdentity, ordering: .relaxed)
        while !isEnding { runTurn() }
        end()
        thread.store(0, ordering: .relaxed)
    }

    /// Ends the loop after the messages that were posted before; any thread. What is open is closed.
    package func stop() { post { self.isEnding = true } }

    private func runTurn() {
        turn &+= 1
        let count = unsafe poller.wait(waitingTime(), ready)
        now = clock.now
        mailbox.wake()
        for index in 0..<count {
            // Safety: the poller filled `count` entries.
            let event = unsafe ready[index]
            guard let source = poller.source(event.token) else { continue }
            source.ready(Readiness(rawValue: event.events))
        }
        if patient.isDue { lookAtPatient() }
        // After all events, so that what came by several connections is written together, and answered together.
        runSteps()
        runResumed()
        runMessages()
        runTimers()
    }

    /// Takes what patient peers have said, and comes back as long as they say something.
    private func lookAtPatient() {
        let count = unsafe patient.poller.wait(0, ready)
        for index in 0..<count {
            // Safety: the poller filled `count` entries.
            let event = unsafe ready[index]
            guard let source = patient.poller.source(event.token) else { continue }
            source.ready(Readiness(rawValue: event.events))
        }
        guard patient.looked(count, poller) else { return }
        _ = timers.schedule(at: now + PatientSources.pause) { self.lookAtPatient() }
    }

    /// Nanoseconds until something is due that no descriptor tells of; below 0 for ever.
    private func waitingTime() -> Int64 {
        guard resumed.isEmpty, steps.isEmpty, !patient.isDue, !isEnding else { return 0 }
        let next = timers.nextInstant()
        if let next, next <= now { return 0 }
        guard mailbox.prepareToWait(until: next ?? .distantFuture) else { return 0 }
        guard let next else { return -1 }
        return max(0, (next - clock.now).wholeNanoseconds)
    }

    private func runSteps() {
        var done = 0
        while done < steps.count, done < RealLoop.stepsMax {
            let step = steps[done]
            done += 1
            step()
        }
        if done == steps.count { steps.removeAll(keepingCapacity: true) } else { steps.removeFirst(done) }
    }

    private func runResumed() {
        runSteps()
        guard !resumed.isEmpty else { return }
        let transports = resumed
        resumed = []
        for transport in transports {
            transport.continueSending()
            runSteps()
        }
    }

    private func runMessages() {
        mailbox.take(into: &runningMessages)
        guard !runningMessages.isEmpty else { return }
        for message in runningMessages { message() }
        runSteps()
        runningMessages.removeAll(keepingCapacity: runningMessages.capacity <= 4096)
    }

    private func runTimers() {
        let last = timers.sequence
        while let action = timers.takeDue(at: now, scheduledUpTo: last) {
            action()
            runSteps()
        }
    }

    private func end() {
        for source in poller.sources + patient.poller.sources {
            source.loopEnds()
            runSteps()
        }
        mailbox.close()
        while !steps.isEmpty { runSteps() }
        // What is dropped may hold the loop, and may call it while it goes: it goes after the loop's own fields are set.
        let dropped = (resumed, timers, poller.forgetAll(), patient.poller.forgetAll())
        resumed = []
        timers = TimerHeap()
        _ = dropped
    }
}

/// A descriptor that a loop watches.
struct Watch {
    fileprivate let descriptor: Int32
    /// Events may wait for those of others.
    let isPatient: Bool
    fileprivate let token: Poller.Token
}

// What sources ask of their loop.
extension RealLoop {
    func watch(
        _ descriptor: Int32, for readiness: Readiness, isPatient: Bool = false, _ source: any EventSource
    ) throws(NetworkError) -> Watch {
        assertInside()
        let token = isPatient
            ? try patient.poller.watch(descriptor, for: readiness, source)
            : try poller.watch(descriptor, for: readiness, source)
        return Watch(descriptor: descriptor, isPatient: isPatient, token: token)
    }

    func change(_ watch: Watch, to readiness: Readiness) {
        if watch.isPatient {
            patient.poller.change(watch.descriptor, to: readiness, watch.token)
        } else {
            poller.change(watch.descriptor, to: readiness, watch.token)
        }
    }

    func forget(_ watch: Watch) {
        let dropped = watch.isPatient
            ? patient.poller.forget(watch.descriptor, watch.token) : poller.forget(watch.descriptor, watch.token)
        _ = dropped
    }

    /// Calls `continueSending` in the next turn.
    func resumeInNextTurn(_ transport: SocketTransport) { resumed.append(transport) }
}

/// The mailbox's own descriptor: reading it is all that is to be done, the messages are taken later in the turn.
private final class Doorbell: EventSource {
    private let mailbox: Mailbox

    init(_ mailbox: Mailbox) { self.mailbox = mailbox }

    func ready(_ readiness: Readiness) { mailbox.clearWake() }
    func loopEnds() {}
}
