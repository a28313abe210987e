// `martlet offsets TOPIC` and `martlet topic offsets TOPIC`: where each partition begins and ends; and with --segment
// the dump of a file of the log, which is in `SegmentDump`.

import Basics
import Client
import Reactor

enum OffsetsCommand {
    /// `martlet offsets`: as `topic offsets`, or the dump of a file.
    static let spec = CommandSpec(
        name: "offsets", summary: "Show the offsets of a topic or a group, or dump and verify a file of the log.",
        arguments: "TOPIC | -g GROUP… | --segment FILE",
        details: """
            With -g: of each partition what the group has committed, how far it is behind in records and in time, and how
            fast it goes. A dump walks over every batch and checks it; exit code 1 if anything is wrong.
            """,
        options: TopicOffsets.spec.options + GroupLagOptions.all + [
            OptionSpec("-g", "--group", value: "GROUP", "The offsets of this group. May be repeated."),
            OptionSpec("--segment", "--files", value: "FILE", "A .log, .index, .timeindex, .txnindex, .snapshot or .checkpoint file."),
            OptionSpec("--records", "--print-data-log", "With --segment: the records too."),
        ],
        examples: TopicOffsets.spec.examples + [
            ("martlet offsets -g readers --watch", "how far a group is behind, again and again"),
            ("martlet offsets --segment data/logs-0/00000000000000000000.log", "the batches of a file"),
            ("martlet offsets --segment data/logs-0/00000000000000000000.log --records -o json", "with records, as JSON"),
        ],
        run: { arguments in
            let groups = arguments.all("-g")
            if !groups.isEmpty { return try GroupLagOptions.run(arguments, groups: groups) }
            guard let path = arguments.value("--segment") else { return try TopicOffsets.run(arguments) }
            try arguments.refuseMore(than: 0)
            var dump = SegmentDump(path: path, showsRecords: arguments.has("--records"), json: try arguments.wantsJson())
            return try dump.run()
        })
}

enum TopicOffsets {
    static let spec = CommandSpec(
        name: "offsets", summary: "Show where each partition begins and ends.", arguments: "TOPIC",
        options: [
            CommandSpec.outputOption, CommandSpec.headersOption,
            OptionSpec("-t", "--topic", value: "TOPIC", "The topic, instead of the argument."),
            OptionSpec("--at", "--time", value: "TIME", "The first offset of this time or later; also earliest, latest and max-timestamp."),
        ],
        examples: [
            ("martlet topic offsets logs", "begin, end and count of each partition"),
            ("martlet topic offsets logs --at -1h", "the offsets of an hour ago"),
        ],
        run: run)

    @Sendable static func run(_ arguments: Arguments) throws -> Int32 {
        let topic = try arguments.value("-t") ?? arguments.required(0, "TOPIC")
        try arguments.refuseMore(than: 1)
        let json = try arguments.wantsJson()
        let at = try arguments.value("--at").map { try place($0) }
        let session = try Session(arguments)
        let info: TopicInfo = try session.admin { admin, deadline, done in
            admin.client.topic(topic, deadline: deadline, completion: done)
        }
        let partitions = info.partitions.map { TopicPartition(topic, $0.partition) }
        let text =
            if let at {
                try atTime(session, partitions, at, json: json, headings: !arguments.has("--no-headers"))
            } else {
                try overview(session, info, partitions, json: json, headings: !arguments.has("--no-headers"))
            }
        try TextTable.print(text)
        return 0
    }

    private static func place(_ text: String) throws(UsageError) -> OffsetPlace {
        switch text {
        case "earliest", "-2", "start": return .start
        case "latest", "-1", "end": return .end
        case "max-timestamp", "-3": return .latestTimestamp
        default:
            guard let time = TimeExpression.time(text.hasPrefix("@") ? String(text.dropFirst()) : text, now: SystemClock().wallClock)
            else { throw UsageError(description: "--at \(text): no time") }
            return .time(time)
        }
    }

    private static func find(_ session: Session, _ places: [(TopicPartition, OffsetPlace)]) throws -> [FoundOffset] {
        try session.admin { admin, deadline, done in
            admin.listOffsets(places, readsCommitted: false, deadline: deadline, completion: done)
        }
    }

    private static func atTime(
        _ session: Session, _ partitions: [TopicPartition], _ place: OffsetPlace, json: Bool, headings: Bool
    ) throws -> String {
        let found = try find(session, partitions.map { ($0, place) })
        if let error = found.lazy.compactMap(\.error).first { throw Failure(error) }
        if json {
            return Json.array(
                found.map { item in
                    .object([
                        ("topic", .string(item.partition.topic)), ("partition", .int(item.partition.partition)),
                        ("offset", item.offset == .none ? .null : .int(item.offset.rawValue)),
                        ("timestamp", item.timestamp == .none ? .null : .int(item.timestamp.milliseconds)),
                    ])
                }
            ).text + "\n"
        }
        var table = TextTable("PARTITION", "OFFSET", "TIMESTAMP")
        table.rows = found.map { item in
            ["\(item.partition.partition)", item.offset == .none ? "-" : "\(item.offset)", TimeExpression.text(item.timestamp)]
        }
        return table.text(withHeadings: headings)
    }

    /// One partition of the overview; sizes and times are nil where the broker does not tell.
    private struct Row {
        var partition: Int32
        var begin: Offset
        var end: Offset
        var bytes: Int64?
        var first: Timestamp?
        var last: Timestamp?
    }

    private static func overview(
        _ session: Session, _ info: TopicInfo, _ partitions: [TopicPartition], json: Bool, headings: Bool
    ) throws -> String {
        let places: [OffsetPlace] = [.start, .end, .latestTimestamp, .time(Timestamp(milliseconds: 0))]
        let found = try find(session, partitions.flatMap { partition in places.map { (partition, $0) } })
        let sizes: [ReplicaSize]? = try? session.admin { admin, deadline, done in
            admin.describeLogDirs(topic: info, deadline: deadline, completion: done)
        }
        let rows = try partitions.map { partition in
            let own = found.filter { $0.partition == partition }
            func item(_ place: OffsetPlace) -> FoundOffset? { own.first { $0.place == place } }
            for place in places.prefix(2) { if let error = item(place)?.error { throw Failure(error) } }
            let leader = info[partition.partition]?.leader
            let size = sizes?.first { $0.partition == partition && $0.broker == leader }
            func time(_ item: FoundOffset?) -> Timestamp? {
                guard let item, item.error == nil, item.timestamp != .none else { return nil }
                return item.timestamp
            }
            return Row(
                partition: partition.partition, begin: item(.start)?.offset ?? .none, end: item(.end)?.offset ?? .none,
                bytes: size?.bytes, first: time(item(places[3])), last: time(item(.latestTimestamp)))
        }
        return json ? document(info.name, rows) : table(rows).text(withHeadings: headings)
    }

    private static func table(_ rows: [Row]) -> TextTable {
        var table = TextTable("PARTITION", "BEGIN", "END", "COUNT", "SIZE", "FIRST", "LAST")
        table.rows = rows.map { row in
            [
                "\(row.partition)", "\(row.begin)", "\(row.end)", "\(row.end - row.begin)",
                row.bytes.map { "\($0)" } ?? "-", row.first.map(TimeExpression.text) ?? "-",
                row.last.map(TimeExpression.text) ?? "-",
            ]
        }
        return table
    }

    private static func document(_ topic: String, _ rows: [Row]) -> String {
        Json.array(
            rows.map { row in
                .object([
                    ("topic", .string(topic)), ("partition", .int(row.partition)),
                    ("begin", .int(row.begin.rawValue)), ("end", .int(row.end.rawValue)),
                    ("count", .int(row.end - row.begin)), ("size", row.bytes.map { .int($0) } ?? .null),
                    ("firstTimestamp", row.first.map { .int($0.milliseconds) } ?? .null),
                    ("lastTimestamp", row.last.map { .int($0.milliseconds) } ?? .null),
                ])
            }
        ).text + "\n"
    }
}
