// The truth about a cluster's partitions, held against all that its clients see. Invariants by their numbers:
//
// I1   what was acknowledged stands where its producer was told, until an operator has it deleted
// I8   nobody reads at or above the high watermark, and nothing is acknowledged there
// I9   an offset names one value for ever and for all observers
// I10  what was acknowledged at or below an offset that somebody read is read, too
// I11  a reader gets each offset, in order; a producer's acknowledged records stand in the order in which they were sent
// I13  an idempotent producer's record stands once
//
// What nodes believe is held against `ClusterOracle+Metadata` (I3, I4, I7), what their logs hold against `ReplicaOracle` (I1-I6),
// what groups are told against `CommitOracle` (I14).

import Basics
import ClusterImage

/// What is known of one world.
final class ClusterOracle {
    private struct Truth {
        var acknowledged: [Int64: String] = [:]
        var seen: [Int64: String] = [:]
        /// Acknowledged as repeated: the broker did not tell where they stand.
        var unplaced: [String] = []
        /// The last offset and number that each idempotent producer was told.
        var last: [Substring: (number: Int, offset: Int64)] = [:]
        var maxAcknowledged: Int64 = -1
    }

    let world: World
    let minInSync: Int
    /// Topics that were to be deleted: nothing is promised of them any more.
    private(set) var deleted: Set<String> = []
    private var truths: [TopicPartition: Truth] = [:]
    private(set) var violations: [String] = []
    /// Whether an offset is below its partition's high watermark, by all nodes that live.
    var isCommitted: (TopicPartition, Int64) -> Bool = { _, _ in true }
    let deletions: Deletions
    var metadata = MetadataTruth()

    init(_ world: World, minInSync: Int) {
        self.world = world
        deletions = Deletions(world)
        self.minInSync = minInSync
    }

    func violate(_ text: String) {
        guard violations.count < 10 else { return }
        world.note("VIOLATION \(text)")
        violations.append(text)
    }

    var acknowledgedCount: Int { truths.values.reduce(0) { $0 + $1.acknowledged.count + $1.unplaced.count } }

    /// The first offset that is not known to be acknowledged.
    func end(of partition: TopicPartition) -> Int64 { (truths[partition]?.maxAcknowledged ?? -1) + 1 }

    func forget(topic: String) {
        deleted.insert(topic)
        truths = truths.filter { $0.key.topic != topic }
    }

    // MARK: Records

    /// Values are `PRODUCER/NUMBER`; those of producers without idempotence begin with `q`, and may stand more than once.
    static func isPlain(_ value: some StringProtocol) -> Bool { value.hasPrefix("q") }

    func acknowledge(_ value: String, in partition: TopicPartition, at offset: Int64) {
        guard !deleted.contains(partition.topic) else { return }
        guard offset >= 0 else {
            truths[partition, default: Truth()].unplaced.append(value)
            return
        }
        check(value, partition, offset)
        if !isCommitted(partition, offset) {
            violate("I8 \(value) was acknowledged at \(partition)@\(offset), above the high watermark")
        }
        let isLast = offset >= end(of: partition)
        truths[partition, default: Truth()].acknowledged[offset] = value
        if isLast { truths[partition]?.maxAcknowledged = offset }
        inOrder(value, partition, offset)
    }

    private func inOrder(_ value: String, _ partition: TopicPartition, _ offset: Int64) {
        let parts = value.split(separator: "/")
        guard !ClusterOracle.isPlain(value), parts.count == 2, let number = Int(parts[1]) else { return }
        if let last = truths[partition]?.last[parts[0]], (last.number < number) != (last.offset < offset) {
            violate("I11 \(value) is at \(partition)@\(offset), and \(parts[0])/\(last.number) at \(last.offset)")
        }
        truths[partition]?.last[parts[0]] = (number, offset)
    }

    /// A reader that has had all before `offset` reads `value` there.
    func see(_ value: String, in partition: TopicPartition, at offset: Int64, by reader: String, expected: Int64) {
        guard !deleted.contains(partition.topic) else { return }
        if offset != expected { violate("I11 \(reader) was given \(partition)@\(offset) instead of \(expected)") }
        check(value, partition, offset)
        if !isCommitted(partition, offset) {
            violate("I8 \(reader) reads \(partition)@\(offset), above the high watermark")
        }
        truths[partition, default: Truth()].seen[offset] = value
    }

    /// Somebody finds that the partition begins at `offset`: what is before was to be deleted.
    func begins(_ partition: TopicPartition, at offset: Int64, by reader: String) {
        guard offset > 0, !deleted.contains(partition.topic) else { return }
        let bound = deletions.bound(partition)
        if offset > bound {
            violate("I1 \(partition) begins at \(offset) for \(reader), and what is before \(bound) was to be deleted")
        }
    }

    private func check(_ value: String, _ partition: TopicPartition, _ offset: Int64) {
        let truth = truths[partition]
        if let known = truth?.acknowledged[offset], known != value {
            violate("I10 \(partition)@\(offset) was acknowledged as \(known) and is \(value)")
        } else if let known = truth?.seen[offset], known != value {
            violate("I9 \(partition)@\(offset) was \(known) and is \(value)")
        }
    }

    // MARK: The end

    /// A whole read of a partition at the end, whose first record is at `start`.
    func final(_ values: [String], from start: Int64, of partition: TopicPartition) {
        let truth = truths[partition] ?? Truth()
        let end = start + Int64(values.count)
        begins(partition, at: start, by: "the last reader")
        for (offset, value) in truth.acknowledged.sorted(by: { $0.key < $1.key }) where offset >= end {
            violate("I1 \(partition): \(value) at \(offset) was acknowledged and is gone; the log ends at \(end)")
        }
        for (offset, value) in truth.seen.sorted(by: { $0.key < $1.key }) where offset >= end {
            violate("I9 \(partition): \(value) at \(offset) was read and is gone; the log ends at \(end)")
        }
        var places: [String: Int] = [:]
        for (offset, value) in values.enumerated() {
            if let first = places.updateValue(offset, forKey: value), !ClusterOracle.isPlain(value) {
                violate("I13 \(partition): \(value) stands at \(first) and at \(offset)")
            }
        }
        // Nobody knows whether it was deleted.
        for value in truth.unplaced where places[value] == nil && start == 0 {
            violate("I1 \(partition): \(value) was acknowledged and is nowhere")
        }
        checkOrder(values, partition, Set(truth.acknowledged.values).union(truth.unplaced))
    }

    /// Acknowledged values stand in the order of their numbers.
    private func checkOrder(_ values: [String], _ partition: TopicPartition, _ acknowledged: Set<String>) {
        var last: [Substring: Int] = [:]
        for value in values where acknowledged.contains(value) && !ClusterOracle.isPlain(value) {
            let parts = value.split(separator: "/")
            guard parts.count == 2, let number = Int(parts[1]) else { continue }
            if let before = last.updateValue(number, forKey: parts[0]), before >= number {
                violate("I11 \(partition): \(value) stands behind \(parts[0])/\(before)")
            }
        }
    }
}
