// One replica in a world of quorums: its disk, which remembers only what was synced, and the quorum that stands on it.

import Basics
import Raft

/// An entry of the log: a number, or the voters.
struct QuorumEntry: Hashable {
    var epoch: LeaderEpoch
    var value: UInt64
    var voters: VoterSet?
}

struct QuorumReplica {
    let key: ReplicaKey
    // The disk
    var base = Offset.zero
    var baseEpoch = LeaderEpoch(0)
    var entries: [QuorumEntry] = []
    /// Entries that would survive a loss of power.
    var syncedCount = 0
    var state = QuorumState()
    var snapshot: SnapshotId?
    /// The voters below `base`.
    var voters: VoterSet
    // The process
    var quorum: Quorum?
    var incarnation = 0
    var isLeading = false
    var works: [Quorum.Effect] = []
    var isSyncing = false
    /// Counts the cuts: a sync of what is gone says nothing of what came instead.
    var syncRound = 0
    var wake: Instant?

    init(key: ReplicaKey, voters: VoterSet) {
        self.key = key
        self.voters = voters
    }

    var end: Offset { base + Int64(entries.count) }

    func batch(at index: Int) -> EntryBatch {
        let offset = base + Int64(index)
        return EntryBatch(base: offset, end: offset + 1, epoch: entries[index].epoch)
    }

    func batches(from offset: Offset, count: Int) -> [Int] {
        let first = Int(offset - base)
        return first < 0 || first >= entries.count ? [] : Array(first..<min(entries.count, first + count))
    }

    private var outline: LogOutline {
        var epochs: [(epoch: LeaderEpoch, start: Offset)] = []
        for (index, entry) in entries.enumerated() where entry.epoch > epochs.last?.epoch ?? .none {
            epochs.append((epoch: entry.epoch, start: base + Int64(index)))
        }
        return LogOutline(start: base, end: end, epochs: epochs, snapshot: snapshot)
    }

    private var history: VoterHistory {
        var history = VoterHistory(voters)
        for (index, entry) in entries.enumerated() {
            if let voters = entry.voters { history.append(voters, at: base + Int64(index)) }
        }
        return history
    }

    /// The process begins with what the disk holds.
    mutating func start(_ settings: QuorumSettings, seed: UInt64) {
        syncedCount = entries.count
        incarnation += 1
        isLeading = false
        isSyncing = false
        works = []
        wake = nil
        quorum = Quorum(
            local: key, voters: history, state: state, log: outline, committed: snapshot?.end ?? .zero,
            settings: settings, seed: seed)
    }

    /// The process ends; of what was not synced, `survivors` entries are found again.
    mutating func kill(survivors: Int) {
        quorum = nil
        entries.removeLast(entries.count - min(entries.count, syncedCount + survivors))
    }

    mutating func truncate(to offset: Offset) {
        entries.removeLast(max(0, Int(end - offset)))
        syncedCount = min(syncedCount, entries.count)
        syncRound += 1
        isSyncing = false
    }

    /// Lets go of what is below `offset`, which is committed.
    mutating func makeSnapshot(at offset: Offset) {
        let count = Int(offset - base)
        guard count > 0, count <= syncedCount else { return }
        for entry in entries[..<count] { voters = entry.voters ?? voters }
        baseEpoch = entries[count - 1].epoch
        base = offset
        entries.removeFirst(count)
        syncedCount -= count
        let id = SnapshotId(end: offset, epoch: baseEpoch)
        snapshot = id
        quorum?.snapshotted(id, start: base, startEpoch: baseEpoch)
    }

    mutating func install(_ id: SnapshotId, voters: VoterSet) {
        base = id.end
        baseEpoch = id.epoch
        snapshot = id
        entries = []
        syncedCount = 0
        syncRound += 1
        isSyncing = false
        self.voters = voters
        quorum?.found(voters, at: nil)
    }
}
