// The end of a world of clusters: the faults stop, and everything must make progress and come to be the same everywhere.

import Basics
import Broker
import ClusterImage

extension ClusterWorld {
    func finish() {
        world.note("the faults stop")
        internet.openWays()
        for node in nodes { node.comeBackNow() }
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
                    let count = Int64(reader.values[partition]?.count ?? -1)
                    return reader.ends[partition] == count && count >= self.oracle.end(of: partition)
                }
            }
        }
        guard isRead else { return oracle.violate("a consumer does not come to the end") }
        for partition in partitions { oracle.final(last.values[partition] ?? [], of: partition) }
        var problem: String?
        let isEqual = step(seconds: 60) {
            problem = self.missing() ?? self.difference()
            return problem == nil
        }
        if !isEqual { oracle.violate("does not stay together: \(problem ?? "")") }
    }

    /// Two replicas whose logs are not the same, byte by byte; nil if there are none.
    private func difference() -> String? {
        let image = nodes.lazy.compactMap(\.image).first
        for partition in administrator.partitions {
            let replicas = image?.topic(named: partition.topic)?.partitions[partition.partition]?.replicas ?? []
            let logs = nodes.filter { replicas.contains(NodeId($0.plan.id)) }.map { ($0.plan.name, $0.log(of: partition)) }
            for (name, log) in logs where log != logs[0].1 {
                return "\(partition): the log of \(name) differs from that of \(logs[0].0)"
            }
        }
        return nil
    }

    /// The group is given all of its topic, and commits it.
    private func settleGroup() {
        guard oracle.violations.isEmpty else { return }
        let ends = Dictionary(
            administrator.partitions.map { ($0, Int64(consumer.values[$0]?.count ?? 0)) }) { _, last in last }
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
