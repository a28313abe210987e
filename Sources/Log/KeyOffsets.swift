// The last offset of each key in the part of a log that is being compacted: a table of a fixed number of slots with open
// addressing, so that compaction takes a bounded amount of memory however many keys a log has.
//
//     slot:  hash of the key, 128 bits | offset + 1, 0 while the slot is empty      24 bytes
//
// Keys are told apart by their hashes alone (`SipHash` says why that is enough).

package import Basics
package import Bytes

/// Key → its last offset.
package struct KeyOffsets: Sendable {
    package static let slotSize = 24

    private let hash: SipHash
    private let slotCount: UInt64
    /// Three words for each slot.
    private var words: [UInt64]
    /// Keys that the table takes.
    package let capacity: Int
    package private(set) var count = 0

    /// A table of at most `bytes`, filled up to `loadFactor`, with room for no more than `keysMax`. Keys are hashed with
    /// the secret `seed`.
    package init(bytes: Int, loadFactor: Double, keysMax: Int, seed: (UInt64, UInt64)) {
        hash = SipHash(key: seed)
        let load = min(max(loadFactor, 0.01), 0.95)
        let needed = Double(keysMax) / load + 2
        let slots = max(2, min(bytes / KeyOffsets.slotSize, needed < 1e15 ? Int(needed) : .max))
        capacity = max(1, Int(Double(slots) * load))
        slotCount = UInt64(slots)
        words = [UInt64](repeating: 0, count: slots * 3)
    }

    /// The slot of the key, or the empty one where it belongs.
    private func slot(of digest: SipHash.Digest) -> Int {
        // The high half of the product spreads the hash evenly over the slots.
        var slot = Int(truncatingIfNeeded: digest.first.multipliedFullWidth(by: slotCount).high) * 3
        while words[slot + 2] != 0, words[slot] != digest.first || words[slot + 1] != digest.second {
            slot += 3
            if slot == words.count { slot = 0 }
        }
        return slot
    }

    /// Notes that `key` stands at `offset`, which is above all that were noted before. False: the table is full and does
    /// not know the key.
    package mutating func note(_ key: ByteSlice, at offset: Offset) -> Bool {
        let digest = hash.digest(key)
        let slot = slot(of: digest)
        if words[slot + 2] == 0 {
            guard count < capacity else { return false }
            count += 1
            words[slot] = digest.first
            words[slot + 1] = digest.second
        }
        words[slot + 2] = UInt64(offset.rawValue + 1)
        return true
    }

    /// The last offset that was noted of `key`; `Offset.none` if there is none.
    package func offset(of key: ByteSlice) -> Offset {
        Offset(Int64(words[slot(of: hash.digest(key)) + 2]) - 1)
    }
}
