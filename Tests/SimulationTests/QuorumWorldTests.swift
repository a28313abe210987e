// Worlds of one to seven replicas with every fault that they must bear; each is healed in the end, and must then
// find a leader and commit again.

import Basics
import Simulation
import Testing

@Suite struct QuorumWorldTests {
    private static func faults(_ body: (inout QuorumWorld.Faults) -> Void) -> QuorumWorld.Faults {
        var faults = QuorumWorld.Faults()
        body(&faults)
        return faults
    }

    private static func run(_ seed: UInt64, _ faults: QuorumWorld.Faults, voters: Int, observers: Int) -> QuorumWorld {
        var world = QuorumWorld(seed: seed, voters: voters, observers: observers, faults: faults)
        for _ in 0..<10 {
            world.run(for: .seconds(3))
            world.checkMatching()
        }
        world.heal()
        let before = world.committedCount
        world.run(for: .seconds(30))
        world.checkMatching()
        #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.first ?? "")")
        let hasMoved = world.committedCount > before + 20
        #expect(hasMoved, "seed \(seed): commits nothing any more: \(world.standing)")
        let isSettled = world.isSettled
        #expect(isSettled, "seed \(seed): no leader that all follow: \(world.standing)")
        return world
    }

    @Test func `a lone voter leads at once and commits`() {
        var world = QuorumWorld(seed: 1, voters: 1, observers: 0, faults: QuorumWorld.Faults())
        world.run(for: .milliseconds(100))
        #expect(world.elections == 1 && world.committedCount > 0)
    }

    @Test(arguments: 1...25)
    func `kills that lose what was not synced lose nothing that was committed`(seed: UInt64) {
        _ = Self.run(seed, Self.faults { $0.kills = true }, voters: Int(seed % 7) + 1, observers: Int(seed % 2))
    }

    @Test(arguments: 26...50)
    func `loss, duplicates and partitions make no second leader of an epoch`(seed: UInt64) {
        let faults = Self.faults {
            $0.lossPercent = 5
            $0.duplicatePercent = 10
            $0.delayMax = .milliseconds(300)
            $0.partitions = true
        }
        _ = Self.run(seed, faults, voters: Int(seed % 6) + 2, observers: Int(seed % 3))
    }

    @Test func `everything at once, with snapshots and changes of the voters`() {
        var (elections, changes, installs, truncations) = (0, 0, 0, 0)
        let (first, last) = (UInt64(1), UInt64(60))
        for seed in first...last {
            let faults = Self.faults {
                $0.lossPercent = 3
                $0.duplicatePercent = 5
                $0.delayMax = .milliseconds(100)
                $0.syncMax = .milliseconds(100)
                ($0.kills, $0.partitions, $0.changes, $0.snapshots) = (true, true, true, true)
            }
            let world = Self.run(seed, faults, voters: Int(seed % 5) + 1, observers: 2)
            elections += world.elections
            changes += world.changesDone
            installs += world.installs
            truncations += world.truncations
        }
        // The worlds did see what they are for.
        #expect(elections > 100 && changes > 20 && installs > 20 && truncations > 5)
    }
}
