// Contexts of the compression libraries that wait to be used again: making one costs more than compressing a batch.

internal import Synchronization

/// A bounded store of contexts, as addresses that one taker at a time owns. Any thread may call.
final class ContextStore: Sendable {
    private static let keptMax = 8

    private let free = Mutex<[UInt]>([])

    /// The address of a context, 0 if there is none: the null pointer.
    func take() -> UInt { free.withLock { $0.popLast() } ?? 0 }

    /// Keeps a context; false if there are enough, then the caller frees it.
    func keep(_ address: UInt) -> Bool {
        free.withLock { free in
            guard free.count < ContextStore.keptMax else { return false }
            free.append(address)
            return true
        }
    }
}
