// The log of `__consumer_offsets` as the disk sees it: every write is read at once, so that the oracle knows what
// stands there before any client is told of it; and what of it is durable.
//
// While a broker starts, writes are not looked at: recovery may cut and swap files. When it serves, everything is read
// anew from the files, and held against what was known before.

import Basics
import Bytes
import Groups
import Records
import WireProtocol

/// Whom the log tells what it says.
protocol GroupLogReader: AnyObject {
    /// A record of a group was written; `view` is the group before.
    func writing(_ record: GroupRecord, _ group: String, _ view: GroupView)
    /// A batch was written.
    func wrote(_ groups: Set<String>)
}

/// Reads the log while it is written.
final class GroupLog: DiskObserver {
    struct Place: Hashable {
        var group: String
        var partition: Int32
    }

    static let prefix = "/data/__consumer_offsets-"
    private(set) var views: [String: GroupView] = [:]
    /// The highest generation or epoch that was ever written of a member.
    private(set) var epochs: [String: Int32] = [:]
    /// Commits that are durable, and behind them those that may be lost with the power.
    private var durable: [Place: Int64] = [:]
    private var unsynced: [(path: String, place: Place, offset: Int64?)] = []
    /// What must be committed at least when a broker serves again.
    private var lowest: [Place: Int64] = [:]
    weak var reader: (any GroupLogReader)?
    var isWatching = false

    subscript(group: String) -> GroupView { views[group] ?? GroupView() }

    private static func isLog(_ path: String) -> Bool { path.hasPrefix(prefix) && path.hasSuffix(".log") }

    // MARK: The disk

    func wrote(_ bytes: [UInt8], to path: String) {
        guard GroupLog.isLog(path) else { return }
        var touched: Set<String> = []
        for record in GroupLog.records(in: bytes) {
            guard let group = GroupView.groupId(of: record) else { continue }
            if case .offset(let key, let value) = record {
                unsynced.append((path, Place(group: group, partition: key.partition), value?.offset))
            }
            guard isWatching else { continue }
            touched.insert(group)
            reader?.writing(record, group, self[group])
            apply(record, to: group)
        }
        if isWatching { reader?.wrote(touched) }
    }

    func synced(_ path: String?) {
        for entry in unsynced where path == nil || entry.path == path { durable[entry.place] = entry.offset }
        unsynced.removeAll { path == nil || $0.path == path }
    }

    private func apply(_ record: GroupRecord, to group: String) {
        var view = self[group]
        if case .offset(let key, let value) = record {
            view.offsets[key.partition] = value?.offset
            view.metadata[key.partition] = value?.metadata
        } else {
            view.take(record)
        }
        views[group] = view
        for id in view.memberIds { epochs[id] = max(epochs[id] ?? -1, view.epoch(of: id) ?? -1) }
    }

    /// The records of whole and sound batches.
    private static func records(in bytes: [UInt8]) -> [GroupRecord] {
        var found: [GroupRecord] = []
        for batch in RecordBatchSequence(ByteSlice(bytes)) {
            guard batch.hasValidChecksum else { break }
            guard !batch.header.isControl, var reader = try? RecordReader(batch, expansionLimit: 1 << 20) else {
                continue
            }
            while let record = try? reader.next() {
                if let key = record.key, let group = try? GroupRecord(key: key, value: record.value) {
                    found.append(group)
                }
            }
        }
        return found
    }

    // MARK: Durability

    /// The offset that is committed for good, as far as the disk has been told; nil if there is none.
    func durableOffset(_ group: String, _ partition: Int32) -> Int64? {
        durable[Place(group: group, partition: partition)]
    }

    /// The broker is dead. With the power goes what was written since the last sync, or a part of it.
    func died(lostPower: Bool) {
        isWatching = false
        lowest = [:]
        for (group, view) in views {
            for (partition, offset) in view.offsets { lowest[Place(group: group, partition: partition)] = offset }
        }
        guard lostPower else { return }
        for entry in unsynced {
            let known = min(lowest[entry.place] ?? -1, durable[entry.place] ?? -1)
            lowest[entry.place] = min(known, entry.offset ?? -1)
        }
        unsynced = []
    }

    /// A broker serves: reads everything anew. Answers which committed offsets have gone back meanwhile.
    func reload(_ disk: VirtualDisk, lostPower: Bool) -> [String] {
        views = [:]
        for path in disk.files(in: "/data") where GroupLog.isLog(path) {
            for record in GroupLog.records(in: disk[path] ?? []) {
                if let group = GroupView.groupId(of: record) { apply(record, to: group) }
            }
        }
        isWatching = true
        var faults: [String] = []
        let places = lowest.sorted { ($0.key.group, $0.key.partition) < ($1.key.group, $1.key.partition) }
        for (place, offset) in places {
            let found = self[place.group].offsets[place.partition] ?? -1
            guard found < offset else { continue }
            faults.append("\(place.group)-\(place.partition) was at \(offset), and after a restart at \(found)")
        }
        guard lostPower else { return faults }
        // What a loss of power has left is on the disk.
        let fresh = Set(unsynced.map(\.place))
        for (group, view) in views {
            for (partition, offset) in view.offsets {
                let place = Place(group: group, partition: partition)
                if !fresh.contains(place) { durable[place] = offset }
            }
        }
        return faults
    }
}
