// `martlet group reset`: moves the committed offsets of a group. Shows what would change; `--execute` changes it.
//
// Both Kafka's and rpk's spellings are understood. What lies outside of a partition becomes its start or end.

import Basics
import Bytes
import Client
import Environment
import Reactor
import WireProtocol

enum GroupReset {
    static let spec = CommandSpec(
        name: "reset", summary: "Move the committed offsets of a group.", arguments: "GROUP [TOPIC[:PARTITION,…]…]",
        details: """
            Without topics all partitions are moved of which the group has committed an offset. Prints what would change;
            --execute does it. A group with members is refused, since they would commit their own offsets again; --fence
            pauses it first, until no member has a partition, and lets it go on from the new offsets.
            """,
        options: targets + [
            OptionSpec("--topic", "--topics", value: "TOPIC[:N,…]", "Partitions to move, instead of arguments. May be repeated."),
            OptionSpec("--all-topics", "All that the group has committed, which is the default."),
            OptionSpec("--execute", "Do it."), OptionSpec("--dry-run", "Only show, which is the default."),
            OptionSpec("--fence", "Of a group with members: pause it, move the offsets, let it go on."),
            OptionSpec("--wait", value: "TIME", "How long --fence waits for the members. Default: 2m."),
            OptionSpec("--export", "Print topic,partition,offset lines, for --from-file."),
            CommandSpec.outputOption, CommandSpec.headersOption,
        ],
        examples: [
            ("martlet group reset readers --to-earliest", "show what would change"),
            ("martlet group reset readers logs --to -2h --execute", "two hours back, in one topic"),
            ("martlet group reset readers --shift-by -100 --execute", "a hundred records back"),
            ("martlet group reset readers --to-earliest --execute --fence", "while its members run"),
            ("martlet group reset copies logs --to-group readers --execute", "where another group is"),
        ],
        run: run)

    private static let targets = [
        OptionSpec("--to", value: "PLACE", "start, end, an offset, or a time such as -2h or 2026-11-21."),
        OptionSpec("--to-earliest", "The first offset."), OptionSpec("--to-latest", "The end."),
        OptionSpec("--to-current", "Where the group is."),
        OptionSpec("--to-offset", value: "N", "An offset."),
        OptionSpec("--to-datetime", value: "TIME", "The first record of a time or later."),
        OptionSpec("--by-duration", value: "TIME", "As long ago: 2h, or PT2H as Kafka writes it."),
        OptionSpec("--shift-by", value: "N", "N records on, or back if below zero."),
        OptionSpec("--from-file", "--to-file", value: "FILE", "Lines of topic, partition, offset, parted by commas or spaces."),
        OptionSpec("--to-group", value: "GROUP", "Where another group is."),
    ]

    private enum Target {
        case place(OffsetPlace)
        case offset(Int64)
        case shift(Int64)
        case current
        case table([TopicPartition: Offset])
        case group(String)
    }

    /// One partition that is moved.
    private struct Move {
        var partition: TopicPartition
        var from: Offset?
        var to: Offset
    }

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        let group = try arguments.required(0, "GROUP")
        let target = try target(arguments)
        let scope = try TopicScope(Array(arguments.positional.dropFirst()) + arguments.all("--topic"))
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        let link = session.link(to: group)
        let isDone = arguments.has("--execute") && !arguments.has("--dry-run")
        func move() throws -> [Move] {
            let found = try moves(session, link, target, scope)
            if isDone { try execute(session, link, found) }
            return found
        }
        // Members commit when they give up: where they were is known only then.
        let isFenced = isDone && arguments.has("--fence")
        let moved = isFenced ? try session.fenced(group, patience: try patience(arguments), move) : try move()
        try TextTable.print(
            arguments.has("--export") ? csv(moved)
                : json ? document(moved, isDone) : table(moved).text(withHeadings: !arguments.has("--no-headers")))
        if !isDone, !moved.isEmpty { session.say("nothing was changed; --execute changes it") }
        return 0
    }

    private static func patience(_ arguments: Arguments) throws(UsageError) -> Duration {
        guard let text = arguments.value("--wait") else { return .seconds(120) }
        guard let duration = TimeExpression.duration(text) else {
            throw UsageError(description: "--wait \(text): a time such as 30s or 5m is wanted")
        }
        return duration
    }

    // MARK: Where to

    private static func target(_ arguments: Arguments) throws -> Target {
        let given = targets.filter { option in
            option.value == nil ? arguments.has(option.names[0]) : arguments.value(option.names[0]) != nil
        }
        guard let option = given.first, given.count == 1 else {
            throw UsageError(description: given.isEmpty ? "where to? one of --to…, --shift-by, --by-duration is wanted"
                : "\(given.map { $0.names[0] }.joined(separator: " and ")): one place is wanted")
        }
        let text = arguments.value(option.names[0]) ?? ""
        switch option.names[0] {
        case "--to-earliest": return .place(.start)
        case "--to-latest": return .place(.end)
        case "--to-current": return .current
        case "--to-offset": return .offset(try number(text, "--to-offset"))
        case "--shift-by": return .shift(try number(text, "--shift-by"))
        case "--to-datetime": return .place(.time(try time(text)))
        case "--by-duration": return .place(.time(try time("-" + isoDuration(text))))
        case "--from-file": return .table(try file(text))
        case "--to-group": return .group(text)
        default: return try place(text)
        }
    }

    private static func place(_ text: String) throws -> Target {
        switch text {
        case "start", "earliest": return .place(.start)
        case "end", "latest": return .place(.end)
        default: break
        }
        // As rpk: a short number is an offset, one of ten digits or more a time.
        if let offset = Int64(text), offset >= 0, text.utf8.count < 10 { return .offset(offset) }
        return .place(.time(try time(text.hasPrefix("@") ? String(text.dropFirst()) : text)))
    }

    private static func number(_ text: String, _ option: String) throws(UsageError) -> Int64 {
        guard let number = Int64(text) else { throw UsageError(description: "\(option) \(text): a number is wanted") }
        return number
    }

    private static func time(_ text: String) throws(UsageError) -> Timestamp {
        guard let time = TimeExpression.time(text, now: SystemClock().wallClock) else {
            throw UsageError(description: "'\(text)' is no time")
        }
        return time
    }

    /// `PT2H30M` as Java writes it, or ours as it is; of ISO 8601 days, hours, minutes and seconds.
    private static func isoDuration(_ text: String) -> String {
        guard text.hasPrefix("P") else { return text }
        let units: [Character: Double] = ["D": 86_400_000, "H": 3_600_000, "M": 60_000, "S": 1000]
        var milliseconds = 0.0
        var digits = ""
        for character in text.dropFirst() {
            switch character {
            case "T": continue
            case "D", "H", "M", "S":
                milliseconds += (Double(digits) ?? 0) * (units[character] ?? 0)
                digits = ""
            default: digits.append(character)
            }
        }
        return digits.isEmpty ? "\(Int64(milliseconds))ms" : text
    }

    private static func file(_ path: String) throws -> [TopicPartition: Offset] {
        var offsets: [TopicPartition: Offset] = [:]
        for line in try lines(path) where !line.isEmpty && !line.hasPrefix("#") {
            let parts = line.split { $0 == "," || $0 == " " || $0 == "\t" }
            guard parts.count == 3, let partition = Int32(parts[1]), let offset = Int64(parts[2]), offset >= 0 else {
                throw Failure("\(path): '\(line)' is no line of topic, partition, offset", .usage)
            }
            offsets[TopicPartition(String(parts[0]), partition)] = Offset(offset)
        }
        return offsets
    }

    private static func lines(_ path: String) throws -> [Substring] {
        let file = try RealFileSystem().open(path, .read)
        let content = try file.read(at: 0, count: try file.size())
        return String(decoding: content.array, as: UTF8.self).split(whereSeparator: \.isNewline)
    }

    // MARK: What changes

    private static func committed(_ session: Session, _ link: Confined<CoordinatorLink>) throws -> [TopicPartition: Offset] {
        let found: [CommittedOffset] = try session.admin { admin, deadline, done in
            admin.fetchOffsets(link.value, partitions: nil, deadline: deadline, completion: done)
        }
        return Dictionary(found.map { ($0.partition, $0.offset) }) { first, _ in first }
    }

    private static func moves(
        _ session: Session, _ link: Confined<CoordinatorLink>, _ target: Target, _ scope: TopicScope
    ) throws -> [Move] {
        let current = try committed(session, link)
        var wanted: [TopicPartition: Offset] = [:]
        switch target {
        case .table(let table): wanted = table
        case .group(let other): wanted = try committed(session, session.link(to: other))
        default: break
        }
        if !scope.isEmpty { wanted = wanted.filter { scope.contains($0.key) } }
        let partitions: [TopicPartition] =
            switch target {
            case .table, .group: wanted.keys.sorted()
            default: scope.isEmpty ? current.keys.sorted() : try scope.partitions(session)
            }
        let found = try find(session, partitions, target)
        return try partitions.compactMap { partition in
            let bounds = found[partition] ?? [:]
            guard let start = bounds[.start], let end = bounds[.end] else {
                throw Failure("partition \(partition) is not there", .notFound)
            }
            let to: Offset
            switch target {
            case .place(let place): to = bounds[place].flatMap { $0 == .none ? nil : $0 } ?? end
            case .offset(let offset): to = Offset(offset)
            case .shift(let count): to = (current[partition] ?? start) + count
            case .current: to = current[partition] ?? end
            case .table, .group:
                guard let offset = wanted[partition] else { return nil }
                to = offset
            }
            return Move(partition: partition, from: current[partition], to: min(max(to, start), end))
        }
    }

    private static func find(
        _ session: Session, _ partitions: [TopicPartition], _ target: Target
    ) throws -> [TopicPartition: [OffsetPlace: Offset]] {
        var places: [OffsetPlace] = [.start, .end]
        if case .place(let place) = target, !places.contains(place) { places.append(place) }
        let asked = partitions.flatMap { partition in places.map { (partition, $0) } }
        guard !asked.isEmpty else { return [:] }
        let found: [FoundOffset] = try session.admin { admin, deadline, done in
            admin.listOffsets(asked, readsCommitted: false, deadline: deadline, completion: done)
        }
        var offsets: [TopicPartition: [OffsetPlace: Offset]] = [:]
        for item in found {
            if let error = item.error { throw Failure(error) }
            offsets[item.partition, default: [:]][item.place] = item.offset
        }
        return offsets
    }

    private static func execute(_ session: Session, _ link: Confined<CoordinatorLink>, _ moves: [Move]) throws {
        let offsets = moves.map { OffsetToCommit($0.partition, $0.to) }
        let outcomes: [CommittedOutcome] = try session.admin { admin, deadline, done in
            admin.commitOffsets(link.value, offsets, deadline: deadline, completion: done)
        }
        guard let refused = outcomes.first(where: { $0.code.isError }) else { return }
        if refused.code == .unknownMemberId {
            throw Failure("the group has members: they would commit their own offsets again; stop them first, or pause them for it with --fence")
        }
        throw Failure(.refused(refused.code, "\(refused.partition): \(refused.code.message)"))
    }

    // MARK: Printing

    private static func table(_ moves: [Move]) -> TextTable {
        var table = TextTable("TOPIC", "PARTITION", "CURRENT-OFFSET", "NEW-OFFSET", "CHANGE")
        table.rows = moves.map { move in
            let change = move.from.map { move.to - $0 }
            return [
                move.partition.topic, "\(move.partition.partition)", move.from.map { "\($0)" } ?? "-", "\(move.to)",
                change.map { $0 > 0 ? "+\($0)" : "\($0)" } ?? "-",
            ]
        }
        return table
    }

    private static func csv(_ moves: [Move]) -> String {
        moves.map { "\($0.partition.topic),\($0.partition.partition),\($0.to)\n" }.joined()
    }

    private static func document(_ moves: [Move], _ isDone: Bool) -> String {
        let rows = moves.map { move in
            Json.object([
                ("topic", .string(move.partition.topic)), ("partition", .int(move.partition.partition)),
                ("current", move.from.map { .int($0.rawValue) } ?? .null), ("new", .int(move.to.rawValue)),
            ])
        }
        return Json.object([("executed", .bool(isDone)), ("partitions", .array(rows))]).text + "\n"
    }
}
