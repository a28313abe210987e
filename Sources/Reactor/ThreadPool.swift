// A few threads that take work from one queue.
//
// Invariant: work is run once, in the order of arrival as far as several threads keep one; what was queued before
// `stop` is run, what comes later is dropped. `run` may be called on any thread.

internal import Environment
internal import Glibc
internal import Synchronization

/// The pool of the real environment.
package final class ThreadPool: Pool {
    private struct Queue {
        var work: [@Sendable () -> Void] = []
        var head = 0
        var isStopped = false
        var threads: [Thread] = []

        var hasWork: Bool { head < work.count }

        mutating func next() -> (@Sendable () -> Void)? {
            guard hasWork else { return nil }
            let item = work[head]
            work[head] = {}
            head += 1
            if head == work.count {
                work.removeAll(keepingCapacity: work.capacity <= 1024)
                head = 0
            } else if head >= 1024, head * 2 > work.count {
                work.removeFirst(head)
                head = 0
            }
            return item
        }
    }

    private let queue = Mutex(Queue())
    private let arrivals = WaitPoint()

    package init() {}

    /// Starts `count` threads.
    package func start(count: Int, stackSize: Int) {
        precondition(count > 0, "a pool has at least one thread")
        let threads = (0..<count).map { index in
            Thread(name: "pool-\(index)", stackSize: stackSize) { self.work() }
        }
        queue.withLock { $0.threads = threads }
    }

    package func run(_ work: @escaping @Sendable () -> Void) {
        queue.withLock { if !$0.isStopped { $0.work.append(work) } }
        arrivals.locked { arrivals.wakeOne() }
    }

    package func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let shared = ForEach(count: count, body: body)
        let helpers = min(queue.withLock { $0.threads.count }, count - 1)
        for _ in 0..<max(0, helpers) { run { shared.work() } }
        shared.work()
        shared.wait()
    }

    /// Work that nobody has taken yet.
    package var waitingCount: Int { queue.withLock { $0.work.count - $0.head } }

    private func work() {
        while true {
            let (item, isStopped) = queue.withLock { ($0.next(), $0.isStopped) }
            if let item {
                item()
            } else if isStopped {
                return
            } else {
                arrivals.locked {
                    while queue.withLock({ !$0.hasWork && !$0.isStopped }) { arrivals.wait() }
                }
            }
        }
    }

    /// Runs what is queued, ends the threads and waits for them; not to be called by work of the pool.
    package func stop() {
        let threads = queue.withLock { queue in
            queue.isStopped = true
            defer { queue.threads = [] }
            return queue.threads
        }
        arrivals.locked { arrivals.wakeAll() }
        for thread in threads { thread.join() }
    }
}

/// Numbers that several threads share among them. A helper that comes too late finds nothing to do.
private final class ForEach: Sendable {
    private let count: Int
    private let body: @Sendable (Int) -> Void
    private let next = Atomic(0)
    private let done = Atomic(0)
    private let end = WaitPoint()

    init(count: Int, body: @escaping @Sendable (Int) -> Void) {
        self.count = count
        self.body = body
    }

    func work() {
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            body(index)
            guard done.add(1, ordering: .acquiringAndReleasing).newValue == count else { continue }
            end.locked { end.wakeAll() }
        }
    }

    func wait() {
        end.locked {
            while done.load(ordering: .acquiring) < count { end.wait() }
        }
    }
}
