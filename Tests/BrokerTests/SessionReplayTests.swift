// Whole conversations that real clients had with a real cluster, held again with this broker: every request of an API
// that is served, in order, on one connection, and the answers compared.

import Basics
import Broker
import Bytes
import Foundation
import Testing
import WireProtocol

@Suite struct SessionReplayTests {
    /// Connections among nodes are not for clients' listeners.
    private static let clients: Set<String> = ["java", "confluent-kafka", "kafka-python", "aiokafka", "kcat-librdkafka"]

    private static let settings = [
        "cluster.id": "GoldenClusterAAAAAAAAA", "broker.rack": "r1",
        "log.message.timestamp.after.max.ms": "\(Int64.max)", "offsets.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
    ]

    @Test func `real clients' conversations go as with Kafka`() throws {
        let turns = try Golden.turns()
        let topics = try KnownTopics(turns)
        var summary = Summary()
        try withBroker(SessionReplayTests.settings) { broker in
            for session in Dictionary(grouping: turns, by: \.session).sorted(by: { $0.key < $1.key }) {
                guard SessionReplayTests.clients.contains(session.value[0].peer) else {
                    summary.otherSessions += 1
                    continue
                }
                var replay = try Replay(session.value, topics, broker)
                try replay.run(&summary)
            }
        }
        #expect(summary.sessions == 30)
        print(summary.line)
        for (difference, count) in summary.differences.sorted(by: { $0.key < $1.key }) {
            print("  \(count) × \(difference)")
        }
        for unexplained in summary.unexplained { Issue.record("\(unexplained)") }
        #expect(summary.same >= 145)
    }
}

extension SessionReplayTests {
    /// Requests made by hand, each for itself: most versions that no present client speaks, and most errors.
    @Test func `single recorded exchanges go as with Kafka`() throws {
        let topics = try KnownTopics(try Golden.turns())
        var summary = Summary()
        let frames = try Golden.frames().filter { SessionReplayTests.clients.union(["crafted-client"]).contains($0.peer) }
        let answers = Dictionary(frames.filter { !$0.isRequest }.map { ($0.file, $0) }) { first, _ in first }
        try withBroker(SessionReplayTests.settings) { broker in
            for request in frames where request.isRequest {
                let name = request.file.replacing("-req-", with: "-res-")
                guard let answer = answers[name] else { continue }
                let turns = try [request, answer].map { frame in try Golden.Turn(frame) }
                var replay = try Replay(turns, topics, broker)
                try replay.run(&summary)
            }
        }
        print(summary.line)
        for (difference, count) in summary.differences.sorted(by: { $0.key < $1.key }) {
            print("  \(count) × \(difference)")
        }
        for unexplained in summary.unexplained { Issue.record("\(unexplained)") }
        #expect(summary.same >= 440)
    }
}

/// What came of it all.
private struct Summary {
    var sessions = 0
    var otherSessions = 0
    var same = 0
    var skipped: [String: Int] = [:]
    var differences: [String: Int] = [:]
    var unexplained: [String] = []

    var line: String {
        let left = skipped.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
        return "replay: \(sessions) conversations (\(otherSessions) among nodes left out), \(same) exchanges as Kafka's,"
            + " \(differences.values.reduce(0, +)) that differ with a reason, \(skipped.values.reduce(0, +)) left out:"
            + " \(left.joined(separator: ", "))"
    }
}

/// The topics of the recorded cluster: names, ids, and numbers of partitions.
private struct KnownTopics {
    var names: [Uuid: String] = [:]
    var partitions: [String: Int] = [:]
    /// What tools had changed before these conversations.
    static let settings = [
        "ck-p": ["cleanup.policy": "delete,compact"], "csmall": ["max.message.bytes": "600"],
        "cts": ["message.timestamp.after.max.ms": "3600000"], "ccomp": ["cleanup.policy": "compact"],
        "clat": ["message.timestamp.type": "LogAppendTime"],
    ]
    /// Topics that are there for who asks for all.
    static let someMax = 5

    init(_ turns: [Golden.Turn]) throws {
        for turn in turns where turn.direction == "res" && turn.apiKey == ApiKey.metadata.rawValue {
            try learn(ByteSlice([UInt8](turn.frame)), turn.version)
        }
        for frame in try Golden.frames() where !frame.isRequest && frame.key == ApiKey.metadata.rawValue {
            try learn(ByteSlice(try Golden.bytes("wire/\(frame.file)")), frame.version)
        }
    }

    private mutating func learn(_ frame: ByteSlice, _ version: Int16) throws {
        var reader = ByteReader(frame)
        _ = try ResponseHeader(from: &reader, version: ApiKey.metadata.responseHeaderVersion(version))
        for topic in try MetadataResponse(checking: &reader, version: version).topics {
            guard topic.errorCode == .none, let name = topic.name else { continue }
            if topic.topicId != .zero { names[topic.topicId] = name }
            partitions[name] = max(partitions[name] ?? 1, topic.partitions.count)
        }
    }
}

/// One conversation.
private struct Replay {
    private let turns: [Golden.Turn]
    private let topics: KnownTopics
    private let broker: TestBroker
    private var rewriting = Rewriting()
    private var peer: Peer

    init(_ turns: [Golden.Turn], _ topics: KnownTopics, _ broker: TestBroker) throws {
        self.turns = turns
        self.topics = topics
        self.broker = broker
        peer = try Peer(port: broker.port)
    }

    mutating func run(_ summary: inout Summary) throws {
        try prepare()
        summary.sessions += 1
        for turn in turns where turn.direction == "req" {
            let answer = turns.first { $0.direction == "res" && $0.exchange == turn.exchange }
            guard ProtocolSupport.served[turn.apiKey]?.contains(turn.version) ?? false else {
                summary.skipped[turn.session == 0 ? "not served" : turn.name, default: 0] += 1
                continue
            }
            guard let answer else {
                summary.skipped["without an answer", default: 0] += 1
                continue
            }
            try exchange(turn, ByteSlice([UInt8](answer.frame)), &summary)
        }
    }

    private mutating func exchange(_ turn: Golden.Turn, _ golden: ByteSlice, _ summary: inout Summary) throws {
        guard let key = ApiKey(rawValue: turn.apiKey) else { return }
        let there = try readResponse(golden, key, turn.version)
        peer.send(try rewriting.request(turn, errors: there.fields.errors))
        guard case .frame(let frame) = peer.receive() else {
            summary.unexplained.append("session \(turn.session) exchange \(turn.exchange) \(turn.name): no answer")
            peer = try Peer(port: broker.port)
            return
        }
        try rewriting.learn(turn, there: golden, here: frame)
        let here = try readResponse(frame, key, turn.version)
        #expect(here.id == turn.correlationId)
        let found = Comparison(there.fields, here.fields).differences
        if found.isEmpty { summary.same += 1 }
        let api = "\(key.requestType.messageName.dropLast("Request".count))"
        let reasons = Reason.known + (turn.session == 0 ? Reason.ofSingles : [])
        var isCounted = false
        for difference in found {
            guard let reason = reasons.first(where: { $0.covers(api, there.fields.errors, difference.path) }) else {
                summary.unexplained.append(
                    "session \(turn.session) exchange \(turn.exchange) \(turn.name) v\(turn.version)"
                        + " \(difference.path): \(difference.text)")
                continue
            }
            guard !isCounted else { continue }
            isCounted = true
            summary.differences["\(api): \(reason.why)", default: 0] += 1
        }
    }

    // MARK: Before

    /// Removes all topics, and makes those that the session takes for granted, with some records in each partition.
    private mutating func prepare() throws {
        let before = try peer.call(MetadataRequest { $0.topics = nil }, version: 9).topics.compactMap(\.name)
        if !before.isEmpty {
            _ = try peer.call(DeleteTopicsRequest { $0.topicNames = before }, version: 4)
        }
        for name in try wanted().sorted() {
            guard let count = topics.partitions[name] else { continue }
            try peer.create(name, partitions: Int32(count), KnownTopics.settings[name] ?? [:])
            // Small batches, for topics that take no others.
            for index in 0..<count {
                for _ in 0..<Rewriting.recordsBefore / 10 { try fill(name, Int32(index), records: 10) }
            }
        }
        try peer.findCoordinator("none")
        _ = try peer.describeGroup("none")
        let after = try peer.call(MetadataRequest { $0.topics = nil }, version: 12).topics
        for topic in after {
            for (id, name) in topics.names where name == topic.name { rewriting.ids.append((id, topic.topicId)) }
        }
        peer = try Peer(port: broker.port)
    }

    private func fill(_ name: String, _ index: Int32, records: Int) throws {
        let request = ProduceRequest {
            $0.acks = -1
            $0.timeoutMs = 5000
            $0.topicData = [
                ProduceRequest.TopicProduceData {
                    $0.name = name
                    $0.partitionData = [
                        ProduceRequest.PartitionProduceData {
                            $0.index = index
                            $0.records = (try? batch(count: records)).map { .bytes($0) } ?? .none
                        }
                    ]
                }
            ]
        }
        let response = try peer.call(request, version: 9)
        guard response.responses[0].partitionResponses[0].errorCode == .none else {
            throw TestFailure("cannot fill \(name)")
        }
    }

    private func errors(after turn: Golden.Turn) throws -> Set<Int64> {
        guard let answer = turns.first(where: { $0.direction == "res" && $0.exchange == turn.exchange }),
            let key = ApiKey(rawValue: turn.apiKey)
        else { return [] }
        return try readResponse(ByteSlice([UInt8](answer.frame)), key, turn.version).fields.errors
    }

    /// Topics that the requests name, without those that the session makes itself.
    private func wanted() throws -> Set<String> {
        var named: Set<String> = []
        var created: Set<String> = []
        for turn in turns where turn.direction == "req" {
            guard ProtocolSupport.served[turn.apiKey]?.contains(turn.version) ?? false else { continue }
            var reader = ByteReader(ByteSlice([UInt8](turn.frame)))
            _ = try RequestHeader(from: &reader)
            // What it failed to make because it was there, was there.
            if turn.apiKey == ApiKey.createTopics.rawValue, try !errors(after: turn).contains(36) {
                created.formUnion(try CreateTopicsRequest(checking: &reader, version: turn.version).topics.map(\.name))
                continue
            }
            if turn.apiKey == ApiKey.metadata.rawValue {
                let topics = try MetadataRequest(checking: &reader, version: turn.version).topics
                if topics == nil {
                    named.formUnion(
                        self.topics.partitions.keys.filter { !$0.hasPrefix("__") }.sorted().prefix(KnownTopics.someMax))
                }
            }
            for name in topics.partitions.keys where !name.hasPrefix("__") {
                if turn.frame.range(of: Data(name.utf8)) != nil { named.insert(name) }
            }
            for (id, name) in topics.names where turn.frame.range(of: Data(Rewriting.bytes(id))) != nil { named.insert(name) }
        }
        return named.subtracting(created)
    }
}
