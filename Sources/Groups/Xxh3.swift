// XXH3 with 64 bits of result, seed 0 and the default secret (Y. Collet, xxHash 0.8): the hash that Kafka stores of the
// topics of a group. Only what is needed here: inputs of 8 bytes and more.

/// The XXH3 hash of at least 8 bytes.
package struct Xxh3 {
    private let input: [UInt8]

    package static func hash(_ input: [UInt8]) -> UInt64 {
        precondition(input.count >= 8, "shorter inputs have rules of their own")
        let hash = Xxh3(input: input)
        switch input.count {
        case ...8: return hash.eight()
        case ...16: return hash.upTo16()
        case ...128: return hash.upTo128()
        case ...240: return hash.upTo240()
        default: return hash.long()
        }
    }

    private static let prime32: [UInt64] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d]
    private static let prime64: [UInt64] = [
        0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63,
        0x27d4_eb2f_1656_67c5
    ]

    private static let secret: [UInt8] = [
        0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
        0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
        0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
        0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
        0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
        0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
        0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
        0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
        0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
        0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
        0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
        0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e
    ]

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in (0..<8).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
        return value
    }

    private static func key(_ offset: Int) -> UInt64 { word(secret, offset) }
    private func word(_ offset: Int) -> UInt64 { Xxh3.word(input, offset) }

    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    private static func avalanche(_ value: UInt64) -> UInt64 {
        var hash = value ^ value >> 37
        hash = hash &* 0x1656_6791_9e37_79f9
        return hash ^ hash >> 32
    }

    private func mix(_ offset: Int, _ key: Int) -> UInt64 {
        Xxh3.fold(word(offset) ^ Xxh3.key(key), word(offset + 8) ^ Xxh3.key(key + 8))
    }

    private func eight() -> UInt64 {
        let value = word(0)
        var hash = (value >> 32 | value << 32) ^ Xxh3.key(8) ^ Xxh3.key(16)
        hash ^= (hash << 49 | hash >> 15) ^ (hash << 24 | hash >> 40)
        hash = hash &* 0x9fb2_1c65_1e98_df25
        hash ^= (hash >> 35) &+ 8
        hash = hash &* 0x9fb2_1c65_1e98_df25
        return hash ^ hash >> 28
    }

    private func upTo16() -> UInt64 {
        let low = word(0) ^ Xxh3.key(24) ^ Xxh3.key(32)
        let high = word(input.count - 8) ^ Xxh3.key(40) ^ Xxh3.key(48)
        return Xxh3.avalanche(UInt64(input.count) &+ low.byteSwapped &+ high &+ Xxh3.fold(low, high))
    }

    private func upTo128() -> UInt64 {
        var sum = UInt64(input.count) &* Xxh3.prime64[0]
        for round in 0...((input.count - 1) / 32) {
            sum = sum &+ mix(16 * round, 32 * round) &+ mix(input.count - 16 * (round + 1), 32 * round + 16)
        }
        return Xxh3.avalanche(sum)
    }

    private func upTo240() -> UInt64 {
        var sum = UInt64(input.count) &* Xxh3.prime64[0]
        for round in 0..<8 { sum = sum &+ mix(16 * round, 16 * round) }
        sum = Xxh3.avalanche(sum)
        for round in 8..<(input.count / 16) { sum = sum &+ mix(16 * round, 16 * (round - 8) + 3) }
        return Xxh3.avalanche(sum &+ mix(input.count - 16, 136 - 17))
    }

    private func long() -> UInt64 {
        let (p32, p64) = (Xxh3.prime32, Xxh3.prime64)
        var sums = [p32[2], p64[0], p64[1], p64[2], p64[3], p32[1], p64[4], p32[0]]
        let blocks = (input.count - 1) / 1024
        for block in 0..<blocks {
            for stripe in 0..<16 { accumulate(&sums, 1024 * block + 64 * stripe, 8 * stripe) }
            for lane in 0..<8 {
                sums[lane] = (sums[lane] ^ sums[lane] >> 47 ^ Xxh3.key(128 + 8 * lane)) &* p32[0]
            }
        }
        for stripe in 0..<((input.count - 1 - 1024 * blocks) / 64) {
            accumulate(&sums, 1024 * blocks + 64 * stripe, 8 * stripe)
        }
        accumulate(&sums, input.count - 64, 192 - 64 - 7)
        var result = UInt64(input.count) &* p64[0]
        for pair in 0..<4 {
            let left = sums[2 * pair] ^ Xxh3.key(11 + 16 * pair)
            result = result &+ Xxh3.fold(left, sums[2 * pair + 1] ^ Xxh3.key(19 + 16 * pair))
        }
        return Xxh3.avalanche(result)
    }

    private func accumulate(_ sums: inout [UInt64], _ offset: Int, _ key: Int) {
        for lane in 0..<8 {
            let value = word(offset + 8 * lane)
            let keyed = value ^ Xxh3.key(key + 8 * lane)
            sums[lane ^ 1] = sums[lane ^ 1] &+ value
            sums[lane] = sums[lane] &+ (keyed & 0xffff_ffff) &* (keyed >> 32)
        }
    }
}
