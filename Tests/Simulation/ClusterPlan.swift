// What a world of clusters is made of: how many nodes, who of them votes, and what its topics promise.
//
// The voters are named by the configuration (KIP-595), or by the log (KIP-853): then the controllers that do not vote join
// by themselves, voters are taken out, and one of them may lose its disk. Timeouts, segments and snapshots are small, so that a
// short history has many of everything.

import Basics
import Broker
import Client
import Environment

/// One cluster, chosen by chance.
struct ClusterPlan {
    struct Node {
        var id: Int32
        var isController: Bool
        var isBroker: Bool
        /// The folder that the first voters are known by, of one of them in a quorum that the log names.
        var voterDirectory: Uuid?
        /// Its log folders; the first holds the metadata.
        var folders = ["/data"]

        var name: String { "n\(id)" }
    }

    let nodes: [Node]
    /// The log names the voters.
    let isDynamic: Bool
    let replicationFactor: Int
    let minInSync: Int
    /// Topics sync before a replica counts (`durability=fsync`).
    let isStrict: Bool
    /// Settings of all nodes that are chosen by chance.
    private let common: [(key: String, value: String)]

    init(_ world: World) {
        let count = world.number(in: 1...7)
        let isSeparate = count >= 2 && world.chance(25)
        let controllers: Int
        if isSeparate {
            controllers = count >= 4 && world.chance(60) ? 3 : 1
        } else if count <= 2 {
            controllers = world.chance(50) ? 1 : count
        } else {
            controllers = count >= 5 && world.chance(40) ? 5 : 3
        }
        let isDynamic = world.chance(50)
        let firstVoters = isDynamic && world.chance(50) ? world.number(in: 1...controllers) : controllers
        self.isDynamic = isDynamic
        let folders = ClusterPlan.folders(world)
        nodes = (1...count).map { id in
            let isBroker = !isSeparate || id > controllers
            return Node(
                id: Int32(id), isController: id <= controllers, isBroker: isBroker,
                voterDirectory: isDynamic && id <= firstVoters ? Uuid(high: world.next() >> 1, low: world.next()) : nil,
                folders: isBroker ? folders : ["/data"])
        }
        let brokers = isSeparate ? count - controllers : count
        replicationFactor = world.chance(70) ? min(3, brokers) : world.number(in: 1...brokers)
        minInSync = replicationFactor >= 2 && world.chance(75) ? (replicationFactor >= 5 && world.chance(50) ? 3 : 2) : 1
        isStrict = world.chance(35)
        common = ClusterPlan.chosen(world)
    }

    /// The log folders of a broker, by chance of their own.
    private static func folders(_ world: World) -> [String] {
        var random = SeededRandom(seed: world.seed ^ 0x666f_6c64)
        return Array(["/data", "/more", "/last"].prefix([1, 1, 2, 3].randomElement(using: &random) ?? 1))
    }

    private static func chosen(_ world: World) -> [(key: String, value: String)] {
        func pick(_ values: Int...) -> String { String(values[world.number(in: 0...values.count - 1)]) }
        return [
            ("offsets.topic.num.partitions", pick(1, 2, 3)), ("group.initial.rebalance.delay.ms", pick(0, 500)),
            ("metadata.log.max.record.bytes.between.snapshots", pick(1500, 6000, 20_000_000)),
            ("internal.metadata.log.segment.bytes", pick(1000, 8000)),
            ("metadata.max.retention.bytes", pick(2000, 20_000)),
            ("controller.quorum.fetch.snapshot.max.bytes", pick(300, 1_000_000)),
            ("leader.imbalance.check.interval.seconds", pick(5, 20)),
        ]
    }

    /// Brokers beyond this number that ended without order, or lost what they had, may cost acknowledged records.
    var lossesMax: Int { minInSync - 1 }

    /// A minority of the voters may lose their disks: all controllers vote from the beginning, and the log names them.
    var mayWipeVoter: Bool {
        let controllers = nodes.filter(\.isController)
        return controllers.count >= 3 && controllers.allSatisfy { $0.voterDirectory != nil }
    }

    /// Voters are taken out by the operator, and come back by themselves.
    var removesVoters: Bool { isDynamic && !mayWipeVoter }

    var bootstrap: [SocketAddress] { nodes.filter(\.isBroker).map { SocketAddress(host: $0.name, port: 9092) } }

    var description: String {
        let roles = nodes.map { node in
            (node.isController ? (isDynamic && node.voterDirectory == nil ? "o" : "c") : "") + (node.isBroker ? "b" : "")
        }
        return "cluster of \(roles.joined(separator: " ")), voters \(isDynamic ? "in the log" : "configured"), "
            + "\(replicationFactor) replicas, minimum \(minInSync), \(isStrict ? "fsync" : "page cache"), "
            + "\(nodes.last?.folders.count ?? 1) folders"
    }

    /// How a node's first disk is formatted; nil if it does so by itself.
    func formation(of node: Node) -> Formation? {
        guard isDynamic else { return nil }
        guard node.voterDirectory != nil else { return Formation(voters: .none) }
        return Formation(
            voters: .controllers(
                nodes.compactMap { voter in voter.voterDirectory.map { "\(voter.id)@\(voter.name):9093:\($0)" } }))
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
        let quorum: [(String, String)]
        if isDynamic {
            let servers = nodes.filter(\.isController).map { "\($0.name):9093" }.joined(separator: ",")
            quorum = [
                ("controller.quorum.bootstrap.servers", servers), ("controller.quorum.auto.join.enable", "\(node.isController)"),
            ]
        } else {
            let voters = nodes.filter(\.isController).map { "\($0.id)@\($0.name):9093" }.joined(separator: ",")
            quorum = [("controller.quorum.voters", voters)]
        }
        return quorum + common + [
            ("node.id", "\(node.id)"), ("cluster.id", "5L6g3nShT-eMCtK--X86sw"),
            ("log.dirs", node.folders.joined(separator: ",")), ("process.roles", roles.joined(separator: ",")), ("listeners", listeners.joined(separator: ",")),
            ("controller.listener.names", "CONTROLLER"),
            ("min.insync.replicas", "\(minInSync)"), ("log.durability", isStrict ? "fsync" : "page-cache"),
            ("offsets.topic.replication.factor", "\(replicationFactor)"),
            ("broker.session.timeout.ms", "3000"), ("broker.heartbeat.interval.ms", "500"),
            ("replica.lag.time.max.ms", "2000"), ("replica.fetch.backoff.ms", "200"),
            ("replica.socket.timeout.ms", "3000"), ("replica.high.watermark.checkpoint.interval.ms", "1000"),
            ("auto.create.topics.enable", "false"), ("log.retention.check.interval.ms", "5000"),
            ("log.cleaner.backoff.ms", "5000"), ("log.segment.delete.delay.ms", "1000"),
            ("group.min.session.timeout.ms", "1000"), ("group.consumer.min.session.timeout.ms", "1000"),
            ("group.consumer.session.timeout.ms", "6000"), ("group.consumer.min.heartbeat.interval.ms", "500"),
            ("group.consumer.heartbeat.interval.ms", "1500"),
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
