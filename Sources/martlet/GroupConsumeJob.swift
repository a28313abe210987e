// `martlet consume -g GROUP TOPIC…`: reads as a member of a group, and commits what was printed.
//
// An offset is committed after the line before it was written to standard output. A signal, `-n` and `-e` end the membership
// in order: what was printed is committed, and the group hears that the member is gone.

import Basics
import Client
import Environment
import Reactor
import Records

/// One run of the command with a group.
final class GroupConsumeJob {
    private enum News: Sendable {
        case records(FetchedRecords)
        case end(TopicPartition, Offset)
        case assigned([TopicPartition: Offset])
        case revoked([TopicPartition], isLost: Bool)
        case commitFailed(ClientError)
        case failed(ClientError)
        /// Nothing was assigned for a while.
        case idle
        case stop
    }

    private let settings: GroupConsumerSettings
    private let count: Int?
    private let stopsAtEnd: Bool
    private let printsJson: Bool
    private let format: RecordFormat
    private let session: Session
    private let output = Output()
    private let news = Inbox<News>()
    private var consumer: Confined<GroupConsumer>?
    private var open: Set<TopicPartition> = []
    private var hasAssignment = false
    /// How long `-e` waits for partitions while others seem to have them all.
    private static let idleMax: Duration = .seconds(5)
    private var printed = 0

    init(_ arguments: Arguments) throws {
        settings = try arguments.groupSettings()
        count = try arguments.int("-n", in: 1...Int.max)
        stopsAtEnd = arguments.has("-e")
        printsJson = try arguments.wantsJson()
        format = try RecordFormat(arguments.value("-f") ?? "%s\\n")
        for option in ["--offset", "--until", "-p"] where arguments.value(option) != nil {
            throw UsageError(description: "\(option): with a group, its committed offsets say where to begin")
        }
        session = try Session(arguments)
    }

    func run() throws -> Int32 {
        try begin()
        while true {
            for item in news.takeAll() where try take(item) {
                try output.flush()
                close()
                return 0
            }
        }
    }

    private func begin() throws {
        let (settings, news, loop) = (settings, news, session.loop)
        let made = Inbox<Confined<GroupConsumer>>()
        session.post { client in
            let consumer = GroupConsumer(client, settings)
            made.put(Confined(consumer, to: loop))
            consumer.onEvent = { event in
                switch event {
                case .records(let records): news.put(.records(records))
                case .end(let partition, let offset): news.put(.end(partition, offset))
                case .assigned(let begun):
                    news.put(.assigned(Dictionary(begun.map { ($0.partition, $0.offset) }) { first, _ in first }))
                case .revoked(let partitions, let isLost): news.put(.revoked(partitions, isLost: isLost))
                case .committed: break
                case .commitFailed(let error): news.put(.commitFailed(error))
                case .failed(let error): news.put(.failed(error))
                }
            }
            consumer.start()
        }
        consumer = made.takeAll()[0]
        try session.real.onSignal { _ in news.put(.stop) }
    }

    private func close() {
        guard let consumer else { return }
        let (loop, timeout) = (session.loop, session.timeout)
        let closed = Inbox<Bool>()
        loop.post { consumer.value.close(deadline: loop.now + timeout) { closed.put(true) } }
        _ = closed.takeAll()
    }

    /// Handles one piece of news; true when it is time to end.
    private func take(_ item: News) throws -> Bool {
        switch item {
        case .records(let records): return try take(records)
        case .end(let partition, _): open.remove(partition)
        case .assigned(let offsets):
            open.formUnion(offsets.keys)
            if offsets.isEmpty { awaitPartitions() } else { hasAssignment = true }
            let names = offsets.sorted { $0.key < $1.key }.map { "\($0.key) at \($0.value)" }
            session.say("martlet consume: assigned \(names.isEmpty ? "nothing" : names.joined(separator: ", "))")
        case .revoked(let partitions, let isLost):
            open.subtract(partitions)
            let names = partitions.map { "\($0)" }.joined(separator: ", ")
            session.say("martlet consume: \(isLost ? "lost" : "gave up") \(names)")
        case .commitFailed(let error): session.say("martlet consume: \(error)")
        case .failed(let error):
            try output.flush()
            throw Failure(error)
        case .idle: return !hasAssignment
        case .stop: return true
        }
        return stopsAtEnd && hasAssignment && open.isEmpty
    }

    private func awaitPartitions() {
        guard stopsAtEnd, !hasAssignment else { return }
        let (loop, news) = (session.loop, news)
        loop.post { _ = loop.schedule(at: loop.now + GroupConsumeJob.idleMax) { news.put(.idle) } }
    }

    private func take(_ records: FetchedRecords) throws -> Bool {
        open.insert(records.partition)
        var walk = RecordWalk(records)
        do {
            while let record = try walk.next() {
                if printsJson {
                    try RecordJson.write(record, of: records.partition, to: output)
                } else {
                    try format.write(record, of: records.partition, to: output)
                }
                printed += 1
                guard let count, printed >= count else { continue }
                try output.flush()
                seek(records.partition, behind: record.offset)
                return true
            }
        } catch let error as FetchedRecordsError {
            throw Failure("\(error)")
        }
        try output.flush()
        let consumer = consumer
        session.loop.post { consumer?.value.release(records) }
        return false
    }

    /// Of a batch that is left in the middle, what was printed counts.
    private func seek(_ partition: TopicPartition, behind offset: Offset) {
        let consumer = consumer
        session.loop.post { consumer?.value.seek(partition, to: offset + 1) }
    }
}

extension Arguments {
    /// What the options, and the properties that other consumers know, say of the membership.
    fileprivate func groupSettings() throws -> GroupConsumerSettings {
        let properties = try properties()
        let names = positional + all("-t")
        guard !names.isEmpty else { throw UsageError(description: "TOPIC is missing") }
        var settings = GroupConsumerSettings(group: value("-g") ?? "", topics: names.filter { !$0.hasPrefix("^") })
        guard !settings.group.isEmpty else { throw UsageError(description: "-g: a group has a name") }
        let named = value("--group-protocol") ?? properties["group.protocol"] ?? "classic"
        guard let chosen = GroupProtocol(rawValue: named) else {
            throw UsageError(description: "--group-protocol \(named): classic or consumer is wanted")
        }
        settings.groupProtocol = chosen
        let patterns = names.filter { $0.hasPrefix("^") }
        if !patterns.isEmpty {
            guard chosen == .consumer else {
                throw UsageError(description: "'\(patterns[0])': expressions need --group-protocol consumer")
            }
            settings.topicPattern = patterns.map { "(?:\($0))" }.joined(separator: "|")
            if patterns.count == 1 { settings.topicPattern = patterns[0] }
        }
        settings.instanceId = value("--instance-id") ?? properties["group.instance.id"]
        settings.remoteAssignor = properties["group.remote.assignor"]
        try settings.set(assignors: value("--assignor") ?? properties["partition.assignment.strategy"])
        try settings.set(reset: has("--from-beginning") || has("-e") ? "earliest" : properties["auto.offset.reset"])
        try settings.set(times: properties)
        if has("--no-commit") || properties["enable.auto.commit"] == "false" { settings.commitInterval = nil }
        settings.fetch = try consumerSettings()
        settings.fetch.outOfRange = settings.reset == .earliest ? .earliest : settings.reset == .latest ? .latest : .fail
        return settings
    }
}

extension GroupConsumerSettings {
    fileprivate mutating func set(assignors text: String?) throws(UsageError) {
        guard let text else { return }
        var chosen: [ClassicAssignor] = []
        for name in text.split(separator: ",") {
            guard let assignor = ClassicAssignor(rawValue: String(name)) else {
                let known = ClassicAssignor.allCases.map(\.rawValue).joined(separator: ", ")
                throw UsageError(description: "assignor '\(name)': one of \(known) is wanted")
            }
            chosen.append(assignor)
        }
        assignors = chosen
    }

    fileprivate mutating func set(reset text: String?) throws(UsageError) {
        guard let text else { return }
        guard let policy = OffsetReset(rawValue: text) else {
            throw UsageError(description: "auto.offset.reset '\(text)': earliest, latest or none is wanted")
        }
        reset = policy
    }

    fileprivate mutating func set(times properties: [String: String]) throws(UsageError) {
        func duration(_ name: String) throws(UsageError) -> Duration? {
            guard let text = properties[name] else { return nil }
            guard let milliseconds = Int64(text), milliseconds > 0 else {
                throw UsageError(description: "\(name) '\(text)' is no time")
            }
            return .milliseconds(milliseconds)
        }
        sessionTimeout = try duration("session.timeout.ms") ?? sessionTimeout
        heartbeatInterval = try duration("heartbeat.interval.ms") ?? heartbeatInterval
        rebalanceTimeout = try duration("max.poll.interval.ms") ?? rebalanceTimeout
        commitInterval = try duration("auto.commit.interval.ms") ?? commitInterval
        guard heartbeatInterval < sessionTimeout else {
            throw UsageError(description: "heartbeat.interval.ms must be less than session.timeout.ms")
        }
    }
}
