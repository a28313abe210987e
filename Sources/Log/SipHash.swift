// SipHash-2-4 with 128 bits of result: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012), and the
// authors' reference code for the longer result. With a secret key nobody can make two record keys that collide, and by
// chance 2^32 of them do so with a probability below 2^-64.

package import Bytes

/// A keyed hash of short inputs.
package struct SipHash: Sendable {
    /// 128 bits.
    package struct Digest: Hashable, Sendable {
        package var first: UInt64
        package var second: UInt64
    }

    private let key: (UInt64, UInt64)

    package init(key: (UInt64, UInt64)) { self.key = key }

    private struct State {
        var v0, v1, v2, v3: UInt64

        @inline(__always)
        mutating func rounds(_ count: Int) {
            for _ in 0..<count {
                v0 &+= v1
                v1 = (v1 << 13 | v1 >> 51) ^ v0
                v0 = v0 << 32 | v0 >> 32
                v2 &+= v3
                v3 = (v3 << 16 | v3 >> 48) ^ v2
                v0 &+= v3
                v3 = (v3 << 21 | v3 >> 43) ^ v0
                v2 &+= v1
                v1 = (v1 << 17 | v1 >> 47) ^ v2
                v2 = v2 << 32 | v2 >> 32
            }
        }

        @inline(__always)
        mutating func take(_ word: UInt64) {
            v3 ^= word
            rounds(2)
            v0 ^= word
        }

        var folded: UInt64 { v0 ^ v1 ^ v2 ^ v3 }
    }

    /// The hash of `bytes`.
    package func digest(_ bytes: ByteSlice) -> Digest {
        var state = State(
            v0: key.0 ^ 0x736f_6d65_7073_6575, v1: key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            v2: key.0 ^ 0x6c79_6765_6e65_7261, v3: key.1 ^ 0x7465_6462_7974_6573)
        let whole = bytes.count & ~7
        var position = 0
        while position < whole {
            state.take(bytes.load(UInt64.self, at: position).byteSwapped)
            position += 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for index in whole..<bytes.count {
            last |= UInt64(bytes.load(UInt8.self, at: index)) << (8 * UInt64(index - whole))
        }
        state.take(last)
        state.v2 ^= 0xee
        state.rounds(4)
        let first = state.folded
        state.v1 ^= 0xdd
        state.rounds(4)
        return Digest(first: first, second: state.folded)
    }
}
