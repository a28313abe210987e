// The simulator's command line: runs worlds by seed and tells of each violation with the command that replays it.
//
//     simulate [--seeds N] [--from SEED] [--trace]

import Glibc
import Simulation

var seeds: UInt64 = 100
var from: UInt64 = 1
var showsTrace = false
var rest = CommandLine.arguments.dropFirst()
while let argument = rest.popFirst() {
    switch argument {
    case "--seeds": seeds = rest.popFirst().flatMap { UInt64($0) } ?? seeds
    case "--from": from = rest.popFirst().flatMap { UInt64($0) } ?? from
    case "--trace": showsTrace = true
    default:
        print("simulate [--seeds N] [--from SEED] [--trace]")
        exit(2)
    }
}

var failed = 0
var simulated = 0.0
for seed in from..<from + seeds {
    let outcome = ProduceAndFetch.run(seed: seed)
    simulated += outcome.simulatedSeconds
    if showsTrace { for line in outcome.trace { print(line) } }
    print("seed \(seed) events \(outcome.events) trace \(String(outcome.traceHash, radix: 16))")
    for violation in outcome.violations {
        print("seed \(seed) VIOLATION \(violation)")
        print("replay: make simulate SEEDS=1 SEED=\(seed) TRACE=1")
    }
    let model = LogModel.run(seed: seed)
    if showsTrace { for line in model.trace { print("log \(line)") } }
    for violation in model.violations {
        print("seed \(seed) VIOLATION of the log: \(violation)")
        print("replay: make simulate SEEDS=1 SEED=\(seed) TRACE=1")
    }
    failed += outcome.violations.isEmpty && model.violations.isEmpty ? 0 : 1
}
print("\(seeds - UInt64(failed)) passed, \(failed) failed")
if failed > 0 { exit(1) }
