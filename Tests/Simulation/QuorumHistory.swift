// A simulated minute of a metadata quorum without its nodes: thirty seconds of faults by chance, then thirty without, in which it
// must find a leader that all follow, and commit. What must be true is in `QuorumWorld`.

import Basics
import Raft

/// Runs one world of this kind.
package enum QuorumHistory {
    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        var random = SeededRandom(seed: seed)
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        var faults = QuorumWorld.Faults()
        faults.kills = chance(75)
        faults.partitions = chance(75)
        faults.changes = chance(40)
        faults.snapshots = chance(40)
        faults.lossPercent = chance(50) ? Int.random(in: 1...8, using: &random) : 0
        faults.duplicatePercent = chance(50) ? Int.random(in: 1...15, using: &random) : 0
        faults.delayMax = .milliseconds(Int64.random(in: 5...300, using: &random))
        faults.syncMax = .milliseconds(Int64.random(in: 5...150, using: &random))
        var world = QuorumWorld(
            seed: seed, voters: Int.random(in: 1...7, using: &random), observers: Int.random(in: 0...2, using: &random),
            faults: faults)
        for _ in 0..<10 {
            world.run(for: .seconds(3))
            world.checkMatching()
        }
        world.heal()
        let before = world.committedCount
        world.run(for: .seconds(30))
        world.checkMatching()
        if world.violations.isEmpty, world.committedCount <= before + 20 || !world.isSettled {
            world.violate("does not come together: \(world.standing)")
        }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in world.trace.joined(separator: "\n").utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return ProduceAndFetch.Outcome(
            violations: world.violations, trace: world.trace, traceHash: hash, events: world.eventCount,
            simulatedSeconds: Double(world.now.nanoseconds) / 1e9)
    }
}
