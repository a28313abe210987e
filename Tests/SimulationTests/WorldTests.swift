// Seeded worlds of the whole broker, and that a seed is a history.

import Foundation
import Simulation
import Testing

@Suite struct WorldTests {
    /// Runs a world and tells, if it fails, what to do to see it again.
    private static func expectKept(_ kind: String, _ seed: UInt64, _ run: (UInt64) -> ProduceAndFetch.Outcome) {
        let violations = run(seed).violations
        guard !violations.isEmpty else { return }
        Issue.record(
            """
            \(violations)
            revision: \(revision)
            replay: make simulate ONLY=\(kind) SEEDS=1 SEED=\(seed) TRACE=1
            """)
    }

    /// What is checked out, as far as git tells.
    private static let revision: String = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git", "describe", "--always", "--dirty"]
        let output = Pipe()
        process.standardOutput = output
        guard (try? process.run()) != nil else { return "unknown" }
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }()

    @Test func `a hundred worlds keep every promise to their clients`() {
        for seed in UInt64(1)...100 { Self.expectKept("kills", seed, ProduceAndFetch.run) }
    }

    @Test func `a log is what a plain array says, whatever is done to it`() {
        for seed in UInt64(1)...300 { Self.expectKept("log", seed, LogModel.run) }
    }

    @Test func `a hundred worlds with full and failing disks keep every promise to their clients`() {
        for seed in UInt64(1)...100 { Self.expectKept("disk", seed, FailingDisk.run) }
    }

    @Test func `a hundred worlds of groups keep every promise to their members`() {
        for seed in UInt64(1)...100 { Self.expectKept("groups", seed, GroupWorld.run) }
    }

    @Test func `three hundred worlds of replicas keep what was acknowledged, whatever becomes of their nodes`() {
        for seed in UInt64(1)...300 { Self.expectKept("replicas", seed, ReplicaWorld.run) }
    }

    @Test func `two hundred quorums lose nothing that was committed, and find a leader again`() {
        for seed in UInt64(1)...200 { Self.expectKept("raft", seed, QuorumHistory.run) }
    }

    /// In parts, which run side by side: these take the longest.
    @Test(arguments: 0..<8)
    func `two hundred worlds of whole clusters keep what was acknowledged, and come together again`(part: Int) {
        for seed in 25 * part + 1...25 * part + 25 { Self.expectKept("cluster", UInt64(seed), ClusterWorld.run) }
    }

    @Test func `a hundred worlds keep what was committed for their groups`() {
        for seed in UInt64(1)...100 { Self.expectKept("commits", seed, CommitOffsets.run) }
    }

    @Test func `a history cut at each of its operations on the disk, by a kill and by a loss of power, keeps them, too`() {
        let cuts = UInt64(2 * CrashSweep.operations(of: 1))
        #expect(cuts > 1000)
        for seed in 1...cuts { Self.expectKept("sweep", seed, CrashSweep.run) }
    }

    /// Of each kind what its trace speaks of. A cluster tells as much as all others together.
    @Test(arguments: [
        ("kills", 100, ["POWER CUT", "KILL", "acknowledged"]), ("disk", 100, ["acknowledged"]),
        ("sweep", 100, ["POWER CUT"]), ("commits", 100, ["KILL"]), ("groups", 100, ["CRASH", "RESET", "stands still", "lost"]),
        ("replicas", 100, ["POWER CUT", "acknowledged"]), ("raft", 100, ["KILL"]), ("cluster", 20, ["acknowledged"]),
    ])
    func `two processes tell the same story of a seed, byte by byte`(
        kind: String, seeds: Int, words: [String]
    ) throws {
        let first = try Self.story(kind, seeds)
        let second = try Self.story(kind, seeds)
        #expect(first == second)
        let text = String(decoding: first, as: UTF8.self)
        #expect(text.hasSuffix("\(seeds) passed, 0 failed\n"))
        for word in words { #expect(text.contains(word)) }
    }

    @Test func `a byte changed in the metadata log is reported with its place, or was never durable and is cut off`() {
        let outcome = MetadataDamage.log(seed: 1)
        #expect(outcome.violations.isEmpty)
        #expect(outcome.refused > 1000 && outcome.cut > 100)
    }

    @Test func `a damaged snapshot gives way to an older one and the log behind it`() {
        #expect(MetadataDamage.snapshot(seed: 1).violations.isEmpty)
    }

    @Test func `a stop at any moment of a start comes to its end, and the node starts again`() {
        #expect(StopDuringStart.run(seed: 1).isEmpty)
    }

    @Test func `a stop without room to note it is one in order, and loses nothing`() {
        let outcome = StopOnFullDisk.run(seed: 1, free: [0, 1, 30, 100, 300, 1000, 100_000])
        #expect(outcome.violations.isEmpty)
        #expect((1..<7).contains(outcome.noted), "none is noted without room, and one is with enough")
    }

    @Test func `a node whose metadata log fails ends by itself, and one that has no room waits`() throws {
        let failed = try #require(MetadataFailure.follower(isFull: false))
        #expect(failed.ended && !failed.otherEnded)
        let full = try #require(MetadataFailure.follower(isFull: true))
        #expect(!full.ended && !full.otherEnded)
    }

    @Test func `an idle node writes no-op records only where their interval is given`() {
        let batch = 61 + 10
        #expect(Idleness.growth([]) == 0)
        #expect(Idleness.growth([(key: "metadata.max.idle.interval.ms", value: "0")]) == 0)
        let growth = Idleness.growth([(key: "metadata.max.idle.interval.ms", value: "500")])
        #expect((19 * batch...21 * batch).contains(growth))
    }

    /// The trace of so many seeds, told by a process of its own.
    private static func story(_ kind: String, _ seeds: Int) throws -> Data {
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let process = Process()
        process.executableURL = folder.appendingPathComponent("simulate")
        process.arguments = ["--seeds", String(seeds), "--trace", "--only", kind]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let story = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return story
    }
}
