// How far a group is behind: per partition the committed offset, the end, the lag in records and in time, who reads it,
// and, from two looks or more, how fast it goes and when it will have caught up.

import Basics
import Client
import Environment
import Reactor

/// A partition of a group at one moment.
struct LagRow {
    var partition: TopicPartition
    var committed: Offset?
    var end: Offset
    var start: Offset
    /// How old the first record is that was not read.
    var age: Duration?
    var member: DescribedMember?
    /// Records per second that were committed, and that came, since the first look.
    var readRate: Double?
    var writeRate: Double?

    /// Records that were not read; of what was deleted meanwhile nothing is left to read.
    var lag: Int64? { committed.map { max(0, end - max($0, start)) } }

    /// Time until the end is reached, if it comes nearer.
    var eta: Duration? {
        guard let lag, lag > 0 else { return lag == nil ? nil : .zero }
        guard let readRate, let writeRate, readRate > writeRate else { return nil }
        return .seconds(Double(lag) / (readRate - writeRate))
    }
}

/// A group as it stands.
struct GroupStanding {
    var group: DescribedGroup
    var rows: [LagRow]
    var isPaused = false

    var totalLag: Int64 { rows.reduce(0) { $0 + ($1.lag ?? 0) } }
}

/// Looks at a group, again and again if wanted. Owner: the main thread.
struct GroupWatch {
    private let session: Session
    private let link: Confined<CoordinatorLink>
    /// The looks of the last half minute: when, and what was committed and there.
    private var looks: [(at: Instant, offsets: [TopicPartition: (committed: Offset?, end: Offset)])] = []
    private static let window: Duration = .seconds(30)

    init(_ session: Session, _ link: Confined<CoordinatorLink>) {
        self.session = session
        self.link = link
    }

    /// The group now; of these topics alone, if any are named.
    mutating func look(topics: [String] = []) throws -> GroupStanding {
        let link = link
        let group: DescribedGroup = try session.admin { admin, deadline, done in
            admin.describeGroup(link.value, deadline: deadline, completion: done)
        }
        let committed: [CommittedOffset] = try session.admin { admin, deadline, done in
            admin.fetchOffsets(link.value, partitions: nil, deadline: deadline, completion: done)
        }
        var offsets = Dictionary(committed.map { ($0.partition, $0.offset) }) { first, _ in first }
        if !topics.isEmpty { offsets = offsets.filter { topics.contains($0.key.topic) } }
        let read = group.members.flatMap(\.assigned).filter { topics.isEmpty || topics.contains($0.topic) }
        let partitions = Set(offsets.keys).union(read).sorted()
        let ends = try find(partitions)
        var rows = partitions.compactMap { partition -> LagRow? in
            guard let (start, end) = ends[partition] else { return nil }
            return LagRow(
                partition: partition, committed: offsets[partition], end: end, start: start,
                member: group.reader(of: partition))
        }
        addAges(&rows)
        addRates(&rows)
        let isPaused = try !session.pauses(of: [group.id]).isEmpty
        return GroupStanding(group: group, rows: rows, isPaused: isPaused)
    }

    /// Start and end of each partition that is there.
    private func find(_ partitions: [TopicPartition]) throws -> [TopicPartition: (start: Offset, end: Offset)] {
        guard !partitions.isEmpty else { return [:] }
        let places = partitions.flatMap { [($0, OffsetPlace.start), ($0, OffsetPlace.end)] }
        let found: [FoundOffset] = try session.admin { admin, deadline, done in
            admin.listOffsets(places, readsCommitted: false, deadline: deadline, completion: done)
        }
        var ends: [TopicPartition: (start: Offset, end: Offset)] = [:]
        for item in found where item.error == nil {
            var known = ends[item.partition] ?? (.zero, .zero)
            if item.place == .start { known.start = item.offset } else { known.end = item.offset }
            ends[item.partition] = known
        }
        return ends
    }

    private func addAges(_ rows: inout [LagRow]) {
        let behind = rows.compactMap { row -> (partition: TopicPartition, offset: Offset)? in
            guard let committed = row.committed, let lag = row.lag, lag > 0 else { return nil }
            return (row.partition, max(committed, row.start))
        }
        let timeout = session.timeout
        let times: [TopicPartition: Timestamp] = session.call { client, done in
            Admin(client).recordTimes(behind, deadline: client.loop.now + timeout, completion: done)
        }
        let now = SystemClock().wallClock
        for index in rows.indices {
            if rows[index].lag == 0 { rows[index].age = .zero }
            guard let time = times[rows[index].partition], time.milliseconds >= 0 else { continue }
            rows[index].age = .milliseconds(max(0, now.milliseconds - time.milliseconds))
        }
    }

    private mutating func addRates(_ rows: inout [LagRow]) {
        let now = SystemClock().now
        var offsets: [TopicPartition: (committed: Offset?, end: Offset)] = [:]
        for row in rows { offsets[row.partition] = (row.committed, row.end) }
        looks.append((now, offsets))
        looks.removeAll { now - $0.at > GroupWatch.window }
        guard let first = looks.first, now > first.at else { return }
        let seconds = Double((now - first.at).wholeMilliseconds) / 1000
        guard seconds > 0 else { return }
        for index in rows.indices {
            guard let before = first.offsets[rows[index].partition] else { continue }
            rows[index].writeRate = Double(max(0, rows[index].end - before.end)) / seconds
            guard let committed = rows[index].committed, let old = before.committed else { continue }
            rows[index].readRate = Double(max(0, committed - old)) / seconds
        }
    }
}

extension Session {
    /// The way to the coordinator of a group.
    func link(to group: String) -> Confined<CoordinatorLink> {
        let loop = loop
        return call { client, done in done(Confined(CoordinatorLink(client, group: group), to: loop)) }
    }
}
