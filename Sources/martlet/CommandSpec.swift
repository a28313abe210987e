// What the program knows of its own commands: from this one table follow parsing, help and completion.

/// An option of a command.
struct OptionSpec: Sendable {
    /// All spellings, the preferred one first; Kafka's own come last.
    let names: [String]
    /// What its value is called in the help; nil for a switch.
    let value: String?
    let help: String
    /// Values that completion offers.
    let choices: [String]

    /// An option with a value.
    init(_ names: String..., value: String, choices: [String] = [], _ help: String) {
        self.names = names
        self.value = value
        self.help = help
        self.choices = choices
    }

    /// A switch: its names, and last its help.
    init(_ namesAndHelp: String...) {
        names = Array(namesAndHelp.dropLast())
        value = nil
        help = namesAndHelp.last ?? ""
        choices = []
    }
}

/// A command, with subcommands or something to run.
struct CommandSpec: Sendable {
    let name: String
    let summary: String
    /// What stands behind the name in the usage line, without options.
    var arguments = ""
    /// Paragraphs of the help between usage and options.
    var details = ""
    var options: [OptionSpec] = []
    /// Command lines with a word on each.
    var examples: [(line: String, meaning: String)] = []
    var subcommands: [CommandSpec] = []
    /// Whether it talks to a cluster and so takes the options for that.
    var isClient = true
    var run: (@Sendable (Arguments) throws -> Int32)?

    /// Its own options and those that it shares with others.
    var allOptions: [OptionSpec] {
        options + (isClient && run != nil ? CommandSpec.clientOptions : []) + CommandSpec.commonOptions
    }

    func option(_ name: String) -> OptionSpec? { allOptions.first { $0.names.contains(name) } }

    static let commonOptions = [
        OptionSpec("-h", "--help", "Show this help."),
        OptionSpec("-q", "--quiet", "Say nothing on standard error but errors."),
    ]

    static let outputOption = OptionSpec(
        "-o", "--output", value: "FORMAT", choices: ["table", "json"], "table (default) or json.")
    static let headersOption = OptionSpec("--no-headers", "Leave out the headings of tables.")

    static let clientOptions = [
        OptionSpec(
            "-b", "--bootstrap-server", "--bootstrap-servers", "--broker-list", "--brokers", value: "HOST:PORT,…",
            "Brokers to begin with. Default: $MARTLET_BROKERS, else 127.0.0.1:9092."),
        OptionSpec("--timeout", "--timeout-ms", value: "TIME", "How long to try, such as 500ms, 10s, 1m. Default: 10s."),
        OptionSpec(
            "-X", "--command-property", "--property", value: "KEY=VALUE",
            "A client property: bootstrap.servers, client.id, request.timeout.ms, and those of the command."),
        OptionSpec("--client-id", value: "NAME", "The name in request headers. Default: martlet."),
    ]
}
