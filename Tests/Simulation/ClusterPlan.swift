// What a world of clusters is made of: how many nodes, who of them votes, and what its topics promise.
//
// The voters are named by the configuration (KIP-595), so that a controller must keep its disk: only brokers that do not
// vote lose theirs. Timeouts are short, so that a short history has many of everything.

import Basics
import Client
import Environment

/// One cluster, chosen by chance.
struct ClusterPlan {
    struct Node {
        var id: Int32
        var isController: Bool
        var isBroker: Bool

        var name: String { "n\(id)" }
    }

    let nodes: [Node]
    let replicationFactor: Int
    let minInSync: Int
    /// Topics sync before a replica counts (`durability=fsync`).
    let isStrict: Bool

    init(_ world: World) {
        let count = world.number(in: 1...5)
        let isSeparate = count >= 2 && world.chance(25)
        let controllers: Int
        if isSeparate {
            controllers = count >= 4 && world.chance(60) ? 3 : 1
        } else if count <= 2 {
            controllers = world.chance(50) ? 1 : count
        } else {
            controllers = count == 5 && world.chance(40) ? 5 : 3
        }
        nodes = (1...count).map {
            Node(id: Int32($0), isController: $0 <= controllers, isBroker: !isSeparate || $0 > controllers)
        }
        let brokers = isSeparate ? count - controllers : count
        replicationFactor = world.chance(70) ? min(3, brokers) : world.number(in: 1...brokers)
        minInSync = replicationFactor >= 2 && world.chance(75) ? 2 : 1
        isStrict = world.chance(35)
    }

    /// Brokers beyond this number that ended without order, or lost what they had, may cost acknowledged records.
    var lossesMax: Int { minInSync - 1 }

    var bootstrap: [SocketAddress] { nodes.filter(\.isBroker).map { SocketAddress(host: $0.name, port: 9092) } }

    var description: String {
        let roles = nodes.map { ($0.isController ? "c" : "") + ($0.isBroker ? "b" : "") }.joined(separator: " ")
        return "cluster of \(roles), \(replicationFactor) replicas, minimum \(minInSync), \(isStrict ? "fsync" : "page cache")"
    }

    func settings(of node: Node) -> [(key: String, value: String)] {
        var roles: [String] = []
        var listeners: [String] = []
        if node.isBroker {
            roles.append("broker")
            listeners.append("PLAINTEXT://\(node.name):9092")
        }
        if node.isController {
            roles.append("controller")
            listeners.append("CONTROLLER://\(node.name):9093")
        }
        let voters = nodes.filter(\.isController).map { "\($0.id)@\($0.name):9093" }
        return [
            ("node.id", "\(node.id)"), ("cluster.id", "5L6g3nShT-eMCtK--X86sw"),
            ("process.roles", roles.joined(separator: ",")), ("listeners", listeners.joined(separator: ",")),
            ("controller.listener.names", "CONTROLLER"), ("controller.quorum.voters", voters.joined(separator: ",")),
            ("broker.session.timeout.ms", "3000"), ("broker.heartbeat.interval.ms", "500"),
            ("replica.lag.time.max.ms", "2000"), ("replica.fetch.backoff.ms", "200"),
            ("replica.socket.timeout.ms", "3000"), ("replica.high.watermark.checkpoint.interval.ms", "1000"),
            ("leader.imbalance.check.interval.seconds", "10"),
            ("auto.create.topics.enable", "false"), ("log.retention.check.interval.ms", "5000"),
            ("log.cleaner.backoff.ms", "5000"),
        ]
    }

    /// A topic of this world.
    func topic(_ name: String, partitions: Int) -> NewTopic {
        var topic = NewTopic(name)
        topic.partitions = Int32(partitions)
        topic.replicationFactor = Int16(replicationFactor)
        topic.configs = [
            ("min.insync.replicas", "\(minInSync)"), ("durability", isStrict ? "fsync" : "page-cache"),
            // Many segments and index entries.
            ("internal.segment.bytes", "3000"), ("index.interval.bytes", "200"),
        ]
        return topic
    }
}
