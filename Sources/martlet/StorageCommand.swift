// `martlet storage`: ids for clusters, and formatting log folders before the first start.

import Basics
import Broker
import Configuration
import Environment
import Reactor

enum StorageCommand {
    static let spec = CommandSpec(
        name: "storage", summary: "Make cluster ids and format log folders.", subcommands: [randomUuid, format],
        isClient: false)

    private static let randomUuid = CommandSpec(
        name: "random-uuid", summary: "Print a new id for a cluster.",
        examples: [("martlet storage random-uuid", "an id of 22 characters")], isClient: false,
        run: { arguments in
            try arguments.refuseMore(than: 0)
            var random = SystemRandomNumberGenerator()
            try TextTable.print(Uuid.random(using: &random).description + "\n")
            return 0
        })

    private static let format = CommandSpec(
        name: "format", summary: "Give empty log folders the identity of a node.",
        details: "A broker formats empty folders by itself; this is for scripts that are made for Kafka.",
        options: [
            OptionSpec("--cluster-id", "-t", value: "ID", "The id of the cluster; see storage random-uuid."),
            OptionSpec("--config", "-c", value: "FILE", "The server.properties of the node."),
            OptionSpec("--ignore-formatted", "-g", "Do not fail for folders that are formatted."),
            OptionSpec("--standalone", "-s", "Accepted as Kafka's; a lone node is what is formatted anyway."),
        ] + BrokerCommand.configurationOptions,
        examples: [
            ("martlet storage format --cluster-id $(martlet storage random-uuid) --config server.properties", "a new node")
        ],
        isClient: false, run: runFormat)

    @Sendable private static func runFormat(_ arguments: Arguments) throws -> Int32 {
        guard let cluster = arguments.value("--cluster-id") else { throw UsageError(description: "--cluster-id is missing") }
        guard !cluster.isEmpty else { throw UsageError(description: "--cluster-id is empty") }
        guard let file = arguments.value("--config") ?? arguments.positional.first else {
            throw UsageError(description: "--config is missing")
        }
        let node = try BrokerOptions(arguments, file: file).configuration()
        let real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
        let formatted = try Storage.format(
            real.environment, node, clusterId: cluster, ignoresFormatted: arguments.has("--ignore-formatted"))
        for folder in node.logDirectories where !arguments.has("-q") {
            Talk.say(formatted ? "formatted \(folder) for cluster \(cluster)" : "\(folder) is formatted already")
        }
        return 0
    }
}
