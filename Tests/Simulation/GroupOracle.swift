// What must be true of groups, whatever happens. The coordinator's view is what `__consumer_offsets` says (`GroupLog`),
// which every reply must rest on; what a member has is what its consumer told.
//
// 1. A member owns a partition from the moment at which its consumer begins to read it until it has told that it gave
//    it up, left or ended; and no longer than until the log says that it is fenced (`GroupView.hasFenced`): a member
//    that stands still owns nothing any more, whatever it believes. No partition has two owners, and in no state of a
//    group of the new protocol do two members have it or still give it up.
// 2. A commit or heartbeat that was stale when it was sent, by the log, is refused: members that are gone come back as
//    ghosts, whose commits are marked.
// 3. A committed offset goes back only when an operator resets it, in a group without members; it goes away only from a
//    group without members. Nobody commits what was not processed: below it each record was handed out and released.
// 4. What a member was told of its commit, of the group's or of its epoch stands in the log by then, and is durable if
//    the topic syncs; it is still there when the broker comes back.
// 5. When the faults stop, each partition gets an owner, and all that was produced is processed and committed.

import Basics
import Groups
import WireProtocol

/// Who reads: a process of a member.
protocol GroupReader: AnyObject {
    var group: String { get }
    var name: String { get }
    /// What it reads and has not given up; nothing of one that has ended.
    var held: Set<Int32> { get }
    var memberId: String { get }
    var generation: Int32 { get }
}

/// The truth about the groups of a world.
final class GroupOracle: GroupLogReader {
    /// What a ghost marks its commits with.
    static func ghost(_ memberId: String, _ generation: Int32) -> String { "ghost \(generation) \(memberId)" }

    static let reset = "reset"
    let log = GroupLog()
    /// The offsets topic syncs before it acknowledges.
    let isStrict: Bool
    /// When the broker came back last.
    var servesSince: Int64 = 0
    private(set) var violations: [String] = []
    private let world: World
    private var readers: [any GroupReader] = []
    /// Offsets that were removed at some time.
    private var removed: Set<String> = []
    /// Which records a group has processed, by partition, and how many from the first on without a gap.
    private var processed: [GroupLog.Place: (seen: [Bool], prefix: Int64)] = [:]

    init(_ world: World, isStrict: Bool) {
        self.world = world
        self.isStrict = isStrict
        log.reader = self
    }

    func violate(_ text: String) {
        world.note("VIOLATION \(text)")
        violations.append(text)
    }

    // MARK: Owners

    func add(_ reader: any GroupReader) { readers.append(reader) }
    func remove(_ reader: any GroupReader) { readers.removeAll { $0 === reader } }

    /// Who owns what in a group, by the rule of the file's head.
    func owners(of group: String) -> [Int32: any GroupReader] {
        let view = log[group]
        var owners: [Int32: any GroupReader] = [:]
        for reader in readers where reader.group == group {
            if view.hasFenced(reader.memberId, generation: reader.generation) { continue }
            for partition in reader.held.sorted() {
                if let other = owners[partition] {
                    violate("\(group)-\(partition) is owned by \(other.name) and by \(reader.name)")
                }
                owners[partition] = reader
            }
        }
        return owners
    }

    /// The same by name, in the order of the partitions.
    func ownerNames(_ group: String) -> [String] {
        owners(of: group).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.name)" }
    }

    // MARK: The log

    func writing(_ record: GroupRecord, _ group: String, _ view: GroupView) {
        guard case .offset(let key, let value) = record else { return }
        let place = "\(group)-\(key.partition)"
        guard let value else {
            removed.insert(place)
            if !view.isEmpty { violate("the offset of \(place) was removed, and the group has members") }
            return world.note("removed the offset of \(place)")
        }
        world.note("committed \(place) \(value.offset)")
        let known = view.offsets[key.partition] ?? -1
        if value.metadata.hasPrefix("ghost ") {
            let words = value.metadata.split(separator: " ", maxSplits: 2)
            // Meanwhile it may be a member again, in the same epoch.
            guard view.refusesCommit(String(words[2]), Int32(words[1]) ?? -1, key.partition) else { return }
            return violate("a stale commit of \(place) was taken")
        }
        switch value.metadata {
        case GroupOracle.reset:
            if !view.isEmpty { violate("the offset of \(place) was reset, and the group has members") }
        default:
            if value.offset < known { violate("the offset of \(place) went back from \(known) to \(value.offset)") }
        }
        let prefix = processed[GroupLog.Place(group: group, partition: key.partition)]?.prefix ?? 0
        guard value.offset > prefix else { return }
        violate("\(value.offset) was committed of \(place), and \(prefix) is not processed")
    }

    func wrote(_ groups: Set<String>) {
        for group in groups.sorted() {
            world.note("log \(log[group].summary(group))")
            _ = owners(of: group)
            if let partition = log[group].sharedPartition { violate("two members have \(group)-\(partition)") }
        }
    }

    // MARK: Members

    /// A member released records.
    func process(_ group: String, _ partition: Int32, _ offsets: Range<Int64>) {
        var (seen, prefix) = processed[GroupLog.Place(group: group, partition: partition)] ?? ([], 0)
        if seen.count < Int(offsets.upperBound) {
            seen += [Bool](repeating: false, count: Int(offsets.upperBound) - seen.count)
        }
        for offset in offsets { seen[Int(offset)] = true }
        while Int(prefix) < seen.count, seen[Int(prefix)] { prefix += 1 }
        processed[GroupLog.Place(group: group, partition: partition)] = (seen, prefix)
    }

    /// A member was told that its commit is taken.
    func told(_ reader: any GroupReader, committed partition: Int32, _ offset: Int64) {
        let known = isStrict ? log.durableOffset(reader.group, partition) : log[reader.group].offsets[partition]
        guard known ?? -1 < offset, log[reader.group].metadata[partition] != GroupOracle.reset else { return }
        // The answer of long ago reaches one who stood still; nobody was in the group since, and its offsets went.
        guard known != nil || !removed.contains("\(reader.group)-\(partition)") else { return }
        let what = isStrict ? "is durable" : "stands in the log"
        violate("\(reader.name) was told that \(reader.group)-\(partition) is at \(offset); \(known ?? -1) \(what)")
    }

    /// A member begins where it was told that the group is.
    func told(_ reader: any GroupReader, begins partition: Int32, at offset: Int64) {
        guard isStrict, log.durableOffset(reader.group, partition) ?? 0 < offset else { return }
        violate("\(reader.name) begins \(reader.group)-\(partition) at \(offset), which is not durable")
    }

    /// A member of the new protocol was told its epoch.
    func told(_ reader: any GroupReader, epoch: Int32) {
        guard epoch > 0, log.epochs[reader.memberId] ?? -1 < epoch else { return }
        violate("\(reader.name) was told of epoch \(epoch), and the log knows \(log.epochs[reader.memberId] ?? -1)")
    }

    // MARK: The end

    /// What is still to be done in a group whose partitions end at `ends`; nil if nothing is.
    func unsettled(_ group: String, _ ends: [Int32: Int64]) -> String? {
        let owners = owners(of: group)
        for (partition, end) in ends.sorted(by: { $0.key < $1.key }) {
            if owners[partition] == nil { return "\(group)-\(partition) has no owner" }
            let prefix = processed[GroupLog.Place(group: group, partition: partition)]?.prefix ?? 0
            if prefix != end { return "\(group)-\(partition) is processed up to \(prefix) of \(end)" }
            let committed = log[group].offsets[partition] ?? 0
            if committed != end { return "\(group)-\(partition) is committed up to \(committed) of \(end)" }
        }
        return nil
    }
}

extension GroupView {
    /// One line for the trace.
    func summary(_ group: String) -> String {
        let known = memberIds.sorted().map { id in
            let has = members[id].map { " \($0.assigned.keys.sorted()) gives up \($0.revoking.sorted())" } ?? ""
            return "\(id.prefix(12)):\(epoch(of: id) ?? -1)\(has)"
        }
        return "\(group) \(generation.map { "classic \($0)" } ?? "consumer") \(known.joined(separator: ", "))"
    }
}
