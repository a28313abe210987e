// When producers are held back because a disk gets full: decisions as a plain value.
//
//     free bytes   |<-- refused -->|<-- slowed down -->|<-- open
//                  0           reserve             throttle
//
// The reserve is for what must go on when producers must not: the metadata log, checkpoints, indexes, deletions.

internal import Basics

/// How low the room of a disk may get.
package struct SpaceLimits: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        case open
        /// Clients are asked to wait for so long before their next request (KIP-219).
        case throttled(Duration)
        case refused
    }

    /// Below so many free bytes producers are refused.
    package let reserve: Int
    /// Below so many they are slowed down, the more the nearer the reserve is.
    package let throttle: Int

    /// The longest wait that a client is asked for.
    package static let delayMax: Duration = .seconds(1)
    /// The most that is kept free by default.
    package static let reserveMax = 64 << 20

    /// Nobody is held back.
    package static let none = SpaceLimits(total: 0, reserve: 0, throttle: 0)

    /// Limits for a disk of `total` bytes. A reserve that is not given is the lesser of a twentieth of the disk and 64 MiB,
    /// a throttle that is not given twice the reserve.
    package init(total: Int, reserve: Int?, throttle: Int?) {
        self.reserve = max(0, reserve ?? min(total / 20, SpaceLimits.reserveMax))
        self.throttle = max(self.reserve, throttle ?? (self.reserve > Int.max / 2 ? Int.max : self.reserve * 2))
    }

    package func verdict(free: Int) -> Verdict {
        if free < reserve { return .refused }
        guard free < throttle else { return .open }
        let span = Double(throttle - reserve)
        let delay = Double(SpaceLimits.delayMax.wholeMilliseconds) * (Double(throttle - free) / span)
        return .throttled(.milliseconds(max(1, Int64(delay))))
    }
}

extension SpaceLimits.Verdict {
    /// How long a client is asked to wait.
    package var delay: Duration {
        switch self {
        case .open: .zero
        case .throttled(let delay): delay
        case .refused: SpaceLimits.delayMax
        }
    }
}
