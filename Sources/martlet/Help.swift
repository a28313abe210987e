// Help as text, from the spec of a command.

enum Help {
    /// The help of the program as a whole.
    static func overview(_ commands: [CommandSpec]) -> String {
        var text = """
            martlet \(programVersion) - a partitioned, replicated log that speaks the Kafka protocol

            Usage: martlet COMMAND [options]

            Commands:

            """
        let width = commands.map(\.name.count).max() ?? 0
        for command in commands {
            text += "  \(padded(command.name, width))  \(command.summary)\n"
        }
        text += """

            martlet COMMAND --help shows options and examples of a command; martlet --version the version.
            Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 not authorised, 5 timeout or unreachable; of cluster health
            10 replicas are missing, 11 partitions are offline, 12 there is no quorum.

            """
        return text
    }

    /// The help of one command.
    static func text(_ command: CommandSpec, path: [String]) -> String {
        let name = (["martlet"] + path).joined(separator: " ")
        var text = "\(name) - \(command.summary)\n\n"
        if command.run == nil {
            text += "Usage: \(name) SUBCOMMAND [options]\n\nSubcommands:\n"
            let width = command.subcommands.map(\.name.count).max() ?? 0
            for sub in command.subcommands { text += "  \(padded(sub.name, width))  \(sub.summary)\n" }
        } else {
            text += "Usage: \(name)\(command.arguments.isEmpty ? "" : " \(command.arguments)") [options]\n"
        }
        if !command.details.isEmpty { text += "\n\(command.details)\n" }
        text += "\nOptions:\n" + options(command.allOptions)
        let examples = command.examples + command.subcommands.flatMap { $0.examples.prefix(1) }
        if !examples.isEmpty {
            text += "\nExamples:\n"
            for example in examples { text += "  # \(example.meaning)\n  \(example.line)\n" }
        }
        return text
    }

    private static func options(_ options: [OptionSpec]) -> String {
        var text = ""
        for option in options {
            let head = option.names.joined(separator: ", ") + (option.value.map { " \($0)" } ?? "")
            text += head.count <= 30 ? "  \(padded(head, 30))  \(option.help)\n" : "  \(head)\n" + padded("", 34) + option.help + "\n"
        }
        return text
    }

    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
