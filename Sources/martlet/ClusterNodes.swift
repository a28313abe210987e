// `martlet cluster nodes`: the registered brokers, and what each has.

import Basics
import Client
import Environment

enum ClusterNodes {
    static let spec = CommandSpec(
        name: "nodes", summary: "List brokers with their state, and how much each leads and keeps.",
        options: [CommandSpec.outputOption, CommandSpec.headersOption],
        examples: [("martlet cluster nodes", "addresses, racks, leaders and replicas"), ("martlet cluster nodes -o json", "for a program")],
        run: run)

    private struct Row {
        var node: NodeInfo
        var role: String
        var leaders: Int
        var replicas: Int
        var inSync: Int

        init(_ node: NodeInfo, _ state: ClusterState) {
            self.node = node
            let id = node.broker.id
            let voter = state.quorum?.replicas.first { $0.node == id && $0.isVoter }
            role = voter == nil ? "broker" : state.quorum?.leader == id ? "active controller" : "controller"
            leaders = state.partitions.count { $0.info.leader == id }
            replicas = state.partitions.count { $0.info.replicas.contains(id) }
            inSync = state.partitions.count { $0.info.inSync.contains(id) }
        }
    }

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 0)
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        let state = try ClusterState(session)
        let rows = state.nodes.map { Row($0, state) }
        if json {
            let list = rows.map { row in
                Json.object([
                    ("node", .int(row.node.broker.id.rawValue)), ("host", .string(row.node.broker.address.host)),
                    ("port", .int(row.node.broker.address.port)), ("rack", .optional(row.node.broker.rack)),
                    ("fenced", .bool(row.node.isFenced)), ("role", .string(row.role)), ("leaders", .int(row.leaders)),
                    ("replicas", .int(row.replicas)), ("inSync", .int(row.inSync)),
                ])
            }
            try TextTable.print(Json.array(list).text + "\n")
            return 0
        }
        var table = TextTable("NODE", "ADDRESS", "RACK", "STATE", "LEADERS", "REPLICAS", "IN-SYNC", "ROLE")
        table.rows = rows.map { row in
            [
                "\(row.node.broker.id)", "\(row.node.broker.address)", row.node.broker.rack ?? "-",
                row.node.isFenced ? "fenced" : "alive", "\(row.leaders)", "\(row.replicas)", "\(row.inSync)", row.role,
            ]
        }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }
}
