// A consumer by assignment: it is told which partitions to read and from where, and hands out batches as they come.
//
// Each broker that leads some of the partitions has one fetch under way. What was handed out counts against
// `bufferBytes` until the receiver says `release`; a slow receiver so stops the fetching and not the loop. Positions
// move when batches are handed out. Owner: the client's loop. Fetching is in `Consumer+Fetching`.

package import Basics
internal import Bytes
internal import Environment

/// A consumer of one client.
package final class Consumer {
    /// What a consumer tells its owner, inside the client's loop.
    package enum Event {
        /// Batches with at least one offset that was not seen yet; `release` them after use.
        case records(FetchedRecords)
        /// The position is the end of what can be read now. Told once for each time that the end is reached.
        case end(TopicPartition, Offset)
        /// The position was changed by the policy for offsets out of range.
        case reset(TopicPartition, from: Offset, to: Offset)
        /// The partition is not read any more.
        case failed(TopicPartition, ClientError)
    }

    /// One assigned partition.
    struct Assigned {
        var position: Offset
        /// Where reading stops; nil for never.
        var stop: Offset?
        var isPaused = false
        var isUnderWay = false
        var hasToldEnd = false
        var retryAt = Instant(nanoseconds: .min)
        var failures = 0
        /// The replica that the broker asked to read from (KIP-392).
        var preferred: NodeId?
    }

    package let client: ClusterClient
    package let settings: ConsumerSettings
    package var onEvent: ((Event) -> Void)?
    /// In the order of assigning, so that fetches are the same on every run.
    var order: [TopicPartition] = []
    var assigned: [TopicPartition: Assigned] = [:]
    var fetching: Set<NodeId> = []
    var heldBytes = 0
    var isTurning = false
    var isClosed = false
    var timer: TimerToken?
    var timerInstant = Instant.distantFuture

    package init(_ client: ClusterClient, _ settings: ConsumerSettings) {
        self.client = client
        self.settings = settings
    }

    var loop: any EventLoop { client.loop }

    // MARK: Assignment

    /// Begins to read `partition` from `offset`; `stop` is the first offset that is not wanted any more.
    package func assign(_ partition: TopicPartition, from offset: Offset, stop: Offset? = nil) {
        loop.assertInside()
        if assigned[partition] == nil { order.append(partition) }
        assigned[partition] = Assigned(position: offset, stop: stop)
        scheduleTurn()
    }

    /// Reads `partition` no more.
    package func unassign(_ partition: TopicPartition) {
        guard assigned.removeValue(forKey: partition) != nil else { return }
        order.removeAll { $0 == partition }
    }

    /// Goes on at another offset.
    package func seek(_ partition: TopicPartition, to offset: Offset) {
        assigned[partition]?.position = offset
        assigned[partition]?.hasToldEnd = false
        scheduleTurn()
    }

    /// The offset of the next record of the partition; nil if it is not assigned.
    package func position(_ partition: TopicPartition) -> Offset? { assigned[partition]?.position }

    /// Stops or resumes the reading of a partition.
    package func setPaused(_ partition: TopicPartition, _ isPaused: Bool) {
        assigned[partition]?.isPaused = isPaused
        if !isPaused { scheduleTurn() }
    }

    /// Gives back the memory of batches that were handed out.
    package func release(_ records: FetchedRecords) {
        heldBytes -= records.batches.count
        scheduleTurn()
    }

    /// Stops all reading; no event follows.
    package func close() {
        isClosed = true
        onEvent = nil
        assigned = [:]
        order = []
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    func tell(_ event: Event) { onEvent?(event) }
}
