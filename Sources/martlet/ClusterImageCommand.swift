// `martlet cluster image`: the metadata of a node as it lies in its data folder, whole.

import Basics
import Broker
import ClusterImage
import Reactor

enum ClusterImageCommand {
    static let spec = CommandSpec(
        name: "image", summary: "Print the metadata that lies in a node's data folder.", arguments: "FOLDER",
        details: """
            Reads the newest snapshot of the metadata log and the log behind it, also beside a running node: topics and where
            their replicas are, settings, brokers and controllers, features, voters, rules, credentials without their secrets,
            quotas, delegation tokens. -o json prints all, the text only how much there is. Exits with 1 if the log could not be
            read to its end.
            """,
        options: [CommandSpec.outputOption, CommandSpec.headersOption],
        examples: [
            ("martlet cluster image data", "how much of what"),
            ("martlet cluster image data -o json | jq .topics", "one part of it"),
        ],
        isClient: false, run: run)

    @Sendable private static func run(_ arguments: Arguments) throws -> Int32 {
        let folder = try arguments.required(0, "FOLDER")
        try arguments.refuseMore(than: 1)
        let found = try MetadataInspection(folder, RealFileSystem())
        if try arguments.wantsJson() {
            try TextTable.print(found.json.text + "\n")
        } else {
            var table = TextTable("WHAT", "COUNT")
            table.rows = found.counts.map { [$0.what, "\($0.count)"] }
            try TextTable.print(table.text(withHeadings: !arguments.has("--no-headers")))
        }
        if let fault = found.fault { Talk.say("martlet: the log was not read to its end: \(fault)") }
        return found.fault == nil ? 0 : 1
    }
}

extension MetadataInspection {
    fileprivate var counts: [(what: String, count: Int)] {
        let parts = image.keptParts
        return [
            ("end offset", Int(image.endOffset.rawValue)), ("topics", image.topics.count),
            ("partitions", image.topics.values.reduce(0) { $0 + $1.partitions.count }), ("brokers", image.brokers.count),
            ("controllers", image.controllers.count), ("voters", voters.count), ("features", image.features.count),
            ("configured resources", image.configurations.count), ("rules", parts.rules.count),
            ("credentials", parts.credentials.count), ("quotas", parts.quotas.count), ("tokens", parts.tokens.count),
        ]
    }
}
