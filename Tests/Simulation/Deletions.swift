// What an operator has had deleted from the front of partitions (DeleteRecords, KIP-107): how far a log may begin, at most. A
// request that got no answer may still be carried out.

import Basics
import ClusterImage

/// The greatest offsets that partitions may begin at.
final class Deletions {
    /// No request is carried out later than this.
    private static let ageMax: Int64 = 30_000_000_000

    private let world: World
    private var bounds: [TopicPartition: Int64] = [:]
    /// Requests for all that is committed, which may be carried out yet.
    private var open: [TopicPartition: Int] = [:]
    /// The end of what is known to be committed.
    var committedEnd: (TopicPartition) -> Int64 = { _ in 0 }

    init(_ world: World) { self.world = world }

    /// Records before `offset` are to be deleted; all that are committed if it is nil.
    func ask(_ partition: TopicPartition, before offset: Int64?) {
        if let offset {
            bounds[partition] = max(bounds[partition] ?? 0, offset)
            return
        }
        open[partition, default: 0] += 1
        world.after(Deletions.ageMax) { [self] in
            _ = bound(partition)
            open[partition, default: 1] -= 1
        }
    }

    /// How far the partition may begin now.
    func bound(_ partition: TopicPartition) -> Int64 {
        if open[partition] ?? 0 > 0 { bounds[partition] = max(bounds[partition] ?? 0, committedEnd(partition)) }
        return bounds[partition] ?? 0
    }
}
