// Expressions of members: which topics they match is found out by the coordinator, and written to the log.
//
// Rule: matching waits for the next ticks, so that no heartbeat pays for it; many expressions and topics take several
// ticks, so that others are not held up. All of a group are written together, so that a change makes one new target.
// They are matched anew when topics have come, or now and then, but not again within ten seconds. Internal topics are
// matched like others, as Kafka does.

internal import Basics
internal import ClusterImage
internal import Coordination

/// The expressions of a group on their way through the topics.
struct PatternMatching: Sendable {
    /// The topics, ascending, and the metadata log's end at which there were these.
    var topics: [String]
    var version: Int64
    /// Expressions to come, descending, and what was found so far.
    var waiting: [String]
    var found: [(pattern: String, topics: Set<String>)] = []
}

extension ConsumerGroup {
    /// How many names are held against expressions in one tick, but one expression at least.
    static let namesPerTick = 20_000
    /// The least time between two matchings of a group.
    static let matchingIntervalMin: Int64 = 10_000

    /// Takes note of another expression of a member, and sees whether expressions have to be matched. Returns whether
    /// the topics of the member are others from now on.
    mutating func patternChanged(
        from old: String, to new: String, _ context: GroupContext, _ step: inout GroupStep
    ) -> Bool {
        var hasNewTopics = false
        var mustMatch = false
        if old != new {
            if !old.isEmpty, patternCounts[old] == nil { emitPattern(old, nil, &step) }
            if new.isEmpty {
                hasNewTopics = true
            } else if patternCounts[new] == 1 {
                // Its topics are not known yet. Once they are, the epoch rises.
                mustMatch = true
            } else {
                hasNewTopics = patterns[new] != nil
            }
        }
        requestMatching(mustMatch, context)
        return hasNewTopics
    }

    private mutating func requestMatching(_ mustMatch: Bool, _ context: GroupContext) {
        guard !patternCounts.isEmpty, matching == nil else { return }
        let now = context.moment.wallClock.milliseconds
        let last = patterns.values.map(\.timestamp).max()
        if let last, now <= last + ConsumerGroup.matchingIntervalMin, now >= last { return }
        let interval = context.settings.regexRefreshInterval.wholeMilliseconds
        let version = patterns.values.map(\.version).min() ?? 0
        let isDue = last.map { now > $0 + interval } ?? true
        guard mustMatch || isDue || patternCounts.count != patterns.count || version < newTopicsVersion else { return }
        matching = PatternMatching(
            topics: context.image.topicIds.keys.sorted(), version: context.image.endOffset.rawValue,
            waiting: patternCounts.keys.sorted(by: >))
    }

    /// Goes on with matching, if there is any. With the last expression, all that was found is written.
    mutating func matchPatterns(_ context: GroupContext, _ step: inout GroupStep) {
        guard var now = matching else { return }
        var budget = ConsumerGroup.namesPerTick
        while budget > 0, let text = now.waiting.popLast() {
            budget -= max(now.topics.count, 1)
            guard let topics = ConsumerGroup.topics(matching: text, among: now.topics, context.settings) else {
                continue
            }
            now.found.append((text, topics))
        }
        guard now.waiting.isEmpty else {
            matching = now
            return
        }
        matching = nil
        write(now, context, &step)
    }

    private mutating func write(_ matched: PatternMatching, _ context: GroupContext, _ step: inout GroupStep) {
        var bumps = false
        // Expressions whose members left meanwhile are forgotten.
        for (text, topics) in matched.found where patternCounts[text] != nil {
            if patterns[text]?.topics ?? [] != topics { bumps = true }
            let resolved = ResolvedPattern(
                topics: topics, version: matched.version, timestamp: context.moment.wallClock.milliseconds)
            emitPattern(text, resolved, &step)
        }
        let hash = SubscriptionHash.of(subscribedTopics.keys, in: context.image)
        guard bumps || hash != metadataHash else { return }
        emitEpoch(epoch + 1, hash: hash, &step)
        refreshAt = context.moment.now + ConsumerGroup.topicRefreshInterval
    }

    /// The topics that match, in the order of their names, as many as a record holds.
    private static func topics(
        matching text: String, among names: [String], _ settings: GroupSettings
    ) -> Set<String>? {
        // It was read when it was taken; a release that reads less leaves it as it is.
        guard let pattern = try? TopicPattern(text) else { return nil }
        var room = settings.recordBytesMax - text.utf8.count
        var topics: Set<String> = []
        for name in names where pattern.matches(name) {
            room -= name.utf8.count + 2
            if room < 0 { break }
            topics.insert(name)
        }
        return topics
    }
}
