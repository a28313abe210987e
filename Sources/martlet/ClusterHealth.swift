// `martlet cluster health`, for scripts and people: what is wrong, and an exit code; `martlet cluster status`: figures.

import Basics
import Client
import Reactor

enum ClusterHealth {
    static let health = CommandSpec(
        name: "health", summary: "Tell what is wrong with the cluster; the exit code says how bad it is.",
        details: """
            Exit code 0: every partition has a leader and all its replicas in sync, every registered broker lives, every
            voter follows. 10: replicas, brokers or voters are missing. 11: partitions have no leader. 12: the metadata
            quorum has none. 5: no broker answers.
            """,
        options: [
            CommandSpec.outputOption, CommandSpec.headersOption,
            OptionSpec("--wait", value: "TIME", "Wait so long at most until nothing is wrong."),
        ],
        examples: [
            ("martlet cluster health", "all that is wrong"),
            ("martlet cluster health -q --wait 2m", "before the next node of a rolling restart"),
        ],
        run: runHealth)

    static let status = CommandSpec(
        name: "status", summary: "Print figures of the cluster as a whole.",
        options: [CommandSpec.outputOption, CommandSpec.headersOption],
        examples: [("martlet cluster status", "brokers, quorum, topics, partitions")], run: runStatus)

    @Sendable private static func runHealth(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 0)
        let json = try arguments.wantsJson()
        let patience = try arguments.duration("--wait") ?? .zero
        let session = try Session(arguments)
        let clock = SystemClock()
        let end = clock.now + patience
        while true {
            do {
                let problems = try ClusterState(session).problems
                if problems.isEmpty || clock.now >= end { return try report(problems, session, arguments, json) }
            } catch where clock.now < end {
                // Nobody answers yet.
            }
            session.wait(.milliseconds(200))
        }
    }

    private static func report(
        _ problems: [ClusterState.Problem], _ session: Session, _ arguments: Arguments, _ json: Bool
    ) throws -> Int32 {
        let code = problems.map(\.code.rawValue).max() ?? 0
        if json {
            let rows = problems.map { problem in
                Json.object([("kind", .string(problem.kind)), ("text", .string(problem.text))])
            }
            let whole = Json.object([("healthy", .bool(code == 0)), ("code", .int(code)), ("problems", .array(rows))])
            try TextTable.print(whole.text + "\n")
        } else if problems.isEmpty {
            session.say("healthy")
        } else {
            var table = TextTable("PROBLEM", "WHAT")
            table.rows = problems.map { [$0.kind, $0.text] }
            try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        }
        return code
    }

    @Sendable private static func runStatus(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 0)
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        let state = try ClusterState(session)
        let moves: [OngoingMove]? = try? session.admin { admin, deadline, done in
            admin.listReassignments(deadline: deadline, completion: done)
        }
        let figures: [(name: String, value: Json, text: String)] = [
            ("cluster", .string(state.clusterId), state.clusterId),
            ("controller", state.quorum.map { .int($0.leader.rawValue) } ?? .null, state.quorum.map { "\($0.leader)" } ?? "none"),
            figure("brokers", state.nodes.count), figure("fencedBrokers", state.nodes.count { $0.isFenced }),
            figure("topics", state.topics.count), figure("partitions", state.partitions.count),
            figure("replicas", state.partitions.reduce(0) { $0 + $1.info.replicas.count }),
            figure("underReplicated", state.underReplicated.count), figure("offline", state.offline.count),
            ("moves", moves.map { .int($0.count) } ?? .null, moves.map { "\($0.count)" } ?? "unknown"),
        ]
        if json {
            try TextTable.print(Json.object(figures.map { ($0.name, $0.value) }).text + "\n")
            return 0
        }
        var table = TextTable("FIGURE", "VALUE")
        table.rows = figures.map { [$0.name, $0.text] }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }

    private static func figure(_ name: String, _ count: Int) -> (name: String, value: Json, text: String) {
        (name, .int(count), "\(count)")
    }
}
