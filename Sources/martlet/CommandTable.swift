// All commands of the program, in the order of the help.

let programVersion = "0.1.0"

enum CommandTable {
    static let all: [CommandSpec] = [
        BrokerCommand.spec,
        ProduceCommand.spec,
        ConsumeCommand.spec,
        TopicCommand.spec,
        GroupCommand.spec,
        OffsetsCommand.spec,
        ClusterCommand.spec,
        ConfigCommand.spec,
        StorageCommand.spec,
        LogCommand.spec,
        ProtocolCommand.spec,
        CompletionCommand.spec,
    ]

    /// Finds the command that `words` begin with, calls it, and gives its exit code.
    static func run(_ words: [String]) -> Int32 {
        guard let first = words.first else {
            Talk.say(Help.overview(all))
            return Failure.Code.usage.rawValue
        }
        switch first {
        case "--help", "-h", "help": return help(Array(words.dropFirst()))
        case "--version", "-V", "version": return version(words)
        default: break
        }
        guard let command = all.first(where: { $0.name == first }) else {
            return complain([], "unknown command '\(first)'" + hint(first, all))
        }
        return run(command, path: [first], words.dropFirst())
    }

    private static func hint(_ word: String, _ commands: [CommandSpec]) -> String {
        closest(to: word, commands.map(\.name)).map { "; did you mean \($0)?" } ?? "; see martlet --help"
    }

    private static func run(_ command: CommandSpec, path: [String], _ words: ArraySlice<String>) -> Int32 {
        guard command.run == nil else { return call(command, path: path, words) }
        guard let first = words.first, !["-h", "--help"].contains(first) else {
            let text = Help.text(command, path: path)
            guard words.isEmpty else { return show(text) }
            Talk.say(text)
            return Failure.Code.usage.rawValue
        }
        guard let sub = command.subcommands.first(where: { $0.name == first }) else {
            return complain(path, "unknown subcommand '\(first)'" + hint(first, command.subcommands))
        }
        return run(sub, path: path + [first], words.dropFirst())
    }

    private static func call(_ command: CommandSpec, path: [String], _ words: ArraySlice<String>) -> Int32 {
        do {
            let arguments = try Arguments(command, path: path, words)
            if arguments.wantsHelp { return show(Help.text(command, path: path)) }
            return try command.run?(arguments) ?? 0
        } catch let error as UsageError {
            return complain(path, "\(error)\nTry: martlet \(path.joined(separator: " ")) --help")
        } catch {
            Talk.say("martlet \(path.joined(separator: " ")): \(error)")
            return Failure.exitCode(of: error)
        }
    }

    private static func complain(_ path: [String], _ reason: String) -> Int32 {
        Talk.say("\((["martlet"] + path).joined(separator: " ")): \(reason)")
        return Failure.Code.usage.rawValue
    }

    private static func show(_ text: String) -> Int32 {
        try? TextTable.print(text)
        return 0
    }

    private static func help(_ words: [String]) -> Int32 {
        guard let first = words.first, var command = all.first(where: { $0.name == first }) else {
            return show(Help.overview(all))
        }
        var path = [first]
        for word in words.dropFirst() {
            guard let sub = command.subcommands.first(where: { $0.name == word }) else { break }
            command = sub
            path.append(word)
        }
        return show(Help.text(command, path: path))
    }

    private static func version(_ words: [String]) -> Int32 {
        let isJson = words.contains("json") || words.contains("-o=json") || words.contains("--output=json")
        return show(isJson ? Json.object([("version", .string(programVersion))]).text + "\n" : "martlet \(programVersion)\n")
    }
}
