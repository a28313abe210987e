// Maintenance that writes to the end of a log takes the lane, as an append does.

internal import Basics
package import Environment
package import Log
internal import Synchronization

extension Partition {
    /// Ends the active segment, if nobody writes at the moment; false if somebody does. Blocks: for the pool. Appends that
    /// come meanwhile are written on `loop` when it is done.
    package func rollIfIdle(appendingOn loop: any EventLoop) throws(StorageError) -> Bool {
        let isMine = state.withLock { state in
            guard !state.isWriting else { return false }
            state.isWriting = true
            return true
        }
        guard isMine else { return false }
        // The next in the queue is written, or the lane is idle again.
        defer { endTurn(on: loop) }
        try log.rollActive()
        return true
    }
}
