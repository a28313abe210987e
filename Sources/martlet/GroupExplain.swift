// `martlet group explain`: what happened to a group lately, and why.

import Basics
import Client

enum GroupExplain {
    static let spec = CommandSpec(
        name: "explain", summary: "Tell what happened to a group lately, and why.", arguments: "GROUP…",
        details: """
            Members that came, left or were put out, rebalances and how long they took, offsets that were moved or grew old,
            pauses. The coordinator remembers the last 64 events of a group in memory: a restart or another coordinator begins
            anew.
            """,
        options: [
            OptionSpec("--group", value: "GROUP", "A group, instead of the argument."), CommandSpec.outputOption,
            CommandSpec.headersOption,
        ],
        examples: [
            ("martlet group explain readers", "its history"), ("martlet group explain readers -o json", "for a program"),
        ],
        run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        for name in try GroupCommand.groups(arguments) {
            let history = try session.history(session.link(to: name))
            let headings = !arguments.has("--no-headers")
            try TextTable.print(json ? document(name, history).text + "\n" : table(history).text(withHeadings: headings))
            let pause = history.isPaused ? ", paused" : ""
            if !json { session.say("group \(name) is \(history.type), \(history.state)\(pause)") }
        }
        return 0
    }

    private static func table(_ history: GroupHistory) -> TextTable {
        var table = TextTable("TIME", "EVENT", "MEMBER", "REASON")
        table.rows = history.events.map { event in
            [
                TimeExpression.text(event.time), event.kind, event.member.isEmpty ? "-" : event.member, event.reason,
            ]
        }
        return table
    }

    private static func document(_ name: String, _ history: GroupHistory) -> Json {
        let events = history.events.map { event in
            Json.object([
                ("number", .int(event.number)), ("time", .string(TimeExpression.text(event.time))),
                ("event", .string(event.kind)), ("member", event.member.isEmpty ? .null : .string(event.member)),
                ("reason", .string(event.reason)),
            ])
        }
        return .object([
            ("group", .string(name)), ("type", .string(history.type)), ("state", .string(history.state)),
            ("paused", .bool(history.isPaused)), ("idle", .bool(history.isIdle)), ("events", .array(events)),
        ])
    }
}

extension Session {
    /// What the coordinator remembers of a group.
    func history(_ link: Confined<CoordinatorLink>) throws -> GroupHistory {
        try admin { admin, deadline, done in admin.groupHistory(link.value, deadline: deadline, completion: done) }
    }
}
