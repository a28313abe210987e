import Basics
import ClusterImage
import Groups
import Testing
import WireProtocol

/// Members that subscribe by an expression.
@Suite struct ConsumerPatternTests {
    private let a = ConsumerHarness.id(0)
    private let b = ConsumerHarness.id(1)

    private func patterns(_ harness: ConsumerHarness) -> [String: Set<String>] {
        harness.group.patterns.mapValues(\.topics)
    }

    @Test func `an expression is matched after the answer, and the member gets its topics with the next`() {
        let harness = ConsumerHarness()
        let answer = harness.join("m1", [], pattern: "a|c")
        // As Kafka: the first epoch is one without partitions.
        #expect(answer.memberEpoch == 1 && answer.partitions == [:])
        #expect(harness.records.map(\.brief) == ["member m1", "current m1 1"])
        #expect(harness.group.nextDeadline.map { $0 <= harness.now } == true)
        harness.records = []
        harness.tick()
        #expect(harness.records.map(\.brief) == ["pattern a|c", "epoch 2"])
        #expect(patterns(harness) == ["a|c": ["a"]])
        #expect(harness.group.isSubscribed(to: "a") && !harness.group.isSubscribed(to: "b"))
        let next = harness.beat("m1", 1)
        #expect(next.memberEpoch == 2 && next.partitions == [a: [0, 1, 2]])
    }

    @Test func `an empty expression means none`() {
        let harness = ConsumerHarness()
        #expect(harness.join("m1", ["a"], pattern: "").partitions == [a: [0, 1, 2]])
        #expect(harness.group.nextDeadline != Instant(nanoseconds: .min))
    }

    @Test func `an expression that cannot be read is refused, and the member is not taken`() {
        let harness = ConsumerHarness()
        let answer = harness.join("m1", [], pattern: "a(?=b)")
        #expect(answer.errorCode == .invalidRegularExpression)
        #expect(
            answer.errorMessage
                == "SubscribedTopicRegex `a(?=b)` is not a valid regular expression: invalid or unsupported Perl "
                + "syntax."
        )
        #expect(harness.group.isEmpty)
    }

    @Test func `topics by name and by expression add up`() {
        let harness = ConsumerHarness()
        #expect(harness.join("m1", ["b"], pattern: "a").partitions == [b: [0, 1, 2]])
        harness.tick()
        #expect(harness.beat("m1", 2).partitions == [a: [0, 1, 2], b: [0, 1, 2]])
    }

    @Test func `a new topic is matched, but not within ten seconds of the last time`() {
        let harness = ConsumerHarness(topics: [("a", 1)])
        _ = harness.join("m1", [], pattern: ".*")
        harness.wait(.seconds(1))
        _ = harness.beat("m1", 1)
        harness.change { ConsumerHarness.add(b, "b", 1, to: &$0) }
        _ = harness.beat("m1", 2)
        harness.wait(.seconds(5))
        #expect(patterns(harness) == [".*": ["a"]])
        harness.wait(.seconds(5))
        _ = harness.beat("m1", 2)
        harness.wait(.seconds(1))
        #expect(patterns(harness) == [".*": ["a", "b"]])
        #expect(harness.beat("m1", 2).partitions == [a: [0], b: [0]])
    }

    @Test func `expressions are matched anew now and then`() {
        let harness = ConsumerHarness()
        harness.settings.regexRefreshInterval = .seconds(60)
        _ = harness.join("m1", [], pattern: "a")
        harness.wait(.seconds(1))
        _ = harness.beat("m1", 1)
        harness.records = []
        for _ in 0..<70 {
            harness.wait(.seconds(1))
            _ = harness.beat("m1", 2)
        }
        #expect(harness.records.map(\.brief) == ["pattern a"])
        #expect(harness.group.epoch == 2)
    }

    @Test func `an expression that others have already needs no matching`() {
        let harness = ConsumerHarness(topics: [("a", 2)])
        _ = harness.join("m1", [], pattern: "a")
        harness.wait(.seconds(1))
        _ = harness.beat("m1", 1)
        harness.records = []
        let second = harness.join("m2", [], pattern: "a")
        #expect(second.memberEpoch == 3)
        #expect(harness.records.map(\.brief).contains("epoch 3"))
    }

    @Test func `an expression goes with its last member`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", [], pattern: "a")
        _ = harness.join("m2", [], pattern: "a")
        harness.wait(.seconds(1))
        _ = harness.beat("m1", -1)
        #expect(patterns(harness) == ["a": ["a"]])
        harness.records = []
        _ = harness.beat("m2", -1)
        #expect(harness.records.map(\.brief).prefix(4) == ["-current m2", "-target m2", "-member m2", "-pattern a"])
        #expect(!harness.group.isSubscribed(to: "a"))
    }

    @Test func `a member that takes another expression leaves the old one`() {
        let harness = ConsumerHarness()
        _ = harness.join("m1", [], pattern: "a")
        harness.wait(.seconds(20))
        _ = harness.beat("m1", 1)
        harness.records = []
        let answer = harness.send {
            $0.memberId = "m1"
            $0.memberEpoch = 2
            $0.subscribedTopicRegex = "b"
        }
        // What it had is taken back at once; what it shall have is not known yet.
        #expect(answer.memberEpoch == 2 && answer.partitions == [:])
        #expect(harness.records.map(\.brief) == ["member m1", "-pattern a", "current m1 2"])
        harness.tick()
        #expect(harness.beat("m1", 2, owned: [:]).partitions == [b: [0, 1, 2]])
    }

    @Test func `internal topics are matched like others`() {
        let harness = ConsumerHarness(topics: [("__consumer_offsets", 1), ("a", 1)])
        _ = harness.join("m1", [], pattern: ".*")
        harness.tick()
        #expect(patterns(harness) == [".*": ["__consumer_offsets", "a"]])
    }

    @Test func `many topics and expressions take several ticks, and are written together`() {
        let harness = ConsumerHarness(topics: [])
        for index in 0..<9000 { ConsumerHarness.add(ConsumerHarness.id(index), "t\(index)", 0, to: &harness.image) }
        for member in 0..<5 { _ = harness.join("m\(member)", [], pattern: "t[0-9]*\(member)") }
        harness.records = []
        // The first expression was asked for alone; the others come with the next heartbeat after ten seconds.
        harness.wait(.seconds(11))
        #expect(harness.records.count { $0.brief.hasPrefix("pattern") } == 1)
        _ = harness.beat("m0", 1)
        harness.records = []
        harness.tick()
        #expect(harness.records.isEmpty && harness.group.nextDeadline.map { $0 <= harness.now } == true)
        harness.tick()
        #expect(harness.records.count { $0.brief.hasPrefix("pattern") } == 5)
        #expect(harness.records.last?.brief == "epoch 3")
        #expect(patterns(harness)["t[0-9]*3"]?.count == 900)
    }
}
