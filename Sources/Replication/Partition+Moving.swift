// A replica whose log moves to another folder of its broker (KIP-113): in the lane, so that nothing is appended while a copy
// that has caught up takes the place of the log.

internal import Basics
package import Environment
package import Log
internal import Synchronization

extension Partition {
    /// Runs `body` as the lane's only user, on `pool`; `completion` inside `loop`. `body` moves the log, and answers the folder
    /// that it is in then; nil if it did not come to that.
    package func move(
        pool: any Pool, on loop: any EventLoop, _ body: @escaping @Sendable () throws(StorageError) -> FolderStanding?,
        completion: @escaping @Sendable (Result<Bool, StorageError>) -> Void
    ) {
        takeLane { _ in
            pool.run {
                let result: Result<Bool, StorageError>
                do throws(StorageError) {
                    let folder = try body()
                    if let folder { self.home.withLock { $0 = folder } }
                    result = .success(folder != nil)
                } catch {
                    result = .failure(error)
                }
                self.endTurn(on: loop)
                loop.post { completion(result) }
            }
        }
    }

    /// Makes `copy`, the log of a replica that is to take the place of this one's, go on where it is behind: cuts what departs
    /// from this log, and begins anew where this one has deleted what comes next. Answers whether the copy was changed, so that
    /// its checkpoints are to be written. Blocks: for the pool.
    package func align(_ copy: PartitionLog) throws(StorageError) -> Bool {
        let end = copy.endOffset
        if end < log.startOffset || (end > log.endOffset && copy.startOffset >= log.endOffset) {
            try copy.restart(at: log.startOffset)
            return true
        }
        let epoch = copy.epochs.epoch(at: end + -1) ?? .none
        var target = min(end, log.endOffset)
        if let diverging = divergence(of: epoch, before: end) {
            target = min(target, PartitionFollower.cut(copy.epochs, end: end, diverging: diverging))
        }
        guard target < end else { return false }
        _ = try copy.truncate(to: target)
        return true
    }
}
