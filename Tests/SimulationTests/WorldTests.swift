// Seeded worlds of the whole broker, and that a seed is a history.

import Foundation
import Simulation
import Testing

@Suite struct WorldTests {
    @Test func `a hundred worlds keep every promise to their clients`() {
        for seed in UInt64(1)...100 {
            let outcome = ProduceAndFetch.run(seed: seed)
            #expect(outcome.violations.isEmpty, "replay: make simulate SEEDS=1 SEED=\(seed) TRACE=1")
        }
    }

    @Test func `two processes tell the same story of a seed, byte by byte`() throws {
        let first = try Self.story()
        let second = try Self.story()
        #expect(first == second)
        let text = String(decoding: first, as: UTF8.self)
        #expect(text.hasSuffix("100 passed, 0 failed\n"))
        #expect(text.contains("POWER CUT") && text.contains("KILL") && text.contains("acknowledged"))
    }

    /// The trace of a hundred seeds, told by a process of its own.
    private static func story() throws -> Data {
        let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let process = Process()
        process.executableURL = folder.appendingPathComponent("simulate")
        process.arguments = ["--seeds", "100", "--trace"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let story = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return story
    }
}
