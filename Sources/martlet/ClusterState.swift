// What the cluster looks like at a moment, gathered from its brokers and its quorum, and what is wrong with it.

import Basics
import Client
import WireProtocol

struct ClusterState: Sendable {
    /// Longer without a fetch, a voter counts as silent.
    private static let silenceMax = Duration.seconds(10)

    /// Something that is wrong. The worst decides the exit code of `cluster health`.
    struct Problem: Sendable {
        var code: Failure.Code
        /// A word for programs, such as `offline-partition`.
        var kind: String
        var text: String
    }

    var clusterId: String
    var nodes: [NodeInfo]
    var topics: [TopicInfo]
    /// Nil while nobody leads the quorum.
    var quorum: QuorumDescription?
    var quorumFailure: String?

    /// Asks any broker, and through it the leader of the quorum; throws if no broker answers.
    init(_ session: Session) throws {
        let cluster: ClusterDescription = try session.admin { admin, deadline, done in
            admin.describeCluster(deadline: deadline, completion: done)
        }
        clusterId = cluster.clusterId
        nodes = try session.admin { admin, deadline, done in admin.describeNodes(deadline: deadline, completion: done) }
        topics = try session.admin { admin, deadline, done in admin.listTopics(deadline: deadline, completion: done) }
        do {
            let found: QuorumDescription = try session.admin { admin, deadline, done in
                admin.describeQuorum(deadline: deadline, completion: done)
            }
            quorum = found
        } catch let failure as Failure {
            quorumFailure = failure.description
        }
    }

    var partitions: [(key: TopicPartition, info: PartitionInfo)] {
        topics.flatMap { topic in topic.partitions.map { (TopicPartition(topic.name, $0.partition), $0) } }
    }

    var offline: [TopicPartition] { partitions.filter { $0.info.leader == .none }.map(\.key) }

    var underReplicated: [TopicPartition] {
        partitions.filter { $0.info.leader != .none && $0.info.inSync.count < $0.info.replicas.count }.map(\.key)
    }

    /// The worst first.
    var problems: [Problem] {
        var found: [Problem] = []
        if let quorumFailure { found.append(Problem(code: .noQuorum, kind: "no-quorum", text: quorumFailure)) }
        found += offline.map { Problem(code: .offline, kind: "offline-partition", text: "\($0) has no leader") }
        found += nodes.filter(\.isFenced).map {
            Problem(code: .underReplicated, kind: "fenced-broker", text: "broker \($0.broker.id) is fenced")
        }
        found += silentVoters.map {
            Problem(code: .underReplicated, kind: "silent-voter", text: "voter \($0) does not follow the leader of the quorum")
        }
        for (key, info) in partitions where info.leader != .none && info.inSync.count < info.replicas.count {
            let missing = info.replicas.filter { !info.inSync.contains($0) }.map { "\($0)" }.joined(separator: ",")
            found.append(
                Problem(code: .underReplicated, kind: "under-replicated", text: "\(key) lacks in sync: \(missing)"))
        }
        return found
    }

    private var silentVoters: [NodeId] {
        guard let quorum else { return [] }
        return quorum.replicas.filter { replica in
            replica.isVoter && (quorum.silence(replica).map { $0 > Self.silenceMax } ?? true)
        }.map(\.node)
    }
}
