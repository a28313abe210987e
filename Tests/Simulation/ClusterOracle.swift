// The truth about a cluster's partitions, held against all that its clients see and all that its nodes believe.
//
// Records: an offset names one value for ever and for all observers (I9), so that nobody reads what is not committed (I8);
// what was acknowledged stands where its producer was told, once, and in that producer's order (I1, I10, I13).
// Metadata: a partition's epochs name one state each (I3), in-sync and eligible replicas are apart (I7), and an epoch of the
// quorum has one leader and of each voter one vote (I3).

import Basics
import ClusterImage

/// What is known of one world.
final class ClusterOracle {
    private struct Truth {
        var acknowledged: [Int64: String] = [:]
        var seen: [Int64: String] = [:]
        /// Acknowledged as repeated: the broker did not tell where they stand.
        var unplaced: [String] = []
    }

    private struct Version: Hashable {
        var topic: Uuid
        var partition: Int32
        var epoch: Int32
    }

    let world: World
    let minInSync: Int
    private var truths: [TopicPartition: Truth] = [:]
    private var leaders: [Version: NodeId] = [:]
    private var states: [Version: PartitionImage] = [:]
    private var quorumLeaders: [Int: Int] = [:]
    private var votes: [String: String] = [:]
    private(set) var violations: [String] = []

    init(_ world: World, minInSync: Int) {
        self.world = world
        self.minInSync = minInSync
    }

    func violate(_ text: String) {
        guard violations.count < 10 else { return }
        world.note("VIOLATION \(text)")
        violations.append(text)
    }

    var acknowledgedCount: Int { truths.values.reduce(0) { $0 + $1.acknowledged.count + $1.unplaced.count } }

    /// The first offset that is not known to be acknowledged.
    func end(of partition: TopicPartition) -> Int64 { (truths[partition]?.acknowledged.keys.max() ?? -1) + 1 }

    // MARK: Records

    func acknowledge(_ value: String, in partition: TopicPartition, at offset: Int64) {
        guard offset >= 0 else {
            truths[partition, default: Truth()].unplaced.append(value)
            return
        }
        check(value, partition, offset)
        truths[partition, default: Truth()].acknowledged[offset] = value
    }

    func see(_ value: String, in partition: TopicPartition, at offset: Int64) {
        check(value, partition, offset)
        truths[partition, default: Truth()].seen[offset] = value
    }

    private func check(_ value: String, _ partition: TopicPartition, _ offset: Int64) {
        let truth = truths[partition]
        for known in [truth?.acknowledged[offset], truth?.seen[offset]] {
            if let known, known != value { violate("\(partition) offset \(offset) was \(known) and is \(value)") }
        }
    }

    /// A whole read of a partition at the end.
    func final(_ values: [String], of partition: TopicPartition) {
        let truth = truths[partition] ?? Truth()
        for (offset, value) in truth.acknowledged.sorted(by: { $0.key < $1.key }) where offset >= values.count {
            violate("\(partition): \(value) at \(offset) was acknowledged and is gone; the log ends at \(values.count)")
        }
        for (offset, value) in truth.seen.sorted(by: { $0.key < $1.key }) where offset >= values.count {
            violate("\(partition): \(value) at \(offset) was read and is gone; the log ends at \(values.count)")
        }
        var places: [String: Int] = [:]
        for (offset, value) in values.enumerated() {
            if let first = places.updateValue(offset, forKey: value) {
                violate("\(partition): \(value) stands at \(first) and at \(offset)")
            }
        }
        for value in truth.unplaced where places[value] == nil {
            violate("\(partition): \(value) was acknowledged and is nowhere")
        }
        checkOrder(values, partition, Set(truth.acknowledged.values).union(truth.unplaced))
    }

    /// Acknowledged values `PRODUCER/NUMBER` stand in the order of their numbers.
    private func checkOrder(_ values: [String], _ partition: TopicPartition, _ acknowledged: Set<String>) {
        var last: [Substring: Int] = [:]
        for value in values where acknowledged.contains(value) {
            let parts = value.split(separator: "/")
            guard parts.count == 2, let number = Int(parts[1]) else { continue }
            if let before = last.updateValue(number, forKey: parts[0]), before >= number {
                violate("\(partition): \(value) stands behind \(parts[0])/\(before)")
            }
        }
    }

    // MARK: Metadata

    /// A node believes `image`, which is committed.
    func look(at image: ClusterImage, of node: String) {
        for (_, topic) in image.topics.sorted(by: { $0.value.name < $1.value.name }) {
            for (index, partition) in topic.sortedPartitions { look(topic, index, partition, image, node) }
        }
    }

    private func look(
        _ topic: TopicImage, _ index: Int32, _ partition: PartitionImage, _ image: ClusterImage, _ node: String
    ) {
        let place = "\(topic.name)-\(index)"
        let epoch = Version(topic: topic.id, partition: index, epoch: partition.leaderEpoch.rawValue)
        if let known = leaders.updateValue(partition.leader, forKey: epoch), known != partition.leader {
            violate("\(node): \(place) has leaders \(known) and \(partition.leader) in epoch \(partition.leaderEpoch)")
        }
        let version = Version(topic: topic.id, partition: index, epoch: partition.partitionEpoch)
        if let known = states.updateValue(partition, forKey: version) {
            if known != partition { violate("\(node): \(place) was \(known) and is \(partition)") }
            return
        }
        world.note(
            "\(place) leader \(partition.leader) epoch \(partition.leaderEpoch) in sync \(partition.inSync.map(\.rawValue))"
                + " eligible \(partition.eligibleLeaders.map(\.rawValue)) last \(partition.lastKnownEligible.map(\.rawValue))")
        if !Set(partition.inSync).isDisjoint(with: partition.eligibleLeaders) {
            violate("\(node): \(place) has a replica in sync and eligible")
        }
        if partition.inSync.count >= minInSync, !partition.eligibleLeaders.isEmpty {
            violate("\(node): \(place) has enough in sync, and eligible leaders")
        }
        // A lone replica stays: no other could have more.
        for member in partition.inSync where image.brokers[member]?.isFenced == true && partition.replicas.count > 1 {
            violate("\(node): \(place) has the fenced broker \(member) in sync")
        }
    }

    /// What a controller wrote into its `quorum-state`.
    func look(quorum bytes: [UInt8], of node: String) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let epoch = ClusterOracle.number("leaderEpoch", text) else { return }
        if let leader = ClusterOracle.number("leaderId", text), leader >= 0 {
            if let known = quorumLeaders.updateValue(leader, forKey: epoch), known != leader {
                violate("\(node): the quorum has leaders \(known) and \(leader) in epoch \(epoch)")
            }
        }
        if let vote = ClusterOracle.number("votedId", text), vote >= 0 {
            if let known = votes.updateValue("\(vote)", forKey: "\(node) \(epoch)"), known != "\(vote)" {
                violate("\(node) voted for \(known) and \(vote) in epoch \(epoch)")
            }
        }
    }

    private static func number(_ key: String, _ text: String) -> Int? {
        guard let found = text.firstRange(of: "\"\(key)\":") else { return nil }
        return Int(text[found.upperBound...].prefix { $0 == "-" || $0.isNumber })
    }
}
