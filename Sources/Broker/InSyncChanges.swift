// Carries changes of in-sync sets from the leaders of this node to the controller: AlterPartition, one request at a time,
// with all that came meanwhile in the next (KIP-497).
//
// Owner: loop 0. What is asked for and not answered is asked for again in the same words, until the answer or the image
// tells what became of it.

internal import Basics
internal import Configuration
internal import Channel
internal import ClusterImage
internal import Environment
internal import Replication
internal import WireProtocol

final class InSyncChanges {
    private struct Change {
        var partition: Partition
        var proposal: InSyncProposal
    }

    private let link: ControllerLink
    private let loop: any EventLoop
    private let broker: Broker
    private var waiting: [Change] = []
    private var isAsking = false
    private var isClosed = false
    private var backoff = Backoff()

    init(link: ControllerLink, loop: any EventLoop, broker: Broker) {
        self.link = link
        self.loop = loop
        self.broker = broker
    }

    /// Partitions that one request names at most.
    private static let requestMax = 1000

    /// After so long what is asked for is looked at anew: the broker epoch may be another one by then.
    private static let answerMax: Duration = .seconds(10)

    /// What waits for the same partition is void: a request names a partition once, and only the newest answer counts.
    func add(_ partition: Partition, _ proposal: InSyncProposal) {
        loop.assertInside()
        waiting.removeAll { $0.partition === partition }
        waiting.append(Change(partition: partition, proposal: proposal))
        askNext()
    }

    func close() { isClosed = true }

    private func askNext() {
        guard !isAsking, !isClosed, !waiting.isEmpty else { return }
        isAsking = true
        let asked = Array(waiting.prefix(InSyncChanges.requestMax))
        waiting.removeFirst(asked.count)
        link.send(request(asked), deadline: loop.now + InSyncChanges.answerMax) { self.answered(asked, try? $0.get()) }
    }

    private func request(_ asked: [Change]) -> AlterPartitionRequest {
        AlterPartitionRequest {
            $0.brokerId = broker.nodeId.rawValue
            $0.brokerEpoch = broker.brokerEpoch
            for change in asked {
                let data = AlterPartitionRequest.PartitionData(change.partition.id.partition, change.proposal)
                if let index = $0.topics.firstIndex(where: { $0.topicId == change.partition.topicId }) {
                    $0.topics[index].partitions.append(data)
                } else {
                    $0.topics.append(
                        AlterPartitionRequest.TopicData {
                            $0.topicId = change.partition.topicId
                            $0.partitions = [data]
                        })
                }
            }
        }
    }

    private func answered(_ asked: [Change], _ response: AlterPartitionResponse?) {
        isAsking = false
        var mustWait = false
        for change in asked {
            let answer = response.flatMap { InSyncChanges.answer($0, change.partition) } ?? .unknown
            if case .again(let proposal) = change.partition.answered(change.proposal, answer) {
                waiting.append(Change(partition: change.partition, proposal: proposal))
                mustWait = true
            }
        }
        guard mustWait else {
            backoff.reset()
            return askNext()
        }
        var random = RandomSourceGenerator(broker.environment.random)
        isAsking = true
        _ = loop.schedule(at: loop.now + backoff.next(&random)) {
            self.isAsking = false
            self.askNext()
        }
    }

    /// What the response says of one partition; nil if it says nothing.
    private static func answer(_ response: AlterPartitionResponse, _ partition: Partition) -> InSyncAnswer? {
        guard !response.errorCode.isError else { return nil }
        let topic = response.topics.first { $0.topicId == partition.topicId }
        guard let data = topic?.partitions.first(where: { $0.partitionIndex == partition.id.partition }) else { return nil }
        switch data.errorCode {
        case .none:
            return .decided(
                InSyncDecision(
                    leader: NodeId(data.leaderId), leaderEpoch: LeaderEpoch(data.leaderEpoch),
                    partitionEpoch: data.partitionEpoch, inSync: data.isr.map(NodeId.init),
                    isRecovering: data.leaderRecoveryState != 0))
        case .operationNotAttempted, .ineligibleReplica: return .refused
        case .unknownTopicOrPartition, .unknownTopicId, .fencedLeaderEpoch, .invalidRequest, .invalidUpdateVersion,
            .newLeaderElected:
            return .outdated
        default: return .unknown
        }
    }
}

extension AlterPartitionRequest.PartitionData {
    /// The leader is in sync with itself, so it has recovered from whatever election made it.
    fileprivate init(_ index: Int32, _ proposal: InSyncProposal) {
        self.init()
        partitionIndex = index
        leaderEpoch = proposal.leaderEpoch.rawValue
        partitionEpoch = proposal.partitionEpoch
        newIsr = proposal.members.map(\.id.rawValue)
        newIsrWithEpochs = proposal.members.map { member in
            AlterPartitionRequest.BrokerState {
                $0.brokerId = member.id.rawValue
                $0.brokerEpoch = member.brokerEpoch
            }
        }
    }
}

extension Broker {
    /// How long a follower may be behind.
    var replicaLagMax: Duration { .milliseconds(Int64(node.int("replica.lag.time.max.ms"))) }

    /// Has the in-sync set of `partition` changed if that is due. Any thread.
    func review(_ partition: Partition, _ eligible: [NodeId: Int64]) {
        guard let proposal = partition.proposal(at: environment.clock.now, lagMax: replicaLagMax, eligible: eligible) else {
            return
        }
        controllerLoop.post { self.withState { $0.inSync }?.value.add(partition, proposal) }
    }

    /// The same for all partitions that this node leads, in the topics `ids`; nil for all topics. On the controller's loop.
    func reviewInSync(_ ids: Set<Uuid>? = nil) {
        let view = withState { $0.view }
        let eligible = view.eligibleEpochs
        for id in (ids ?? Set(view.byId.keys)).sorted() {
            guard let topic = view.byId[id],
                topic.image.partitions.values.contains(where: { $0.replicas.count > 1 || $0.isRecovering })
            else { continue }
            for (index, partition) in topic.image.sortedPartitions where partition.leader == nodeId {
                guard partition.replicas.count > 1 || partition.isRecovering else { continue }
                if let replica = topic.replicas[index] { review(replica, eligible) }
            }
        }
    }
}
