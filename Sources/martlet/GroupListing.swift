// How groups are printed: lists, members, and how far they are behind.

import Basics
import Client
import Reactor

enum GroupListing {
    // MARK: Lag

    static func lag(_ standing: GroupStanding, json: Bool, headings: Bool) -> String {
        json ? lagDocument(standing).text + "\n" : lagTable(standing).text(withHeadings: headings)
    }

    /// What a person is told beside the table; nil if there is nothing to tell.
    static func remark(_ standing: GroupStanding) -> String? {
        standing.isPaused ? "group \(standing.group.id): \(standing.group.state) (paused)" : nil
    }

    static func lagTable(_ standing: GroupStanding) -> TextTable {
        var table = TextTable(
            "GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "LAG-TIME", "RATE", "ETA",
            "CONSUMER-ID", "HOST", "CLIENT-ID")
        for row in standing.rows {
            var cells = [standing.group.id, row.partition.topic, "\(row.partition.partition)"]
            cells.append(row.committed.map { "\($0)" } ?? "-")
            cells.append("\(row.end)")
            cells.append(row.lag.map { "\($0)" } ?? "-")
            cells.append(row.age.map { TimeExpression.text($0) } ?? "-")
            cells.append(row.readRate.map { rate($0) } ?? "-")
            cells.append(row.eta.map { TimeExpression.text($0) } ?? "-")
            cells += [row.member?.id ?? "-", row.member?.host ?? "-", row.member?.clientId ?? "-"]
            table.rows.append(cells)
        }
        return table
    }

    static func lagDocument(_ standing: GroupStanding) -> Json {
        let rows = standing.rows.map { row in
            Json.object([
                ("topic", .string(row.partition.topic)), ("partition", .int(row.partition.partition)),
                ("committed", row.committed.map { .int($0.rawValue) } ?? .null), ("start", .int(row.start.rawValue)),
                ("end", .int(row.end.rawValue)), ("lag", row.lag.map { .int($0) } ?? .null),
                ("lag_seconds", row.age.map(seconds) ?? .null), ("read_rate", row.readRate.map { .number(rate($0)) } ?? .null),
                ("write_rate", row.writeRate.map { .number(rate($0)) } ?? .null), ("eta_seconds", row.eta.map(seconds) ?? .null),
                ("member", .optional(row.member?.id)), ("host", .optional(row.member?.host)),
                ("client", .optional(row.member?.clientId)),
            ])
        }
        return .object([
            ("group", .string(standing.group.id)), ("type", .string(standing.group.type)),
            ("state", .string(standing.group.state)), ("paused", .bool(standing.isPaused)), ("lag", .int(standing.totalLag)), ("partitions", .array(rows)),
        ])
    }

    private static func rate(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func seconds(_ duration: Duration) -> Json {
        let milliseconds = duration.wholeMilliseconds
        let rest = String(milliseconds % 1000)
        return .number("\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest)
    }

    // MARK: Lists

    static func list(_ groups: [ListedGroup], paused: Set<String>, json: Bool, headings: Bool) -> String {
        guard !json else {
            return Json.array(
                groups.map { group in
                    .object([
                        ("group", .string(group.id)), ("type", .string(group.type)),
                        ("protocol", .string(group.protocolType)), ("state", .string(group.state)),
                        ("coordinator", .int(group.coordinator.rawValue)), ("paused", .bool(paused.contains(group.id))),
                    ])
                }
            ).text + "\n"
        }
        var table = TextTable("GROUP", "TYPE", "PROTOCOL", "STATE", "COORDINATOR")
        table.rows = groups.map { group in
            [
                group.id, dash(group.type), dash(group.protocolType),
                dash(group.state) + (paused.contains(group.id) ? " (paused)" : ""), "\(group.coordinator)",
            ]
        }
        return table.text(withHeadings: headings)
    }

    static func members(
        _ group: DescribedGroup, _ history: GroupHistory, json: Bool, headings: Bool
    ) -> String {
        guard !json else { return membersDocument(group, history).text + "\n" }
        var table = TextTable(
            "GROUP", "CONSUMER-ID", "INSTANCE-ID", "HOST", "CLIENT-ID", "PROTOCOL", "EPOCH", "LAST-HEARD",
            "PARTITIONS", "ASSIGNMENT")
        table.rows = group.members.sorted { $0.id < $1.id }.map { member in
            let known = history.members[member.id]
            let silence = known?.silence.map { TimeExpression.text($0) } ?? "-"
            return [
                group.id, member.id, member.instanceId ?? "-", member.host, member.clientId,
                member.isClassic ? "classic" : "consumer", member.epoch < 0 ? "-" : "\(member.epoch)",
                silence + (known?.isStale == true ? " (stale)" : ""), "\(member.assigned.count)",
                dash(text(member.assigned)),
            ]
        }
        return table.text(withHeadings: headings)
    }

    private static func membersDocument(_ group: DescribedGroup, _ history: GroupHistory) -> Json {
        let members = group.members.sorted { $0.id < $1.id }.map { member in
            let known = history.members[member.id]
            return Json.object([
                ("member", .string(member.id)), ("instance", .optional(member.instanceId)), ("host", .string(member.host)),
                ("client", .string(member.clientId)), ("rack", .optional(member.rack)), ("classic", .bool(member.isClassic)),
                ("epoch", member.epoch < 0 ? .null : .int(member.epoch)),
                ("topics", .array(member.subscription.map(Json.string))), ("pattern", .optional(member.pattern)),
                ("assigned", .array(member.assigned.map { .string("\($0)") })),
                ("last_heard_seconds", known?.silence.map(seconds) ?? .null),
                ("stale", known.map { .bool($0.isStale) } ?? .null),
                ("target", member.target.map { .array($0.map { .string("\($0)") }) } ?? .null),
            ])
        }
        return .object([
            ("group", .string(group.id)), ("type", .string(group.type)), ("state", .string(group.state)),
            ("assignor", .string(group.assignor)), ("epoch", group.epoch < 0 ? .null : .int(group.epoch)),
            ("members", .array(members)),
        ])
    }

    /// `logs:0,1,2 users:0`.
    static func text(_ partitions: [TopicPartition]) -> String {
        var parts: [String] = []
        var topic: String?
        for partition in partitions.sorted() {
            if partition.topic == topic {
                parts[parts.count - 1] += ",\(partition.partition)"
            } else {
                parts.append("\(partition.topic):\(partition.partition)")
                topic = partition.topic
            }
        }
        return parts.joined(separator: " ")
    }

    private static func dash(_ text: String) -> String { text.isEmpty ? "-" : text }
}
