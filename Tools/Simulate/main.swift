// The simulator's command line: runs worlds by seed and tells of each violation with the command that replays it. Each
// seed is one world of every kind. The same seeds print the same text, but for what `--rate` tells of the time that they took.
//
//     simulate [--seeds N] [--from SEED] [--trace] [--only KIND] [--until-failure] [--rate] [--revision REVISION]

import Glibc
import Simulation

let kinds: [(name: String, run: (UInt64) -> ProduceAndFetch.Outcome)] = [
    ("kills", ProduceAndFetch.run), ("disk", FailingDisk.run), ("sweep", CrashSweep.run), ("log", LogModel.run),
    ("commits", CommitOffsets.run), ("groups", GroupWorld.run), ("replicas", ReplicaWorld.run),
    ("raft", QuorumHistory.run), ("cluster", ClusterWorld.run),
]
var seeds: UInt64 = 100
var from: UInt64 = 1
var showsTrace = false
var only: String?
var endsWithFailure = false
var showsRate = false
var revision = "unknown"
var rest = CommandLine.arguments.dropFirst()
while let argument = rest.popFirst() {
    switch argument {
    case "--seeds": seeds = rest.popFirst().flatMap { UInt64($0) } ?? seeds
    case "--from": from = rest.popFirst().flatMap { UInt64($0) } ?? from
    case "--trace": showsTrace = true
    case "--only": only = rest.popFirst()
    case "--until-failure": endsWithFailure = true
    case "--rate": showsRate = true
    case "--revision": revision = rest.popFirst() ?? revision
    default:
        let names = kinds.map(\.name).joined(separator: "|")
        print("simulate [--seeds N] [--from SEED] [--trace] [--only \(names)] [--until-failure] [--rate] [--revision REVISION]")
        exit(2)
    }
}

var failed = 0
var passed = 0
var simulatedSeconds = 0.0
for seed in from..<from + seeds {
    var isGood = true
    for kind in kinds where only == nil || kind.name == only {
        let outcome = kind.run(seed)
        simulatedSeconds += outcome.simulatedSeconds
        if showsTrace { for line in outcome.trace { print(line) } }
        print("seed \(seed) \(kind.name) events \(outcome.events) trace \(String(outcome.traceHash, radix: 16))")
        for violation in outcome.violations {
            print("seed \(seed) VIOLATION \(kind.name): \(violation)")
            print("revision: \(revision)")
            print("replay: make simulate ONLY=\(kind.name) SEEDS=1 SEED=\(seed) TRACE=1")
        }
        isGood = isGood && outcome.violations.isEmpty
    }
    passed += isGood ? 1 : 0
    failed += isGood ? 0 : 1
    if endsWithFailure, failed > 0 { break }
}
print("\(passed) passed, \(failed) failed")
if showsRate {
    let seconds = Double(clock()) / Double(CLOCKS_PER_SEC)
    let rate = Int(simulatedSeconds / max(seconds, 0.001))
    print("\(Int(simulatedSeconds)) s simulated in \(Int(seconds)) s of CPU time: \(rate) hours in an hour")
}
if failed > 0 { exit(1) }
