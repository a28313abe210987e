// A consumer that shares topics with the other members of its group: the membership says which partitions it reads, the
// consumer by assignment reads them, and what was processed is committed.
//
// Rule: an offset is committed only when everything before it was processed, that is when its batches were released. Before
// a partition is given up, what was handed out is waited for, and then committed: so each record is delivered at least
// once, and again only after a failure. Owner: the client's loop. Offsets are in `GroupConsumer+Offsets`.

package import Basics
internal import Environment
internal import WireProtocol

/// A member of a group that reads.
package final class GroupConsumer {
    /// What a consumer tells its owner, inside the client's loop.
    package enum Event {
        /// Batches to be processed; `release` them then.
        case records(FetchedRecords)
        /// The position is the end of what can be read now.
        case end(TopicPartition, Offset)
        /// Reading begins at these offsets.
        case assigned([(partition: TopicPartition, offset: Offset)])
        /// These are not read any more; of lost ones nothing can be committed, others may read them already.
        case revoked([TopicPartition], isLost: Bool)
        case committed([TopicPartition: Offset])
        case commitFailed(ClientError)
        /// The consumer has ended.
        case failed(ClientError)
    }

    /// An assigned partition.
    struct Owned {
        /// The offset behind what was processed; nil while the first position is not known.
        var processed: Offset?
        var committed: Offset?
        /// Batches that were handed out and not released.
        var held = 0
        var isPaused = false
        /// What was handed out behind `processed`, in order; batches may be released in any order.
        private var handed: [(range: Range<Offset>, isReleased: Bool)] = []

        mutating func hand(_ records: FetchedRecords) {
            held += 1
            handed.append((records.from..<records.next, false))
        }

        /// What was handed out before a seek, or before the partition was lost, counts no more.
        mutating func release(_ records: FetchedRecords) {
            held = max(0, held - 1)
            let range = records.from..<records.next
            guard let index = handed.firstIndex(where: { $0.range == range && !$0.isReleased }) else { return }
            handed[index].isReleased = true
            let done = handed.prefix { $0.isReleased }
            if let last = done.last { processed = last.range.upperBound }
            handed.removeFirst(done.count)
        }

        /// Reading goes on elsewhere.
        mutating func move(to offset: Offset) {
            processed = offset
            handed = []
        }
    }

    /// A commit that waits for its turn, or for its answer.
    struct PendingCommit {
        var offsets: [TopicPartition: Offset]
        var member: MemberIdentity
        var deadline: Instant
        var completion: (Result<Void, ClientError>) -> Void
    }

    /// Commits that wait for their turn; beyond that they fail.
    static let commitsMax = 10_000

    package let client: ClusterClient
    package let settings: GroupConsumerSettings
    package var onEvent: ((Event) -> Void)?
    let link: CoordinatorLink
    let consumer: Consumer
    let membership: any Membership
    var owned: [TopicPartition: Owned] = [:]
    /// Partitions on their way out, and what is to be done when nothing of them is held any more.
    private var leaving: [Leaving] = []
    var commits: [PendingCommit] = []
    var isCommitting = false
    /// Assigned partitions whose reading begins when no commit is under way.
    var waitingToBegin: [[TopicPartition]] = []
    /// Counts the losses of everything: what was asked before one says nothing about what is owned after it.
    private(set) var life = 0
    private var commitTimer: TimerToken?
    private(set) var isClosed = false

    private final class Leaving {
        var partitions: Set<TopicPartition>
        var done: (() -> Void)?

        init(_ partitions: Set<TopicPartition>, _ done: @escaping () -> Void) {
            self.partitions = partitions
            self.done = done
        }
    }

    package init(_ client: ClusterClient, _ settings: GroupConsumerSettings) {
        self.client = client
        self.settings = settings
        link = CoordinatorLink(client, group: settings.group)
        consumer = Consumer(client, settings.fetch)
        switch settings.groupProtocol {
        case .classic:
            let classic = ClassicMembership(client, link, settings)
            membership = classic
            classic.owner = self
        case .consumer:
            let member = BrokerMembership(client, link, settings)
            membership = member
            member.owner = self
        }
    }

    var loop: any EventLoop { client.loop }

    /// Joins the group.
    package func start() {
        loop.assertInside()
        consumer.onEvent = { [weak self] event in self?.take(event) }
        let topics = settings.topicPattern == nil ? settings.topics : nil
        client.refreshMetadata(topics: topics, deadline: loop.now + .seconds(30)) { [weak self] result in
            guard let self, !isClosed else { return }
            if case .failure(let error) = result { return membershipFailed(error) }
            membership.start()
            scheduleCommit()
        }
    }

    /// Who commits.
    package var identity: MemberIdentity { membership.identity }
    package var assignment: [TopicPartition] { owned.keys.sorted() }

    // MARK: Reading

    private func take(_ event: Consumer.Event) {
        switch event {
        case .records(let records):
            owned[records.partition]?.hand(records)
            onEvent?(.records(records))
        case .end(let partition, let offset): onEvent?(.end(partition, offset))
        case .reset(let partition, _, let offset): owned[partition]?.move(to: offset)
        case .failed(_, let error): membershipFailed(error)
        }
    }

    /// The batches were processed: their offsets may be committed when all before them were, and their memory is free.
    package func release(_ records: FetchedRecords) {
        owned[records.partition]?.release(records)
        consumer.release(records)
        settleLeaving()
    }

    /// Stops or resumes the reading of a partition; it stays assigned.
    package func setPaused(_ partition: TopicPartition, _ isPaused: Bool) {
        owned[partition]?.isPaused = isPaused
        consumer.setPaused(partition, isPaused)
    }

    /// Goes on at another offset, which is the next to be committed.
    package func seek(_ partition: TopicPartition, to offset: Offset) {
        guard owned[partition] != nil else { return }
        owned[partition]?.move(to: offset)
        consumer.seek(partition, to: offset)
    }

    // MARK: Commits by the clock

    private func scheduleCommit() {
        guard let interval = settings.commitInterval, !isClosed else { return }
        commitTimer = loop.schedule(at: loop.now + interval) { [weak self] in
            guard let self else { return }
            // One that is still under way is followed by the next, which brings the same and more.
            if !isCommitting { commit { _ in } }
            scheduleCommit()
        }
    }

    // MARK: The end

    /// Commits what was processed, if that goes by itself, and leaves the group. No event follows.
    package func close(deadline: Instant, completion: @escaping () -> Void) {
        guard !isClosed else { return completion() }
        isClosed = true
        onEvent = nil
        if let commitTimer { loop.cancel(commitTimer) }
        let leave = { [self] in
            membership.leave(deadline: deadline) { [self] in
                consumer.close()
                link.close()
                completion()
            }
        }
        guard settings.commitInterval != nil else { return leave() }
        commit(deadline: deadline) { _ in leave() }
    }
}

extension GroupConsumer: MembershipOwner {
    /// How long a partition on its way out waits for what was handed out of it.
    private var leavingMax: Duration { min(settings.rebalanceTimeout / 2, settings.sessionTimeout / 2) }

    func revoke(_ partitions: [TopicPartition], isLost: Bool, done: @escaping () -> Void) {
        guard !isLost else { return lose(done) }
        for partition in partitions { consumer.unassign(partition) }
        let life = life
        let entry = Leaving(Set(partitions)) { [weak self] in
            guard let self else { return }
            let finish = { [self] in
                guard life == self.life else { return }
                let given = partitions.filter { owned[$0] != nil }
                for partition in given { owned[partition] = nil }
                if !given.isEmpty { onEvent?(.revoked(given, isLost: false)) }
                done()
            }
            guard settings.commitInterval != nil else { return finish() }
            commit(only: Set(partitions)) { _ in finish() }
        }
        leaving.append(entry)
        _ = loop.schedule(at: loop.now + leavingMax) { [weak self] in self?.end(entry) }
        settleLeaving()
    }

    /// Others may have everything already, also what was on its way out.
    private func lose(_ done: () -> Void) {
        life += 1
        for entry in leaving { entry.done = nil }
        leaving = []
        waitingToBegin = []
        let lost = owned.keys.sorted()
        for partition in lost { consumer.unassign(partition) }
        owned = [:]
        if !lost.isEmpty { onEvent?(.revoked(lost, isLost: true)) }
        done()
    }

    private func settleLeaving() {
        for entry in leaving where entry.partitions.allSatisfy({ owned[$0]?.held ?? 0 == 0 }) { end(entry) }
    }

    private func end(_ entry: Leaving) {
        leaving.removeAll { $0 === entry }
        let done = entry.done
        entry.done = nil
        done?()
    }

    func assign(_ partitions: [TopicPartition]) {
        for partition in partitions { owned[partition] = Owned() }
        begin(partitions)
    }

    func membershipFailed(_ error: ClientError) {
        guard !isClosed else { return }
        isClosed = true
        if let commitTimer { loop.cancel(commitTimer) }
        consumer.close()
        link.close()
        let tell = onEvent
        onEvent = nil
        tell?(.failed(error))
    }
}
