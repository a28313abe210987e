// The real program as a process, and a broker of it on a port of its own.

import Foundation
import Testing

/// What a run of the program gave.
struct Run {
    var code: Int32
    var output: Data
    var errors: String

    var text: String { String(decoding: output, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
}

enum Program {
    static let url = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("martlet")

    /// Runs `martlet` to its end, with files for the streams, so that no pipe can fill up.
    static func run(_ arguments: [String], input: Data = Data(), variables: [String: String] = [:]) throws -> Run {
        let folder = try TemporaryFolder()
        let inputFile = folder.url.appendingPathComponent("input")
        let outputFile = folder.url.appendingPathComponent("output")
        let errorFile = folder.url.appendingPathComponent("errors")
        try input.write(to: inputFile)
        for file in [outputFile, errorFile] { try Data().write(to: file) }
        let process = Process()
        process.executableURL = url
        process.arguments = arguments
        process.environment = variables
        process.standardInput = try FileHandle(forReadingFrom: inputFile)
        process.standardOutput = try FileHandle(forWritingTo: outputFile)
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        process.waitUntilExit()
        return Run(
            code: process.terminationStatus, output: try Data(contentsOf: outputFile),
            errors: String(decoding: try Data(contentsOf: errorFile), as: UTF8.self))
    }
}

/// A folder that goes with its last reference.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-command-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}

/// A broker that runs until the value goes.
final class RunningBroker {
    let folder: TemporaryFolder
    let port: Int
    private let process = Process()

    init() throws {
        folder = try TemporaryFolder()
        process.executableURL = Program.url
        process.arguments = [
            "broker", "--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", "log.dirs=\(folder.url.path)/data",
        ]
        let log = Pipe()
        process.standardError = log
        try process.run()
        port = try RunningBroker.port(in: log.fileHandleForReading)
    }

    /// Reads the log until it tells the address; the end of the log is the end of the broker.
    private static func port(in log: FileHandle) throws -> Int {
        var text = ""
        while true {
            let more = log.availableData
            guard !more.isEmpty else { throw NoBroker(log: text) }
            text += String(decoding: more, as: UTF8.self)
            guard let range = text.range(of: "listeners=127.0.0.1:") else { continue }
            let digits = text[range.upperBound...].prefix { $0.isNumber }
            guard text[range.upperBound...].contains(where: { !$0.isNumber }), let port = Int(digits) else { continue }
            return port
        }
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    struct NoBroker: Error { var log: String }

    /// Runs a command against this broker.
    func martlet(_ arguments: String..., input: Data = Data()) throws -> Run {
        try Program.run(arguments, input: input, variables: ["MARTLET_BROKERS": "127.0.0.1:\(port)"])
    }

    func create(_ topic: String, partitions: Int = 1) throws {
        let run = try martlet("topic", "create", topic, "--partitions", "\(partitions)")
        #expect(run.code == 0, "\(run.errors)")
    }
}
