// `martlet produce TOPIC`: a record per line of standard input, per JSON line, or per file.
//
// The main thread reads and cuts; the loop gathers, compresses and sends. Between them are at most `blocksMax` blocks,
// and the loop takes one only when the producer has room, so that memory stays bounded however long the input is.

import Basics
import Bytes
import Client
import Environment
import Reactor
import Records
import Synchronization

enum ProduceCommand {
    static let spec = CommandSpec(
        name: "produce", summary: "Write records to a topic.", arguments: "TOPIC [FILE…]",
        details: """
            Each line of standard input becomes a record, byte for byte without its line end. With files, each file
            becomes one record. --input json reads objects with key, value, headers, partition and timestamp, such as
            `martlet consume -o json` prints.
            """,
        options: options,
        examples: [
            ("martlet produce logs < access.log", "a record per line"),
            ("echo 'user-1:hello' | martlet produce -K : chat", "key and value, parted by a colon"),
            ("martlet consume a -o json -e | martlet produce b --input json", "copy records with keys and headers"),
            ("martlet produce images -k logo -l logo.png", "a file as one record"),
            ("printf 'a\\nb\\n' | martlet produce t -z zstd --report '%p %o\\n'", "compressed, telling where each went"),
            ("echo | martlet produce t -k user-1 -Z", "a tombstone"),
        ],
        run: { try ProduceJob($0).run() })

    private static let options = [
        OptionSpec("-t", "--topic", value: "TOPIC", "The topic, instead of the argument."),
        OptionSpec("-K", "--key-separator", value: "SEP", "What parts key and value in a line; \\t and \\xHH work."),
        OptionSpec("--input", "-I", value: "KIND", choices: ["lines", "json"], "lines (default) or json."),
        OptionSpec("-k", "--key", value: "KEY", "The key of all records."),
        OptionSpec("-p", "--partition", value: "N", "The partition of all records."),
        OptionSpec("-H", "--header", value: "K=V", "A header of all records; K:V too. May be repeated."),
        OptionSpec("-Z", "--tombstone", "An empty value is null."),
        OptionSpec("-l", "--file", value: "FILE", "A file that becomes one record. May be repeated."),
        OptionSpec("--acks", "-a", "--request-required-acks", value: "ACKS", choices: ["0", "1", "all"], "0, 1 or all (default)."),
        OptionSpec(
            "-z", "--compression", "--compression-codec", value: "CODEC",
            choices: ["none", "gzip", "snappy", "lz4", "zstd"], "none (default), gzip, snappy, lz4 or zstd."),
        OptionSpec("--compression-level", value: "N", "The codec's level."),
        OptionSpec("--batch-size", value: "BYTES", "Bytes of a batch. Default: 524288."),
        OptionSpec("--linger", value: "TIME", "How long a batch waits for more. Default: 5ms."),
        OptionSpec("--idempotent", "Fail rather than write without a producer id."),
        OptionSpec("--no-idempotence", "Write without a producer id."),
        OptionSpec("--timestamp", value: "TIME", "The time of all records."),
        OptionSpec("--report", value: "FORMAT", "Print this for each record that was stored: %t %p %o %T."),
    ]
}

/// One run of the command.
private final class ProduceJob {
    private let arguments: Arguments
    private let topic: String
    private let maker: RecordMaker
    private let files: [String]
    private let settings: ProducerSettings
    private let report: RecordFormat?
    private let session: Session

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        var positional = arguments.positional
        if let named = arguments.value("-t") {
            topic = named
        } else {
            topic = try arguments.required(0, "TOPIC")
            positional.removeFirst()
        }
        files = positional + arguments.all("-l")
        maker = try arguments.recordMaker()
        settings = try arguments.producerSettings()
        report = try arguments.value("--report").map { try RecordFormat($0) }
        session = try Session(arguments)
    }

    func run() throws -> Int32 {
        let outcome = try feed(try makeFeeder())
        if StandardStream.error.isTerminal, report == nil, outcome.failed == 0 {
            session.say("\(outcome.taken) records to \(topic)")
        }
        if let error = outcome.error {
            if outcome.failed > 0 { Talk.say("martlet produce: \(outcome.failed) records were not stored") }
            throw error
        }
        return 0
    }

    private func feed(_ feeder: Feeder) throws -> Feeder.Outcome {
        let isTyped = files.isEmpty && StandardStream.input.isTerminal
        let meter = ProgressMeter(isShown: StandardStream.error.isTerminal && report == nil && !isTyped)
        defer { meter.end() }
        if files.isEmpty { try feedLines(feeder, meter) } else { try feedFiles(feeder, meter) }
        return feeder.finish()
    }

    /// The topic must be there before anything is read, so that a mistake is told at once.
    private func makeFeeder() throws -> Feeder {
        let name = topic
        let _: TopicInfo = try session.admin { admin, deadline, done in
            admin.client.topic(name, deadline: deadline, completion: done)
        }
        return Feeder(session, topic: topic, settings, report)
    }

    private func feedLines(_ feeder: Feeder, _ meter: ProgressMeter) throws {
        var blocks = LineBlocks()
        var number = 0
        while let lines = try blocks.next(.input), !feeder.hasFailed {
            var records: [ProducerRecord] = []
            records.reserveCapacity(lines.count)
            for line in lines {
                number += 1
                do {
                    if let record = try maker.record(line) { records.append(record) }
                } catch {
                    _ = feeder.finish()
                    throw Failure("line \(number) of the input: \(error)")
                }
            }
            feeder.feed(records)
            meter.add(records: records.count, bytes: lines.reduce(0) { $0 + $1.count })
        }
    }

    private func feedFiles(_ feeder: Feeder, _ meter: ProgressMeter) throws {
        let fileSystem = RealFileSystem()
        for path in files {
            let file = try fileSystem.open(path, .read)
            let content = try file.read(at: 0, count: try file.size())
            if let record = try maker.record(content) { feeder.feed([record]) }
            meter.add(records: 1, bytes: content.count)
        }
    }
}

/// Hands blocks of records from the main thread to a producer on the loop.
private final class Feeder: Sendable {
    struct Outcome: Sendable {
        var taken = 0
        var failed = 0
        var error: Failure?
    }

    private struct State {
        var blocks = 0
        var outcome = Outcome()
    }

    private static let blocksMax = 4
    private let session: Session
    private let topic: String
    private let point = WaitPoint()
    private let state = Mutex(State())
    private let report: RecordFormat?
    private let target: Confined<Producer>

    init(_ session: Session, topic: String, _ settings: ProducerSettings, _ report: RecordFormat?) {
        self.session = session
        self.topic = topic
        self.report = report
        let made = Inbox<Confined<Producer>>()
        let loop = session.loop
        session.post { client in made.put(Confined(Producer(client, settings), to: loop)) }
        target = made.takeAll()[0]
        let target = target
        loop.post { [self] in
            target.value.onFailure = { partition, error, count in self.note(error, count) }
        }
    }

    var hasFailed: Bool { state.withLock { $0.outcome.error != nil } }

    /// Main thread: hands over a block, after waiting until there is room for it.
    func feed(_ records: [ProducerRecord]) {
        guard !records.isEmpty else { return }
        point.locked {
            while state.withLock({ $0.blocks >= Feeder.blocksMax && $0.outcome.error == nil }) { point.wait() }
            state.withLock {
                $0.blocks += 1
                $0.outcome.taken += records.count
            }
        }
        session.loop.post { [self] in take(records) }
    }

    /// In the loop: gives a block to the producer as soon as that has room.
    private func take(_ records: [ProducerRecord]) {
        let producer = target.value
        guard !producer.isFull else { return producer.whenRoom { self.take(records) } }
        if let report {
            let topic = topic
            for record in records {
                producer.send(record, to: topic) { [self] result in
                    switch result {
                    case .success(let delivery): tell(delivery, report)
                    case .failure(let error): note(error, 1)
                    }
                }
            }
        } else {
            producer.send(records, to: topic)
        }
        point.locked {
            state.withLock { $0.blocks -= 1 }
            point.wakeAll()
        }
    }

    private func tell(_ delivery: Delivery, _ format: RecordFormat) {
        var text: [UInt8] = []
        for part in format.parts {
            switch part {
            case .literal(let bytes): text += bytes.array
            case .topic: text += delivery.topic.utf8
            case .partition: text += "\(delivery.partition)".utf8
            case .offset: text += "\(delivery.offset)".utf8
            case .timestamp: text += "\(delivery.timestamp)".utf8
            default: break
            }
        }
        try? StandardStream.output.write(ByteSlice(text))
    }

    private func note(_ error: ClientError, _ count: Int32) {
        point.locked {
            state.withLock { state in
                state.outcome.failed += Int(count)
                if state.outcome.error == nil { state.outcome.error = Failure(error) }
            }
            point.wakeAll()
        }
    }

    /// Main thread: waits until all that was fed is stored or has failed.
    func finish() -> Outcome {
        let ended = Inbox<Bool>()
        session.loop.post { [self] in flush(ended) }
        _ = ended.takeAll()
        return state.withLock { $0.outcome }
    }

    private func flush(_ ended: Inbox<Bool>) {
        guard state.withLock({ $0.blocks == 0 }) else {
            return target.value.whenRoom { self.session.loop.post { self.flush(ended) } }
        }
        target.value.flush { ended.put(true) }
    }
}

extension Arguments {
    fileprivate func recordMaker() throws -> RecordMaker {
        var maker = RecordMaker()
        maker.keySeparator = try value("-K").map { try RecordFormat.bytes($0) }
        if maker.keySeparator?.isEmpty == true { throw UsageError(description: "-K needs at least one byte") }
        maker.fixedKey = value("-k").map { ByteSlice($0.utf8) }
        maker.partition = try int("-p", in: 0...Int(Int32.max)).map(Int32.init)
        maker.emptyIsNull = has("-Z")
        maker.headers = try all("-H").map { text in
            guard let end = text.firstIndex(where: { $0 == "=" || $0 == ":" }), end != text.startIndex else {
                throw UsageError(description: "-H \(text): key=value or key:value is wanted")
            }
            return RecordHeader(key: String(text[..<end]), value: ByteSlice(text[text.index(after: end)...].utf8))
        }
        switch value("--input") {
        case nil, "lines": break
        case "json": maker.readsJson = true
        case let other?: throw UsageError(description: "--input \(other): lines or json is wanted")
        }
        if let text = value("--timestamp") {
            guard let time = TimeExpression.time(text, now: SystemClock().wallClock) else {
                throw UsageError(description: "--timestamp \(text): no time")
            }
            maker.timestamp = time
        }
        return maker
    }

    fileprivate func producerSettings() throws -> ProducerSettings {
        var settings = ProducerSettings()
        let properties = try properties()
        settings.acks = try Arguments.acks(value("--acks") ?? properties["acks"] ?? "all")
        settings.compression = try Arguments.codec(value("-z") ?? properties["compression.type"] ?? "none")
        settings.compressionLevel = try int("--compression-level", in: -131_072...22)
        settings.batchBytes = try int("--batch-size", in: 1...(1 << 30)) ?? properties["batch.size"].flatMap { Int($0) } ?? 512 << 10
        if let text = value("--linger") ?? properties["linger.ms"] {
            guard let linger = TimeExpression.duration(text) else { throw UsageError(description: "--linger \(text): no time") }
            settings.linger = linger
        }
        if has("--idempotent") {
            guard settings.acks == -1 else { throw UsageError(description: "--idempotent needs --acks all") }
            settings.idempotence = .required
        } else if has("--no-idempotence") || properties["enable.idempotence"] == "false" {
            settings.idempotence = .off
        }
        settings.deliveryTimeout = max(try timeout(), .seconds(1)) + .seconds(20)
        return settings
    }

    private static func acks(_ text: String) throws(UsageError) -> Int16 {
        switch text {
        case "0", "1": Int16(text) ?? 0
        case "all", "-1": -1
        default: throw UsageError(description: "--acks \(text): 0, 1 or all is wanted")
        }
    }

    private static func codec(_ text: String) throws(UsageError) -> CompressionType {
        switch text {
        case "none": .none
        case "gzip": .gzip
        case "snappy": .snappy
        case "lz4": .lz4
        case "zstd": .zstd
        default: throw UsageError(description: "-z \(text): none, gzip, snappy, lz4 or zstd is wanted")
        }
    }
}
