import Basics
import Bytes
import Coordination
import Foundation
import Groups
import Testing
import WireProtocol

/// Heartbeats that real clients and a real Kafka 4.4 exchanged.
@Suite struct GoldenConsumerTests {
    private static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["MARTLET_GOLDEN"] { return URL(fileURLWithPath: path) }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let beside = package.deletingLastPathComponent().appendingPathComponent("shared/golden")
        if FileManager.default.fileExists(atPath: beside.path) { return beside }
        return package.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/golden")
    }()

    private struct Exchange {
        var version: Int16
        var request: ConsumerGroupHeartbeatRequest
        var response: ConsumerGroupHeartbeatResponse
    }

    private func exchanges() throws -> [Exchange] {
        let wire = Self.folder.appendingPathComponent("wire")
        let names = try FileManager.default.contentsOfDirectory(atPath: wire.path).sorted()
        return try names.filter { $0.hasPrefix("68-") && $0.contains("-req-") }.map { name in
            let version: Int16 = name.contains("-v0-") ? 0 : 1
            func body(_ name: String, header: Int16) throws -> ByteReader {
                var reader = ByteReader(ByteSlice(Array(try Data(contentsOf: wire.appendingPathComponent(name)))))
                if header == 2 {
                    _ = try RequestHeader(checking: &reader, version: 2)
                } else {
                    _ = try ResponseHeader(checking: &reader, version: 1)
                }
                return reader
            }
            var request = try body(name, header: 2)
            var response = try body(name.replacingOccurrences(of: "-req-", with: "-res-"), header: 1)
            return Exchange(
                version: version, request: try ConsumerGroupHeartbeatRequest(checking: &request, version: version),
                response: try ConsumerGroupHeartbeatResponse(checking: &response, version: version))
        }
    }

    @Test func `a request is objected to where Kafka did, in its words`() throws {
        let exchanges = try exchanges()
        #expect(exchanges.count == 10)
        // Who may not use the group learns nothing else.
        for exchange in exchanges where exchange.response.errorCode != .groupAuthorizationFailed {
            let objection = ConsumerGroup.objection(
                to: exchange.request, version: exchange.version, GroupSettings())
            let isObjection = [.invalidRequest, .unsupportedAssignor].contains(exchange.response.errorCode)
            #expect(objection?.code == (isObjection ? exchange.response.errorCode : nil))
            if isObjection { #expect(objection?.message == exchange.response.errorMessage) }
        }
    }

    @Test func `a group that does not know the member answers as Kafka did`() throws {
        for exchange in try exchanges() where exchange.response.errorCode == .unknownMemberId {
            var group = ConsumerGroup(id: exchange.request.groupId)
            var step = GroupStep()
            let client = GroupClient(id: "c", host: "/h", version: exchange.version, newMemberId: .zero)
            let harness = ConsumerHarness()
            _ = group.heartbeat(exchange.request, client, ReplyToken(1), harness.context, &step)
            guard case .consumerGroupHeartbeat(let response)? = step.answers.first?.reply else {
                Issue.record("no answer")
                continue
            }
            #expect(response == exchange.response)
        }
    }
}
