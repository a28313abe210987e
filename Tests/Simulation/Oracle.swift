// What must be true of a partition, whatever happened: held against everything that clients see.

import Basics

/// What becomes of old records of the topic.
enum Policy {
    case keepAll
    /// The oldest may go.
    case delete
    /// A record may go when a later one has its key.
    case compact

    /// The topic's settings. Small segments and dense indexes, so that a short history has many of both.
    var settings: [(String, String)] {
        let dense = [("index.interval.bytes", "100"), ("file.delete.delay.ms", "100")]
        switch self {
        case .keepAll: return dense + [("internal.segment.bytes", "1500")]
        case .delete: return dense + [("internal.segment.bytes", "500"), ("retention.bytes", "1000")]
        case .compact:
            return dense + [
                ("internal.segment.bytes", "500"), ("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.1"),
            ]
        }
    }

    /// The key that goes with a value; few, so that many records are superseded.
    func key(of value: String) -> String? {
        self == .compact ? "k\(value.utf8.reduce(0) { $0 &+ UInt32($1) } % 7)" : nil
    }
}

/// The truth about one partition.
final class Oracle {
    let topic: String
    let policy: Policy
    /// Values by offset that a producer was told of.
    private(set) var acknowledged: [Int64: String] = [:]
    /// Values by offset that a consumer saw.
    private var seen: [Int64: String] = [:]
    private(set) var violations: [String] = []
    /// The topic syncs before it acknowledges: a loss of power takes nothing that anybody was told of or read.
    let isStrict: Bool
    private let world: World

    init(_ world: World, _ policy: Policy, isStrict: Bool, topic: String = "t") {
        self.topic = topic
        self.world = world
        self.policy = policy
        self.isStrict = isStrict
    }

    func violate(_ text: String) {
        world.note("VIOLATION \(topic): \(text)")
        violations.append("\(topic): \(text)")
    }

    /// Losses of power so far: an answer on its way over one may tell of records that are lost.
    private(set) var powerCuts = 0

    /// A producer was told that `value` stands at `offset`.
    func acknowledge(_ value: String, at offset: Int64) {
        check(value, at: offset)
        acknowledged[offset] = value
    }

    /// A consumer read `value` at `offset`: one offset names one value, for all observers (I9).
    func see(_ value: String, at offset: Int64) {
        check(value, at: offset)
        seen[offset] = value
    }

    private func check(_ value: String, at offset: Int64) {
        for known in [acknowledged[offset], seen[offset]] {
            if let known, known != value { violate("offset \(offset) was \(known) and is \(value)") }
        }
    }

    /// The machine lost power: what was durable must still be there, what lay behind `end` is gone.
    func lostPower(durableBelow: Int64, end: Int64) {
        if end < durableBelow { violate("the log ended at \(end) after a power cut, and \(durableBelow) was durable") }
        if isStrict {
            for offset in Set(acknowledged.keys).union(seen.keys).sorted() where offset >= end {
                violate("offset \(offset) was synced before anybody knew of it, and is gone; the log ends at \(end)")
            }
        }
        powerCuts += 1
        acknowledged = acknowledged.filter { $0.key < end }
        seen = seen.filter { $0.key < end }
    }

    /// A whole read of the partition, from `start` to `end`, its ends: every acknowledged record is there (I1, I10), but
    /// for those that the policy lets go.
    func final(_ records: [(offset: Int64, value: String)], from start: Int64, to end: Int64) {
        var found: [Int64: String] = [:]
        var lastOfKey: [String: Int64] = [:]
        for (offset, value) in records {
            check(value, at: offset)
            found[offset] = value
            if let key = policy.key(of: value) { lastOfKey[key] = offset }
        }
        for (offset, value) in acknowledged.sorted(by: { $0.key < $1.key }) where found[offset] == nil {
            let isSuperseded = policy.key(of: value).map { lastOfKey[$0] ?? -1 > offset } ?? false
            let isExpired = policy == .delete && offset < start
            if offset < end, isSuperseded || isExpired { continue }
            violate("\(value) at \(offset) was acknowledged and is gone; the log goes from \(start) to \(end)")
        }
        guard policy != .compact else { return }
        for offset in start..<end where found[offset] == nil { violate("nothing at \(offset)") }
    }
}
