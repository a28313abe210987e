// Groups and offsets that Apache Kafka left in its data folders, as our coordinator loads them.

import Basics
import Broker
import Bytes
import Foundation
import Testing
import WireProtocol

@Suite struct GoldenGroupTests {
    private struct Expected: Decodable {
        struct Group: Decodable {
            var groupId: String
            var protocolType: String
            var groupState: String
            var groupType: String
        }

        struct Offsets: Decodable {
            struct Entry: Decodable {
                var topic: String
                var partition: Int32
                var offset: Int64
                var leaderEpoch: Int32
                var metadata: String
            }

            var errorCode: Int16
            var offsets: [Entry]
        }

        var groups: [Group]
        var committedOffsets: [String: Offsets]
        var committedOffsetsRequireStable: [String: Offsets]
    }

    /// Types of groups that are served.
    private static let served = ["classic", "consumer"]

    @Test(arguments: ["clean", "crashed", "torn"])
    func `groups and offsets of a folder of Kafka are as Kafka says`(_ kind: String) throws {
        let suffix = kind == "clean" ? "" : "-" + kind
        let expected = try JSONDecoder().decode(Expected.self, from: Data(try Golden.bytes("expected-offsets\(suffix).json")))
        try withUnpacked("data-\(kind).tar.zst") { folder in
            let broker = try TestBroker(
                folder: folder,
                [
                    "node.id": "1", "log.retention.ms": "-1", "log.cleaner.enable": "false",
                    "offsets.retention.minutes": "10000000", "producer.id.expiration.ms": "2147483647",
                ])
            let peer = try Peer(port: broker.port)
            for (group, offsets) in expected.committedOffsets.sorted(by: { $0.key < $1.key }) {
                #expect(try peer.committed(group) == Self.plain(offsets), "\(group)")
            }
            for (group, offsets) in expected.committedOffsetsRequireStable.sorted(by: { $0.key < $1.key }) {
                #expect(try peer.committed(group, requireStable: true) == Self.plain(offsets), "\(group)")
            }
            let listed = try peer.call(ListGroupsRequest(), version: 5).groups
            let known = listed.filter { Self.served.contains($0.groupType) }.map {
                "\($0.groupId) \($0.protocolType) \($0.groupState) \($0.groupType)"
            }
            let wanted = expected.groups.filter { Self.served.contains($0.groupType) }.map {
                "\($0.groupId) \($0.protocolType) \($0.groupState) \($0.groupType)"
            }
            for entry in wanted { #expect(known.contains(entry), "\(entry) is missing") }
            try Self.checkPending(peer)
            if kind != "clean" { try Self.checkLivingMember(peer) }
            try broker.stop()
        }
    }

    private static func plain(_ offsets: Expected.Offsets) -> [String: String] {
        var found: [String: String] = [:]
        for entry in offsets.offsets { found["\(entry.topic)-\(entry.partition)"] = "\(entry.offset) \(entry.metadata)" }
        return found
    }

    /// An offset of a transaction that is still open: unknown, or refused to whom it must be stable.
    private static func checkPending(_ peer: Peer) throws {
        for isStable in [false, true] {
            let request = OffsetFetchRequest {
                $0.groups = [
                    OffsetFetchRequest.OffsetFetchRequestGroup {
                        $0.groupId = "g-pending"
                        $0.topics = [
                            OffsetFetchRequest.OffsetFetchRequestTopics {
                                $0.name = "three"
                                $0.partitionIndexes = [0]
                            }
                        ]
                    }
                ]
                $0.requireStable = isStable
            }
            let partition = try peer.call(request, version: 9).groups[0].topics[0].partitions[0]
            #expect(partition.committedOffset == -1)
            #expect(partition.errorCode == (isStable ? .unstableOffsetCommit : .none))
        }
    }

    /// The static member that lived when Kafka was killed goes on with its generation.
    private static func checkLivingMember(_ peer: Peer) throws {
        let group = try peer.describeGroup("g-alive")
        #expect(group.groupState == "Stable" && group.members.count == 1)
        let member = try #require(group.members.first)
        #expect(member.groupInstanceId != nil && !member.memberAssignment.isEmpty)
        let join = Peer.join("g-alive", instance: member.groupInstanceId, sessionTimeout: 300_000)
        // Another protocol than the group has.
        let refused = try peer.call(
            JoinGroupRequest {
                $0 = join
                $0.protocolType = "connect"
            }, version: 9)
        #expect(refused.errorCode == .inconsistentGroupProtocol)
    }

    private func withUnpacked(_ archive: String, _ body: (String) throws -> Void) throws {
        try withFolder { folder in
            let parent = URL(fileURLWithPath: folder).deletingLastPathComponent()
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/tar")
            process.arguments = [
                "--zstd", "-xf", Golden.folder.appendingPathComponent(archive).path, "-C", parent.path,
            ]
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw TestFailure("tar cannot read \(archive)") }
            try body(folder)
        }
    }
}
