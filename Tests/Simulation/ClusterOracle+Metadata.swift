// What nodes believe of a cluster, held against each other: a partition's epochs name one state and one leader each, and an
// epoch of the quorum has one leader and of each voter one vote (I3); what a node knows to be committed never shrinks while it
// lives (I4); replicas in sync and eligible ones are apart, nobody is eligible while enough are in sync, and no fenced broker
// is in sync (I7).

import Basics
import ClusterImage

/// What was seen of a world's metadata.
struct MetadataTruth {
    struct Version: Hashable {
        var topic: Uuid
        var partition: Int32
        var epoch: Int32
    }

    var leaders: [Version: NodeId] = [:]
    var states: [Version: PartitionImage] = [:]
    var quorumLeaders: [Int: Int] = [:]
    var votes: [String: String] = [:]
    /// By node: how many lives it has had, and where its metadata ended.
    var ends: [String: (lives: Int, end: Offset)] = [:]
    /// The last content of each node's `quorum-state`.
    var quorumStates: [String: [UInt8]] = [:]
}

extension ClusterOracle {
    /// A node believes `image`, which is committed.
    func look(at image: ClusterImage, of node: String, lives: Int) {
        if let known = metadata.ends[node], known.lives == lives {
            if known.end == image.endOffset { return }
            if known.end > image.endOffset { violate("I4 \(node): the metadata went back from \(known.end) to \(image.endOffset)") }
        }
        metadata.ends[node] = (lives, image.endOffset)
        for (_, topic) in image.topics.sorted(by: { $0.value.name < $1.value.name }) {
            for (index, partition) in topic.sortedPartitions { look(topic, index, partition, image, node) }
        }
    }

    private func look(
        _ topic: TopicImage, _ index: Int32, _ partition: PartitionImage, _ image: ClusterImage, _ node: String
    ) {
        // A lone replica stays: no other could have more.
        for member in partition.inSync where image.brokers[member]?.isFenced == true && partition.replicas.count > 1 {
            violate("I7 \(node): \(topic.name)-\(index) has the fenced broker \(member) in sync")
        }
        let version = MetadataTruth.Version(topic: topic.id, partition: index, epoch: partition.partitionEpoch)
        if let known = metadata.states[version] {
            if known != partition { violate("I3 \(node): \(topic.name)-\(index) was \(known) and is \(partition)") }
            return
        }
        metadata.states[version] = partition
        lead(topic, index, partition.leaderEpoch, partition.leader, by: node)
        let place = "\(topic.name)-\(index)"
        world.note(
            "\(place) leader \(partition.leader) epoch \(partition.leaderEpoch) in sync \(partition.inSync.map(\.rawValue))"
                + " eligible \(partition.eligibleLeaders.map(\.rawValue)) last \(partition.lastKnownEligible.map(\.rawValue))")
        if !Set(partition.inSync).isDisjoint(with: partition.eligibleLeaders) {
            violate("I7 \(node): \(place) has a replica in sync and eligible")
        }
        if partition.inSync.count >= minimum(of: topic, partition, image), !partition.eligibleLeaders.isEmpty {
            violate("I7 \(node): \(place) has enough in sync, and eligible leaders")
        }
    }

    /// `min.insync.replicas` as the image has it; what the nodes were started with is the least that an operator sets.
    private func minimum(of topic: TopicImage, _ partition: PartitionImage, _ image: ClusterImage) -> Int {
        let value = image.configuration(.topic, topic.name)["min.insync.replicas"].flatMap { Int($0) }
        return min(value ?? minInSync, partition.replicas.count)
    }

    private func lead(_ topic: TopicImage, _ index: Int32, _ epoch: LeaderEpoch, _ leader: NodeId, by node: String) {
        let version = MetadataTruth.Version(topic: topic.id, partition: index, epoch: epoch.rawValue)
        if let known = metadata.leaders.updateValue(leader, forKey: version), known != leader {
            violate("I3 \(node): \(topic.name)-\(index) has leaders \(known) and \(leader) in epoch \(epoch)")
        }
    }

    /// What a controller wrote into its `quorum-state`.
    func look(quorum bytes: [UInt8], of node: String) {
        guard metadata.quorumStates[node] != bytes else { return }
        metadata.quorumStates[node] = bytes
        let text = String(decoding: bytes, as: UTF8.self)
        guard let epoch = ClusterOracle.number("leaderEpoch", text) else { return }
        if let leader = ClusterOracle.number("leaderId", text), leader >= 0 {
            if let known = metadata.quorumLeaders.updateValue(leader, forKey: epoch), known != leader {
                violate("I3 \(node): the quorum has leaders \(known) and \(leader) in epoch \(epoch)")
            }
        }
        // A voter with a new disk is another voter: its folder has another name.
        if let vote = ClusterOracle.number("votedId", text), vote >= 0 {
            if let known = metadata.votes.updateValue("\(vote)", forKey: "\(node) \(epoch)"), known != "\(vote)" {
                violate("I3 \(node) voted for \(known) and \(vote) in epoch \(epoch)")
            }
        }
    }

    /// A node has another disk: what it voted is forgotten with its folder's name.
    func forgetVotes(of node: String) {
        metadata.votes = metadata.votes.filter { !$0.key.hasPrefix("\(node) ") }
        metadata.quorumStates[node] = nil
    }

    private static func number(_ key: String, _ text: String) -> Int? {
        guard let found = text.firstRange(of: "\"\(key)\":") else { return nil }
        return Int(text[found.upperBound...].prefix { $0 == "-" || $0.isNumber })
    }
}
