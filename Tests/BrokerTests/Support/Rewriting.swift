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
    /// Records that every partition holds before a session begins.
    static let recordsBefore = 150

    /// The recorded frame as it is sent here.
    func request(_ turn: Golden.Turn, errors: Set<Int64>) throws -> [UInt8] {
        guard let key = ApiKey(rawValue: turn.apiKey) else { throw TestFailure("no such api") }
        var frame = [UInt8](turn.frame)
        for id in ids { Rewriting.replace(Rewriting.bytes(id.there), Rewriting.bytes(id.here), in: &frame) }
        switch key {
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

    /// Learns how a fetch session is called here.
    mutating func learn(_ turn: Golden.Turn, there: ByteSlice, here: ByteSlice) throws {
        guard turn.apiKey == ApiKey.fetch.rawValue else { return }
        let theirs = try fetchResponse(there, turn.version)
        let ours = try fetchResponse(here, turn.version)
        if theirs.sessionId != 0 { fetchSessions[theirs.sessionId] = ours.sessionId }
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
        while let range = data.range(of: Data(old)) { data.replaceSubrange(range, with: new) }
        frame = [UInt8](data)
    }
}
