// What a leader makes of a fetch beyond reading: a follower's says what the follower holds; a consumer's may be better
// served by a follower that is nearer (KIP-392).

internal import Basics
internal import Configuration
internal import Bytes
internal import Environment
internal import Log
internal import ClusterImage
internal import Replication
internal import WireProtocol

extension FetchOperation {
    /// Notes what `follower` holds, once for each fetch: a fetch that waits says nothing new.
    func note(_ follower: NodeId) {
        let broker = shard.broker
        let view = shard.view
        let brokerEpoch = call.version >= 15 ? request.replicaState.replicaEpoch : -1
        let eligible = view.eligibleEpoch(of: follower)
        for (key, state) in wanted {
            let topic = byId ? view.topic(state.topicId) : view.topic(state.topicName)
            guard let replica = topic?.replicas[state.partition], let epoch = replica.leaderEpoch,
                state.currentLeaderEpoch < 0 || state.currentLeaderEpoch == epoch.rawValue
            else { continue }
            // Nothing is said by the offset of a log that departs from this one, or lies outside of it.
            let offset = Offset(state.fetchOffset)
            guard offset >= replica.log.startOffset, offset <= replica.log.endOffset, replica.divergence(state) == nil else {
                continue
            }
            let fetch = ReplicaFetch(
                replica: follower, brokerEpoch: brokerEpoch, offset: offset, startOffset: Offset(state.logStartOffset),
                isEligible: eligible != nil && (brokerEpoch < 0 || brokerEpoch == eligible))
            switch replica.fetched(fetch, in: epoch, at: call.loop.now, lagMax: broker.replicaLagMax) {
            case .success(let mayJoin): if mayJoin { broker.review(replica, view.eligibleEpochs) }
            case .failure(.unknownReplica):
                // The follower may know of an assignment that this node has yet to hear of.
                refused[key] = state.currentLeaderEpoch >= 0 ? .unknownLeaderEpoch : .notLeaderOrFollower
            case .failure(.stale), .failure(.notLeader): refused[key] = .notLeaderOrFollower
            }
        }
    }

    /// The answer without records for a throttled follower that is not in sync, while the quota is exceeded (KIP-73); nil for
    /// all others. Nobody is woken for it: it gets more when it asks again.
    func heldBack(_ state: FetchedPartition, _ replica: Partition, _ topic: TopicView) -> Fetched? {
        let broker = shard.broker
        guard let follower, topic.isThrottledLeader(state.partition, on: broker.nodeId),
            let leader = replica.leader, !leader.inSync.contains(follower),
            broker.quotas.leader.isExceeded(broker, at: call.loop.now)
        else { return nil }
        var held = Fetched(
            data: FetchResponse.PartitionData {
                $0.partitionIndex = state.partition
                $0.highWatermark = replica.highWatermark.rawValue
                $0.lastStableOffset = replica.lastStableOffset.rawValue
                $0.logStartOffset = replica.log.startOffset.rawValue
                $0.abortedTransactions = nil
                $0.records = .bytes(.empty)
            })
        if let diverging = replica.divergence(state) { held.data.divergingEpoch = diverging }
        return held
    }

    /// Counts what throttled followers are sent, in sync or not.
    func countThrottled(_ found: [Fetched]) {
        guard follower != nil else { return }
        let (view, broker) = (shard.view, shard.broker)
        let bytes = zip(wanted, found).reduce(0) { bytes, entry in
            let ((_, state), answer) = entry
            guard answer.count > 0, let topic = byId ? view.topic(state.topicId) : view.topic(state.topicName),
                topic.isThrottledLeader(state.partition, on: broker.nodeId)
            else { return bytes }
            return bytes + answer.count
        }
        broker.quotas.leader.record(bytes, at: call.loop.now)
    }

    /// The answer that sends a consumer to an in-sync follower in its rack; nil if it is best served here.
    func nearer(to state: FetchedPartition, _ replica: Partition) -> Fetched? {
        guard follower == nil, !request.rackId.isEmpty, shard.broker.choosesByRack else { return nil }
        let view = shard.view
        guard view.image.brokers[shard.broker.nodeId]?.rack != request.rackId, let leader = replica.leader else {
            return nil
        }
        let near = leader.followersHolding(Offset(state.fetchOffset)).first { id in
            view.eligibleEpoch(of: id) != nil && view.image.brokers[id]?.rack == request.rackId
        }
        guard let near else { return nil }
        let data = FetchResponse.PartitionData {
            $0.partitionIndex = state.partition
            $0.highWatermark = replica.highWatermark.rawValue
            $0.lastStableOffset = replica.lastStableOffset.rawValue
            $0.logStartOffset = replica.log.startOffset.rawValue
            $0.abortedTransactions = nil
            $0.preferredReadReplica = near.rawValue
            $0.records = .bytes(.empty)
        }
        return Fetched(data: data, replica: replica)
    }
}

extension Broker {
    /// `replica.selector.class` names Kafka's choice by rack.
    var choosesByRack: Bool { node["replica.selector.class"]?.hasSuffix("RackAwareReplicaSelector") ?? false }

    /// Where other brokers reach `id`; nil if it is not registered, or has no such listener.
    func interBrokerEndpoint(of id: NodeId) -> BrokerImage.Endpoint? {
        guard let registered = withState({ $0.view.image.brokers[id] }) else { return nil }
        return registered.endpoint(node.interBrokerListener)
    }
}
