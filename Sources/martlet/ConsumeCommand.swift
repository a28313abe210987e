// `martlet consume TOPIC`: prints records as they come, or a range of them.
//
// The loop fetches; the main thread decompresses, formats and writes, and gives the memory back. Where reading ends is
// fixed at the start, in offsets: `-e` stops at what was the end then, so that a busy topic does not keep it going.

import Basics
import Bytes
import Client
import Environment
import Reactor
import Records

enum ConsumeCommand {
    static let spec = CommandSpec(
        name: "consume", summary: "Read records from a topic.", arguments: "TOPIC…",
        details: """
            Prints values, one per line, and follows the topic from its end. Offsets:
              start, end, N       the first record, what comes from now on, offset N
              +N, -N              N after the start, N before the end, of each partition
              :end, N:M, A:B      up to the present end; from A, and up to but without B
              @TIME, @-1h, @A:@B  by time: RFC 3339, seconds or milliseconds, or ago; also s@MS and e@MS
            Format: %t topic, %p partition, %o offset, %T timestamp, %k key, %s value, %h headers, %K and %S their
            sizes (-1 for null), %% \\n \\t \\r \\0 \\xHH.
            With -g the group's committed offsets say where to begin; where there are none, at the end, or with
            --from-beginning or -e at the start. Properties (-X): session.timeout.ms, heartbeat.interval.ms,
            max.poll.interval.ms, auto.commit.interval.ms, enable.auto.commit, auto.offset.reset, group.protocol,
            group.instance.id, group.remote.assignor, partition.assignment.strategy.
            """,
        options: options,
        examples: [
            ("martlet consume logs", "follow a topic"),
            ("martlet consume logs --offset start -e > copy.txt", "all records, then stop"),
            ("martlet consume logs --offset -10 -e -f '%p:%o %k=%s\\n'", "the last ten of each partition"),
            ("martlet consume logs --offset @-1h -o json", "as JSON, from an hour ago on"),
            ("martlet consume logs -p 3 --offset 100:200", "offsets 100 to 199 of partition 3"),
            ("martlet consume logs -g readers", "as a member of a group, which commits what was printed"),
            ("martlet consume -g readers '^logs-.*' --group-protocol consumer", "all topics that match"),
        ],
        run: { try $0.value("-g") == nil ? ConsumeJob($0).run() : GroupConsumeJob($0).run() })

    private static let options = [
        OptionSpec("-t", "--topic", value: "TOPIC", "The topic, instead of the argument."),
        OptionSpec("--offset", value: "OFFSET", "Where to begin, or a range; see above. Default: end."),
        OptionSpec("--from-beginning", "As --offset start."),
        OptionSpec("-p", "--partition", "--partitions", value: "N,…", "Only these partitions. May be repeated."),
        OptionSpec("-n", "--max-messages", "-c", "--num", value: "N", "Stop after so many records."),
        OptionSpec("-e", "--exit-eof", "Stop at the present end; begins at the start unless --offset is given."),
        OptionSpec("--until", value: "OFFSET", "Stop before this offset or @TIME."),
        OptionSpec("-f", "--format", value: "FORMAT", "How to print a record. Default: %s\\n."),
        OptionSpec("-o", "--output", value: "FORMAT", choices: ["table", "json"], "json: one object per line. (kcat's offsets work here too.)"),
        OptionSpec("-g", "-G", "--group", value: "GROUP", "Read as a member of this group."),
        OptionSpec(
            "--group-protocol", value: "PROTOCOL", choices: ["classic", "consumer"],
            "classic (default) or consumer (KIP-848)."),
        OptionSpec("--instance-id", value: "NAME", "A static member: it may be away for a session without a rebalance."),
        OptionSpec("--assignor", value: "NAME,…", "range, roundrobin, cooperative-sticky, the preferred first."),
        OptionSpec("--no-commit", "Commit nothing."),
        OptionSpec(
            "--isolation", "--isolation-level", value: "LEVEL", choices: ["read_uncommitted", "read_committed"],
            "read_uncommitted (default) or read_committed."),
        OptionSpec("--read-committed", "As --isolation read_committed."),
        OptionSpec("--fetch-max-bytes", value: "BYTES", "Bytes of one fetch. Default: 33554432."),
        OptionSpec("--out-of-range", value: "POLICY", choices: ["fail", "nearest", "earliest", "latest"], "What to do at an offset that is gone. Default: fail."),
    ]
}

/// One run of the command.
private final class ConsumeJob {
    private enum News: Sendable {
        case records(FetchedRecords)
        case end(TopicPartition)
        case reset(TopicPartition, Offset, Offset)
        case failed(TopicPartition, ClientError)
    }

    private let arguments: Arguments
    private let topic: String
    private let range: OffsetExpression
    private let count: Int?
    private let format: RecordFormat
    private let printsJson: Bool
    private let settings: ConsumerSettings
    private let session: Session
    private let output = Output()
    private let news = Inbox<News>()
    private var stops: [TopicPartition: Offset] = [:]
    private var open: Set<TopicPartition> = []
    private var printed = 0

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        topic = try arguments.value("-t") ?? arguments.required(0, "TOPIC")
        try arguments.refuseMore(than: arguments.has("-t") ? 0 : 1)
        count = try arguments.int("-n", in: 1...Int.max)
        format = try RecordFormat(arguments.value("-f") ?? "%s\\n")
        let now = SystemClock().wallClock
        // `-o` is the output in this program and the offset in kcat: what is no format is an offset.
        let output = arguments.value("-o")
        printsJson = output == "json" || output == "ndjson"
        let isFormat = printsJson || output == nil || output == "table"
        range = try arguments.offsets(isFormat ? nil : output, now)
        settings = try arguments.consumerSettings()
        session = try Session(arguments)
    }

    func run() throws -> Int32 {
        let partitions = try partitions()
        let starts = try resolve(partitions)
        begin(starts)
        while !open.isEmpty {
            for item in news.takeAll() {
                if try take(item) { return try finish() }
            }
            try output.flush()
        }
        return try finish()
    }

    private func finish() throws -> Int32 {
        try output.flush()
        return 0
    }

    // MARK: Start

    private func partitions() throws -> [TopicPartition] {
        let name = topic
        let info: TopicInfo = try session.admin { admin, deadline, done in
            admin.client.topic(name, deadline: deadline, completion: done)
        }
        let wanted = arguments.all("-p").flatMap { $0.split(separator: ",") }
        guard !wanted.isEmpty else { return info.partitions.map { TopicPartition(name, $0.partition) } }
        return try wanted.map { text in
            guard let number = Int32(text) else { throw UsageError(description: "-p \(text): no partition") }
            guard info[number] != nil else {
                throw Failure("topic '\(name)' has no partition \(number)", .notFound)
            }
            return TopicPartition(name, number)
        }
    }

    /// Where each partition begins; fills `stops` and `open`.
    private func resolve(_ partitions: [TopicPartition]) throws -> [(TopicPartition, Offset)] {
        let marks = [range.from] + (range.to.map { [$0] } ?? [])
        var places: [(TopicPartition, OffsetPlace)] = []
        for partition in partitions {
            places += [(partition, .start), (partition, .end)] + marks.compactMap(\.place).map { (partition, $0) }
        }
        let asked = places
        let committed = settings.readsCommitted
        let found: [FoundOffset] = try session.admin { admin, deadline, done in
            admin.listOffsets(asked, readsCommitted: committed, deadline: deadline, completion: done)
        }
        var offsets: [TopicPartition: [OffsetPlace: Offset]] = [:]
        for item in found {
            if let error = item.error { throw Failure(error) }
            offsets[item.partition, default: [:]][item.place] = item.offset
        }
        return partitions.map { partition in
            let known = offsets[partition] ?? [:]
            func offset(_ mark: OffsetMark) -> Offset {
                mark.offset(
                    start: known[.start] ?? .zero, end: known[.end] ?? .zero,
                    found: mark.place.flatMap { known[$0] } ?? .none)
            }
            let start = offset(range.from)
            if let to = range.to {
                let stop = offset(to)
                stops[partition] = stop
                if start < stop { open.insert(partition) }
            } else {
                open.insert(partition)
            }
            return (partition, start)
        }
    }

    private func begin(_ starts: [(TopicPartition, Offset)]) {
        let wanted = starts.filter { open.contains($0.0) }.map { ($0.0, $0.1, stops[$0.0]) }
        let settings = settings
        let news = news
        let loop = session.loop
        let made = Inbox<Confined<Consumer>>()
        session.post { client in
            let consumer = Consumer(client, settings)
            made.put(Confined(consumer, to: loop))
            consumer.onEvent = { event in
                switch event {
                case .records(let records): news.put(.records(records))
                case .end(let partition, _): news.put(.end(partition))
                case .reset(let partition, let from, let to): news.put(.reset(partition, from, to))
                case .failed(let partition, let error): news.put(.failed(partition, error))
                }
            }
            for (partition, offset, stop) in wanted { consumer.assign(partition, from: offset, stop: stop) }
        }
        consumer = made.takeAll()[0]
    }

    private var consumer: Confined<Consumer>?

    // MARK: Records

    /// Handles one piece of news; true when enough was printed.
    private func take(_ item: News) throws -> Bool {
        switch item {
        case .records(let records):
            let isEnough = try print(records)
            let consumer = consumer
            session.loop.post { consumer?.value.release(records) }
            if let stop = stops[records.partition], records.next >= stop { open.remove(records.partition) }
            return isEnough
        case .end(let partition):
            if stops[partition] != nil { open.remove(partition) }
        case .reset(let partition, let from, let to):
            session.say("martlet consume: \(partition) has no offset \(from); going on at \(to)")
        case .failed(_, let error):
            try output.flush()
            throw Failure(error)
        }
        return false
    }

    private func print(_ records: FetchedRecords) throws -> Bool {
        var walk = RecordWalk(records)
        let stop = stops[records.partition] ?? Offset(.max)
        do {
            while let record = try walk.next() {
                guard record.offset < stop else { break }
                if printsJson {
                    try RecordJson.write(record, of: records.partition, to: output)
                } else {
                    try format.write(record, of: records.partition, to: output)
                }
                printed += 1
                if let count, printed >= count { return true }
            }
        } catch let error as FetchedRecordsError {
            try output.flush()
            throw Failure("\(error)")
        }
        return false
    }
}

extension Arguments {
    fileprivate func offsets(_ kcatOffset: String?, _ now: Timestamp) throws(UsageError) -> OffsetExpression {
        let given = value("--offset") ?? kcatOffset
        let text = given ?? (has("--from-beginning") || has("-e") ? "start" : "end")
        guard var range = OffsetExpression(text, now: now) else {
            throw UsageError(description: "'\(text)' is no offset; see martlet consume --help")
        }
        if has("-e"), range.to == nil { range.to = .end }
        if let text = value("--until") {
            guard let mark = OffsetMark(text, now: now) else { throw UsageError(description: "--until \(text): no offset") }
            range.to = mark
        }
        return range
    }

    func consumerSettings() throws(UsageError) -> ConsumerSettings {
        var settings = ConsumerSettings()
        let properties = try properties()
        switch value("--isolation") ?? properties["isolation.level"] {
        case nil, "read_uncommitted", "uncommitted": break
        case "read_committed", "committed": settings.readsCommitted = true
        case let other?: throw UsageError(description: "--isolation \(other): read_uncommitted or read_committed is wanted")
        }
        if has("--read-committed") { settings.readsCommitted = true }
        if let bytes = try int("--fetch-max-bytes", in: 1...(1 << 30)) { settings.fetchBytesMax = bytes }
        switch value("--out-of-range") {
        case nil, "fail": break
        case "nearest": settings.outOfRange = .nearest
        case "earliest": settings.outOfRange = .earliest
        case "latest": settings.outOfRange = .latest
        case let other?: throw UsageError(description: "--out-of-range \(other): fail, nearest, earliest or latest is wanted")
        }
        return settings
    }
}
