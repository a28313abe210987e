// Where the replicas of new partitions go: round robin over the racks, and over the brokers of each rack.
//
// Goals, in this order: the replicas of a partition spread evenly over racks; over brokers, also those that would lead if
// one failed; brokers that live come before fenced ones. Two rules are not goals: no two replicas on one broker, and the
// first replica, which leads, on one that lives. Each partition begins one rack further than the one before; after as
// many partitions as there are living brokers the order is shuffled, so that the same sets do not come again and again.

internal import Basics

/// The placement of the partitions of one request.
struct StripedPlacement {
    /// A broker that may be given replicas.
    struct Candidate: Hashable, Sendable {
        var id: NodeId
        var rack: String?
        var isFenced: Bool
    }

    /// Brokers that are asked in turn, each once per partition.
    private struct Ring {
        var brokers: [NodeId] = []
        private var index = 0
        private var offset = 0
        private var round = 0

        mutating func begin(at offset: Int) { self.offset = brokers.isEmpty ? 0 : offset % brokers.count }

        mutating func next(in round: Int) -> NodeId? {
            guard !brokers.isEmpty else { return nil }
            if self.round != round {
                self.round = round
                index = 0
                offset = (offset + 1) % brokers.count
            }
            guard index < brokers.count else { return nil }
            defer { index += 1 }
            return brokers[(index + offset) % brokers.count]
        }
    }

    private struct Rack {
        var name: String?
        var living = Ring()
        var fenced = Ring()

        mutating func next(in round: Int) -> NodeId? { living.next(in: round) ?? fenced.next(in: round) }
    }

    private var racks: [Rack] = []
    private var first = 0
    private var round = 0
    let count: Int
    let livingCount: Int

    /// `existing`: the replicas of the partitions that the topic has already; new ones go on where they end.
    init(_ candidates: [Candidate], existing: [[NodeId]], using random: inout some RandomNumberGenerator) {
        count = candidates.count
        livingCount = candidates.count { !$0.isFenced }
        let sorted = candidates.sorted { $0.id < $1.id }
        for name in Set(sorted.map(\.rack)).sorted(by: { ($0 ?? "") < ($1 ?? "") || ($0 == nil && $1 != nil) }) {
            var rack = Rack(name: name)
            rack.living.brokers = sorted.filter { $0.rack == name && !$0.isFenced }.map(\.id)
            rack.fenced.brokers = sorted.filter { $0.rack == name && $0.isFenced }.map(\.id)
            let last = existing.reversed().lazy.flatMap { $0 }.first { id in sorted.contains { $0.id == id && $0.rack == name } }
            let position = last.flatMap { rack.living.brokers.firstIndex(of: $0) }
            rack.living.begin(at: position.map { $0 + 1 } ?? Int.random(in: 0..<max(1, rack.living.brokers.count), using: &random))
            rack.fenced.begin(at: Int.random(in: 0..<max(1, rack.fenced.brokers.count), using: &random))
            racks.append(rack)
        }
        let lastLeader = existing.last?.first
        let lastRack = sorted.first { $0.id == lastLeader }.flatMap { found in racks.firstIndex { $0.name == found.rack } }
        first = lastRack.map { ($0 + 1) % racks.count } ?? Int.random(in: 0..<max(1, racks.count), using: &random)
    }

    /// The replicas of the next partition. The caller has seen to it that there are enough brokers, and one that lives.
    mutating func next(factor: Int, using random: inout some RandomNumberGenerator) -> [NodeId] {
        precondition(factor <= count && livingCount > 0, "more replicas than brokers")
        if round == livingCount, livingCount > 1 { shuffle(using: &random) }
        if first == racks.count { first = 0 }
        var (leader, leaderRack) = (nil as NodeId?, first)
        while leader == nil {
            leader = racks[leaderRack].living.next(in: round)
            if leader == nil { leaderRack = (leaderRack + 1) % racks.count }
        }
        var replicas = leader.map { [$0] } ?? []
        var (rack, passesLeader) = (first, true)
        while replicas.count < factor {
            // The rack of the leader has had its turn in the first round.
            if passesLeader, rack == leaderRack {
                passesLeader = false
            } else if let id = racks[rack].next(in: round) {
                replicas.append(id)
            }
            rack = (rack + 1) % racks.count
        }
        round += 1
        first += 1
        return replicas
    }

    private mutating func shuffle(using random: inout some RandomNumberGenerator) {
        racks.shuffle(using: &random)
        for index in racks.indices {
            racks[index].living.brokers.shuffle(using: &random)
            racks[index].fenced.brokers.shuffle(using: &random)
        }
        round = 0
    }
}
