// A stop that arrives at any moment of a start.

import Basics
import Environment

/// Starts nodes and stops each after a few events more than the one before.
package enum StopDuringStart {
    /// What should not have been: a stop that does not come to its end, or a node that does not start afterwards.
    package static func run(seed: UInt64) -> [String] {
        var violations: [String] = []
        for events in 0..<120 {
            let world = World(seed: seed)
            let internet = VirtualInternet(world)
            let machine = Machine(world, internet)
            machine.start()
            _ = world.run(seconds: 60, eventsMax: events, until: { machine.isServing })
            machine.stop()
            if let failure = machine.failure { violations.append("after \(events) events: \(failure)") }
            machine.start()
            if !world.run(seconds: 60, until: { machine.isServing }) {
                violations.append("after \(events) events: does not serve again")
            }
        }
        return violations
    }
}
