// `martlet completion SHELL`: completion scripts, written from the same table as the help.

import Reactor

enum CompletionCommand {
    static let spec = CommandSpec(
        name: "completion", summary: "Print a completion script for a shell.", arguments: "bash|zsh|fish",
        examples: [
            ("source <(martlet completion bash)", "for this shell"),
            ("martlet completion fish > ~/.config/fish/completions/martlet.fish", "for every fish from now on"),
        ],
        isClient: false, run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 1)
        let shell = try arguments.required(0, "the shell, bash, zsh or fish,")
        switch shell {
        case "bash": try TextTable.print(bash())
        case "zsh": try TextTable.print("#compdef martlet\nautoload -U +X bashcompinit && bashcompinit\n" + bash())
        case "fish": try TextTable.print(fish())
        default: throw UsageError(description: "'\(shell)' is no shell that is known here: bash, zsh or fish")
        }
        return 0
    }

    /// Every command that can be called, with its words.
    private static func leaves(_ commands: [CommandSpec], _ path: [String] = []) -> [(path: [String], command: CommandSpec)] {
        commands.flatMap { command in
            [(path + [command.name], command)] + leaves(command.subcommands, path + [command.name])
        }
    }

    /// Words that may follow a command.
    private static func words(_ command: CommandSpec) -> [String] {
        command.subcommands.map(\.name) + command.allOptions.flatMap(\.names)
    }

    private static func bash() -> String {
        var cases = ""
        var choices = ""
        for (path, command) in leaves(CommandTable.all) {
            cases += "    \"\(path.joined(separator: " "))\") words=\"\(words(command).joined(separator: " "))\" ;;\n"
            for option in command.allOptions where !option.choices.isEmpty {
                for name in option.names {
                    choices += "    \"\(path.joined(separator: " ")) \(name)\") words=\"\(option.choices.joined(separator: " "))\" ;;\n"
                }
            }
        }
        let tops = CommandTable.all.map(\.name).joined(separator: " ")
        return """
            _martlet() {
              local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" path="" words="\(tops) --help --version" word
              for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                case "$word" in -*) break ;; esac
                case "${path:+$path }$word" in
            \(leaves(CommandTable.all).map { "    \"\($0.path.joined(separator: " "))\") path=\"\($0.path.joined(separator: " "))\" ;;" }.joined(separator: "\n"))
                esac
              done
              case "$path" in
            \(cases)  esac
              case "$path $previous" in
            \(choices)  esac
              COMPREPLY=($(compgen -W "$words" -- "$current"))
              if [ ${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
            }
            complete -F _martlet martlet

            """
    }

    private static func fish() -> String {
        func quoted(_ text: String) -> String { "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'" }
        var text = "complete -c martlet -f\n"
        for command in CommandTable.all {
            text += "complete -c martlet -n __fish_use_subcommand -a \(command.name) -d \(quoted(command.summary))\n"
        }
        for (path, command) in leaves(CommandTable.all) {
            let condition = path.map { "__fish_seen_subcommand_from \($0)" }.joined(separator: "; and ")
            for sub in command.subcommands {
                text += "complete -c martlet -n \(quoted(condition)) -a \(sub.name) -d \(quoted(sub.summary))\n"
            }
            for option in command.run == nil ? [] : command.allOptions {
                var line = "complete -c martlet -n \(quoted(condition))"
                for name in option.names {
                    line += name.hasPrefix("--") ? " -l \(name.dropFirst(2))" : " -s \(name.dropFirst(1))"
                }
                if option.value != nil { line += " -r" }
                if !option.choices.isEmpty { line += " -a \(quoted(option.choices.joined(separator: " ")))" }
                text += line + " -d \(quoted(option.help))\n"
            }
        }
        return text
    }
}
