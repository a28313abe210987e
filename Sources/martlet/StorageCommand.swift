// `martlet storage`: ids for clusters, and formatting log folders before the first start.

import Basics
import Broker
import Configuration
import Environment
import Log
import Reactor

enum StorageCommand {
    static let spec = CommandSpec(
        name: "storage", summary: "Make cluster ids and format log folders.", subcommands: [randomUuid, format, info],
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
            OptionSpec("--ignore-formatted", "-g", "Leave folders that are formatted as they are, and format the others."),
            OptionSpec("--standalone", "-s", "Begin a quorum of which this node is the only voter."),
            OptionSpec(
                "--initial-controllers", "-I", value: "LIST",
                "Begin a quorum of these voters, ID@HOST:PORT:DIRECTORY with commas between; the same list on each of them."),
            OptionSpec("--no-initial-controllers", "-N", "Name no voters: the node joins a quorum that there is."),
            OptionSpec("--release-version", "-r", value: "RELEASE", "Begin with the metadata.version of a release, such as 4.1."),
            OptionSpec(
                "--feature", "-f", value: "NAME=LEVEL",
                "Begin with another level of a feature; kraft.version=0: the configuration names the voters, for good or until an upgrade."),
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
            real.environment, node, clusterId: cluster, formation: try formation(arguments, node),
            ignoresFormatted: arguments.has("--ignore-formatted"))
        for folder in node.logDirectories where !arguments.has("-q") {
            Talk.say(formatted.contains(folder) ? "formatted \(folder) for cluster \(cluster)" : "\(folder) is formatted already")
        }
        return 0
    }

    private static let info = CommandSpec(
        name: "info", summary: "Print whose data is in the log folders of a node.",
        details: "Exits with 1 if a folder is not formatted, or belongs to another node than the others.",
        options: [
            OptionSpec("--config", "-c", value: "FILE", "The server.properties of the node."), CommandSpec.headersOption,
        ] + BrokerCommand.configurationOptions,
        examples: [("martlet storage info --config server.properties", "cluster, node and folder ids")],
        isClient: false, run: runInfo)

    @Sendable private static func runInfo(_ arguments: Arguments) throws -> Int32 {
        let file = arguments.value("--config") ?? arguments.positional.first
        let node = try BrokerOptions(arguments, file: file).configuration()
        let real = try RealEnvironment.make(loopCount: 1, poolThreads: 1)
        let folders = Storage.folders(real.environment, node)
        var table = TextTable("FOLDER", "CLUSTER", "NODE", "DIRECTORY")
        table.rows = folders.map { folder in
            guard let identity = folder.identity else { return [folder.path, folder.problem ?? "not formatted", "-", "-"] }
            return [folder.path, identity.clusterId, "\(identity.nodeId)", "\(identity.directoryId)"]
        }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        let known = folders.compactMap(\.identity)
        let isWhole = known.count == folders.count && Set(known.map(\.clusterId)).count == 1
            && known.allSatisfy { $0.nodeId.rawValue == node.nodeId }
        return isWhole ? 0 : 1
    }

    /// Who votes first and at which levels the features begin, as the options say it.
    private static func formation(_ arguments: Arguments, _ node: NodeConfiguration) throws -> Formation {
        let initial = arguments.value("--initial-controllers")
        let asked = [arguments.has("--standalone"), initial != nil, arguments.has("--no-initial-controllers")]
        guard asked.count(where: { $0 }) <= 1 else {
            throw UsageError(
                description: "--standalone, --initial-controllers and --no-initial-controllers exclude each other")
        }
        var formation: Formation
        if let initial {
            formation = Formation(voters: .controllers(initial.split(separator: ",").map(String.init)))
        } else if arguments.has("--standalone") {
            formation = Formation(voters: .standalone)
        } else {
            formation = arguments.has("--no-initial-controllers") ? Formation(voters: .none) : try Formation.usual(node)
        }
        if let release = arguments.value("--release-version") {
            guard let level = Formation.metadataLevel(release: release) else {
                throw UsageError(description: "'\(release)' is no release from 3.3 to 4.4")
            }
            formation.levels["metadata.version"] = level
        }
        for text in arguments.all("--feature") {
            let parts = text.split(separator: "=")
            guard parts.count == 2, let level = Int16(parts[1]) else {
                throw UsageError(description: "--feature '\(text)' is not NAME=LEVEL")
            }
            if parts[0] == "kraft.version" {
                try formation.setKraftVersion(level, isDynamic: asked.contains(true), node)
            } else {
                formation.levels[String(parts[0])] = level
            }
        }
        return formation
    }
}
