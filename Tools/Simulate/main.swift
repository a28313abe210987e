// The simulator's command line: runs worlds by seed and tells of each violation with the command that replays it. Each
// seed is one world of every kind.
//
//     simulate [--seeds N] [--from SEED] [--trace] [--only KIND] [--until-failure]

import Glibc
import Simulation

let kinds: [(name: String, run: (UInt64) -> ProduceAndFetch.Outcome)] = [
    ("kills", ProduceAndFetch.run), ("disk", FailingDisk.run), ("sweep", CrashSweep.run), ("log", LogModel.run),
    ("commits", CommitOffsets.run), ("groups", GroupWorld.run), ("replicas", ReplicaWorld.run),
    ("cluster", ClusterWorld.run),
]
var seeds: UInt64 = 100
var from: UInt64 = 1
var showsTrace = false
var only: String?
var endsWithFailure = false
var rest = CommandLine.arguments.dropFirst()
while let argument = rest.popFirst() {
    switch argument {
    case "--seeds": seeds = rest.popFirst().flatMap { UInt64($0) } ?? seeds
    case "--from": from = rest.popFirst().flatMap { UInt64($0) } ?? from
    case "--trace": showsTrace = true
    case "--only": only = rest.popFirst()
    case "--until-failure": endsWithFailure = true
    default:
        let names = kinds.map(\.name).joined(separator: "|")
        print("simulate [--seeds N] [--from SEED] [--trace] [--only \(names)] [--until-failure]")
        exit(2)
    }
}

var failed = 0
var passed = 0
for seed in from..<from + seeds {
    var isGood = true
    for kind in kinds where only == nil || kind.name == only {
        let outcome = kind.run(seed)
        if showsTrace { for line in outcome.trace { print(line) } }
        print("seed \(seed) \(kind.name) events \(outcome.events) trace \(String(outcome.traceHash, radix: 16))")
        for violation in outcome.violations {
            print("seed \(seed) VIOLATION \(kind.name): \(violation)")
            print("replay: make simulate ONLY=\(kind.name) SEEDS=1 SEED=\(seed) TRACE=1")
        }
        isGood = isGood && outcome.violations.isEmpty
    }
    passed += isGood ? 1 : 0
    failed += isGood ? 0 : 1
    if endsWithFailure, failed > 0 { break }
}
print("\(passed) passed, \(failed) failed")
if failed > 0 { exit(1) }
