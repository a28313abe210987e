// How many bytes a second pass, over the last seconds: what a replication quota is held against (KIP-73).
//
//     samples   | 4 s | 1 s | 0 s |     a sample holds the bytes of `length` from its first one on; `count` of them are kept
//
// The rate is all that is kept, over the time since the oldest sample began, or over one sample's length if that is more.

package import Basics

package struct ByteRate: Hashable, Sendable {
    private struct Sample: Hashable, Sendable {
        var start: Instant
        var bytes: Int
    }

    private let count: Int
    private let length: Duration
    private var samples: [Sample] = []

    package init(count: Int, length: Duration) {
        self.count = max(1, count)
        self.length = length
    }

    /// Counts bytes that pass now.
    package mutating func record(_ bytes: Int, at now: Instant) {
        forget(now)
        if let last = samples.last, now - last.start < length {
            samples[samples.count - 1].bytes += bytes
        } else {
            samples.append(Sample(start: now, bytes: bytes))
        }
    }

    /// Bytes a second.
    package mutating func rate(at now: Instant) -> Double {
        forget(now)
        guard let oldest = samples.first else { return 0 }
        let bytes = samples.reduce(0) { $0 + $1.bytes }
        return Double(bytes) / (max(now - oldest.start, length) / .seconds(1))
    }

    private mutating func forget(_ now: Instant) {
        let age = length * count
        samples.removeAll { now - $0.start >= age }
    }
}
