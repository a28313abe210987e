// What must be true of a partition, whatever happened: held against everything that clients see.

import Basics

/// The truth about one partition.
final class Oracle {
    /// Values by offset that a producer was told of.
    private(set) var acknowledged: [Int64: String] = [:]
    /// Values by offset that a consumer saw.
    private var seen: [Int64: String] = [:]
    private(set) var violations: [String] = []
    /// The topic syncs before it acknowledges: a loss of power takes nothing that anybody was told of or read.
    let isStrict: Bool
    private let world: World

    init(_ world: World, isStrict: Bool) {
        self.world = world
        self.isStrict = isStrict
    }

    func violate(_ text: String) {
        world.note("VIOLATION \(text)")
        violations.append(text)
    }

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
        acknowledged = acknowledged.filter { $0.key < end }
        seen = seen.filter { $0.key < end }
    }

    /// A whole read of the partition from 0 to its end: gap-free, and with every acknowledged record (I1, I10).
    func final(_ values: [String]) {
        for (index, value) in values.enumerated() { check(value, at: Int64(index)) }
        for (offset, value) in acknowledged.sorted(by: { $0.key < $1.key }) where offset >= Int64(values.count) {
            violate("\(value) at \(offset) was acknowledged and is gone; the log ends at \(values.count)")
        }
    }
}
