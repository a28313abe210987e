// `martlet cluster elect`: elections of partition leaders (KIP-460).

import Basics
import Client
import WireProtocol

enum ClusterElect {
    static let spec = CommandSpec(
        name: "elect", summary: "Elect leaders: the preferred ones, or any live replica.", arguments: "preferred|unclean [TOPIC[:P]…]",
        details: """
            preferred puts the first replica of each partition back where it is in sync and does not lead. unclean lets a
            replica lead that is not in sync, where nobody leads: what only others have is lost. It asks before that.
            """,
        options: [
            OptionSpec("-y", "--yes", "Do not ask."), CommandSpec.outputOption, CommandSpec.headersOption,
        ],
        examples: [
            ("martlet cluster elect preferred", "after a restart"),
            ("martlet cluster elect unclean logs:3", "when the last in-sync replica of a partition will not come back"),
        ],
        run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        let kind: ElectionKind
        switch try arguments.required(0, "preferred or unclean") {
        case "preferred": kind = .preferred
        case "unclean": kind = .unclean
        case let other: throw UsageError(description: "'\(other)': preferred or unclean is wanted")
        }
        let json = try arguments.wantsJson()
        let scope = Array(arguments.positional.dropFirst())
        let session = try Session(arguments)
        let partitions = scope.isEmpty ? nil : try partitions(scope, session)
        if kind == .unclean { try arguments.confirm("Let replicas lead that may lack acknowledged records?") }
        let outcomes: [PartitionOutcome] = try session.admin { admin, deadline, done in
            admin.electLeaders(kind, partitions, deadline: deadline, completion: done)
        }
        if json {
            let rows = outcomes.map { outcome in
                Json.object([
                    ("topic", .string(outcome.partition.topic)), ("partition", .int(outcome.partition.partition)),
                    ("error", .optional(outcome.error.map { "\($0)" })),
                ])
            }
            try TextTable.print(Json.array(rows).text + "\n")
        } else {
            var table = TextTable("TOPIC", "PARTITION", "RESULT")
            table.rows = outcomes.map {
                [$0.partition.topic, "\($0.partition.partition)", $0.error.map { "\($0)" } ?? "ok"]
            }
            try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        }
        return outcomes.contains { $0.error != nil } ? Failure.Code.failure.rawValue : 0
    }

    /// `TOPIC` is all of its partitions, `TOPIC:3` one.
    private static func partitions(_ scope: [String], _ session: Session) throws -> [TopicPartition] {
        let state: [TopicInfo] = try session.admin { admin, deadline, done in
            admin.listTopics(deadline: deadline, completion: done)
        }
        return try scope.flatMap { text in
            let parts = text.split(separator: ":")
            guard let topic = state.first(where: { $0.name == parts.first.map(String.init) }) else {
                throw Failure("there is no topic '\(text)'", .notFound)
            }
            guard parts.count == 2 else { return topic.partitions.map { TopicPartition(topic.name, $0.partition) } }
            guard let number = Int32(parts[1]), topic[number] != nil else {
                throw Failure("there is no partition '\(text)'", .notFound)
            }
            return [TopicPartition(topic.name, number)]
        }
    }
}
