// `martlet broker [server.properties] [--set key=value]… [--accept-unbuilt]`: runs a node until a signal ends it.

import Basics
import Broker
import Bytes
import Configuration
import Environment
import Reactor

enum BrokerCommand {
    static let spec = CommandSpec(
        name: "broker", summary: "Run a node until a signal ends it.", arguments: "[server.properties]",
        details: "Values come from the file, then KAFKA_* and MARTLET_* variables, then --set; the last one counts.",
        options: configurationOptions,
        examples: [
            ("martlet broker", "a node on localhost:9092 with its data in ./data"),
            ("martlet broker server.properties --set log.dirs=/srv/martlet", "from a file, with one value changed"),
        ],
        isClient: false, run: run)

    /// How a node's configuration is given; `config check` and `storage format` take the same.
    static let configurationOptions = [
        OptionSpec("--set", "--override", value: "KEY=VALUE", "A value that counts before all others. May be repeated."),
        OptionSpec("--accept-unbuilt", "Only warn of keys that are not built yet."),
    ]

    @Sendable static func run(_ arguments: Arguments) throws -> Int32 {
        let node = try BrokerOptions(arguments).configuration()
        let threads = node.int("martlet.threads")
        let real = try RealEnvironment.make(
            loopCount: threads > 0 ? threads : Process.processorCount, poolThreads: node.int("martlet.pool.threads"))
        let logger = Logger(clock: real.environment.clock) { Process.write($0, toError: true) }
        real.start()
        do {
            let halt: @Sendable (StartFailure) -> Void = { reason in
                logger.error("broker", "the process ends", [("reason", "\(reason)")])
                Process.exit(1)
            }
            let broker = try Broker.start(real.environment, node, logger: logger, onHalt: halt) { failure in
                guard let failure else { return Process.giveBackCode() }
                logger.error("broker", "cannot start", [("reason", "\(failure)")])
                Process.exit(1)
            }
            try real.onSignal { signal in
                guard signal != .hangUp else { return }
                broker.stop { failure in
                    if let failure { logger.error("broker", "cannot stop in order", [("reason", "\(failure)")]) }
                    Process.exit(failure == nil ? 0 : 1)
                }
            }
        } catch {
            Process.write("martlet broker: \(error)\n", toError: true)
            Process.exit(1)
        }
        real.join()
        Process.exit(0)
    }
}

/// A node's configuration as the command line asks for it.
struct BrokerOptions {
    private var file: String?
    private var settings: [GivenValue] = []
    private var acceptsUnbuilt = false

    init(_ arguments: Arguments, file: String? = nil) throws(UsageError) {
        try arguments.refuseMore(than: 1)
        self.file = file ?? arguments.positional.first
        acceptsUnbuilt = arguments.has("--accept-unbuilt")
        for pair in arguments.all("--set") {
            guard let equals = pair.firstIndex(of: "=") else {
                throw UsageError(description: "--set \(pair): KEY=VALUE is wanted")
            }
            settings.append(
                GivenValue(
                    key: String(pair[..<equals]), value: String(pair[pair.index(after: equals)...]), origin: .flag))
        }
    }

    /// All values in their order of precedence, checked.
    func configuration() throws -> NodeConfiguration {
        var values: [GivenValue] = []
        if let file {
            let opened = try RealFileSystem().open(file, .read)
            values += parseProperties(try opened.read(at: 0, count: try opened.size()).string)
        }
        values += parseEnvironment(Process.variables)
        values += settings
        return try NodeConfiguration(values, acceptsUnbuilt: acceptsUnbuilt)
    }
}
