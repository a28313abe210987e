// The program: the first argument names what to do.

import Reactor

Process.exit(CommandTable.run(Array(CommandLine.arguments.dropFirst())))
