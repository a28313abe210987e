// `martlet topic …`: creating, listing, describing, changing and deleting topics.

import Basics
import Client
import Reactor
import WireProtocol

enum TopicCommand {
    static let spec = CommandSpec(
        name: "topic", summary: "Create, list, describe, change and delete topics.",
        subcommands: [create, list, describe, set, unset, delete, TopicOffsets.spec, addPartitions])

    private static let create = CommandSpec(
        name: "create", summary: "Create topics.", arguments: "NAME…",
        options: [
            OptionSpec("--topic", "-t", value: "NAME", "A name, instead of the argument."),
            OptionSpec("--partitions", "-p", value: "N", "Partitions. Default: the broker's num.partitions."),
            OptionSpec("--replication-factor", "-r", value: "R", "Replicas. Default: the broker's."),
            OptionSpec("-c", "--config", value: "KEY=VALUE", "A configuration of the topic. May be repeated."),
            OptionSpec("--replica-assignment", value: "0:1,1:2", "Replicas of each partition, as in kafka-topics."),
            OptionSpec("--if-not-exists", "Do not fail for a topic that is there."),
            OptionSpec("--validate-only", "--dry-run", "Check, and create nothing."),
        ],
        examples: [
            ("martlet topic create logs --partitions 12 --replication-factor 3", "a topic of twelve partitions"),
            ("martlet topic create users -c cleanup.policy=compact --if-not-exists", "compacted, if it is not there yet"),
        ],
        run: runCreate)

    private static let list = CommandSpec(
        name: "list", summary: "List topics.",
        options: [CommandSpec.outputOption, CommandSpec.headersOption, OptionSpec("--internal", "Internal topics too.")],
        examples: [("martlet topic list", "names, partitions and replicas")],
        run: TopicListing.runList)

    private static let describe = CommandSpec(
        name: "describe", summary: "Show partitions, leaders, replicas and configuration.", arguments: "NAME…",
        options: [
            CommandSpec.outputOption, CommandSpec.headersOption,
            OptionSpec("--topic", "-t", value: "NAME", "A name, instead of the argument."),
        ],
        examples: [("martlet topic describe logs", "its partitions")],
        run: TopicListing.runDescribe)

    private static let set = CommandSpec(
        name: "set", summary: "Set configurations of a topic.", arguments: "NAME KEY=VALUE…",
        examples: [("martlet topic set logs retention.ms=86400000", "keep a day")],
        run: { arguments in
            let changes = try arguments.positional.dropFirst().map { pair in
                guard let equals = pair.firstIndex(of: "=") else {
                    throw UsageError(description: "'\(pair)': KEY=VALUE is wanted")
                }
                return ConfigChange(String(pair[..<equals]), .set, String(pair[pair.index(after: equals)...]))
            }
            return try alter(arguments, changes)
        })

    private static let unset = CommandSpec(
        name: "unset", summary: "Return configurations of a topic to their defaults.", arguments: "NAME KEY…",
        examples: [("martlet topic unset logs retention.ms", "the broker's default again")],
        run: { arguments in try alter(arguments, arguments.positional.dropFirst().map { ConfigChange($0, .delete, nil) }) })

    private static let delete = CommandSpec(
        name: "delete", summary: "Delete topics with all their records.", arguments: "NAME…",
        options: [
            OptionSpec("--topic", "-t", value: "NAME", "A name, instead of the argument."),
            OptionSpec("--if-exists", "Do not fail for a topic that is not there."),
            OptionSpec("-y", "--yes", "Do not ask."),
        ],
        examples: [("martlet topic delete logs -y", "without asking")],
        run: runDelete)

    private static let addPartitions = CommandSpec(
        name: "add-partitions", summary: "Raise the number of partitions.", arguments: "NAME",
        options: [
            OptionSpec("--partitions", "-p", "--num", value: "N", "The new number of partitions."),
            OptionSpec("--validate-only", "--dry-run", "Check, and change nothing."),
        ],
        examples: [("martlet topic add-partitions logs --partitions 24", "24 from now on")],
        run: runAddPartitions)

    static func names(_ arguments: Arguments) throws(UsageError) -> [String] {
        let names = arguments.positional + arguments.all("--topic")
        guard !names.isEmpty else { throw UsageError(description: "NAME is missing") }
        return names
    }

    @Sendable private static func runCreate(_ arguments: Arguments) throws -> Int32 {
        let partitions = try arguments.int("--partitions", in: 1...Int(Int32.max)).map(Int32.init) ?? -1
        let replicas = try arguments.int("--replication-factor", in: 1...Int(Int16.max)).map(Int16.init) ?? -1
        let configs = try arguments.all("-c").map { pair -> (name: String, value: String?) in
            guard let equals = pair.firstIndex(of: "=") else {
                throw UsageError(description: "-c \(pair): KEY=VALUE is wanted")
            }
            return (String(pair[..<equals]), String(pair[pair.index(after: equals)...]))
        }
        let assignment = try arguments.value("--replica-assignment").map(assignment) ?? []
        let topics = try names(arguments).map { name in
            var topic = NewTopic(name)
            topic.partitions = partitions
            topic.replicationFactor = replicas
            topic.assignment = assignment
            topic.configs = configs
            return topic
        }
        let session = try Session(arguments)
        let validateOnly = arguments.has("--validate-only")
        let outcomes: [Admin.Outcome] = try session.admin { admin, deadline, done in
            admin.createTopics(topics, validateOnly: validateOnly, deadline: deadline, completion: done)
        }
        let done = validateOnly ? "topic %s can be created" : "created topic %s"
        return try report(session, outcomes, done, forgiving: arguments.has("--if-not-exists") ? .topicAlreadyExists : nil)
    }

    private static func assignment(_ text: String) throws(UsageError) -> [[NodeId]] {
        var partitions: [[NodeId]] = []
        for part in text.split(separator: ",") {
            let nodes = part.split(separator: ":").map { Int32($0) }
            guard !nodes.isEmpty, nodes.allSatisfy({ $0 != nil }) else {
                throw UsageError(description: "--replica-assignment \(text): node ids parted by : and , are wanted")
            }
            partitions.append(nodes.compactMap { $0 }.map(NodeId.init))
        }
        return partitions
    }

    /// Tells of each item, and throws for the first that failed otherwise than `forgiving`.
    private static func report(
        _ session: Session, _ outcomes: [Admin.Outcome], _ done: String, forgiving: ErrorCode?
    ) throws -> Int32 {
        var failure: Failure?
        for outcome in outcomes {
            if case .refused(let code, _)? = outcome.error, code == forgiving {
                session.say("topic \(outcome.name): nothing to do (\(code))")
            } else if let error = outcome.error {
                if failure != nil { Talk.say("martlet: \(error)") } else { failure = Failure(error) }
            } else {
                session.say(done.replacing("%s", with: outcome.name))
            }
        }
        if let failure { throw failure }
        return 0
    }

    private static func alter(_ arguments: Arguments, _ changes: [ConfigChange]) throws -> Int32 {
        let name = try arguments.required(0, "NAME")
        guard !changes.isEmpty else { throw UsageError(description: "nothing to change was given") }
        let session = try Session(arguments)
        let _: Bool = try session.admin { admin, deadline, done in
            admin.alterConfigs(.topic(name), changes, deadline: deadline) { result in done(result.map { true }) }
        }
        session.say("changed topic \(name)")
        return 0
    }

    @Sendable private static func runDelete(_ arguments: Arguments) throws -> Int32 {
        let names = try names(arguments)
        try arguments.confirm("Delete \(names.joined(separator: ", ")) with all records?")
        let session = try Session(arguments)
        let outcomes: [Admin.Outcome] = try session.admin { admin, deadline, done in
            admin.deleteTopics(names, deadline: deadline, completion: done)
        }
        return try report(
            session, outcomes, "deleted topic %s",
            forgiving: arguments.has("--if-exists") ? .unknownTopicOrPartition : nil)
    }

    @Sendable private static func runAddPartitions(_ arguments: Arguments) throws -> Int32 {
        let name = try arguments.required(0, "NAME")
        guard let count = try arguments.int("--partitions", in: 1...Int(Int32.max)) else {
            throw UsageError(description: "--partitions is missing")
        }
        let session = try Session(arguments)
        let validateOnly = arguments.has("--validate-only")
        let outcome: Admin.Outcome = try session.admin { admin, deadline, done in
            admin.createPartitions(
                of: name, count: Int32(count), validateOnly: validateOnly, deadline: deadline, completion: done)
        }
        return try report(session, [outcome], "topic %s has \(count) partitions", forgiving: nil)
    }
}
