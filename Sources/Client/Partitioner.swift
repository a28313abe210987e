// Which partition a record goes to: by its key as Kafka's Java client does it, or, without a key, the same one until a
// batch is full (KIP-480), so that few records still make full batches.

package import Bytes

/// Partitions of keys.
package enum Partitioner {
    /// The partition of `key` among `count`, as `Utils.toPositive(murmur2(key)) % count` in Java. An empty key is a key.
    package static func partition(ofKey key: ByteSlice, count: Int32) -> Int32 {
        (murmur2(key) & 0x7fff_ffff) % count
    }

    /// MurmurHash2 (Appleby) with Kafka's seed, little-endian words.
    package static func murmur2(_ key: ByteSlice) -> Int32 {
        let multiplier: UInt32 = 0x5bd1_e995
        let length = key.count
        var hash: UInt32 = 0x9747_b28c ^ UInt32(truncatingIfNeeded: length)
        var position = 0
        while length - position >= 4 {
            var word = key.load(UInt32.self, at: position).byteSwapped
            word = word &* multiplier
            word ^= word >> 24
            word = word &* multiplier
            hash = hash &* multiplier ^ word
            position += 4
        }
        let rest = length - position
        if rest == 3 { hash ^= UInt32(key[position + 2]) << 16 }
        if rest >= 2 { hash ^= UInt32(key[position + 1]) << 8 }
        if rest >= 1 {
            hash ^= UInt32(key[position])
            hash = hash &* multiplier
        }
        hash ^= hash >> 13
        hash = hash &* multiplier
        hash ^= hash >> 15
        return Int32(bitPattern: hash)
    }
}

/// The partition of records without a key: one until a batch of it is closed, then another at random.
struct StickyPartition {
    private(set) var current: Int32?

    /// The present partition, or a new one out of `candidates`.
    mutating func choose(_ candidates: [Int32], _ random: inout some RandomNumberGenerator) -> Int32 {
        if let current, candidates.contains(current) { return current }
        let chosen = candidates.randomElement(using: &random) ?? 0
        current = chosen
        return chosen
    }

    /// Another partition than the present one, if there is another.
    mutating func move(_ candidates: [Int32], _ random: inout some RandomNumberGenerator) {
        let others = candidates.filter { $0 != current }
        current = others.randomElement(using: &random) ?? current
    }
}
