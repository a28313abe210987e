// `martlet cluster reassign`: moves partitions to other brokers (KIP-455). Prints the plan; `--execute` begins it.

import Basics
import Bytes
import Client
import Environment
import Reactor
import WireProtocol

enum ClusterReassign {
    static let spec = CommandSpec(
        name: "reassign", summary: "Move partitions to other brokers, cancel moves, list those under way.",
        arguments: "[TOPIC…]",
        details: """
            With --to, partitions of the topics (of all without one) go to these brokers; what may stay stays. --assign
            names the replicas of one partition, --from-file of many, in the JSON of kafka-reassign-partitions. Prints
            the plan; --execute begins it and waits for its end. Without any of them the moves under way are listed.
            """,
        options: [
            OptionSpec("--to", "--broker-list", value: "IDS", "Brokers that are to have the partitions, such as 1,2,3."),
            OptionSpec("--replication-factor", "-r", value: "R", "With --to: so many replicas. Default: as many as there are."),
            OptionSpec("--assign", value: "TOPIC:P=IDS", "The replicas of a partition, the preferred leader first. May be repeated."),
            OptionSpec("--from-file", "--reassignment-json-file", value: "FILE", "A plan in Kafka's JSON."),
            OptionSpec("--cancel", "Cancel the moves under way, of the topics alone if any are named."),
            OptionSpec("--list", "List the moves under way, which is the default."),
        ] + ReassignThrottle.options + PlannedMoves.options,
        examples: [
            ("martlet cluster reassign logs --to 1,2,4", "the plan"),
            ("martlet cluster reassign logs --to 1,2,4 --execute", "begin it and wait"),
            ("martlet cluster reassign --assign logs:0=2,3,1 --execute", "one partition"),
            ("martlet cluster reassign logs --to 1,2,4 --throttle 20M --execute", "without taking the whole network"),
            ("martlet cluster reassign --cancel", "back to where they were"),
        ],
        run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        var wanted: [(TopicPartition, [NodeId])] = []
        for text in arguments.all("--assign") { wanted.append(try assignment(text)) }
        if let path = arguments.value("--from-file") { wanted += try file(path) }
        let allowed = try arguments.value("--to").map { try Arguments.nodes($0) }
        let factor = try arguments.int("--replication-factor", in: 1...Int(Int16.max))
        guard allowed == nil || wanted.isEmpty else {
            throw UsageError(description: "--to stands alone, without --assign or --from-file")
        }
        let session = try Session(arguments)
        if arguments.has("--cancel") { return try cancel(session, arguments) }
        if arguments.has("--clear-throttle") { return try clearThrottle(session, arguments) }
        guard allowed != nil || !wanted.isEmpty else { return try list(session, arguments) }
        let state = try ClusterState(session)
        var plan = ReplicaPlan(state.topics, state.nodes)
        for (partition, replicas) in wanted { plan.assign(partition, to: replicas) }
        if let allowed {
            for name in arguments.positional where !state.topics.contains(where: { $0.name == name }) {
                throw Failure("there is no topic '\(name)'", .notFound)
            }
            plan.spread(arguments.positional, on: allowed, factor: factor)
        }
        let moves = PlannedMoves(plan: plan)
        let throttle = try ReassignThrottle(arguments, plan.moves)
        guard try moves.show(session, arguments) else { return 0 }
        guard plan.stuck.isEmpty else { throw Failure("nothing was changed: not all of it can be done") }
        try throttle?.begin(session)
        let isOver = try moves.execute(session, arguments)
        if isOver { try throttle?.end(session) } else if throttle != nil {
            session.say("they stay throttled; --clear-throttle ends that")
        }
        return 0
    }

    private static func clearThrottle(_ session: Session, _ arguments: Arguments) throws -> Int32 {
        let state = try ClusterState(session)
        let names = arguments.positional
        try ReassignThrottle.clear(
            session, topics: state.topics.map(\.name).filter { names.isEmpty || names.contains($0) },
            brokers: state.nodes.filter { !$0.isFenced }.map(\.broker.id))
        session.say("the throttle is gone")
        return 0
    }

    private static func list(_ session: Session, _ arguments: Arguments) throws -> Int32 {
        let moves = try moves(session, arguments)
        func text(_ nodes: [NodeId]) -> String { nodes.isEmpty ? "-" : nodes.map { "\($0)" }.joined(separator: ",") }
        func json(_ nodes: [NodeId]) -> Json { .array(nodes.map { .int($0.rawValue) }) }
        if try arguments.wantsJson() {
            let rows = moves.map { move in
                Json.object([
                    ("topic", .string(move.partition.topic)), ("partition", .int(move.partition.partition)),
                    ("replicas", json(move.replicas)), ("adding", json(move.adding)), ("removing", json(move.removing)),
                ])
            }
            try TextTable.print(Json.array(rows).text + "\n")
            return 0
        }
        var table = TextTable("TOPIC", "PARTITION", "REPLICAS", "ADDING", "REMOVING")
        table.rows = moves.map {
            [$0.partition.topic, "\($0.partition.partition)", text($0.replicas), text($0.adding), text($0.removing)]
        }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }

    private static func cancel(_ session: Session, _ arguments: Arguments) throws -> Int32 {
        let targets = try moves(session, arguments).map { (partition: $0.partition, replicas: [NodeId]?.none) }
        let outcomes: [PartitionOutcome] = try session.admin { admin, deadline, done in
            admin.reassign(targets, deadline: deadline, completion: done)
        }
        if let error = outcomes.compactMap(\.error).first { throw Failure(error) }
        session.say("\(outcomes.count) moves cancelled")
        return 0
    }

    /// Those under way, of the named topics.
    private static func moves(_ session: Session, _ arguments: Arguments) throws -> [OngoingMove] {
        let moves: [OngoingMove] = try session.admin { admin, deadline, done in
            admin.listReassignments(deadline: deadline, completion: done)
        }
        let names = arguments.positional
        return moves.filter { names.isEmpty || names.contains($0.partition.topic) }
    }

    // MARK: Reading plans

    private static func assignment(_ text: String) throws(UsageError) -> (TopicPartition, [NodeId]) {
        let sides = text.split(separator: "=", maxSplits: 1)
        guard sides.count == 2, let colon = sides[0].lastIndex(of: ":"),
            let number = Int32(sides[0][sides[0].index(after: colon)...]), number >= 0
        else { throw UsageError(description: "--assign \(text): TOPIC:PARTITION=ID,ID is wanted") }
        return (TopicPartition(String(sides[0][..<colon]), number), try Arguments.nodes(sides[1]))
    }

    /// `{"partitions": [{"topic": …, "partition": …, "replicas": […]}]}`, as Kafka's tool writes it.
    private static func file(_ path: String) throws -> [(TopicPartition, [NodeId])] {
        let file = try RealFileSystem().open(path, .read)
        let whole = try JsonReader.read(try file.read(at: 0, count: try file.size()))
        guard case .array(let items)? = member("partitions", of: whole) else { throw Failure("\(path): 'partitions' is missing", .usage) }
        return try items.map { item in
            guard let topic = member("topic", of: item)?.text, let number = member("partition", of: item)?.integer,
                case .array(let replicas)? = member("replicas", of: item)
            else { throw Failure("\(path): an entry needs topic, partition and replicas", .usage) }
            let ids = replicas.compactMap(\.integer).map { NodeId(Int32(clamping: $0)) }
            guard ids.count == replicas.count, !ids.isEmpty else { throw Failure("\(path): replicas of \(topic) are no ids", .usage) }
            return (TopicPartition(topic, Int32(clamping: number)), ids)
        }
    }

    private static func member(_ name: String, of value: JsonValue) -> JsonValue? {
        guard case .object(let fields) = value else { return nil }
        return fields.first { $0.name == name }?.value
    }
}
