// What the operator of a world of clusters does, by chance, while things go wrong.

import Basics
import Broker
import Client
import ClusterImage

extension ClusterWorld {
    func operate() {
        guard !administrator.isBusy else { return }
        let partitions = administrator.partitions
        let partition = partitions[world.number(in: 0...partitions.count - 1)]
        let widened = Int32(partitions.count { $0.topic == partition.topic }) + 1
        switch world.number(in: 0...9) {
        case 0: if partitions.count < 8 { administrator.create(plan) }
        case 1: if let spare = administrator.spareTopics.first { administrator.begin(.delete(spare)) }
        case 2: if partitions.count < 8 { administrator.begin(.widen(partition.topic, widened)) }
        case 3, 4: administrator.begin(.move(partition, world.chance(85) ? chosenReplicas() : nil))
        case 5: administrator.begin(.elect)
        case 6:
            let bytes = "\(world.number(in: 1000...6000))"
            let topic = world.chance(30) ? "__consumer_offsets" : partition.topic
            administrator.begin(.configure(topic, key: "internal.segment.bytes", value: bytes))
        case 7: removeVoter()
        default: unregister(nodes[world.number(in: 0...nodes.count - 1)])
        }
    }

    private func chosenReplicas() -> [NodeId] {
        var brokers = nodes.filter(\.plan.isBroker).map { NodeId($0.plan.id) }
        var chosen: [NodeId] = []
        while chosen.count < plan.replicationFactor {
            chosen.append(brokers.remove(at: world.number(in: 0...brokers.count - 1)))
        }
        return chosen
    }

    private func removeVoter() {
        let controllers = nodes.filter(\.plan.isController)
        guard plan.removesVoters, controllers.count > 1 else { return }
        administrator.begin(.removeVoter(NodeId(controllers[world.number(in: 0...controllers.count - 1)].plan.id)))
    }

    /// The broker is taken out while it serves, and registers again. The controller cannot tell it from one that lost its tail.
    private func unregister(_ node: ClusterNode) {
        guard node.plan.isBroker, node.isSteady, mayEnd(node, loses: false), plan.replicationFactor > 1 else { return }
        administrator.begin(.unregister(NodeId(node.plan.id), then: node.unregister()))
    }

    // MARK: What came later, by chances of its own

    func operateMore() {
        let partitions = administrator.partitions
        guard !administrator.isBusy, !partitions.isEmpty else { return }
        let partition = partitions[extra.number(in: 0...partitions.count - 1)]
        switch extra.number(in: 0...9) {
        case 0, 1: deleteRecords(of: partition)
        case 2, 3: changeMinimum(of: partition.topic)
        case 4: throttle(partition)
        case 5: unthrottle()
        default: relocate(partition)
        }
    }

    /// Up to somewhere among what was acknowledged, or all that is committed.
    private func deleteRecords(of partition: TopicPartition) {
        let end = Int(oracle.end(of: partition))
        let offset = extra.chance(30) ? nil : Int64(extra.number(in: 0...end))
        administrator.begin(.deleteRecords(partition, before: offset))
    }

    /// Never below what the world promises. Who was eligible is so no more (KIP-966): until enough are in sync, one that ends and
    /// loses what it had may be the last that had it.
    private func changeMinimum(of topic: String) {
        let most = max(plan.minInSync, plan.replicationFactor)
        let value = extra.chance(20) ? nil : "\(extra.number(in: plan.minInSync...most))"
        changedMinimums[topic] = .max
        let settle = { self.changedMinimums[topic] = self.world.now + 10_000_000_000 }
        administrator.begin(.configure(topic, key: "min.insync.replicas", value: value, then: settle))
    }

    /// Forgets changes of the minimum that are known, and whose topics have enough in sync.
    func settleMinimums(_ newest: ClusterImage) {
        for (topic, at) in changedMinimums where at <= world.now {
            let partitions = newest.topic(named: topic)?.partitions.values.map(\.self) ?? []
            if partitions.allSatisfy({ $0.inSync.count >= min(plan.minInSync, $0.replicas.count) }) { changedMinimums[topic] = nil }
        }
    }

    /// While replicas of it come and go.
    private func throttle(_ partition: TopicPartition) {
        throttled.insert(partition.topic)
        administrator.begin(.throttle(partition.topic, extra.number(in: 200...4000)))
        administrator.begin(.move(partition, chosenReplicas()))
    }

    func unthrottle() {
        for topic in throttled.sorted() { administrator.begin(.throttle(topic, nil)) }
        throttled = []
    }

    /// To a folder of a broker that has it, as far as is known.
    private func relocate(_ partition: TopicPartition) {
        let partition = extra.chance(20) ? TopicPartition("__consumer_offsets", 0) : partition
        let replicas = newest?.topic(named: partition.topic)?.partitions[partition.partition]?.replicas ?? []
        guard !replicas.isEmpty, case let id = replicas[extra.number(in: 0...replicas.count - 1)],
            let node = nodes.first(where: { NodeId($0.plan.id) == id }), node.plan.folders.count > 1
        else { return }
        node.moves = true
        let folder = node.plan.folders[extra.number(in: 0...node.plan.folders.count - 1)]
        administrator.begin(.relocate(partition, id, folder: folder))
    }
}
