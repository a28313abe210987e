// `martlet log verify` and `martlet log repair`: a check of all that lies in a data folder, and what can be saved of it.
//
// Both take the folder's lock, so that no broker changes it meanwhile; `verify --online` goes without and only reads.

import Basics
import Environment
import Log
import Reactor

enum LogCommand {
    static let spec = CommandSpec(
        name: "log", summary: "Check a data folder, and save what can be saved of a damaged one.",
        subcommands: [verify, LogRepairCommand.spec], isClient: false)

    private static let verify = CommandSpec(
        name: "verify", summary: "Check every batch, index and checkpoint of data folders, partitions or segments.",
        arguments: "DIR|FILE…",
        details: "One line for each fault: file, position, what it means and what is good behind it. Exit code 1 if there are any.",
        options: [
            CommandSpec.outputOption,
            OptionSpec("--online", "A broker may have the folder open: take no lock, and tell only what is certain."),
        ],
        examples: [
            ("martlet log verify data", "a whole data folder of a broker that is stopped"),
            ("martlet log verify --online data -o json", "beside a running broker, for a program"),
            ("martlet log verify data/logs-0/00000000000000000000.log", "one segment with its indexes"),
        ],
        isClient: false, run: runVerify)

    @Sendable private static func runVerify(_ arguments: Arguments) throws -> Int32 {
        guard !arguments.positional.isEmpty else { throw UsageError(description: "DIR is missing") }
        var check = LogVerify(json: try arguments.wantsJson(), isOnline: arguments.has("--online"))
        for path in arguments.positional { try check.run(LogPlace.trimmed(path)) }
        return try check.finish(isQuiet: arguments.has("-q"))
    }
}

/// What a path on the command line names.
enum LogPlace {
    case folder
    case partition
    case segment(directory: String, base: Offset)

    /// Without slashes at the end.
    static func trimmed(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    init(_ path: String, _ files: RealFileSystem) throws {
        guard let attributes = try files.attributes(path) else {
            throw Failure("\(path): there is no such file or folder", .notFound)
        }
        guard !attributes.isDirectory else {
            let entries = try files.entries(path)
            self = entries.contains { SegmentFiles.parse($0.name)?.kind == .log } ? .partition : .folder
            return
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, let base = SegmentFiles.parse(String(name))?.base else {
            throw UsageError(description: "\(path) is not named like a file of a log: 20 digits and .log or the like")
        }
        self = .segment(directory: parts.count > 1 ? parts.dropLast().joined(separator: "/") : ".", base: base)
    }

    /// Takes the lock of the data folder that a path belongs to, if there is one.
    static func lock(_ folder: String, _ files: RealFileSystem) throws -> (any FileLock)? {
        guard try files.attributes(folder + "/" + LogFolder.lockName) != nil else { return nil }
        do throws(FileError) {
            return try files.lock(folder + "/" + LogFolder.lockName)
        } catch {
            guard error.kind == .locked else { throw error }
            throw Failure("\(folder) is in use by a broker: stop it first; verify can go beside it with --online")
        }
    }

    /// The folder above.
    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// Checks and prints.
struct LogVerify {
    let json: Bool
    let isOnline: Bool
    private let output = Output()
    private let files = RealFileSystem()
    private var faults = 0
    private var logs = 0
    private var total = LogReport()

    init(json: Bool, isOnline: Bool) {
        self.json = json
        self.isOnline = isOnline
    }

    mutating func run(_ path: String) throws {
        switch try LogPlace(path, files) {
        case .folder:
            let lock = isOnline ? nil : try LogPlace.lock(path, files)
            let folder = try FolderCheck(path, files, isOnline: isOnline)
            let partitions = try folder.partitions()
            if partitions.isEmpty, try files.attributes(path + "/meta.properties") == nil {
                throw Failure("\(path) is neither a data folder nor a partition's folder")
            }
            try show(folder.findings)
            for partition in partitions {
                // Beside a broker one may be deleted while this runs.
                guard try !isOnline || files.attributes(folder.directory(of: partition)) != nil else { continue }
                try add(try folder.check(partition))
            }
            withExtendedLifetime(lock) {}
        case .partition: try check(path, nil)
        case .segment(let directory, let base): try check(directory, base)
        }
    }

    private mutating func check(_ directory: String, _ base: Offset?) throws {
        let parent = LogPlace.parent(directory)
        let lock = isOnline ? nil : try LogPlace.lock(parent, files)
        let isClean = try FolderCheck(parent, files, isOnline: isOnline).isClean
        var check = LogCheck(directory, files, isOnline: isOnline, isClean: isClean, only: base)
        try add(try check.run())
        withExtendedLifetime(lock) {}
    }

    private mutating func add(_ report: LogReport) throws {
        logs += 1
        total.segments += report.segments
        total.batches += report.batches
        total.records += report.records
        total.bytes += report.bytes
        try show(report.findings)
    }

    private mutating func show(_ findings: [LogFinding]) throws {
        for finding in findings {
            faults += 1
            try output.write((json ? finding.json.text : finding.line) + "\n")
        }
    }

    /// Says what was read; answers the exit code.
    func finish(isQuiet: Bool) throws -> Int32 {
        try output.flush()
        if !isQuiet {
            Talk.say(
                "martlet log verify: \(logs) logs, \(total.segments) segments, \(total.batches) batches,"
                    + " \(total.records) records, \(total.bytes) bytes: \(faults) faults")
        }
        return faults == 0 ? 0 : Failure.Code.failure.rawValue
    }
}

extension LogFinding {
    /// `FILE:POSITION: kind: text`, and what is good behind it.
    var line: String {
        let place = position.map { "\(path):\($0)" } ?? path
        let behind = damage == nil ? "" : "; behind it \(batchesBehind) batches with \(recordsBehind) records are good"
        return "\(place): \(kind.rawValue): \(text)\(behind)"
    }

    var json: Json {
        var fields: [(String, Json)] = [
            ("kind", .string(kind.rawValue)), ("file", .string(path)), ("position", position.map { .int($0) } ?? .null),
            ("offset", offset.map { .int($0.rawValue) } ?? .null), ("meaning", .string(text)),
        ]
        if let damage {
            let isOpen = damage.offsets.upperBound.rawValue == .max
            fields += [
                ("bytes", .int(damage.bytes.count)),
                ("lastOffset", isOpen ? .null : .int(damage.offsets.upperBound.rawValue - 1)),
                ("batchesBehind", .int(batchesBehind)), ("recordsBehind", .int(recordsBehind)),
            ]
        }
        return .object(fields)
    }
}
