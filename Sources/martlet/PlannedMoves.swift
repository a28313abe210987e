// A plan of moves on its way: printed first, then begun, then watched to its end. Shared by reassign, drain and decommission.

import Basics
import Client
import Reactor
import WireProtocol

struct PlannedMoves: Sendable {
    static let options = [
        OptionSpec("--execute", "Do it."), OptionSpec("--dry-run", "Only show, which is the default."),
        OptionSpec("--wait", value: "TIME", "How long to wait for its end. Default: 10m; 0 does not wait."),
        CommandSpec.outputOption, CommandSpec.headersOption,
    ]

    let plan: ReplicaPlan

    /// Prints the plan; true if it is to be done.
    func show(_ session: Session, _ arguments: Arguments) throws -> Bool {
        let isDone = arguments.has("--execute") && !arguments.has("--dry-run")
        let what = plan.moves.map { ($0, $0.copies ? "copy" : $0.from.count == $0.to.count ? "leader" : "remove") }
        if try arguments.wantsJson() {
            func nodes(_ nodes: [NodeId]) -> Json { .array(nodes.map { .int($0.rawValue) }) }
            let moves = what.map { move, kind in
                Json.object([
                    ("topic", .string(move.partition.topic)), ("partition", .int(move.partition.partition)),
                    ("from", nodes(move.from)), ("to", nodes(move.to)), ("kind", .string(kind)),
                ])
            }
            let stuck = plan.stuck.map { stuck in
                Json.object([
                    ("topic", .string(stuck.partition.topic)), ("partition", .int(stuck.partition.partition)),
                    ("reason", .string(stuck.reason)),
                ])
            }
            let whole = Json.object([("executed", .bool(isDone)), ("moves", .array(moves)), ("stuck", .array(stuck))])
            try TextTable.print(whole.text + "\n")
        } else {
            var table = TextTable("TOPIC", "PARTITION", "FROM", "TO", "WHAT")
            table.rows = what.map { move, kind in
                [move.partition.topic, "\(move.partition.partition)", list(move.from), list(move.to), kind]
            }
            try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        }
        for stuck in plan.stuck { Talk.say("\(stuck.partition) cannot be moved: \(stuck.reason)") }
        if !isDone, !plan.moves.isEmpty { session.say("nothing was changed; --execute changes it") }
        return isDone
    }

    private func list(_ nodes: [NodeId]) -> String { nodes.map { "\($0)" }.joined(separator: ",") }

    /// Begins the moves, waits for their end, and elects the leaders that were planned; false if it was not to wait.
    @discardableResult
    func execute(_ session: Session, _ arguments: Arguments) throws -> Bool {
        guard !plan.moves.isEmpty else { return true }
        let targets = plan.moves.map { (partition: $0.partition, replicas: Optional($0.to)) }
        let begun: [PartitionOutcome] = try session.admin { admin, deadline, done in
            admin.reassign(targets, deadline: deadline, completion: done)
        }
        if let error = begun.compactMap(\.error).first { throw Failure(error) }
        let patience = try arguments.duration("--wait") ?? .seconds(600)
        guard patience > .zero else {
            session.say("the moves go on; martlet cluster reassign lists them")
            return false
        }
        try awaitEnd(session, patience)
        return true
    }

    private func awaitEnd(_ session: Session, _ patience: Duration) throws {
        let clock = SystemClock()
        let end = clock.now + patience
        let own = Set(plan.moves.map(\.partition))
        var told = -1
        while true {
            let moves: [OngoingMove] = try session.admin { admin, deadline, done in
                admin.listReassignments(deadline: deadline, completion: done)
            }
            let left = moves.count { own.contains($0.partition) }
            if left != told { session.say("\(own.count - left) of \(own.count) partitions are where they are to be") }
            told = left
            if left == 0 { break }
            guard clock.now < end else {
                throw Failure("\(left) moves are still under way; they go on, and the same command again waits", .unreachable)
            }
            session.wait(.milliseconds(500))
        }
        try elect(session)
    }

    /// The preferred leaders lead, where they can.
    private func elect(_ session: Session) throws {
        let partitions = plan.moves.map(\.partition)
        let outcomes: [PartitionOutcome] = try session.admin { admin, deadline, done in
            admin.electLeaders(.preferred, partitions, deadline: deadline, completion: done)
        }
        for error in outcomes.compactMap(\.error) { Talk.say("martlet: \(error)") }
    }
}

extension Arguments {
    /// The value of `option` as a length of time.
    func duration(_ option: String) throws(UsageError) -> Duration? {
        guard let text = value(option) else { return nil }
        if text == "0" { return .zero }
        guard let duration = TimeExpression.duration(text) else {
            throw UsageError(description: "\(option) \(text): a time such as 30s or 5m is wanted")
        }
        return duration
    }

    /// A broker's id as the argument `index`.
    func node(_ index: Int) throws(UsageError) -> NodeId {
        let text = try required(index, "NODE")
        guard let id = Int32(text), id >= 0 else { throw UsageError(description: "'\(text)' is no id of a broker") }
        return NodeId(id)
    }

    /// `1,2,3` as ids.
    static func nodes(_ text: some StringProtocol) throws(UsageError) -> [NodeId] {
        let ids = text.split(separator: ",").map { Int32($0) }
        guard !ids.isEmpty, ids.allSatisfy({ $0 ?? -1 >= 0 }) else {
            throw UsageError(description: "'\(text)': ids of brokers parted by commas are wanted")
        }
        return ids.compactMap { $0 }.map(NodeId.init)
    }
}
