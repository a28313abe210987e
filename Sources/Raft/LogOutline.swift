// What the quorum's decisions know of a log whose entries they never see: where it begins and ends, how far it is durable,
// and which epoch wrote from where on.

package import Basics

/// A snapshot by its name: everything below `end`, of which `epoch` wrote the last.
package struct SnapshotId: Hashable, Sendable {
    package var end: Offset
    package var epoch: LeaderEpoch

    package init(end: Offset, epoch: LeaderEpoch) {
        self.end = end
        self.epoch = epoch
    }
}

/// Entries that stand or fall together.
package struct EntryBatch: Hashable, Sendable {
    package var base: Offset
    package var end: Offset
    package var epoch: LeaderEpoch

    package init(base: Offset, end: Offset, epoch: LeaderEpoch) {
        self.base = base
        self.end = end
        self.epoch = epoch
    }
}

/// A log in outline.
package struct LogOutline: Hashable, Sendable {
    package private(set) var start: Offset
    package private(set) var end: Offset
    /// Everything below is durable.
    package private(set) var durableEnd: Offset
    /// The newest snapshot; with one, the log may begin behind offset 0.
    package private(set) var snapshot: SnapshotId?
    /// The epoch that wrote last below `start`.
    private var startEpoch: LeaderEpoch
    private var epochs: [EntryBatch] = []

    /// An empty log behind `snapshot`, or at 0.
    package init(behind snapshot: SnapshotId? = nil) {
        start = snapshot?.end ?? .zero
        end = start
        durableEnd = start
        startEpoch = snapshot?.epoch ?? LeaderEpoch(0)
        self.snapshot = snapshot
    }

    /// A log as it was left, all of it durable. `epochs`: where each begins, ascending. Where they are known from the snapshot on
    /// only, for what is below it is as good as gone, the log counts from there.
    package init(
        start: Offset, end: Offset, epochs: [(epoch: LeaderEpoch, start: Offset)], snapshot: SnapshotId?
    ) {
        self.init()
        let first = epochs.first?.start ?? end
        let isKnown = first <= start && first < end
        let start = isKnown ? start : max(start, min(snapshot?.end ?? start, end))
        self.start = start
        self.end = end
        durableEnd = end
        self.snapshot = snapshot
        startEpoch = snapshot.flatMap { $0.end == start ? $0.epoch : nil } ?? epochs.first?.epoch ?? LeaderEpoch(0)
        for (index, entry) in epochs.enumerated() where entry.start < end {
            let next = index + 1 < epochs.count ? epochs[index + 1].start : end
            self.epochs.append(EntryBatch(base: entry.start, end: next, epoch: entry.epoch))
        }
    }

    /// The epoch of the last entry; 0 before there is any.
    package var lastEpoch: LeaderEpoch { epochs.last?.epoch ?? startEpoch }

    package var isDurable: Bool { durableEnd == end }

    /// The epoch that wrote the entry before `offset`.
    package func epoch(before offset: Offset) -> LeaderEpoch { epochs.last { $0.base < offset }?.epoch ?? startEpoch }

    /// Whether `batches` go on where the log ends.
    func continues(with batches: [EntryBatch], upTo epoch: LeaderEpoch) -> Bool {
        var (next, last) = (end, lastEpoch)
        for batch in batches {
            guard batch.base == next, batch.end > batch.base, batch.epoch >= last, batch.epoch <= epoch else {
                return false
            }
            (next, last) = (batch.end, batch.epoch)
        }
        return true
    }

    mutating func append(_ batch: EntryBatch) {
        precondition(batch.base == end && batch.epoch >= lastEpoch, "a log has no hole and its epochs ascend")
        end = batch.end
        if let last = epochs.last, last.epoch == batch.epoch {
            epochs[epochs.count - 1].end = end
        } else {
            epochs.append(batch)
        }
    }

    mutating func persisted(upTo offset: Offset) { durableEnd = max(durableEnd, min(offset, end)) }

    mutating func truncate(to offset: Offset) {
        end = min(end, offset)
        durableEnd = min(durableEnd, end)
        epochs.removeAll { $0.base >= end }
        if !epochs.isEmpty { epochs[epochs.count - 1].end = end }
    }

    /// A snapshot was made of the log's own entries, and what is below `start` may be gone.
    mutating func snapshotted(_ id: SnapshotId, start newStart: Offset, startEpoch epoch: LeaderEpoch) {
        if id.end > snapshot?.end ?? .none { snapshot = id }
        guard newStart > start else { return }
        start = newStart
        startEpoch = epoch
        epochs.removeAll { $0.end <= newStart }
        if !epochs.isEmpty { epochs[0].base = max(epochs[0].base, newStart) }
    }

    /// The greatest epoch at or below `epoch`, and where it ends here (KIP-101). Below the first epoch nothing was written
    /// since the start.
    func end(of epoch: LeaderEpoch) -> SnapshotId {
        if let found = epochs.last(where: { $0.epoch <= epoch }) { return SnapshotId(end: found.end, epoch: found.epoch) }
        if epochs.isEmpty { return SnapshotId(end: end, epoch: min(lastEpoch, epoch)) }
        return SnapshotId(end: start, epoch: min(startEpoch, epoch))
    }

    /// How a follower's log, which ends at `offset` with an entry of `epoch`, stands to this one.
    enum Comparison: Hashable {
        case prefix
        /// The follower has to cut its log back to what it has of the epoch, at most to the offset.
        case diverges(SnapshotId)
        /// The entries that it lacks are gone.
        case needs(SnapshotId)
    }

    func compare(end offset: Offset, epoch: LeaderEpoch) -> Comparison {
        // Who has nothing is served by a snapshot sooner than by all that led to it.
        if let snapshot, offset == .zero, end > .zero { return .needs(snapshot) }
        if let snapshot, start > .zero,
            offset < start || epoch < startEpoch || (offset == start && epoch != startEpoch)
        {
            return .needs(snapshot)
        }
        // At the start there is nothing that could differ.
        if offset == start, epoch == startEpoch || start == .zero { return .prefix }
        let known = end(of: epoch)
        return known.epoch == epoch && known.end >= offset ? .prefix : .diverges(known)
    }

    /// Where a log is cut that diverges from one in which `other.epoch` ends at `other.end`.
    func cut(against other: SnapshotId) -> Offset {
        let own = end(of: other.epoch)
        return own.epoch == other.epoch ? min(own.end, other.end) : own.end
    }
}
