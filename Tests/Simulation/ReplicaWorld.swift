// A world of replicas: three logs of one partition that follow each other, a producer that asks for acks=all, and nodes that
// are killed, lose power, stop, and are cut off from the others. Then the faults end, and everything must come together.
//
// What must hold (durability.md, I1-I9): what was acknowledged stands at its offset in the log of whoever leads later; what
// anybody saw below a high watermark is the same for all and for ever; nobody cuts below its own high watermark.
// Two kinds: `durability=fsync`, where any crashes at any time lose nothing, and the page cache with two in-sync replicas,
// where one loss of power at a time does not, since who may have lost something has to leave the in-sync set first (KIP-966).

import Basics
import Bytes
import ClusterImage
import Log
import Records
import Replication

/// One world of replicas.
package enum ReplicaWorld {
    package static func run(seed: UInt64) -> ProduceAndFetch.Outcome {
        let world = World(seed: seed)
        do {
            return try ReplicaHistory(world).run()
        } catch {
            return outcome(world, ["the world broke: \(error)"])
        }
    }

    static func outcome(_ world: World, _ violations: [String]) -> ProduceAndFetch.Outcome {
        ProduceAndFetch.Outcome(
            violations: violations, trace: world.trace, traceHash: world.traceHash, events: world.eventCount,
            simulatedSeconds: Double(world.now) / 1e9)
    }
}

/// Proof of `@unchecked Sendable`: as for `World`.
private final class ReplicaHistory: @unchecked Sendable {
    private let world: World
    private let cluster: ReplicaCluster
    private let nodes: [ReplicaNode]
    private let isStrict: Bool
    private var violations: [String] = []
    /// What was acknowledged: value by offset.
    private var acknowledged: [Offset: String] = [:]
    /// What anybody saw below a high watermark.
    private var committed: [Offset: String] = [:]
    private var checked: [NodeId: Offset] = [:]
    private var nextValue = 0
    private var isProducing = true
    /// Nodes that are down, with whether they stopped in order.
    private var down: [NodeId: Bool] = [:]
    private var powerCuts = 0

    init(_ world: World) throws {
        self.world = world
        isStrict = world.chance(50)
        let minimum = isStrict ? world.number(in: 1...2) : 2
        cluster = try ReplicaCluster(
            world, replicas: 3, settings: ["min.insync.replicas": "\(minimum)"], hasEligible: isStrict ? world.chance(50) : true)
        let policy = isStrict ? SyncPolicy(recordsMax: 1) : SyncPolicy()
        let cluster = cluster
        nodes = (1...3).map { ReplicaNode(NodeId(Int32($0)), world, cluster, syncPolicy: policy) }
        for node in nodes {
            node.peers = Dictionary(uniqueKeysWithValues: nodes.filter { $0.id != node.id }.map { ($0.id, $0) })
        }
        world.note("world of replicas, \(isStrict ? "fsync" : "page cache"), minimum \(minimum)")
    }

    func run() throws -> ProduceAndFetch.Outcome {
        for node in nodes { try node.start(stoppedInOrder: true) }
        produce()
        look()
        for _ in 0..<world.number(in: 3...16) {
            _ = world.run(seconds: 1, until: pause())
            try disturb()
        }
        try heal()
        let wanted = acknowledged.count + 20
        let recovers = world.run(seconds: 20) { acknowledged.count >= wanted }
        if !recovers { violations.append("nothing is acknowledged any more: \(state)") }
        isProducing = false
        if recovers, !world.run(seconds: 20, until: { isTogether }) { violations.append("replicas stay apart: \(state)") }
        checkEnd()
        violations += cluster.violations + nodes.flatMap(\.violations)
        return ReplicaWorld.outcome(world, violations)
    }

    /// A while that ends by the clock. Some faults come one upon the other.
    private func pause() -> () -> Bool {
        let end = world.now + Int64(world.number(in: 10...(world.chance(40) ? 40 : 700))) * 1_000_000
        return { self.world.now >= end }
    }

    private var state: String {
        let logs = nodes.map { node in
            "\(node.id) \(node.isAlive) \(node.partition?.log.endOffset.description ?? "-")"
                + " hw \(node.partition?.highWatermark.description ?? "-") leads \(node.partition?.leaderEpoch != nil)"
        }
        let leaders = nodes.compactMap { $0.partition?.leader.map { "\($0)" } }
        return "\(logs) \(leaders) \(cluster.partition.map { "\($0.leader) \($0.inSync) \($0.eligibleLeaders)" } ?? "-")"
    }

    // MARK: Faults

    private func disturb() throws {
        let node = nodes[world.number(in: 0...2)]
        switch world.number(in: 0...9) {
        case 0...2 where node.isAlive && mayLosePower:
            powerCuts += 1
            node.kill(power: true)
            down[node.id] = false
        case 3...4 where node.isAlive:
            node.kill(power: false)
            down[node.id] = false
        case 5 where node.isAlive:
            node.stop()
            down[node.id] = true
        case 6...7:
            world.note("node \(node.id) ISOLATED")
            node.isolatedUntil = world.now + Int64(world.number(in: 20...900)) * 1_000_000
        case 8: cluster.balance()
        default: break
        }
        for node in nodes where !node.isAlive && world.chance(35) { try restart(node) }
    }

    /// With records in the page cache only one machine at a time may lose them, and the next when that one is back in sync.
    private var mayLosePower: Bool {
        isStrict || (down.isEmpty && cluster.partition?.inSync.count == 3 && nodes.allSatisfy { !$0.isIsolated })
    }

    private func restart(_ node: ReplicaNode) throws {
        try node.start(stoppedInOrder: down.removeValue(forKey: node.id) ?? false)
    }

    private func heal() throws {
        world.note("HEAL")
        for node in nodes {
            node.isolatedUntil = 0
            if !node.isAlive { try restart(node) }
        }
    }

    // MARK: Producing

    private func produce() {
        world.after(500_000 + world.delay(upTo: 8000)) {
            guard self.isProducing else { return }
            self.send(self.nodes[self.world.number(in: 0...2)])
            self.produce()
        }
    }

    /// Whoever takes itself for the leader takes records; only those that are committed count.
    private func send(_ node: ReplicaNode) {
        guard node.isAlive, let replica = node.partition, replica.leaderEpoch != nil else { return }
        let value = "v\(nextValue)"
        nextValue += 1
        let (life, loop) = (node.life, node.loop)
        loop.enter(after: 0) {
            let batch = RecordBatch(
                plain: [PlainRecord(key: nil, value: Array(value.utf8))], at: .zero, epoch: .none,
                timestamp: Timestamp(milliseconds: 1000), isControl: false)
            replica.append(
                AppendRequest(batches: [batch], acks: -1) { progress in
                    guard life.isAlive, case .done(.appended(let base, _)) = progress else { return }
                    self.note(value, at: base, by: node)
                }, on: loop)
        }
    }

    private func note(_ value: String, at offset: Offset, by node: ReplicaNode) {
        world.note("acknowledged \(offset) \(value) by \(node.id)")
        if let other = acknowledged[offset], other != value {
            violations.append("\(offset) was acknowledged as \(other) and as \(value)")
        }
        if let other = committed[offset], other != value {
            violations.append("\(offset) is acknowledged as \(value), and was seen as \(other)")
        }
        acknowledged[offset] = value
        committed[offset] = value
    }

    // MARK: Looking

    /// Consumers of all nodes, now and then.
    private func look() {
        world.after(15_000_000) {
            for node in self.nodes { self.consume(node) }
            self.look()
        }
    }

    private func consume(_ node: ReplicaNode) {
        guard node.isAlive, let replica = node.partition else { return }
        let end = replica.highWatermark
        let from = min(checked[node.id] ?? .zero, end)
        for (offset, value) in values(replica.log, from..<end) {
            if let other = committed[offset], other != value {
                violations.append("node \(node.id) shows \(value) at \(offset), where \(other) was")
            }
            committed[offset] = value
        }
        // Some are looked at again.
        checked[node.id] = world.chance(10) ? .zero : end
    }

    private func values(_ log: PartitionLog, _ range: Range<Offset>) -> [(Offset, String)] {
        var found: [(Offset, String)] = []
        var next = max(range.lowerBound, log.startOffset)
        while next < range.upperBound {
            guard let read = try? log.read(from: next, limit: range.upperBound, countMax: 1 << 20, wholeFirst: true),
                let bytes = try? ReplicaNode.bytes(read), !bytes.isEmpty
            else { break }
            for batch in RecordBatchSequence(bytes) where batch.header.nextOffset > next {
                for (offset, record) in (try? batch.plainRecords()) ?? [] {
                    found.append((offset, String(decoding: record.value ?? [], as: UTF8.self)))
                }
                next = batch.header.nextOffset
            }
        }
        return found
    }

    // MARK: The end

    private var isTogether: Bool {
        guard let partition = cluster.partition, partition.inSync.count == 3 else { return false }
        let logs = nodes.compactMap { $0.partition?.log.endOffset }
        let marks = nodes.compactMap { $0.partition?.highWatermark }
        return Set(logs).count == 1 && Set(marks + logs).count == 1
    }

    /// All logs are the same, and hold what was acknowledged and what was seen.
    private func checkEnd() {
        world.note("acknowledged \(acknowledged.count), seen \(committed.count), power cuts \(powerCuts)")
        let logs = nodes.map { node in
            node.partition.map { values($0.log, .zero..<$0.log.endOffset) } ?? []
        }
        for (node, log) in zip(nodes, logs) {
            let byOffset = Dictionary(log.map { ($0.0, $0.1) }) { first, _ in first }
            for (offset, value) in committed.sorted(by: { $0.key < $1.key }) where byOffset[offset] != value {
                violations.append("node \(node.id) has \(byOffset[offset] ?? "nothing") at \(offset), where \(value) was")
                break
            }
            if log.map(\.0) != logs[0].map(\.0) || log.map(\.1) != logs[0].map(\.1) {
                violations.append("node \(node.id) and node 1 differ")
            }
        }
    }
}
