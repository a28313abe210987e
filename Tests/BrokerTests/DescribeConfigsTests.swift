// The whole answers to DescribeConfigs against those of the real cluster, entry for entry.

import Bytes
import Testing
import WireProtocol

@Suite struct DescribeConfigsTests {
    private func recorded(_ file: String, _ version: Int16) throws -> [DescribeConfigsResponse.DescribeConfigsResult] {
        var reader = ByteReader(ByteSlice(try Golden.bytes("wire/\(file)")))
        _ = try ResponseHeader(from: &reader, version: ApiKey.describeConfigs.responseHeaderVersion(version))
        return try DescribeConfigsResponse(checking: &reader, version: version).results
    }

    private func asked(_ file: String, _ version: Int16) throws -> DescribeConfigsRequest {
        var reader = ByteReader(ByteSlice(try Golden.bytes("wire/\(file)")))
        _ = try RequestHeader(from: &reader)
        return try DescribeConfigsRequest(checking: &reader, version: version)
    }

    /// Everything of an entry but its documentation, which is ours.
    private func spelled(_ result: DescribeConfigsResponse.DescribeConfigsResult) -> [String] {
        // Our own key aside.
        result.configs.filter { !$0.name.hasSuffix("durability") }.map { entry in
            let synonyms = entry.synonyms.map { "\($0.name)=\($0.value ?? "null")@\($0.source)" }
            return "\(entry.name)=\(entry.value ?? "null") from \(entry.configSource) type \(entry.configType)"
                + "\(entry.readOnly ? " read-only" : "")\(entry.isSensitive ? " sensitive" : "") \(synonyms)"
        }.sorted()
    }

    @Test(arguments: [
        ("32-DescribeConfigs-v2-%-05.bin", 2), ("32-DescribeConfigs-v4-%-01.bin", 4), ("32-DescribeConfigs-v4-%-02.bin", 4),
        ("32-DescribeConfigs-v1-%-05.bin", 1), ("32-DescribeConfigs-v3-%-03.bin", 3), ("32-DescribeConfigs-v4-%-05.bin", 4),
        ("32-DescribeConfigs-v3-%-05.bin", 3),
    ] as [(String, Int16)])
    func `are Kafka's, entry for entry`(file: String, version: Int16) throws {
        let settings = [
            "node.id": "1", "min.insync.replicas": "1", "group.consumer.heartbeat.interval.ms": "1000",
            "group.share.heartbeat.interval.ms": "1000",
        ]
        try withBroker(settings) { broker in
            let peer = try Peer(port: broker.port)
            for name in ["c1", "kp-p"] { try peer.create(name) }
            try peer.create("csmall", ["max.message.bytes": "600"])
            let change = IncrementalAlterConfigsRequest {
                $0.resources = [
                    IncrementalAlterConfigsRequest.AlterConfigsResource {
                        $0.resourceType = 32
                        $0.resourceName = "jshare"
                        $0.configs = [
                            IncrementalAlterConfigsRequest.AlterableConfig {
                                $0.name = "share.auto.offset.reset"
                                $0.value = "earliest"
                            }
                        ]
                    }
                ]
            }
            #expect(try peer.call(change, version: 1).responses[0].errorCode == .none)
            let theirs = try recorded(file.replacing("%", with: "res"), version)
            let ours = try peer.call(try asked(file.replacing("%", with: "req"), version), version: version).results
            #expect(ours.map(\.errorCode) == theirs.map(\.errorCode))
            #expect(ours.map(\.errorMessage) == theirs.map(\.errorMessage))
            for (left, right) in zip(ours, theirs) { #expect(spelled(left) == spelled(right)) }
        }
    }
}
