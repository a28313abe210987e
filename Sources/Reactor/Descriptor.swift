// File descriptors as objects: closed once, with the last reference at the latest.

internal import CLinux
internal import Synchronization

/// An open descriptor that may be handed between threads.
///
/// Invariant: the number is ours until `close`, `release` or the end of the object, whichever comes first.
package final class Descriptor: Sendable {
    private let number: Atomic<Int32>

    package init(_ number: Int32) { self.number = Atomic(number) }

    deinit { close() }

    /// The number for a system call; -1 when closed.
    package var raw: Int32 { number.load(ordering: .relaxed) }

    /// Gives the number away; the taker closes it.
    package func release() -> Int32 { number.exchange(-1, ordering: .acquiringAndReleasing) }

    package func close() {
        let open = release()
        if open >= 0 { _ = martlet_close(open) }
    }
}
