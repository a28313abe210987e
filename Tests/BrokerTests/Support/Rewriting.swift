// Recorded requests speak of another cluster: its topic ids, its fetch sessions, its leader epochs. Before they are sent
// here, those are replaced by ours.

import Basics
import Bytes
import Foundation
import WireProtocol

/// What the recorded cluster's names and numbers are here.
struct Rewriting {
    /// Topic ids there and here.
    var ids: [(there: Uuid, here: Uuid)] = []
    private var fetchSessions: [Int32: Int32] = [:]
    /// Ids of group members, which are equally long on both sides.
    private var members: [(there: [UInt8], here: [UInt8])] = []
    /// The generation that a group has here.
    private var generations: [String: Int32] = [:]
    /// Records that every partition holds before a session begins.
    static let recordsBefore = 150

    /// The recorded frame as it is sent here.
    func request(_ turn: Golden.Turn, errors: Set<Int64>) throws -> [UInt8] {
        guard let key = ApiKey(rawValue: turn.apiKey) else { throw TestFailure("no such api") }
        var frame = [UInt8](turn.frame)
        for id in ids { Rewriting.replace(Rewriting.bytes(id.there), Rewriting.bytes(id.here), in: &frame) }
        for member in members { Rewriting.replace(member.there, member.here, in: &frame) }
        switch key {
        case .syncGroup, .heartbeat, .offsetCommit:
            let isOldGeneration = !errors.isDisjoint(with: Rewriting.generationErrors)
            return isOldGeneration ? frame : try ofMember(frame, key, turn.version)
        case .fetch: return try edit(frame, FetchRequest.self, turn.version) { adapt(&$0, errors) }
        case .listOffsets:
            return try edit(frame, ListOffsetsRequest.self, turn.version) { request in
                for t in request.topics.indices {
                    for p in request.topics[t].partitions.indices {
                        request.topics[t].partitions[p].currentLeaderEpoch = -1
                    }
                }
            }
        case .offsetForLeaderEpoch where errors.isDisjoint(with: Rewriting.epochErrors):
            return try edit(frame, OffsetForLeaderEpochRequest.self, turn.version) { request in
                for t in request.topics.indices {
                    for p in request.topics[t].partitions.indices {
                        request.topics[t].partitions[p].currentLeaderEpoch = -1
                    }
                }
            }
        case .createTopics:
            // One node holds one replica.
            return try edit(frame, CreateTopicsRequest.self, turn.version) { request in
                for t in request.topics.indices where (2...4).contains(request.topics[t].replicationFactor) {
                    request.topics[t].replicationFactor = 1
                }
            }
        case .apiVersions where turn.version >= 5:
            return try edit(frame, ApiVersionsRequest.self, turn.version) { $0.nodeId = min($0.nodeId, 1) }
        default: return frame
        }
    }

    /// ILLEGAL_GENERATION.
    private static let generationErrors: Set<Int64> = [22]

    /// A request of a member, with the generation that its group has here.
    private func ofMember(_ frame: [UInt8], _ key: ApiKey, _ version: Int16) throws -> [UInt8] {
        switch key {
        case .syncGroup:
            return try edit(frame, SyncGroupRequest.self, version) {
                $0.generationId = generations[$0.groupId] ?? $0.generationId
            }
        case .heartbeat:
            return try edit(frame, HeartbeatRequest.self, version) {
                $0.generationId = generations[$0.groupId] ?? $0.generationId
            }
        default:
            return try edit(frame, OffsetCommitRequest.self, version) {
                guard $0.generationIdOrMemberEpoch >= 0 else { return }
                $0.generationIdOrMemberEpoch = generations[$0.groupId] ?? $0.generationIdOrMemberEpoch
            }
        }
    }

    /// FENCED_LEADER_EPOCH and UNKNOWN_LEADER_EPOCH.
    private static let epochErrors: Set<Int64> = [74, 75]
    private static let outOfRange: Int64 = 1

    /// Offsets and epochs of the other cluster are made to fit, unless it answered that they do not.
    private func adapt(_ request: inout FetchRequest, _ errors: Set<Int64>) {
        request.maxWaitMs = min(request.maxWaitMs, 50)
        request.sessionId = fetchSessions[request.sessionId] ?? request.sessionId
        for t in request.topics.indices {
            for p in request.topics[t].partitions.indices {
                if errors.isDisjoint(with: Rewriting.epochErrors) {
                    request.topics[t].partitions[p].currentLeaderEpoch = -1
                }
                request.topics[t].partitions[p].lastFetchedEpoch = -1
                guard !errors.contains(Rewriting.outOfRange) else { continue }
                let offset = request.topics[t].partitions[p].fetchOffset
                request.topics[t].partitions[p].fetchOffset = min(offset, Int64(Rewriting.recordsBefore))
            }
        }
    }

    /// Learns how a fetch session or a member is called here.
    mutating func learn(_ turn: Golden.Turn, there: ByteSlice, here: ByteSlice) throws {
        if turn.apiKey == ApiKey.joinGroup.rawValue { try learnMember(turn, there, here) }
        guard turn.apiKey == ApiKey.fetch.rawValue else { return }
        let theirs = try fetchResponse(there, turn.version)
        let ours = try fetchResponse(here, turn.version)
        if theirs.sessionId != 0 { fetchSessions[theirs.sessionId] = ours.sessionId }
    }

    private mutating func learnMember(_ turn: Golden.Turn, _ there: ByteSlice, _ here: ByteSlice) throws {
        func response(_ frame: ByteSlice) throws -> JoinGroupResponse {
            var reader = ByteReader(frame)
            _ = try ResponseHeader(from: &reader, version: ApiKey.joinGroup.responseHeaderVersion(turn.version))
            return try JoinGroupResponse(checking: &reader, version: turn.version)
        }
        let (theirs, ours) = (try response(there), try response(here))
        if !theirs.memberId.isEmpty, theirs.memberId.utf8.count == ours.memberId.utf8.count {
            members.append((Array(theirs.memberId.utf8), Array(ours.memberId.utf8)))
        }
        guard ours.errorCode == .none else { return }
        var reader = ByteReader(ByteSlice([UInt8](turn.frame)))
        _ = try RequestHeader(from: &reader)
        generations[try JoinGroupRequest(checking: &reader, version: turn.version).groupId] = ours.generationId
    }

    private func fetchResponse(_ frame: ByteSlice, _ version: Int16) throws -> FetchResponse {
        var reader = ByteReader(frame)
        _ = try ResponseHeader(from: &reader, version: ApiKey.fetch.responseHeaderVersion(version))
        return try FetchResponse(checking: &reader, version: version)
    }

    private func edit<Request: RequestMessage>(
        _ frame: [UInt8], _ type: Request.Type, _ version: Int16, _ change: (inout Request) -> Void
    ) throws -> [UInt8] {
        var reader = ByteReader(ByteSlice(frame))
        let header = try RequestHeader(from: &reader)
        var request = try Request(checking: &reader, version: version)
        change(&request)
        let pieces = request.frame(version: version, correlationId: header.correlationId, clientId: header.clientId)
        let bytes = pieces.flatMap { piece in if case .bytes(let slice) = piece { slice.array } else { [UInt8]() } }
        return Array(bytes.dropFirst(4))
    }

    static func bytes(_ id: Uuid) -> [UInt8] {
        [id.high, id.low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
    }

    private static func replace(_ old: [UInt8], _ new: [UInt8], in frame: inout [UInt8]) {
        var data = Data(frame)
        guard data.range(of: Data(old)) != nil else { return }
        guard old != new else { return }
        while let range = data.range(of: Data(old)) { data.replaceSubrange(range, with: new) }
        frame = [UInt8](data)
    }
}
