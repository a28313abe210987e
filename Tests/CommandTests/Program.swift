// The real program as a process, and a broker of it on a port of its own.

import Foundation
import Glibc
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
        let child = try Spawned(
            url, arguments, variables: variables, input: inputFile, output: outputFile, errors: errorFile)
        let code = child.wait()
        return Run(
            code: code, output: try Data(contentsOf: outputFile),
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
    private let child: Spawned

    init() throws {
        folder = try TemporaryFolder()
        let log = folder.url.appendingPathComponent("log")
        guard unsafe mkfifo(log.path, 0o600) == 0 else { throw NoBroker(log: "no pipe: error \(errno)") }
        // Open for both, so that neither side waits for the other to open it.
        let reading = unsafe open(log.path, O_RDWR | O_CLOEXEC)
        defer { close(reading) }
        child = try Spawned(
            Program.url,
            ["broker", "--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", "log.dirs=\(folder.url.path)/data"],
            variables: [:], input: nil, output: nil, errors: log)
        port = try RunningBroker.port(in: reading, of: child)
    }

    /// Reads the log until it tells the address.
    private static func port(in log: Int32, of child: Spawned) throws -> Int {
        var text = ""
        var poll = pollfd(fd: log, events: Int16(POLLIN), revents: 0)
        while unsafe Glibc.poll(&poll, 1, 10_000) == 1 || child.isRunning {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = unsafe read(log, &bytes, bytes.count)
            guard count > 0 else { break }
            text += String(decoding: bytes[..<count], as: UTF8.self)
            guard let range = text.range(of: "listeners=127.0.0.1:") else { continue }
            let digits = text[range.upperBound...].prefix { $0.isNumber }
            guard text[range.upperBound...].contains(where: { !$0.isNumber }), let port = Int(digits) else { continue }
            return port
        }
        throw NoBroker(log: text)
    }

    deinit { child.terminate() }

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
