// A replica of the metadata log that cannot write what the leader sends: its node knows no more what the cluster decides.

import Basics
import Broker
import Environment

package enum MetadataFailure {
    /// Whether the one of two controllers that only follows has ended by itself, some seconds after its disk failed to write, or
    /// was full; and whether the other has.
    package static func follower(isFull: Bool) -> (ended: Bool, otherEnded: Bool)? {
        let world = World(seed: 3)
        let internet = VirtualInternet(world)
        let machines = (1...2).map { id in
            Machine(
                world, internet,
                [
                    ("node.id", "\(id)"), ("cluster.id", "5L6g3nShT-eMCtK--X86sw"), ("process.roles", "controller"),
                    ("listeners", "CONTROLLER://n\(id):9093"), ("controller.listener.names", "CONTROLLER"),
                    ("controller.quorum.voters", "1@n1:9093,2@n2:9093"), ("metadata.max.idle.interval.ms", "200"),
                ], name: "n\(id)")
        }
        for machine in machines { machine.start() }
        func leader() -> Machine? { machines.first { $0.broker?.isActiveController ?? false } }
        guard world.run(seconds: 60, until: { leader() != nil && machines.allSatisfy(\.hasStarted) }),
            let leading = leader(), let following = machines.first(where: { $0 !== leading })
        else { return nil }
        following.disk.faults.change(below: "/data") { volume in
            if isFull { volume.capacity = following.disk.used("/data") } else { volume.failsWrites = true }
        }
        _ = world.run(seconds: 5, until: { following.hasHalted })
        return (following.hasHalted, leading.hasHalted)
    }
}
