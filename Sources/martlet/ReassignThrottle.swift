// Holding back the copies of a plan (KIP-73): the rate goes to every broker that gives or takes, the replicas to their topics.
// Set before the moves begin and taken away when they have ended; what an interrupted command left is taken away by the next one, or
// by `--clear-throttle`.

import Basics
import Client

struct ReassignThrottle {
    private static let rates = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"]
    private static let leaders = "leader.replication.throttled.replicas"
    private static let followers = "follower.replication.throttled.replicas"

    static let options = [
        OptionSpec("--throttle", value: "BYTES", "Copy no more than so many bytes a second from and to each broker, such as 10M."),
        OptionSpec("--clear-throttle", "Take away what an interrupted --throttle left, of the topics alone if any are named."),
    ]

    let bytesPerSecond: Int
    let moves: [ReplicaMove]

    /// The throttle that the options ask for; nil if they do not.
    init?(_ arguments: Arguments, _ moves: [ReplicaMove]) throws(UsageError) {
        guard let text = arguments.value("--throttle") else { return nil }
        guard let rate = ReassignThrottle.bytes(text), rate > 0 else {
            throw UsageError(description: "--throttle \(text): bytes a second such as 500000, 512K or 10M are wanted")
        }
        bytesPerSecond = rate
        self.moves = moves.filter(\.copies)
    }

    /// `10M` as a number; K, M and G are powers of 1024.
    private static func bytes(_ text: String) -> Int? {
        let shift = ["K": 10, "M": 20, "G": 30][text.suffix(1).uppercased()]
        guard let number = Int(shift == nil ? text[...] : text.dropLast()), number >= 0 else { return nil }
        let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
        return isTooMuch ? nil : bytes
    }

    // MARK: Setting

    func begin(_ session: Session) throws {
        guard !moves.isEmpty else { return }
        for (topic, moves) in byTopic {
            let changes = [
                ConfigChange(ReassignThrottle.leaders, .set, replicas(moves) { $0.from }),
                ConfigChange(ReassignThrottle.followers, .set, replicas(moves) { move in move.to.filter { !move.from.contains($0) } }),
            ]
            try ReassignThrottle.alter(session, .topic(topic), changes)
        }
        for broker in brokers {
            let changes = ReassignThrottle.rates.map { ConfigChange($0, .set, String(bytesPerSecond)) }
            try ReassignThrottle.alter(session, .broker(broker), changes)
        }
        session.say("copies are held to \(bytesPerSecond) bytes a second from and to each broker")
    }

    /// Takes away what `begin` has set.
    func end(_ session: Session) throws {
        try ReassignThrottle.clear(session, topics: byTopic.map(\.topic), brokers: brokers)
        if !moves.isEmpty { session.say("the throttle is gone") }
    }

    /// Takes throttles away, whoever set them.
    static func clear(_ session: Session, topics: [String], brokers: [NodeId]) throws {
        let lists = [leaders, followers].map { ConfigChange($0, .delete, nil) }
        for topic in topics { try alter(session, .topic(topic), lists) }
        let values = rates.map { ConfigChange($0, .delete, nil) }
        for broker in brokers { try alter(session, .broker(broker), values) }
    }

    private static func alter(_ session: Session, _ resource: ConfigResource, _ changes: [ConfigChange]) throws {
        let _: Bool = try session.admin { admin, deadline, done in
            admin.alterConfigs(resource, changes, deadline: deadline) { done($0.map { true }) }
        }
    }

    // MARK: What of

    private var byTopic: [(topic: String, moves: [ReplicaMove])] {
        Dictionary(grouping: moves, by: \.partition.topic).sorted { $0.key < $1.key }.map { (topic: $0.key, moves: $0.value) }
    }

    /// Brokers that give or take.
    private var brokers: [NodeId] { Set(moves.flatMap { $0.from + $0.to }).sorted() }

    private func replicas(_ moves: [ReplicaMove], _ nodes: (ReplicaMove) -> [NodeId]) -> String {
        moves.flatMap { move in nodes(move).map { "\(move.partition.partition):\($0)" } }.joined(separator: ",")
    }
}
