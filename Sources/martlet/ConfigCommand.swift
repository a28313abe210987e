// `martlet config check`: what a node would make of its configuration, without starting it.

import Basics
import Configuration
import Reactor

enum ConfigCommand {
    static let spec = CommandSpec(
        name: "config", summary: "Check the configuration of a node.", subcommands: [check], isClient: false)

    private static let check = CommandSpec(
        name: "check", summary: "Print every effective value, its origin, and how far it is supported.",
        arguments: "[server.properties]",
        details: """
            Origins: default, file, environment, flag. Support: works; pointless (there is nothing here that it could
            tune); later (not built yet, it only sizes or tunes); refused (not built yet, and to ignore it could weaken
            security or durability). Exit code 1 for a configuration that a node would refuse.
            """,
        options: BrokerCommand.configurationOptions + [
            CommandSpec.outputOption, CommandSpec.headersOption,
            OptionSpec("--changed", "Only values that are not the default."),
        ],
        examples: [
            ("martlet config check server.properties", "before a start"),
            ("martlet config check server.properties --changed -o json", "what differs from the defaults"),
        ],
        isClient: false, run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        let json = try arguments.wantsJson()
        let node: NodeConfiguration
        do {
            node = try BrokerOptions(arguments).configuration()
        } catch let problem as ConfigurationProblem {
            if json {
                let refusal = Json.object([("key", .string(problem.key)), ("reason", .string(problem.reason))])
                try TextTable.print(Json.object([("valid", .bool(false)), ("error", refusal)]).text + "\n")
            }
            throw Failure("\(problem)")
        }
        for warning in node.warnings { Talk.say("warning: \(warning)") }
        let isChangedOnly = arguments.has("--changed")
        let rows = rows(node).filter { !isChangedOnly || $0.origin != .defaultValue }
        try TextTable.print(
            json ? document(rows, node.warnings) : table(rows).text(withHeadings: !arguments.has("--no-headers")))
        return 0
    }

    private struct Row {
        var name: String
        var value: String?
        var origin: ConfigurationOrigin
        var support: String
    }

    private static func rows(_ node: NodeConfiguration) -> [Row] {
        var rows = KeyTable.broker.keys.map { key in
            let isSecret = key.kind == .password && node[key.name] != nil
            return Row(
                name: key.name, value: isSecret ? "[hidden]" : node[key.name], origin: node.origin(of: key.name),
                support: key.support.rawValue)
        }
        // Keys of families that stand in no table.
        for name in node.given.keys.sorted() where KeyTable.broker[name] == nil {
            rows.append(Row(name: name, value: node[name], origin: node.origin(of: name), support: "refused"))
        }
        return rows.sorted { $0.name < $1.name }
    }

    private static func table(_ rows: [Row]) -> TextTable {
        var table = TextTable("KEY", "VALUE", "ORIGIN", "SUPPORT")
        table.rows = rows.map { [$0.name, $0.value ?? "-", $0.origin.rawValue, $0.support] }
        return table
    }

    private static func document(_ rows: [Row], _ warnings: [String]) -> String {
        let values = rows.map { row in
            Json.object([
                ("name", .string(row.name)), ("value", .optional(row.value)), ("origin", .string(row.origin.rawValue)),
                ("support", .string(row.support)),
            ])
        }
        return Json.object([
            ("valid", .bool(true)), ("warnings", .array(warnings.map(Json.string))), ("values", .array(values)),
        ]).text + "\n"
    }
}
