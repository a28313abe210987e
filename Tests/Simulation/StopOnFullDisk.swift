// A stop in order on a disk that has little room or none, and a loss of power behind it: the stop comes to its end, all that was
// acknowledged is durable by then, and the node starts again.

import Basics
import Environment

package enum StopOnFullDisk {
    /// What should not have been, for each number of bytes that are left on the disk; and how many of the stops could be noted.
    package static func run(seed: UInt64, free: [Int]) -> (violations: [String], noted: Int) {
        var (violations, noted): ([String], Int) = ([], 0)
        for bytes in free {
            let world = World(seed: seed)
            let internet = VirtualInternet(world)
            let machine = Machine(world, internet)
            let oracle = Oracle(world, .keepAll, isStrict: false)
            let producer = SimulatedProducer(world, internet, oracle, total: 60)
            machine.start()
            producer.start()
            if !world.run(seconds: 60, until: { producer.isDone }) { oracle.violate("the producer does not come to an end") }
            machine.disk.faults.change(below: "/data") { $0.capacity = machine.disk.used("/data") + bytes }
            machine.stop()
            if let failure = machine.failure { oracle.violate("did not stop in order: \(failure)") }
            if machine.disk["/data/.kafka_cleanshutdown"] != nil { noted += 1 }
            machine.disk.faults.mend()
            machine.kill(power: true)
            machine.start()
            let last = SimulatedConsumer("last", world, internet, oracle)
            last.start()
            let newest = oracle.acknowledged.keys.max() ?? -1
            if !world.run(seconds: 60, until: { last.offset > newest }) { oracle.violate("not all can be read") }
            oracle.final(last.records, from: last.startOffset, to: last.offset)
            violations += oracle.violations.map { "\(bytes) bytes free: \($0)" }
        }
        return (violations, noted)
    }
}
