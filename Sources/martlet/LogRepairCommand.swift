// `martlet log repair DIR`: tells what can be saved of a damaged data folder, and with --execute does it.

import Basics
import Environment
import Log
import Reactor

enum LogRepairCommand {
    static let spec = CommandSpec(
        name: "repair", summary: "Save what can be saved of a data folder; without --execute only tell.", arguments: "DIR",
        details: "Damaged bytes are kept in a file beside: SEGMENT.log.POSITION.damaged. With --drop-damaged the good batches"
            + " keep their offsets and a hole remains; with --truncate the log ends before the first damage. Indexes,"
            + " snapshots and checkpoints that are wrong are made anew.",
        options: [
            OptionSpec("--drop-damaged", "Take damaged bytes out of their segments."),
            OptionSpec("--truncate", "End damaged logs before the damage."),
            OptionSpec("--execute", "Do it."),
        ],
        examples: [
            ("martlet log repair data", "what could be done"),
            ("martlet log repair data --drop-damaged --execute", "keep every good batch"),
            ("martlet log repair data --truncate --execute", "keep what lies before the damage"),
        ],
        isClient: false, run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        let path = LogPlace.trimmed(try arguments.required(0, "DIR"))
        try arguments.refuseMore(than: 1)
        let drops = arguments.has("--drop-damaged")
        let truncates = arguments.has("--truncate")
        guard !drops || !truncates else { throw UsageError(description: "--drop-damaged or --truncate, not both") }
        let mode: LogRepair.Mode? = drops ? .dropDamaged : truncates ? .truncate : nil
        return try RepairRun(path, mode, executes: arguments.has("--execute")).run()
    }
}

private struct CheckedLog {
    var partition: TopicPartition
    var report: LogReport
}

private struct RepairRun {
    /// Its offsets may have no hole, and what its records made of the cluster is not in them alone.
    private static let metadata = TopicPartition("__cluster_metadata", 0)

    private let path: String
    private let mode: LogRepair.Mode?
    private let executes: Bool
    private let files = RealFileSystem()
    private let output = Output()

    init(_ path: String, _ mode: LogRepair.Mode?, executes: Bool) {
        self.path = path
        self.mode = mode
        self.executes = executes
    }

    func run() throws -> Int32 {
        guard case .folder = try LogPlace(path, files), try files.attributes(path + "/meta.properties") != nil else {
            throw Failure("\(path) is not a data folder: repair needs the whole folder, for its checkpoints", .notFound)
        }
        let lock = try LogPlace.lock(path, files)
        let folder = try FolderCheck(path, files, isOnline: false)
        let partitions = try folder.partitions()
        if executes {
            for partition in partitions { try LogRepair.finishInterrupted(folder.directory(of: partition), files) }
        }
        var reports: [CheckedLog] = []
        for partition in partitions { reports.append(CheckedLog(partition: partition, report: try folder.check(partition))) }
        try show(folder.findings, reports)
        let code = try executes ? execute(folder, reports) : 0
        try output.flush()
        withExtendedLifetime(lock) {}
        return code
    }

    // MARK: Telling

    private func show(_ findings: [LogFinding], _ reports: [CheckedLog]) throws {
        for finding in findings { try output.write(finding.line + "\n") }
        for checked in reports {
            let (partition, report) = (checked.partition, checked.report)
            for finding in report.findings { try output.write(finding.line + "\n") }
            try offer(partition, report)
        }
        guard findings.isEmpty, reports.allSatisfy({ $0.report.findings.isEmpty }) else { return }
        try output.write("nothing is wrong in \(path)\n")
    }

    private func offer(_ partition: TopicPartition, _ report: LogReport) throws {
        let damaged = report.findings.filter { $0.damage != nil }
        guard !executes, let first = damaged.first, let offset = first.offset else { return }
        if partition != RepairRun.metadata {
            let bytes = damaged.reduce(0) { $0 + ($1.damage?.bytes.count ?? 0) }
            try output.write(
                "\(partition): --drop-damaged takes out \(bytes) bytes in \(damaged.count) places and keeps all"
                    + " \(report.records) good records at their offsets\n")
        }
        try output.write(
            "\(partition): --truncate ends the log at offset \(offset) and takes out \(first.recordsBehind) good"
                + " records behind it\n")
    }

    // MARK: Doing

    private func execute(
        _ folder: FolderCheck, _ reports: [CheckedLog]
    ) throws -> Int32 {
        let needsMode = reports.contains { $0.report.findings.contains { $0.damage != nil } }
        guard !needsMode || mode != nil else {
            throw UsageError(description: "batches are damaged: say --drop-damaged or --truncate")
        }
        if mode == .dropDamaged, reports.contains(where: { $0.partition == RepairRun.metadata && isDamaged($0.report) }) {
            throw Failure("the metadata log may have no hole: only --truncate, and with it what the cluster decided since")
        }
        var ends: [TopicPartition: Offset] = [:]
        var left = 0
        for checked in reports where !checked.report.findings.isEmpty || folder.lacksRecoveryPoints {
            let (partition, report) = (checked.partition, checked.report)
            var repair = LogRepair(folder.directory(of: partition), files, report)
            ends[partition] = try repair.run(isDamaged(report) ? mode : nil)
            for action in repair.actions { try output.write("\(partition): \(action)\n") }
            let lost = report.findings.filter { $0.kind == .metadataSnapshot || $0.kind == .unreadable }
            for finding in lost { try output.write("\(partition): not repaired: \(finding.path)\n") }
            left += lost.count
        }
        if !folder.findings.isEmpty || !ends.isEmpty {
            try folder.writeCheckpoints(ends)
            try output.write("the checkpoints of \(path) agree with the logs\n")
        }
        return left == 0 ? 0 : Failure.Code.failure.rawValue
    }

    private func isDamaged(_ report: LogReport) -> Bool { report.findings.contains { $0.damage != nil } }
}
