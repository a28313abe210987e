// `martlet offsets --segment FILE`: shows and verifies a file of a partition's folder, line by line as kafka-dump-log does.
//
// A .log file, and a snapshot of the metadata log, is walked with every check that recovery makes; an index is held against
// the .log file next to it. Each fault is told; any makes the exit code 1. Files are only read, and may belong to a
// running broker.

import Basics
import Bytes
import Environment
import Log
import Reactor
import Records

/// The dump of one file.
struct SegmentDump {
    /// Bytes that one compressed batch may become.
    private static let expansionLimit = 1 << 30

    let path: String
    /// For records of the cluster's own topics.
    private let decoder: RecordDecoder?
    let showsRecords: Bool
    let json: Bool
    let output = Output()
    private let fileSystem = RealFileSystem()
    private var faults = 0

    init(path: String, showsRecords: Bool, json: Bool) {
        self.path = path
        decoder = path.split(separator: "/").dropLast().last.flatMap { RecordDecoder(folder: $0) }
        self.showsRecords = showsRecords
        self.json = json
    }

    mutating func run() throws -> Int32 {
        let name = SegmentDump.plainName(path.split(separator: "/").last.map(String.init) ?? path)
        if name.hasSuffix(".checkpoint"), name.count == "00000000000000000383-0000000002.checkpoint".count {
            try dumpLog(.zero)
        } else if let (base, kind) = SegmentFiles.parse(name) {
            switch kind {
            case .log: try dumpLog(base)
            case .offsetIndex: try dumpOffsets(base)
            case .timeIndex: try dumpTimes(base)
            case .transactionIndex: try dumpTransactions()
            case .producerSnapshot: try dumpProducers()
            }
        } else {
            throw UsageError(
                description: "'\(name)' is not named like a file of a log: 20 digits and .log, .index, .timeindex,"
                    + " .txnindex or .snapshot, or the .checkpoint of a metadata log")
        }
        try output.flush()
        if faults > 0 { Talk.say("martlet offsets: \(path): \(faults) faults") }
        return faults == 0 ? 0 : Failure.Code.failure.rawValue
    }

    /// The name without what a removal or a compaction under way adds to it.
    private static func plainName(_ name: String) -> String {
        let suffixes = [SegmentFiles.deletedSuffix, SegmentFiles.cleanedSuffix, SegmentFiles.swapSuffix]
        return suffixes.first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) } ?? name
    }

    mutating func fault(_ text: String) throws {
        faults += 1
        try write([("fault", .string(text))])
    }

    /// One line: `name: value` pairs as kafka-dump-log prints them, or an object.
    func write(_ fields: [(String, Json)], indent: String = "") throws {
        if json { return try output.write(Json.object(fields).text + "\n") }
        let words = fields.map { name, value in
            let colon = RecordDecoder.namesWithoutColon.contains(name) ? "" : ":"
            if case .string(let text) = value { return "\(name)\(colon) \(text)" }
            return "\(name)\(colon) \(value.text)"
        }
        try output.write(indent + words.joined(separator: " ") + "\n")
    }

    /// A value that may be missing, in text as kafka-dump-log spells it.
    func optional(_ value: Int64?) -> Json {
        if json { return value.map { .int($0) } ?? .null }
        return .string(value.map { "OptionalLong[\($0)]" } ?? "OptionalLong.empty")
    }

    // MARK: Batches

    private mutating func dumpLog(_ base: Offset) throws {
        let file = try fileSystem.open(path, .read)
        let size = try file.size()
        if !json { try output.write("Dumping \(path)\nLog starting offset: \(base)\n") }
        var scanner = SegmentScanner(file, offset: base, fileSize: size)
        var position = 0
        while let batch = try scanner.next() {
            try show(batch, at: position)
            position = scanner.position
        }
        if let found = scanner.fault { try fault("at position \(scanner.position) of \(size): \(found)") }
    }

    private mutating func show(_ batch: RecordBatch, at position: Int) throws {
        let header = batch.header
        let codec = CompressionType(rawValue: header.compressionId).map { "\($0)" } ?? "unknown"
        try write([
            ("baseOffset", .int(header.baseOffset.rawValue)), ("lastOffset", .int(header.lastOffset.rawValue)),
            ("count", .int(header.recordCount)), ("baseSequence", .int(header.baseSequence)),
            ("lastSequence", .int(header.lastSequence)), ("producerId", .int(header.producerId)),
            ("producerEpoch", .int(header.producerEpoch)), ("partitionLeaderEpoch", .int(header.leaderEpoch.rawValue)),
            ("isTransactional", .bool(header.isTransactional)), ("isControl", .bool(header.isControl)),
            ("deleteHorizonMs", optional(header.hasDeleteHorizon ? header.baseTimestamp.milliseconds : nil)),
            ("position", .int(position)),
            (header.isLogAppendTime ? "LogAppendTime" : "CreateTime", .int(header.maxTimestamp.milliseconds)),
            ("size", .int(header.byteCount)), ("magic", .int(header.magic)), ("compresscodec", .string(codec)),
            ("crc", .int(header.crc)), ("isvalid", .bool(true)),
        ])
        guard showsRecords else { return }
        do {
            var reader = try RecordReader(batch, expansionLimit: SegmentDump.expansionLimit)
            let marker = TransactionMarker(batch)
            while let record = try reader.next() { try show(record, batch, marker) }
        } catch {
            try fault("batch at position \(position): \(error)")
        }
    }

    // MARK: Records

    private mutating func show(_ record: Record, _ batch: RecordBatch, _ marker: TransactionMarker?) throws {
        let header = batch.header
        let sequence = BatchHeader.sequence(header.baseSequence, advancedBy: record.offsetDelta)
        var fields: [(String, Json)] = [
            ("offset", .int(record.offset.rawValue)),
            (header.isLogAppendTime ? "LogAppendTime" : "CreateTime", .int(record.timestamp.milliseconds)),
            ("keySize", .int(record.key?.count ?? -1)), ("valueSize", .int(record.value?.count ?? -1)),
            ("sequence", .int(sequence)),
        ]
        if json {
            let headers = record.headers.map { Json.object([("key", .string($0.key))] + content("value", $0.value)) }
            fields.append(("headerKeys", .array(headers)))
        } else {
            fields.append(("headerKeys", .string("[\(record.headers.map(\.key).joined(separator: ","))]")))
        }
        if let marker {
            fields.append(("endTxnMarker", .string(marker.isCommit ? "COMMIT" : "ABORT")))
            fields.append(("coordinatorEpoch", .int(marker.coordinatorEpoch)))
        }
        try write(fields + (try content(of: record, isControl: header.isControl)), indent: "| ")
    }

    /// Key and value as they are; told, if the topic is one of the cluster's own: in text instead, in JSON beside them.
    private mutating func content(of record: Record, isControl: Bool) throws -> [(String, Json)] {
        do {
            guard let told = try told(record, isControl: isControl) else {
                return isControl && !json ? [] : plain(record)
            }
            return json ? plain(record) + [("decoded", .object(told))] : told
        } catch {
            try fault("record at offset \(record.offset): \(error)")
            return plain(record)
        }
    }

    private func told(_ record: Record, isControl: Bool) throws -> [(String, Json)]? {
        if isControl { return try RecordDecoder.control(record).map { [($0.name, $0.content)] } }
        guard let (key, value) = try decoder?.read(record) else { return nil }
        let deleted: Json = json ? .null : .string("<DELETE>")
        return (key.map { [("key", $0)] } ?? []) + [("payload", value ?? deleted)]
    }

    private func plain(_ record: Record) -> [(String, Json)] {
        if json { return content("key", record.key) + content("payload", record.value) }
        return (record.key.map { [("key", .string($0.string))] } ?? [])
            + (record.value.map { [("payload", .string($0.string))] } ?? [])
    }

    /// Text as it is; bytes that are none under another name, so that no text can be taken for them.
    private func content(_ name: String, _ bytes: ByteSlice?) -> [(String, Json)] {
        guard let bytes else { return [(name, .null)] }
        guard let text = bytes.validString else { return [(name + "Base64", .string(Base64.encode(bytes.array)))] }
        return [(name, .string(text))]
    }

    // MARK: Indexes

    /// Positions and ends of the batches of the .log file next to the index.
    private func batches(_ base: Offset) throws -> [(position: Int, header: BatchHeader)] {
        let name = SegmentFiles.name(base, .log)
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        let file = try fileSystem.open(folder + name, .read)
        var scanner = SegmentScanner(file, offset: base, fileSize: try file.size())
        var found: [(position: Int, header: BatchHeader)] = []
        var position = 0
        while let batch = try scanner.next() {
            found.append((position, batch.header))
            position = scanner.position
        }
        return found
    }

    func content() throws -> ByteSlice {
        let file = try fileSystem.open(path, .read)
        return try file.read(at: 0, count: try file.size())
    }

    private mutating func dumpOffsets(_ base: Offset) throws {
        let bytes = try content()
        if !json { try output.write("Dumping \(path)\n") }
        let batches = try batches(base)
        let byPosition = Dictionary(batches.map { ($0.position, $0.header) }) { first, _ in first }
        let index = OffsetIndex(decoding: bytes)
        for entry in index.entries {
            let offset = base + Int64(entry.relativeOffset)
            try write([("offset", .int(offset.rawValue)), ("position", .int(entry.position))])
            guard let header = byPosition[Int(entry.position)] else {
                try fault("no batch begins at position \(entry.position)")
                continue
            }
            if header.lastOffset != offset {
                try fault("the batch at position \(entry.position) ends at \(header.lastOffset), not at \(offset)")
            }
        }
        try checkRest(bytes, used: index.entries.count * OffsetIndex.entrySize)
    }

    private mutating func dumpTimes(_ base: Offset) throws {
        let bytes = try content()
        if !json { try output.write("Dumping \(path)\n") }
        let batches = try batches(base)
        let index = TimeIndex(decoding: bytes)
        for entry in index.entries {
            let offset = base + Int64(entry.relativeOffset)
            try write([("timestamp", .int(entry.timestamp.milliseconds)), ("offset", .int(offset.rawValue))])
            let upTo = batches.filter { $0.header.baseOffset <= offset }
            guard let last = upTo.last, last.header.lastOffset >= offset else {
                try fault("no batch holds offset \(offset)")
                continue
            }
            if let greatest = upTo.map(\.header.maxTimestamp).max(), greatest > entry.timestamp {
                try fault("up to offset \(offset) the greatest timestamp is \(greatest), not \(entry.timestamp)")
            }
        }
        try checkRest(bytes, used: index.entries.count * TimeIndex.entrySize)
    }

    /// Behind the entries may be zeros, as Kafka leaves them in an active segment; anything else is out of order.
    private mutating func checkRest(_ bytes: ByteSlice, used: Int) throws {
        let rest = bytes.dropFirst(used).array
        guard !rest.allSatisfy({ $0 == 0 }) else { return }
        try fault("from byte \(used) on, entries are out of order or cut short")
    }
}
