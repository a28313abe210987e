// Damage to the metadata log, one byte at a time: a node must not start on less than it knew. What was never known to be
// durable may be cut off, and only from the end.

import Basics
import Broker
import Environment
import WireProtocol

/// Starts a node again and again on a copy of one disk, each time with another byte changed.
package enum MetadataDamage {
    /// How the starts went.
    package struct Outcome: Sendable {
        package var refused = 0
        package var cut = 0
        /// What should not have been.
        package var violations: [String] = []
    }

    private static let folder = "/data/__cluster_metadata-0"
    private static let log = folder + "/00000000000000000000.log"

    /// Changes each byte of the log of a node that was killed soon after its last acknowledged change.
    package static func log(seed: UInt64) -> Outcome {
        let machine = machineWithTopics(seed: seed)
        guard let whole = machine.disk[log] else { return Outcome(violations: ["there is no log"]) }
        let last = lastBatch(whole)
        var outcome = Outcome()
        for position in whole.indices {
            for mask: UInt8 in [1, 0x80] {
                let copy = Machine(World(seed: seed), VirtualInternet(World(seed: seed)), disk: machine.disk)
                copy.disk[log]?[position] ^= mask
                let damaged = copy.disk[log]
                copy.start()
                let place = "byte \(position) with \(mask)"
                if let failure = copy.failure {
                    outcome.refused += 1
                    let isNamed = failure.contains(log) && failure.contains("at byte") && failure.contains("offset")
                    if !isNamed { outcome.violations.append("\(place): \(failure)") }
                    if copy.disk[log] != damaged { outcome.violations.append("\(place): refused, but changed") }
                } else {
                    outcome.cut += 1
                    if position < last || copy.disk[log] != Array(whole.prefix(last)) {
                        outcome.violations.append("\(place): started with \(copy.disk[log]?.count ?? 0) bytes")
                    }
                }
            }
        }
        return outcome
    }

    /// Changes each byte of the newest snapshot: an older one and the log must give the same cluster.
    package static func snapshot(seed: UInt64) -> Outcome {
        let settings = [(key: "metadata.log.max.record.bytes.between.snapshots", value: "1")]
        let machine = machineWithTopics(seed: seed, settings)
        let snapshots = machine.disk.files(in: folder).filter { $0.hasSuffix(".checkpoint") }
        guard snapshots.count > 2, let newest = snapshots.last, let whole = machine.disk[newest] else {
            return Outcome(violations: ["there are no snapshots"])
        }
        var outcome = Outcome()
        for position in whole.indices {
            let copy = Machine(World(seed: seed), VirtualInternet(World(seed: seed)), disk: machine.disk)
            copy.disk[newest]?[position] ^= 0x40
            copy.start()
            let topics = copy.broker?.replicaStatus.map(\.id.topic) ?? []
            if copy.failure != nil || topics != ["one", "three", "two"] {
                outcome.violations.append("byte \(position): \(copy.failure ?? "\(topics)")")
            }
        }
        return outcome
    }

    /// A node with three topics, of which the recovery point in the checkpoint covers the first; killed.
    private static func machineWithTopics(seed: UInt64, _ settings: [(key: String, value: String)] = []) -> Machine {
        let world = World(seed: seed)
        let internet = VirtualInternet(world)
        let machine = Machine(world, internet, settings)
        let peer = Peer("admin", world, internet)
        machine.start()
        _ = world.run(seconds: 10, until: { machine.isServing })
        create("one", peer, world)
        _ = world.run(seconds: 12, until: { false })
        create("two", peer, world)
        create("three", peer, world)
        machine.kill(power: true)
        return machine
    }

    private static func create(_ topic: String, _ peer: Peer, _ world: World) {
        var isDone = false
        let request = CreateTopicsRequest {
            $0.topics = [
                CreateTopicsRequest.CreatableTopic {
                    $0.name = topic
                    $0.numPartitions = 1
                    $0.replicationFactor = 1
                }
            ]
        }
        peer.loop.enter(after: 0) {
            peer.connect { _ in peer.call(request, version: 7) { _ in isDone = true } }
        }
        guard world.run(seconds: 10, until: { isDone }) else { preconditionFailure("no topic was made") }
    }

    /// Where the last batch begins.
    private static func lastBatch(_ bytes: [UInt8]) -> Int {
        var position = 0
        while true {
            let length = bytes[position + 8..<position + 12].reduce(0) { $0 << 8 | Int($1) }
            guard position + 12 + length < bytes.count else { return position }
            position += 12 + length
        }
    }
}
