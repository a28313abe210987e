import Configuration
import Testing

private func given(_ pairs: KeyValuePairs<String, String>, _ origin: ConfigurationOrigin = .file) -> [GivenValue] {
    pairs.map { GivenValue(key: $0.key, value: $0.value, origin: origin) }
}

private func layers(
    topic: [String: String] = [:], broker: [String: String] = [:], cluster: [String: String] = [:],
    _ node: KeyValuePairs<String, String> = [:]
) throws -> TopicLayers {
    TopicLayers(topic: topic, brokerDynamic: broker, clusterDynamic: cluster, node: try NodeConfiguration(given(node)))
}

@Suite struct NodeConfigurationTests {
    @Test func `a flag goes before the environment, that before the file, and that before the default`() throws {
        let file = given(["num.partitions": "2", "log.segment.bytes": "2000000", "message.max.bytes": "5"])
        let environment = parseEnvironment([("KAFKA_NUM_PARTITIONS", "3"), ("KAFKA_LOG_SEGMENT_BYTES", "3000000")])
        let flags = given(["num.partitions": "4"], .flag)
        for values in [file + environment + flags, flags + environment + file] {
            let node = try NodeConfiguration(values)
            #expect(node.int("num.partitions") == 4 && node.origin(of: "num.partitions") == .flag)
            #expect(node.int("log.segment.bytes") == 3_000_000)
            #expect(node.int("message.max.bytes") == 5 && node.origin(of: "message.max.bytes") == .file)
            #expect(node.int("default.replication.factor") == 1)
        }
    }

    @Test func `reads properties as Java does`() {
        let text = "# comment\n! other\n a = 1 \nb:2\nc=x\\\n  y\n\nd=\ne"
        let values = parseProperties(text).map { "\($0.key)=\($0.value)" }
        #expect(values == ["a=1", "b=2", "c=xy", "d=", "e="])
    }

    @Test func `any line end is one, and a backslash at the very end joins nothing`() {
        for end in ["\n", "\r\n", "\r"] {
            let values = parseProperties(["a=1", "# c", "", "b = x\\", " y", "c\t\\"].joined(separator: end))
            #expect(values.map { "\($0.key)=\($0.value)" } == ["a=1", "b=xy", "c="])
        }
    }

    @Test func `a sign that joins the letter before it hides no equals sign and no line end`() {
        let values = parseProperties("a=\u{301}b\nc \u{fe0f}=d\n\u{301}e=f").map { "\($0.key)|\($0.value)" }
        let expected = ["a|\u{301}b", "c \u{fe0f}|d", "\u{301}e|f"]
        #expect(values.map { Array($0.unicodeScalars) } == expected.map { Array($0.unicodeScalars) })
    }

    @Test func `names of variables stand for keys`() {
        let values = parseEnvironment([("KAFKA_LOG_DIRS", "/d"), ("PATH", "/bin"), ("KAFKA_NO_SUCH", "1")])
        #expect(values.map(\.key) == ["log.dirs"])
    }

    @Test func `an unknown key is refused with the known one that is meant`() {
        let problem = #expect(throws: ConfigurationProblem.self) {
            try NodeConfiguration(given(["num.partition": "1"]))
        }
        #expect(problem?.reason.hasSuffix("did you mean num.partitions?") ?? false)
        let other = #expect(throws: ConfigurationProblem.self) { try NodeConfiguration(given(["zzz": "1"])) }
        #expect(other?.reason == "is not a known key")
    }

    @Test(arguments: [
        ("num.partitions", "x"), ("num.partitions", "0"), ("auto.create.topics.enable", "yes"),
        ("log.message.timestamp.type", "Other"), ("remote.log.storage.system.enable", "true"),
        ("authorizer.class.name", "x"), ("listeners", "nonsense"), ("listeners", "PLAINTEXT://:1,PLAINTEXT://:2"),
        ("listeners", "PLAINTEXT://a:1,OTHER://b:2"), ("advertised.listeners", "PLAINTEXT://0.0.0.0:1"),
        ("process.roles", "broker"), ("controller.quorum.voters", "1@a:1,2@b:1"),
        ("controller.quorum.voters", "7@a:1"), ("listeners", "SSL://a:1"),
    ])
    func `refuses what is no value, and what would weaken the node`(key: String, value: String) {
        #expect(throws: ConfigurationProblem.self) { try NodeConfiguration(given([key: value])) }
    }

    @Test func `a key that has no effect yet is told of`() throws {
        let node = try NodeConfiguration(given(["log.local.retention.ms": "5"]))
        #expect(node.warnings == ["log.local.retention.ms has no effect yet"])
    }

    // MARK: Layers

    @Test func `a topic's own value goes before the broker's, the cluster's, the node's and the default`() throws {
        let key = "max.message.bytes"
        let file: KeyValuePairs = ["message.max.bytes": "4"]
        let cluster = ["message.max.bytes": "3"]
        let broker = ["message.max.bytes": "2"]
        #expect(try layers(topic: [key: "1"], broker: broker, cluster: cluster, file)[key] == "1")
        #expect(try layers(broker: broker, cluster: cluster, file)[key] == "2")
        #expect(try layers(cluster: cluster, file)[key] == "3")
        #expect(try layers(file)[key] == "4")
        #expect(try layers()[key] == "1048588")
        let all = try layers(topic: [key: "1"], broker: broker, cluster: cluster, file).all(key)
        #expect(all.map(\.value) == ["1", "2", "3", "4", "1048588"])
        #expect(all.map(\.source.rawValue) == [1, 2, 3, 4, 5])
    }

    @Test func `hours and minutes count where milliseconds are not given`() throws {
        #expect(try layers()["retention.ms"] == "604800000")
        #expect(try layers(["log.retention.hours": "1"])["retention.ms"] == "3600000")
        #expect(try layers(["log.retention.hours": "1", "log.retention.minutes": "2"])["retention.ms"] == "120000")
        #expect(try layers(["log.retention.minutes": "2", "log.retention.ms": "9"])["retention.ms"] == "9")
        #expect(try layers(["log.retention.hours": "-1"])["retention.ms"] == "-1")
    }

    @Test func `a number with spaces around it is that number, wherever it is taken`() throws {
        let values = ["segment.bytes": "2000000 ", "min.insync.replicas": " +2"]
        for (key, value) in values { #expect(KeyTable.topic[key]?.objection(to: value) == nil) }
        let node = try NodeConfiguration(given(["log.roll.hours": "2 ", "auto.create.topics.enable": " False "], .flag))
        let topic = TopicConfiguration(topic: values, brokerDynamic: [:], clusterDynamic: [:], node: node)
        #expect(topic.segmentBytes == 2_000_000 && topic.minimumInSync == 2)
        #expect(topic.segmentMilliseconds == 7_200_000 && !node.bool("auto.create.topics.enable"))
    }

    @Test func `the typed settings follow the layers`() throws {
        let node = try NodeConfiguration(given(["compression.type": "lz4"]))
        let settings = TopicConfiguration(
            topic: ["cleanup.policy": "compact,delete", "message.timestamp.type": "LogAppendTime"], brokerDynamic: [:],
            clusterDynamic: ["message.max.bytes": "77"], node: node)
        #expect(settings.isCompacted && settings.isDeleted && settings.usesLogAppendTime)
        #expect(settings.compression == .lz4 && settings.messageBytesMax == 77)
    }
}
