// `martlet topic list` and `martlet topic describe`.

import Basics
import Client
import Reactor
import WireProtocol

enum TopicListing {
    @Sendable static func runList(_ arguments: Arguments) throws -> Int32 {
        try arguments.refuseMore(than: 0)
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        var topics: [TopicInfo] = try session.admin { admin, deadline, done in
            admin.listTopics(deadline: deadline, completion: done)
        }
        if !arguments.has("--internal") { topics.removeAll { $0.isInternal } }
        if json {
            let list = Json.array(
                topics.map { topic in
                    .object([
                        ("name", .string(topic.name)), ("id", .string(topic.id.description)),
                        ("partitions", .int(topic.partitions.count)),
                        ("replicationFactor", .int(topic.partitions.first?.replicas.count ?? 0)),
                        ("internal", .bool(topic.isInternal)),
                    ])
                })
            try TextTable.print(list.text + "\n")
            return 0
        }
        var table = TextTable("NAME", "PARTITIONS", "REPLICAS")
        table.rows = topics.map { topic in
            [topic.name, "\(topic.partitions.count)", "\(topic.partitions.first?.replicas.count ?? 0)"]
        }
        try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }

    @Sendable static func runDescribe(_ arguments: Arguments) throws -> Int32 {
        let names = try TopicCommand.names(arguments)
        let json = try arguments.wantsJson()
        let session = try Session(arguments)
        let topics: [TopicInfo] = try session.admin { admin, deadline, done in
            admin.describeTopics(names, deadline: deadline, completion: done)
        }
        if let bad = topics.first(where: { $0.error.isError }) {
            throw Failure(.refused(bad.error, "topic '\(bad.name)': \(bad.error.message)"))
        }
        let configs = topics.map { overrides(of: $0, session) }
        if json {
            try TextTable.print(Json.array(zip(topics, configs).map(document)).text + "\n")
            return 0
        }
        for (topic, config) in zip(topics, configs) {
            var head = "topic \(topic.name)  id \(topic.id)  partitions \(topic.partitions.count)\n"
            for entry in config ?? [] { head += "  \(entry.name)=\(entry.value ?? "")\n" }
            try TextTable.print(head)
            try TextTable.print(partitionTable(topic).text(withHeadings: !arguments.has("--no-headers")))
        }
        return 0
    }

    /// The entries that the topic sets itself; nil if the broker does not tell.
    private static func overrides(of topic: TopicInfo, _ session: Session) -> [ConfigEntry]? {
        let entries: [ConfigEntry]? = try? session.admin { admin, deadline, done in
            admin.describeConfigs(.topic(topic.name), deadline: deadline, completion: done)
        }
        return entries?.filter { $0.source == 1 }
    }

    private static func list(_ nodes: [NodeId]) -> String { nodes.map { "\($0)" }.joined(separator: ",") }

    private static func partitionTable(_ topic: TopicInfo) -> TextTable {
        var table = TextTable("PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "OFFLINE")
        table.rows = topic.partitions.map { partition in
            [
                "\(partition.partition)", partition.leader == .none ? "none" : "\(partition.leader)",
                "\(partition.leaderEpoch)", list(partition.replicas), list(partition.inSync),
                partition.offline.isEmpty ? "-" : list(partition.offline),
            ]
        }
        return table
    }

    private static func document(_ topic: TopicInfo, _ configs: [ConfigEntry]?) -> Json {
        func nodes(_ nodes: [NodeId]) -> Json { .array(nodes.map { .int($0.rawValue) }) }
        let partitions = topic.partitions.map { partition in
            Json.object([
                ("partition", .int(partition.partition)), ("leader", .int(partition.leader.rawValue)),
                ("leaderEpoch", .int(partition.leaderEpoch.rawValue)), ("replicas", nodes(partition.replicas)),
                ("isr", nodes(partition.inSync)), ("offline", nodes(partition.offline)),
            ])
        }
        return .object([
            ("name", .string(topic.name)), ("id", .string(topic.id.description)),
            ("internal", .bool(topic.isInternal)), ("partitions", .array(partitions)),
            ("configs", configs.map { .object($0.map { ($0.name, .optional($0.value)) }) } ?? .null),
        ])
    }
}
