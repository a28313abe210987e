// How a consumer by assignment reads.

internal import Basics

/// Sizes, times and policies of a consumer.
package struct ConsumerSettings: Sendable {
    /// What happens when the wanted offset is not in the log any more, or not yet.
    package enum OutOfRange: Sendable {
        /// The partition stops with an error.
        case fail
        /// Goes on with the first offset of the log when the wanted one is below it; with its end when above.
        case nearest
        case earliest
        case latest
    }

    /// Bytes of one answer, of all partitions together.
    package var fetchBytesMax = 32 << 20
    /// Bytes of one answer of each partition.
    package var partitionBytesMax = 4 << 20
    /// Fewest bytes that the broker waits for, at most `fetchWait`.
    package var fetchBytesMin = 1
    package var fetchWait = Duration.milliseconds(500)
    /// Answers that were not taken yet; beyond that nothing more is fetched.
    package var bufferBytes = 64 << 20
    /// Only records of committed transactions, or all.
    package var readsCommitted = false
    package var outOfRange = OutOfRange.fail
    package var rack = ""

    package init() {}
}
