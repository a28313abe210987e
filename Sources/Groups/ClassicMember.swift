// A member of a classic group: what it told when it joined, what it was given, and which of its requests wait.

internal import Basics
package import Bytes
internal import Coordination
internal import WireProtocol

/// A member of a classic group.
package struct ClassicMember: Sendable {
    package struct Named: Hashable, Sendable {
        package var name: String
        package var metadata: ByteSlice

        package static func == (left: Named, right: Named) -> Bool {
            left.name == right.name && left.metadata == right.metadata
        }

        package func hash(into hasher: inout Hasher) { hasher.combine(name) }
    }

    package var id: String
    package let instanceId: String?
    package var clientId: String
    package var clientHost: String
    package var rebalanceTimeout: Int32
    package var sessionTimeout: Int32
    /// What it knows, best first, each name once.
    package var protocols: [Named]
    package var assignment = ByteSlice.empty
    /// Its place among the members: the order of joining.
    var order: UInt64
    /// It has never been told a generation, so that it cannot send heartbeats yet.
    var isNew = false
    /// The JoinGroup that waits for the others, and its version.
    var joining: (token: ReplyToken, version: Int16)?
    /// The SyncGroup that waits for the leader's.
    var syncing: ReplyToken?

    /// A member as the log holds it.
    init(_ record: GroupMetadataValue.MemberMetadata, protocolName: String?, order: UInt64) {
        id = record.memberId
        instanceId = record.groupInstanceId
        clientId = record.clientId
        clientHost = record.clientHost
        rebalanceTimeout = record.rebalanceTimeout == -1 ? record.sessionTimeout : record.rebalanceTimeout
        sessionTimeout = record.sessionTimeout
        protocols = [Named(name: protocolName ?? "", metadata: ByteSlice(record.subscription.array))]
        assignment = ByteSlice(record.assignment.array)
        self.order = order
    }

    /// A member that joins.
    init(_ request: JoinGroupRequest, id: String, client: GroupClient, order: UInt64) {
        self.id = id
        instanceId = request.groupInstanceId
        clientId = client.id
        clientHost = client.host
        rebalanceTimeout = request.effectiveRebalanceTimeout
        sessionTimeout = request.sessionTimeoutMs
        protocols = request.namedProtocols
        self.order = order
        isNew = true
    }

    package var isStatic: Bool { instanceId != nil }

    /// Whether it waits, so that it cannot be expected to send heartbeats.
    var isWaiting: Bool { joining != nil || syncing != nil }

    /// What it told for the protocol `name`.
    package func metadata(_ name: String?) -> ByteSlice {
        protocols.first { $0.name == name }?.metadata ?? .empty
    }

    /// Its first choice among `candidates`.
    func vote(_ candidates: Set<String>) -> String? { protocols.first { candidates.contains($0.name) }?.name }

    /// As the log holds it.
    func record(_ protocolName: String?, _ assignment: ByteSlice) -> GroupMetadataValue.MemberMetadata {
        GroupMetadataValue.MemberMetadata {
            $0.memberId = id
            $0.groupInstanceId = instanceId
            $0.clientId = clientId
            $0.clientHost = clientHost
            $0.rebalanceTimeout = rebalanceTimeout
            $0.sessionTimeout = sessionTimeout
            $0.subscription = metadata(protocolName)
            $0.assignment = assignment
        }
    }
}

extension JoinGroupRequest {
    /// Before version 1 the session timeout served for both.
    var effectiveRebalanceTimeout: Int32 { rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs }

    /// The protocols, copied out of the request's bytes; of two with one name the first counts.
    var namedProtocols: [ClassicMember.Named] {
        var seen: Set<String> = []
        return protocols.filter { seen.insert($0.name).inserted }.map {
            ClassicMember.Named(name: $0.name, metadata: ByteSlice($0.metadata.array))
        }
    }

    /// Whether they are what `member` told before.
    func matches(_ member: ClassicMember) -> Bool {
        protocols.count == member.protocols.count
            && zip(protocols, member.protocols).allSatisfy { $0.name == $1.name && $0.metadata == $1.metadata }
    }
}
