// The tables of keys against what a real Kafka says of its own: DescribeConfigs answers that were recorded.

import Configuration
import Foundation
import Testing

private struct Failure: Error {
    var description: String
}

private enum Golden {
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_GOLDEN"] { return URL(fileURLWithPath: path) }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let beside = package.deletingLastPathComponent().appendingPathComponent("shared/golden")
        if FileManager.default.fileExists(atPath: beside.path) { return beside }
        return package.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/golden")
    }()

    static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    struct Synonym: Decodable {
        var name: String
        var value: String?
        var source: Int8
    }

    struct Config: Decodable {
        var name: String
        var value: String?
        var readOnly: Bool
        var configSource: Int8
        var isSensitive: Bool
        var synonyms: [Synonym]
        var configType: Int?
    }

    struct Resource: Decodable {
        var resourceType: Int
        var configs: [Config]
    }

    private struct Line: Decodable {
        struct Body: Decodable {
            var results: [Resource]
        }

        var body: Body
    }

    /// Every resource of every recorded answer to DescribeConfigs.
    static func resources() throws -> [Resource] {
        var found: [Resource] = []
        for line in try text("wire-decoded.ndjson").split(separator: "\n")
        where line.contains("\"32-DescribeConfigs-") && line.contains("-res-") {
            found += try JSONDecoder().decode(Line.self, from: Data(line.utf8)).body.results
        }
        return found
    }
}

@Suite struct GoldenKeyTests {
    private static let kinds: [ConfigurationKey.Kind: Int] = [
        .bool: 1, .string: 2, .int: 3, .long: 5, .double: 6, .list: 7, .password: 9,
    ]

    private static let brokerType = 4
    private static let tables: [Int: KeyTable] = [2: .topic, brokerType: .broker, 16: .clientMetrics, 32: .group]

    /// Ours on purpose: a broker that nobody configured listens to this machine alone.
    private static let deliberate: Set<String> = ["listeners"]

    @Test func `knows every key that Kafka describes, with its type and whether it can be changed`() throws {
        var seen: Set<String> = []
        for resource in try Golden.resources() {
            for config in resource.configs {
                let table = try #require(GoldenKeyTests.tables[resource.resourceType])
                let key = try #require(table[config.name], "\(config.name)")
                seen.insert("\(resource.resourceType) \(config.name)")
                if let type = config.configType {
                    #expect(GoldenKeyTests.kinds[key.kind] == type, "\(config.name)")
                }
                if resource.resourceType == GoldenKeyTests.brokerType {
                    #expect((key.mode == .readOnly) == config.readOnly, "\(config.name)")
                }
                #expect((key.kind == .password) == config.isSensitive, "\(config.name)")
            }
        }
        #expect(seen.count >= 66)
    }

    @Test func `has Kafka's defaults`() throws {
        let node = try NodeConfiguration([])
        let layers = TopicLayers(topic: [:], brokerDynamic: [:], clusterDynamic: [:], node: node)
        for resource in try Golden.resources() {
            for config in resource.configs where !GoldenKeyTests.deliberate.contains(config.name) {
                for synonym in config.synonyms where synonym.source == 5 {
                    let key = KeyTable.broker[synonym.name] ?? KeyTable.group[synonym.name]
                    #expect(key?.defaultValue == synonym.value, "\(synonym.name)")
                }
                guard config.configSource == 5 else { continue }
                switch resource.resourceType {
                case 2: #expect(layers[config.name] == config.value, "\(config.name)")
                case 32:
                    let value = groupSynonym(of: config.name).flatMap { KeyTable.broker[$0] }?.defaultValue
                    #expect(value ?? KeyTable.group[config.name]?.defaultValue == config.value, "\(config.name)")
                default: #expect(KeyTable.broker[config.name]?.defaultValue == config.value, "\(config.name)")
                }
            }
        }
    }

    @Test func `describes the topic keys that Kafka describes, and our own`() throws {
        let whole = try #require(try Golden.resources().first { $0.resourceType == 2 && $0.configs.count > 30 })
        let ours = Set(KeyTable.topic.keys.map(\.name).filter { !$0.hasPrefix("internal.") })
        #expect(ours == Set(whole.configs.map(\.name) + ["durability"]))
    }

    @Test func `describes the group keys that Kafka describes, and our own`() throws {
        let whole = try #require(try Golden.resources().first { $0.resourceType == 32 })
        let ours = KeyTable.group.keys.map(\.name).filter { $0.hasPrefix("martlet.") }
        #expect(Set(KeyTable.group.keys.map(\.name)) == Set(whole.configs.map(\.name) + ours) && ours.count == 1)
    }

    @Test func `reads the settings of a real node, and starts it only if told to do without what is not built`() throws {
        let values = parseProperties(try Golden.text("server.properties"))
        #expect(throws: ConfigurationProblem.self) { try NodeConfiguration(values) }
        let node = try NodeConfiguration(values, acceptsUnbuilt: true)
        #expect(node.nodeId == 1 && node.logDirectories == ["data"])
        #expect(node.brokerListeners.map(\.name) == ["PLAINTEXT"])
        #expect(node.brokerEndpoints.map(\.port) == [32600])
        #expect(node.int("transaction.max.timeout.ms") == Int(Int32.max))
        #expect(node.warnings.contains { $0.contains("SASL") })
        #expect(node.warnings.contains { $0.hasPrefix("authorizer.class.name") })
    }

    @Test func `reads the settings of nodes among several`() throws {
        let combined = try NodeConfiguration(
            parseProperties(try Golden.text("wire-node1.properties")), acceptsUnbuilt: true)
        #expect(combined.isBroker && combined.isController && combined.hasQuorumPeers)
        // Its own controller is none to ask.
        #expect(combined.quorumBootstrapServers.map(\.port) == [32214, 32314])
        let broker = try NodeConfiguration(
            parseProperties(try Golden.text("wire-node4.properties")), acceptsUnbuilt: true)
        #expect(broker.isBroker && !broker.isController && broker.quorumBootstrapServers.count == 3)
    }
}
