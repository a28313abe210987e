// `martlet cluster …`: the cluster as a whole.

import Basics
import Client

enum ClusterCommand {
    static let spec = CommandSpec(
        name: "cluster", summary: "Look at the cluster, move leaders and replicas, take brokers away.",
        subcommands: [
            ClusterHealth.status, ClusterHealth.health, ClusterNodes.spec, quorum, metrics, ClusterReassign.spec,
            ClusterElect.spec, ClusterDrain.drain, ClusterDrain.decommission, ClusterImageCommand.spec,
        ])

    private static let metrics = CommandSpec(
        name: "metrics", summary: "Print what brokers count and measure of themselves.", arguments: "[NAME…]",
        details: "With names, only figures whose names contain one of them.",
        options: [
            CommandSpec.outputOption, CommandSpec.headersOption,
            OptionSpec("--node", value: "ID", "Of this broker alone. Default: of all."),
        ],
        examples: [
            ("martlet cluster metrics unsynced", "what no sync covers yet, and for how long"),
            ("martlet cluster metrics -o json", "all, for a program"),
        ],
        run: runMetrics)

    @Sendable private static func runMetrics(_ arguments: Arguments) throws -> Int32 {
        let json = try arguments.wantsJson()
        let wanted = try arguments.int("--node", in: 0...Int(Int32.max)).map { NodeId(Int32($0)) }
        let session = try Session(arguments)
        let cluster: ClusterDescription = try session.admin { admin, deadline, done in
            admin.describeCluster(deadline: deadline, completion: done)
        }
        let nodes = wanted.map { [$0] } ?? cluster.brokers.map(\.id).sorted()
        var figures: [(node: NodeId, name: String, value: String)] = []
        for node in nodes {
            let entries: [ConfigEntry] = try session.admin { admin, deadline, done in
                admin.describeConfigs(.metrics(node), deadline: deadline, completion: done)
            }
            for entry in entries where isWanted(entry.name, arguments.positional) {
                figures.append((node, entry.name, entry.value ?? "0"))
            }
        }
        if json {
            let rows = figures.map { figure in
                Json.object([
                    ("node", .int(figure.node.rawValue)), ("name", .string(figure.name)),
                    ("value", .number(figure.value)),
                ])
            }
            try TextTable.print(Json.array(rows).text + "\n")
            return 0
        }
        var table = TextTable("NODE", "METRIC", "VALUE")
        table.rows = figures.map { ["\($0.node)", $0.name, $0.value] }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }

    private static let quorum = CommandSpec(
        name: "quorum", summary: "Print who leads the metadata quorum, and how far each of its replicas has come.",
        options: [CommandSpec.outputOption, CommandSpec.headersOption],
        examples: [("martlet cluster quorum", "voters and observers with their lag")], run: runQuorum)

    @Sendable private static func runQuorum(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 0)
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        let quorum: QuorumDescription = try session.admin { admin, deadline, done in
            admin.describeQuorum(deadline: deadline, completion: done)
        }
        if json {
            let rows = quorum.replicas.map { replica in
                Json.object([
                    ("node", .int(replica.node.rawValue)), ("directory", .string(replica.directory.description)),
                    ("role", .string(role(replica, quorum))), ("end", .number("\(replica.end)")),
                    ("lag", .number("\(quorum.lag(replica))")),
                ])
            }
            let whole = Json.object([
                ("leader", .int(quorum.leader.rawValue)), ("epoch", .int(quorum.epoch.rawValue)),
                ("highWatermark", .number("\(quorum.highWatermark)")), ("replicas", .array(rows)),
            ])
            try TextTable.print(whole.text + "\n")
            return 0
        }
        var table = TextTable("NODE", "ROLE", "EPOCH", "END", "LAG", "DIRECTORY")
        table.rows = quorum.replicas.map { replica in
            [
                "\(replica.node)", role(replica, quorum), "\(quorum.epoch)", "\(replica.end)", "\(quorum.lag(replica))",
                "\(replica.directory)",
            ]
        }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }

    private static func role(_ replica: QuorumDescription.Replica, _ quorum: QuorumDescription) -> String {
        if replica.node == quorum.leader { return "leader" }
        return replica.isVoter ? "follower" : "observer"
    }

    private static func isWanted(_ name: String, _ parts: [String]) -> Bool {
        parts.isEmpty || parts.contains { name.contains($0) }
    }
}
