// Waiting between attempts: doubling with jitter, so that many clients do not come back at one time.

/// The waiting time before each further attempt.
package struct Backoff: Sendable {
    private let lowest: Duration
    private let highest: Duration
    /// Failures in a row.
    package private(set) var failures = 0

    /// From `lowest`, doubled with each failure, at most `highest`; each time is varied by a fifth (KIP-144, KIP-580).
    package init(from lowest: Duration = .milliseconds(50), to highest: Duration = .seconds(1)) {
        self.lowest = lowest
        self.highest = highest
    }

    /// Notes a failure and tells how long to wait.
    package mutating func next(_ random: inout some RandomNumberGenerator) -> Duration {
        let doubled = lowest * (1 << min(failures, 20))
        failures += 1
        let base = min(doubled, highest)
        return base * Double.random(in: 0.8...1.2, using: &random)
    }

    /// Notes a success.
    package mutating func reset() { failures = 0 }
}
