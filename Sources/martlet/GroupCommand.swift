// `martlet group …`: who reads what, how far behind, and moving or deleting what groups have committed.

import Basics
import Client
import Reactor
import WireProtocol

enum GroupCommand {
    static let spec = CommandSpec(
        name: "group", summary: "List, describe, explain, pause, reset and delete consumer groups.",
        subcommands: [
            list, describe, members, GroupExplain.spec, GroupPause.pause, GroupPause.resume, GroupReset.spec, delete,
            deleteOffsets,
        ])

    private static let tableOptions = [CommandSpec.outputOption, CommandSpec.headersOption]

    private static let list = CommandSpec(
        name: "list", summary: "List groups.",
        options: tableOptions + [
            OptionSpec("--state", "--states", value: "STATE,…", "Only groups in these states, such as Stable or Empty."),
            OptionSpec("--type", "--types", value: "TYPE,…", choices: ["classic", "consumer"], "Only groups of these types."),
        ],
        examples: [
            ("martlet group list", "all groups"), ("martlet group list --state Empty", "those without members"),
        ],
        run: runList)

    private static let describe = CommandSpec(
        name: "describe", summary: "Show how far a group is behind, per partition.", arguments: "GROUP…",
        details: """
            LAG-TIME is the age of the first record that was not read. RATE is what was committed per second, ETA when the
            end will be reached; both need two looks, so that the command takes as long as --sample says.
            """,
        options: tableOptions + GroupLagOptions.all + [
            OptionSpec("--members", "The members with their assignments, instead."),
            OptionSpec("--group", value: "GROUP", "A group, instead of the argument."),
        ],
        examples: [
            ("martlet group describe readers", "its lag"),
            ("martlet group describe readers --watch", "again every two seconds"),
        ],
        run: { arguments in
            if arguments.has("--members") { return try runMembers(arguments) }
            return try GroupLagOptions.run(arguments, groups: groups(arguments))
        })

    private static let members = CommandSpec(
        name: "members", summary: "Show the members of groups and what they read.", arguments: "GROUP…",
        details: """
            LAST-HEARD is how long ago the coordinator heard of a member; (stale): for more than half of its session timeout.
            """,
        options: tableOptions,
        examples: [("martlet group members readers", "who reads what")],
        run: runMembers)

    private static let delete = CommandSpec(
        name: "delete", summary: "Delete groups without members, with their offsets.", arguments: "GROUP…",
        options: [OptionSpec("-y", "--yes", "Do not ask.")],
        examples: [("martlet group delete readers -y", "without asking")],
        run: runDelete)

    private static let deleteOffsets = CommandSpec(
        name: "delete-offsets", summary: "Delete the committed offsets of topics that no member reads.",
        arguments: "GROUP TOPIC[:PARTITION,…]…",
        examples: [("martlet group delete-offsets readers logs:0,1", "of two partitions")],
        run: runDeleteOffsets)

    static func groups(_ arguments: Arguments) throws(UsageError) -> [String] {
        let names = arguments.positional + arguments.all("--group")
        guard !names.isEmpty else { throw UsageError(description: "GROUP is missing") }
        return names
    }

    // MARK: Running

    @Sendable private static func runList(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 0)
        let json = try arguments.wantsJson()
        func words(_ option: String) -> [String] { arguments.all(option).flatMap { $0.split(separator: ",").map(String.init) } }
        let (states, types) = (words("--state"), words("--type"))
        let session = try Session(arguments)
        let found: [ListedGroup] = try session.admin { admin, deadline, done in
            admin.listGroups(states: states, types: types, deadline: deadline, completion: done)
        }
        let paused = try session.pauses(of: found.map(\.id))
        let headings = !arguments.has("--no-headers")
        try TextTable.print(GroupListing.list(found, paused: paused, json: json, headings: headings))
        return 0
    }

    @Sendable private static func runMembers(_ arguments: Arguments) throws -> Int32 {
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        for name in try groups(arguments) {
            let link = session.link(to: name)
            let group: DescribedGroup = try session.admin { admin, deadline, done in
                admin.describeGroup(link.value, deadline: deadline, completion: done)
            }
            // Only coordinators that are ours tell it.
            let history = (try? session.history(link)) ?? GroupHistory()
            let headings = !arguments.has("--no-headers")
            try TextTable.print(GroupListing.members(group, history, json: json, headings: headings))
        }
        return 0
    }

    @Sendable private static func runDelete(_ arguments: Arguments) throws -> Int32 {
        let names = try groups(arguments)
        try arguments.confirm("Delete \(names.joined(separator: ", ")) with all offsets?")
        let session = try Session(arguments)
        for name in names {
            let link = session.link(to: name)
            let _: Bool = try session.admin { admin, deadline, done in
                admin.deleteGroup(link.value, deadline: deadline) { done($0.map { true }) }
            }
            session.say("deleted group \(name)")
        }
        return 0
    }

    @Sendable private static func runDeleteOffsets(_ arguments: Arguments) throws -> Int32 {
        let group = try arguments.required(0, "GROUP")
        let scope = try TopicScope(arguments.positional.dropFirst())
        guard !scope.isEmpty else { throw UsageError(description: "TOPIC is missing") }
        let session = try Session(arguments)
        let link = session.link(to: group)
        let partitions = try scope.partitions(session)
        let outcomes: [CommittedOutcome] = try session.admin { admin, deadline, done in
            admin.deleteOffsets(link.value, partitions, deadline: deadline, completion: done)
        }
        for outcome in outcomes where outcome.code.isError {
            throw Failure(.refused(outcome.code, "\(outcome.partition): \(outcome.code.message)"))
        }
        session.say("deleted \(outcomes.count) offsets of group \(group)")
        return 0
    }
}

/// Topics, or partitions of them, as `TOPIC[:PARTITION,…]`.
struct TopicScope {
    private var items: [(topic: String, partitions: [Int32]?)] = []

    init(_ texts: some Sequence<String>) throws(UsageError) {
        for text in texts {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                items.append((text, nil))
                continue
            }
            var numbers: [Int32] = []
            for number in parts[1].split(separator: ",") {
                guard let number = Int32(number), number >= 0 else {
                    throw UsageError(description: "'\(text)': TOPIC:PARTITION,… is wanted")
                }
                numbers.append(number)
            }
            items.append((String(parts[0]), numbers))
        }
    }

    var isEmpty: Bool { items.isEmpty }

    func contains(_ partition: TopicPartition) -> Bool {
        items.contains { $0.topic == partition.topic && $0.partitions?.contains(partition.partition) ?? true }
    }

    /// All partitions that are meant.
    func partitions(_ session: Session) throws -> [TopicPartition] {
        var found: [TopicPartition] = []
        for (topic, numbers) in items {
            let info: TopicInfo = try session.admin { admin, deadline, done in
                admin.client.topic(topic, deadline: deadline, completion: done)
            }
            for number in numbers ?? info.partitions.map(\.partition) {
                guard info[number] != nil else { throw Failure("topic '\(topic)' has no partition \(number)", .notFound) }
                found.append(TopicPartition(topic, number))
            }
        }
        return Array(Set(found)).sorted()
    }
}
