// A node that nobody asks for anything.

import Basics
import Environment

package enum Idleness {
    /// Bytes by which the metadata log grows in ten idle seconds.
    package static func growth(_ settings: [(key: String, value: String)]) -> Int {
        let world = World(seed: 1)
        let machine = Machine(world, VirtualInternet(world), settings)
        let log = "/data/__cluster_metadata-0/00000000000000000000.log"
        machine.start()
        _ = world.run(seconds: 10, until: { machine.isServing })
        let before = machine.disk[log]?.count ?? 0
        _ = world.run(seconds: 10, until: { false })
        return (machine.disk[log]?.count ?? 0) - before
    }
}
