// The group coordinator of one partition of `__consumer_offsets`: the groups whose ids belong to that partition, and
// their offsets. Requests are decided in the files beside this one: `+Classic`, `+Offsets`, `+Administration`, `+Expiry`.
//
// Rule: a decision writes its records through `emit`, or has the group do it, so that the state is what the log will say.
// A group without members that only stores offsets has no record of its own: its offsets are its record.

package import Basics
internal import Bytes
package import ClusterImage
package import Coordination
internal import Records
internal import WireProtocol

/// All that one partition of `__consumer_offsets` holds.
package struct GroupCoordinator: CoordinatorCore {
    /// Groups that one partition may hold.
    static let groupsMax = 1_000_000

    private var surroundings: GroupSurroundings
    var classic: [String: ClassicGroup] = [:]
    var consumer: [String: ConsumerGroup] = [:]
    var offsets = OffsetStore()
    private var deadlines = DeadlineQueue<String>()
    private var nextExpiryCheck: Instant?

    package init(image: ClusterImage, settings: GroupSettings) {
        surroundings = GroupSurroundings(image: image, settings: settings)
    }

    package var image: ClusterImage { surroundings.image }
    package var settings: GroupSettings {
        get { surroundings.settings }
        set { surroundings = GroupSurroundings(image: image, settings: newValue) }
    }

    func context(_ moment: Moment) -> GroupContext { GroupContext(surroundings, moment) }

    // MARK: Replay

    package mutating func replay(_ record: GroupRecord, _ moment: Moment) {
        switch record {
        case .offset(let key, let value): replay(key, value, transaction: nil, moment)
        case .classicGroup(let key, let value):
            classic[key.group] = value.map { ClassicGroup(id: key.group, $0) }
            if value != nil { consumer[key.group] = nil }
        case .consumerGroup, .partitionMetadata, .member, .target, .memberTarget, .memberCurrent, .pattern:
            replayConsumer(record)
        case .other: break
        }
    }

    package mutating func replay(_ record: GroupRecord, ofTransaction producerId: Int64, _ moment: Moment) {
        guard case .offset(let key, let value) = record else { return replay(record, moment) }
        replay(key, value, transaction: producerId, moment)
    }

    private mutating func replay(
        _ key: OffsetCommitKey, _ value: OffsetCommitValue?, transaction producerId: Int64?, _ moment: Moment
    ) {
        guard let value else { return offsets.remove(key) }
        if !exists(key.group) { classic[key.group] = ClassicGroup(id: key.group, moment) }
        offsets.put(key, value, transaction: producerId)
    }

    package mutating func endTransaction(of producerId: Int64, isCommitted: Bool, _ moment: Moment) {
        offsets.endTransaction(of: producerId, isCommitted: isCommitted)
    }

    /// Writes a record, which takes effect at once.
    mutating func emit(_ record: GroupRecord, _ step: inout GroupStep, _ moment: Moment) {
        replay(record, moment)
        step.records.append(record)
    }

    // MARK: Groups

    /// Whether there is a group of this name, of any kind.
    func exists(_ groupId: String) -> Bool { classic[groupId] != nil || consumer[groupId] != nil }

    /// Whether one more group may be made.
    var hasRoom: Bool { classic.count + consumer.count < GroupCoordinator.groupsMax }

    /// The ids of all groups, in order.
    var groupIds: [String] { (Array(classic.keys) + Array(consumer.keys)).sorted() }

    /// Watches the deadline of a group that was just touched.
    mutating func watch(_ groupId: String) {
        watch(groupId, classic[groupId]?.nextDeadline ?? consumer[groupId]?.nextDeadline)
    }

    mutating func watch(_ groupId: String, _ deadline: Instant?) { deadlines.set(groupId, deadline) }

    // MARK: Time

    package mutating func loaded(_ moment: Moment) -> GroupStep {
        var step = GroupStep()
        let context = context(moment)
        for groupId in groupIds {
            classic[groupId]?.loaded(context, &step)
            consumer[groupId]?.loaded(context)
            followPause(groupId, context, isLoading: true, &step)
            watch(groupId)
        }
        nextExpiryCheck = moment.now + settings.offsetsRetentionCheckInterval
        return step
    }

    package var nextDeadline: Instant? {
        guard let nextExpiryCheck else { return deadlines.earliest }
        return deadlines.earliest.map { min($0, nextExpiryCheck) } ?? nextExpiryCheck
    }

    package mutating func tick(_ moment: Moment) -> GroupStep {
        var step = GroupStep()
        let context = context(moment)
        var due: [String] = []
        while let groupId = deadlines.popDue(moment.now) { due.append(groupId) }
        for groupId in due {
            classic[groupId]?.tick(context, &step)
            let became = consumer[groupId]?.tick(context, &step)
            becomeClassic(groupId, became ?? nil, context, &step)
            watch(groupId)
        }
        if let due = nextExpiryCheck, due <= moment.now {
            nextExpiryCheck = moment.now + settings.offsetsRetentionCheckInterval
            expire(moment, &step)
        }
        return step
    }

    /// A JoinGroup whose client is gone keeps its place in the rebalance, as in Kafka: its session decides.
    package mutating func forget(_ token: ReplyToken) {}

    // MARK: Cluster

    /// The cluster has changed: offsets of deleted topics go.
    package mutating func take(_ image: ClusterImage, _ moment: Moment) -> GroupStep {
        let before = self.image
        surroundings = GroupSurroundings(image: image, settings: settings)
        var step = GroupStep()
        if !consumer.isEmpty {
            let changes = TopicChanges(from: before, to: image)
            for groupId in consumer.keys.sorted() {
                consumer[groupId]?.topicsChanged(changes, image)
                watch(groupId)
            }
        }
        followPauses(from: before, moment, &step)
        // Most changes are of something else: then both images share one table, and are equal at a glance.
        guard !offsets.isEmpty, before.topicIds != image.topicIds else { return step }
        let gone = before.topicIds.filter { image.topicIds[$0.key] != $0.value }
        guard !gone.isEmpty else { return step }
        for groupId in offsets.groups.sorted() {
            for id in offsets.partitions(of: groupId) where gone[id.topic] != nil {
                removeOffset(groupId, id, &step, moment)
            }
        }
        return step
    }

    mutating func removeOffset(_ groupId: String, _ id: TopicPartition, _ step: inout GroupStep, _ moment: Moment) {
        let key = OffsetCommitKey {
            $0.group = groupId
            $0.topic = id.topic
            $0.partition = id.partition
        }
        emit(.offset(key, nil), &step, moment)
    }
}

extension Uuid {
    /// The text that RFC 9562 draws: five parts in hexadecimal digits.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { text.append(UInt8(ascii: "-")) }
            let word = index < 16 ? high : low
            text.append(digits[Int(word >> UInt64(60 - 4 * (index % 16)) & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
