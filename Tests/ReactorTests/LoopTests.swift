import Basics
import Environment
import Glibc
import Reactor
import Testing

@Suite struct LoopTests {
    @Test func `messages of one thread run in the order of the posts`() throws {
        try withWorld(loops: 1) { world in
            let inbox = Inbox<Int>()
            for number in 0..<10_000 { world.loops[0].post { inbox.put(number) } }
            inbox.wait { $0.count == 10_000 }
            #expect(inbox.values == Array(0..<10_000))
        }
    }

    @Test func `a busy loop is not woken for each message`() throws {
        let loop = try RealLoop(index: 0)
        let inbox = Inbox<Int>()
        for _ in 0..<1000 { loop.post {} }
        let thread = Thread(name: "loop", stackSize: 1 << 20) { loop.run() }
        loop.post { [loop] in
            for _ in 0..<1000 { loop.post {} }
            inbox.put(loop.wakeCount)
        }
        #expect(inbox.first() ?? 99 <= 1)
        loop.stop()
        thread.join()
    }

    @Test func `an idle loop is woken from other threads, every time`() throws {
        try withWorld(loops: 2) { world in
            let inbox = Inbox<Int>()
            let (left, right) = (world.loops[0], world.loops[1])
            @Sendable func bounce(_ number: Int) {
                if number == 2000 { return inbox.put(number) }
                (number % 2 == 0 ? left : right).post { bounce(number + 1) }
            }
            bounce(0)
            #expect(inbox.first() == 2000)
        }
    }

    @Test func `timers run by instant, and in the order of scheduling at the same instant`() throws {
        try withWorld(loops: 1) { world in
            let inbox = Inbox<Int>()
            world.loops[0].post { [loop = world.loops[0]] in
                let start = loop.now
                for (number, delay) in [(4, 3), (1, 1), (2, 1), (3, 2), (5, 3), (0, -5)] {
                    _ = loop.schedule(at: start + .milliseconds(delay)) { inbox.put(number) }
                }
            }
            inbox.wait { $0.count == 6 }
            #expect(inbox.values == [0, 1, 2, 3, 4, 5])
        }
    }

    @Test func `a timer is never early`() throws {
        try withWorld(loops: 1) { world in
            let inbox = Inbox<Bool>()
            world.loops[0].post { [loop = world.loops[0], clock = world.clock] in
                for delay in 1...20 {
                    let due = loop.now + .microseconds(delay * 300)
                    _ = loop.schedule(at: due) { inbox.put(clock.now >= due && loop.now >= due) }
                }
            }
            inbox.wait { $0.count == 20 }
            #expect(inbox.values.allSatisfy { $0 })
        }
    }

    @Test func `a cancelled timer does not run, and cancelling twice touches no other`() throws {
        try withWorld(loops: 1) { world in
            let inbox = Inbox<Int>()
            world.loops[0].post { [loop = world.loops[0]] in
                let start = loop.now
                let first = loop.schedule(at: start + .milliseconds(1)) { inbox.put(1) }
                loop.cancel(first)
                _ = loop.schedule(at: start + .milliseconds(2)) { inbox.put(2) }
                loop.cancel(first)
                let many = (0..<1000).map { number in
                    loop.schedule(at: start + .milliseconds(1)) { inbox.put(100 + number) }
                }
                for token in many { loop.cancel(token) }
                _ = loop.schedule(at: start + .milliseconds(3)) { inbox.put(3) }
            }
            inbox.wait { $0.contains(3) }
            #expect(inbox.values == [2, 3])
        }
    }

    @Test func `what proceeds runs after its step and before the next message`() throws {
        try withWorld(loops: 1) { world in
            let inbox = Inbox<String>()
            world.loops[0].post { [loop = world.loops[0]] in
                loop.post { inbox.put("message") }
                loop.proceed {
                    inbox.put("step")
                    loop.proceed { inbox.put("second step") }
                }
                inbox.put("begin")
            }
            inbox.wait { $0.count == 4 }
            #expect(inbox.values == ["begin", "step", "second step", "message"])
        }
    }

    @Test func `steps without end do not keep messages from running`() throws {
        try withWorld(loops: 1) { world in
            let inbox = Inbox<Int>()
            let loop = world.loops[0]
            loop.post {
                func chain() { if inbox.values.isEmpty { loop.proceed { chain() } } }
                chain()
            }
            loop.post { inbox.put(1) }
            #expect(inbox.first() == 1)
        }
    }

    @Test func `the pool runs everything, also what is queued when it stops`() {
        let pool = ThreadPool()
        pool.start(count: 3, stackSize: 512 << 10)
        let inbox = Inbox<Int>()
        for number in 0..<5000 { pool.run { inbox.put(number) } }
        pool.stop()
        #expect(inbox.values.sorted() == Array(0..<5000))
    }

    @Test func `signals of the process arrive inside loop 0`() throws {
        let real = try RealEnvironment.make(loopCount: 2, poolThreads: 1)
        real.start()
        let inbox = Inbox<ProcessSignal>()
        let loop = real.environment.loops[0]
        try real.onSignal { signal in
            loop.assertInside()
            inbox.put(signal)
        }
        _ = real.environment.inside(0) { _ in }
        for (number, signal) in [(SIGHUP, ProcessSignal.hangUp), (SIGINT, .interrupt), (SIGTERM, .terminate)] {
            kill(getpid(), number)
            #expect(inbox.wait { $0.last == signal })
        }
        real.stop()
        real.join()
    }

    @Test func `loops end by themselves when they are stopped with work to do`() throws {
        for _ in 0..<20 {
            let real = try RealEnvironment.make(loopCount: 3, poolThreads: 1)
            real.start()
            for loop in real.environment.loops {
                loop.post { _ = loop.schedule(at: loop.now + .seconds(1000)) {} }
            }
            real.stop()
            real.join()
        }
    }
}
