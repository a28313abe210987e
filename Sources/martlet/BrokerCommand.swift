// `martlet broker [server.properties] [--set key=value]… [--accept-unbuilt]`: runs a node until a signal ends it.

import Basics
import Broker
import Bytes
import Configuration
import Environment
import Reactor

enum BrokerCommand {
    static func run(_ arguments: [String]) -> Never {
        let real: RealEnvironment
        let node: NodeConfiguration
        do {
            let options = try BrokerOptions(arguments)
            node = try options.configuration()
            let threads = node.int("martlet.threads")
            real = try RealEnvironment.make(
                loopCount: threads > 0 ? threads : Process.processorCount, poolThreads: node.int("martlet.pool.threads"))
        } catch {
            Process.write("martlet broker: \(error)\n", toError: true)
            Process.exit(error is UsageError ? 2 : 1)
        }
        let logger = Logger(clock: real.environment.clock) { Process.write($0, toError: true) }
        real.start()
        do {
            let broker = try Broker.start(real.environment, node, logger: logger) { failure in
                guard let failure else { return }
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

/// The command line was not understood.
struct UsageError: Error, CustomStringConvertible {
    var description: String
}

/// What was asked for on the command line of the broker.
struct BrokerOptions {
    private var file: String?
    private var settings: [GivenValue] = []
    private var acceptsUnbuilt = false

    init(_ arguments: [String]) throws(UsageError) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--set", "--override":
                guard let pair = rest.popFirst(), let equals = pair.firstIndex(of: "=") else {
                    throw UsageError(description: "\(argument) needs key=value")
                }
                settings.append(
                    GivenValue(
                        key: String(pair[..<equals]), value: String(pair[pair.index(after: equals)...]), origin: .flag))
            case "--accept-unbuilt": acceptsUnbuilt = true
            case _ where argument.hasPrefix("-"): throw UsageError(description: "unknown option \(argument)")
            case _ where file == nil: file = argument
            default: throw UsageError(description: "one server.properties is enough, not also \(argument)")
            }
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
