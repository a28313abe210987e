// The logs and roles of all replicas of a cluster, looked at again and again while their nodes live. Invariants:
//
// I1  who leads holds, at the same places, all that was committed by leaders of earlier epochs and in its own
// I2  two logs with a batch of the same end and epoch have the same batch there, behind one of the same epoch
// I3  a leader epoch of a partition has one leader
// I4  a leader's high watermark never moves back in its epoch
// I5  whom the leader counts on are all whom the controller would let lead (KIP-966), while it has enough in sync
// I6  who is in sync or eligible, and lives, holds all that was committed
//
// A log is read once, batch by batch, as it grows; what was cut off is forgotten by its epochs. It begins no later than an
// operator has had it begin (I1). The logs of the metadata are held against I2, too. The offsets topic is compacted, so that its
// replicas hold the same records in other batches: of it only ends and roles are looked at.

import Basics
import Broker
import Bytes
import ClusterImage
import Log
import Records
import Replication

/// What is known of the replicas of one world.
final class ReplicaOracle {
    struct Place: Hashable {
        var topic: Uuid
        var partition: Int32
    }

    /// A batch of a log.
    private struct Mark: Hashable {
        var base: Offset
        var end: Offset
        var epoch: LeaderEpoch
        var crc: UInt32
    }

    private struct MarkName: Hashable {
        var place: Place
        var end: Offset
        var epoch: LeaderEpoch
    }

    /// A log as far as it was read.
    private class ReadLog {
        let log: PartitionLog
        let place: Place
        var marks: [Mark] = []
        var next = Offset.zero
        /// How many of them are known to be committed, or were deleted.
        var agreed = 0

        init(_ log: PartitionLog, _ place: Place) {
            self.log = log
            self.place = place
        }
    }

    /// One replica in one life of its node.
    private final class Tracked: ReadLog {
        let partition: Partition
        var leading: (epoch: LeaderEpoch, highWatermark: Offset)?

        init(_ partition: Partition) {
            self.partition = partition
            super.init(partition.log, Place(topic: partition.topicId, partition: partition.id.partition))
        }
    }

    /// What is known of a partition, whoever leads it.
    private final class Truth {
        /// In the order of their offsets; what was deleted before anyone looked is missing.
        var committed: [Mark] = []
        /// The leader epoch in which each of them was committed, or a later one.
        var committedIn: [LeaderEpoch] = []
        var highWatermark = Offset.zero

        /// The first of the committed batches that ends behind `offset`.
        func index(behind offset: Offset) -> Int {
            var range = 0..<committed.count
            while !range.isEmpty {
                let middle = (range.lowerBound + range.upperBound) / 2
                range = committed[middle].end > offset ? range.lowerBound..<middle : middle + 1..<range.upperBound
            }
            return range.lowerBound
        }
    }

    private let oracle: ClusterOracle
    private var truths: [Place: Truth] = [:]
    private var tracked: [String: (lives: Int, replicas: [ObjectIdentifier: Tracked])] = [:]
    /// The logs of the metadata, by node.
    private var metadata: [String: ReadLog] = [:]
    private var known: [MarkName: (mark: Mark, before: LeaderEpoch?)] = [:]
    private var leaders: [MarkName: String] = [:]
    private(set) var places: [TopicPartition: Place] = [:]

    init(_ oracle: ClusterOracle) { self.oracle = oracle }

    /// The greatest high watermark that any replica has shown.
    func highWatermark(of partition: TopicPartition) -> Int64 {
        places[partition].flatMap { truths[$0]?.highWatermark.rawValue } ?? 0
    }

    static func isCompacted(_ topic: String) -> Bool { topic.hasPrefix("__") }

    // MARK: Looking

    /// Looks at all replicas of a node. `newest`: the newest metadata that any node knows.
    func look(at node: ClusterNode, newest: ClusterImage?) {
        guard let broker = node.machine.broker else { return }
        let name = node.plan.name
        var before = tracked[name]?.lives == node.lives ? tracked[name]?.replicas ?? [:] : [:]
        let partitions = broker.partitions
        var now: [ObjectIdentifier: Tracked] = [:]
        for partition in partitions {
            let id = ObjectIdentifier(partition)
            let replica = before.removeValue(forKey: id) ?? Tracked(partition)
            look(at: replica, node, newest, epoch: broker.brokerEpoch)
            now[id] = replica
        }
        if metadata[name]?.log !== broker.metadataLog {
            metadata[name] = ReadLog(broker.metadataLog, Place(topic: .zero, partition: 0))
        }
        if let log = metadata[name], node.harm == nil { read(log, name) }
        for gone in before.values {
            raise(Place(topic: gone.partition.topicId, partition: gone.partition.id.partition), to: gone.partition.highWatermark)
        }
        tracked[name] = (node.lives, now)
    }

    /// Notes the high watermarks of a node, and no more: others ask for them in between. Of replicas that have left since the
    /// last look, too.
    func noteHighWatermarks(of node: ClusterNode) {
        let last = tracked[node.plan.name]?.replicas.values.map(\.partition) ?? []
        for partition in last + (node.machine.broker?.partitions ?? []) {
            let place = Place(topic: partition.topicId, partition: partition.id.partition)
            places[partition.id] = place
            raise(place, to: partition.highWatermark)
        }
    }

    private func truth(_ place: Place) -> Truth {
        if let known = truths[place] { return known }
        let new = Truth()
        truths[place] = new
        return new
    }

    private func raise(_ place: Place, to highWatermark: Offset) {
        let truth = self.truth(place)
        if truth.highWatermark < highWatermark { truth.highWatermark = highWatermark }
    }

    private func look(at replica: Tracked, _ node: ClusterNode, _ newest: ClusterImage?, epoch: Int64) {
        let partition = replica.partition
        let place = Place(topic: partition.topicId, partition: partition.id.partition)
        places[partition.id] = place
        let (leader, highWatermark) = (partition.leader, partition.highWatermark)
        raise(place, to: highWatermark)
        if !ReplicaOracle.isCompacted(partition.id.topic) {
            oracle.begins(partition.id, at: partition.log.startOffset.rawValue, by: node.plan.name)
        }
        if !ReplicaOracle.isCompacted(partition.id.topic), node.harm == nil {
            read(replica, node.plan.name)
            let newestEpoch = newest?.topics[place.topic]?.partitions[place.partition]?.leaderEpoch ?? .none
            commit(replica, place, upTo: highWatermark, in: max(newestEpoch, leader?.epoch ?? .none), node.plan.name)
        }
        if let leader { look(at: leader, replica, place, node.plan.name, highWatermark) }
        replica.leading = leader.map { ($0.epoch, highWatermark) }
        guard let state = newest?.topics[place.topic]?.partitions[place.partition] else { return }
        if let leader { compare(leader, state, partition.id) }
        checkCandidate(replica, place, state, node, newest, epoch)
    }

    // MARK: Logs

    /// Reads what is new in a log.
    private func read(_ replica: ReadLog, _ node: String) {
        let log = replica.log
        let (end, epochs) = (log.endOffset, log.epochs)
        // What was to be read was deleted, or a snapshot took its place.
        if replica.next < log.startOffset { (replica.marks, replica.next, replica.agreed) = ([], log.startOffset, 0) }
        while let last = replica.marks.last, last.end > end || epochs.epoch(at: last.base) != last.epoch {
            replica.marks.removeLast()
            replica.next = replica.marks.last?.end ?? log.startOffset
            replica.agreed = min(replica.agreed, replica.marks.count)
        }
        while replica.next < end {
            guard let read = try? log.read(from: replica.next, limit: end, countMax: 1 << 20, wholeFirst: true),
                let bytes = try? ReplicaNode.bytes(read), !bytes.isEmpty
            else { return }
            for batch in RecordBatchSequence(bytes) where batch.header.nextOffset > replica.next {
                let header = batch.header
                let mark = Mark(
                    base: header.baseOffset, end: header.nextOffset, epoch: header.leaderEpoch, crc: header.crc)
                note(mark, behind: replica.marks.last?.epoch, in: log.partition, replica.place, node)
                replica.marks.append(mark)
                replica.next = header.nextOffset
            }
        }
    }

    private func note(_ mark: Mark, behind before: LeaderEpoch?, in id: TopicPartition, _ place: Place, _ node: String) {
        let name = MarkName(place: place, end: mark.end, epoch: mark.epoch)
        guard let other = known[name] else {
            known[name] = (mark, before)
            return
        }
        if other.mark != mark { oracle.violate("I2 \(node): \(id) has \(mark) where another log has \(other.mark)") }
        if let before, let known = other.before, before != known {
            oracle.violate("I2 \(node): \(id)@\(mark.end) is behind a batch of epoch \(before), and of \(known) elsewhere")
        }
    }

    /// What lies below a high watermark is committed, and is the same wherever it does.
    private func commit(
        _ replica: Tracked, _ place: Place, upTo highWatermark: Offset, in epoch: LeaderEpoch, _ node: String
    ) {
        let truth = self.truth(place)
        while replica.agreed < replica.marks.count, replica.marks[replica.agreed].end <= highWatermark {
            let mark = replica.marks[replica.agreed]
            let index = truth.index(behind: mark.base)
            if index == truth.committed.count {
                truth.committed.append(mark)
                truth.committedIn.append(epoch)
            } else if truth.committed[index] != mark, truth.committed[index].base < mark.end {
                return oracle.violate(
                    "I1 \(node): \(replica.partition.id) has \(mark) below its high watermark \(highWatermark), where"
                        + " \(truth.committed[index]) was committed")
            }
            replica.agreed += 1
        }
    }

    /// What the replica lacks of what was committed in epochs up to `epoch` and is not deleted in it; nil if nothing.
    private func lacks(_ replica: Tracked, _ place: Place, upTo epoch: LeaderEpoch) -> String? {
        let truth = self.truth(place)
        let start = replica.log.startOffset
        let agreed = replica.agreed > 0 ? replica.marks[replica.agreed - 1].end : .zero
        var index = truth.index(behind: max(agreed, start))
        while index < truth.committed.count {
            let mark = truth.committed[index]
            if truth.committedIn[index] > epoch { return nil }
            guard replica.agreed < replica.marks.count else { return "ends at \(replica.next), and \(mark) was committed" }
            let own = replica.marks[replica.agreed]
            if own.end > mark.base {
                if own != mark { return "has \(own), and \(mark) was committed" }
                index += 1
            }
            replica.agreed += 1
        }
        return nil
    }

    // MARK: Roles

    private func look(
        at leader: PartitionLeader, _ replica: Tracked, _ place: Place, _ node: String, _ highWatermark: Offset
    ) {
        let id = replica.partition.id
        let name = MarkName(place: place, end: .zero, epoch: leader.epoch)
        if let other = leaders.updateValue(node, forKey: name), other != node {
            oracle.violate("I3 \(id) is led by \(other) and by \(node) in epoch \(leader.epoch)")
        }
        if let before = replica.leading, before.epoch == leader.epoch, before.highWatermark > highWatermark {
            oracle.violate("I4 \(node): the high watermark of \(id) fell from \(before.highWatermark) to \(highWatermark)")
        }
        guard replica.leading?.epoch != leader.epoch, !ReplicaOracle.isCompacted(id.topic),
            replica.next >= replica.partition.log.endOffset
        else { return }
        if let what = lacks(replica, place, upTo: leader.epoch) {
            oracle.violate("I1 \(node) leads \(id) in epoch \(leader.epoch) and \(what)")
        }
    }

    /// A leader that knows as much as the controller, or less.
    private func compare(_ leader: PartitionLeader, _ state: PartitionImage, _ id: TopicPartition) {
        guard leader.epoch == state.leaderEpoch, leader.partitionEpoch <= state.partitionEpoch, leader.hasEnoughInSync
        else { return }
        let maximal = Set(leader.inSync).union(leader.proposed).union(leader.leaving)
        let able = Set(state.inSync).union(state.eligibleLeaders)
        if !able.isSubset(of: maximal) {
            oracle.violate("I5 the leader of \(id) counts on \(maximal.sorted()), and \(able.sorted()) may lead")
        }
    }

    private func checkCandidate(
        _ replica: Tracked, _ place: Place, _ state: PartitionImage, _ node: ClusterNode, _ newest: ClusterImage?, _ epoch: Int64
    ) {
        let id = NodeId(node.plan.id)
        guard state.inSync.contains(id) || state.eligibleLeaders.contains(id), node.harm == nil,
            epoch >= 0, newest?.brokers[id]?.epoch == epoch
        else { return }
        let (partition, truth) = (replica.partition, self.truth(place))
        if partition.log.endOffset < truth.highWatermark {
            oracle.violate(
                "I6 \(node.plan.name) may lead \(partition.id), ends at \(partition.log.endOffset), and the high watermark is"
                    + " \(truth.highWatermark)")
        }
        guard !ReplicaOracle.isCompacted(partition.id.topic), replica.next >= partition.log.endOffset else { return }
        if let what = lacks(replica, place, upTo: LeaderEpoch(.max)) {
            oracle.violate("I6 \(node.plan.name) may lead \(partition.id) and \(what)")
        }
    }
}
