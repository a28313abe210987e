// The end of a world of clusters: the faults stop, and everything must make progress and come to be the same everywhere.

import Basics
import Broker
import Bytes
import ClusterImage
import Log
import Records
import Replication

extension ClusterWorld {
    func finish() {
        world.note("the faults stop")
        internet.openWays()
        for node in nodes { node.comeBackNow() }
        unthrottle()
        var problem: String?
        let isWhole = step(seconds: 90) {
            problem = self.missing()
            return problem == nil
        }
        guard isWhole else { return oracle.violate("does not come together: \(problem ?? "")") }
        for producer in producers { producer.forgetRecent() }
        let recent = { self.producers.reduce(into: Set()) { $0.formUnion($1.recent) } }
        guard step(seconds: 60, until: { recent().isSuperset(of: self.administrator.partitions) }) else {
            return oracle.violate("nothing is acknowledged any more in some partitions: only in \(recent().sorted())")
        }
        for producer in producers { producer.isEnding = true }
        guard step(seconds: 40, until: { self.producers.allSatisfy(\.isDone) }) else {
            return oracle.violate("a producer does not come to its end")
        }
        compare()
        settleGroup()
        world.note("end with \(oracle.acknowledgedCount) acknowledged")
    }

    /// What the cluster lacks to be whole; nil if nothing.
    private func missing() -> String? {
        for node in nodes where !node.isSteady { return "\(node.plan.name) is not there" }
        guard !administrator.isBusy else { return "the operator is not done" }
        for node in nodes {
            guard let image = node.image else { continue }
            for topic in image.topics.values where oracle.deleted.contains(topic.name) {
                return "\(node.plan.name) knows the deleted topic \(topic.name)"
            }
            let unknown = administrator.partitions.first { partition in
                image.topic(named: partition.topic)?.partitions[partition.partition] == nil
            }
            if let unknown { return "\(node.plan.name) does not know \(unknown)" }
            if let copy = node.copies.first { return "\(copy) has not taken the place of its log" }
            if let problem = missing(in: image) { return problem + " at \(node.plan.name)" }
        }
        return nil
    }

    private func missing(in image: ClusterImage) -> String? {
        for topic in image.topics.values.sorted(by: { $0.name < $1.name }) {
            for (index, state) in topic.sortedPartitions {
                guard state.leader != .none, Set(state.inSync) == Set(state.replicas), state.adding.isEmpty, state.removing.isEmpty
                else {
                    return "\(topic.name)-\(index) is led by \(state.leader) with \(state.inSync) of \(state.replicas)"
                        + ", \(state.adding) come and \(state.removing) go"
                }
            }
        }
        return nil
    }

    /// All read the same, to the end; all replicas hold the same bytes.
    private func compare() {
        let last = ClusterConsumer("last", world, internet, oracle, plan.bootstrap)
        let partitions = administrator.partitions
        last.assign(partitions)
        let isRead = step(seconds: 60) {
            partitions.allSatisfy { partition in
                [last, self.consumer].allSatisfy { reader in
                    let next = reader.next(partition) ?? -1
                    return reader.ends[partition] == next && next >= self.oracle.end(of: partition)
                }
            }
        }
        guard isRead else { return oracle.violate("a consumer does not come to the end") }
        for partition in partitions {
            oracle.final(last.values[partition] ?? [], from: last.starts[partition] ?? 0, of: partition)
        }
        var problem: String?
        let isEqual = step(seconds: 60) {
            problem = self.missing() ?? self.difference()
            return problem == nil
        }
        if !isEqual { oracle.violate("does not stay together: \(problem ?? "")") }
    }

    /// Two replicas whose logs are not the same, byte by byte, or one that is not where the cluster believes it; nil if there are
    /// none.
    private func difference() -> String? {
        guard let image = nodes.lazy.compactMap(\.image).first else { return "no node knows the cluster" }
        for partition in administrator.partitions {
            guard let state = image.topic(named: partition.topic)?.partitions[partition.partition] else { continue }
            let holders = nodes.filter { state.replicas.contains(NodeId($0.plan.id)) }
            if let problem = difference(partition, holders) { return problem }
            for node in holders {
                let folders = node.folders(of: partition)
                let named = state.directory(of: NodeId(node.plan.id)).map { "\($0)" }
                if folders.count != 1 || named != folders.first.flatMap(node.directory) {
                    return "\(partition) is in \(folders) of \(node.plan.name), and the cluster names \(named ?? "none")"
                }
            }
        }
        return nil
    }

    /// What is before the first record may be there still.
    private func difference(_ partition: TopicPartition, _ holders: [ClusterNode]) -> String? {
        let starts = holders.map { node in
            node.machine.broker?.partitions.first { $0.id == partition }?.log.startOffset ?? .none
        }
        let logs = zip(holders, starts).map { ClusterWorld.batches($0.log(of: partition), from: $1) }
        for index in holders.indices where starts[index] != starts[0] || logs[index] != logs[0] {
            return "\(partition): the log of \(holders[index].plan.name) from \(starts[index]) on differs from that of"
                + " \(holders[0].plan.name) from \(starts[0]) on"
        }
        return nil
    }

    /// The batches that end behind `start`.
    private static func batches(_ bytes: [UInt8], from start: Offset) -> ArraySlice<UInt8> {
        let slice = ByteSlice(bytes)
        var position = 0
        for batch in RecordBatchSequence(slice) where batch.header.nextOffset <= start { position += batch.header.byteCount }
        return bytes[position...]
    }

    /// The group is given all of its topic, and commits it.
    private func settleGroup() {
        guard oracle.violations.isEmpty else { return }
        let ends = Dictionary(
            administrator.partitions.map { ($0, consumer.next($0) ?? 0) }) { _, last in last }
        var committed: [TopicPartition: Int64] = [:]
        var isAsked = false
        var problem: String?
        let isSettled = step(seconds: 60) {
            if !isAsked {
                isAsked = true
                self.administrator.committed { offsets in
                    committed = offsets
                    isAsked = false
                }
            }
            problem = self.group.unsettled(ends, committed)
            return problem == nil
        }
        if !isSettled { oracle.violate("I14 the group does not come to the end: \(problem ?? "")") }
    }
}
