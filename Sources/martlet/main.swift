// The program: the first argument names what to do.

import Basics
import Reactor

let arguments = Array(CommandLine.arguments.dropFirst())

switch arguments.first {
case "broker": BrokerCommand.run(Array(arguments.dropFirst()))
case let other:
    Process.write("martlet: unknown command \(other ?? "")\n", toError: true)
    Process.exit(2)
}
