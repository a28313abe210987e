import Basics
import ClusterImage
import Groups
import Testing
import WireProtocol

/// What a group reads: expressions, and the hash of topics.
@Suite struct ConsumerTopicTests {
    private func matches(_ pattern: String, _ topic: String) throws -> Bool { try TopicPattern(pattern).matches(topic) }

    @Test func `an expression matches a name as a whole`() throws {
        #expect(try matches("foo", "foo"))
        #expect(try !matches("foo", "foo-bar"))
        #expect(try matches("foo.*", "foo-bar"))
        #expect(try matches("(^ck-.*)", "ck-1"))
        #expect(try matches("a|bc", "bc"))
        #expect(try !matches("a|b", "bc"))
        #expect(try !matches("", "a"))
        #expect(try matches("t[0-9]*3", "t133"))
        #expect(try !matches("t[0-9]*3", "t134"))
        #expect(try !matches("a|ab", "abc"))
    }

    @Test(arguments: [
        ("[a-c]+", "abc", true), ("[^a-c]+", "abd", false), ("[]a]+", "]a", true), ("[[:alpha:]]+", "ab", true),
        ("[[:^alpha:]]+", "12", true), ("[\\d.-]+", "1.2-3", true), ("a{2,3}", "aa", true), ("a{2,3}", "aaaa", false),
        ("a{,3}", "a{,3}", true), ("a{ 1,2}", "aa", false), ("x{}", "x{}", true), ("(?i)FOO", "foo", true),
        ("(?i:F)oo", "foo", true), ("(?P<n>f)oo", "foo", true), ("(?<n>f)oo", "foo", true), ("\\x66oo", "foo", true),
        ("\\x{66}oo", "foo", true), ("\\146oo", "foo", true), ("\\Qa.b\\E", "a.b", true), ("\\Qa.b\\E", "axb", false),
        ("\\pL+", "abc", true), ("\\p{Greek}+", "abc", false), ("a.*?b", "aXXb", true), ("^*foo$", "foo", true),
        ("\\bfoo\\b", "foo", true), ("\\Afoo\\z", "foo", true), ("a_b", "a_b", true), ("a\\-b", "a-b", true),
        ("(a|ab)(c|bcd)(d*)", "abcd", true), ("a#b", "a#b", true), ("(?:a b)", "a b", true)
    ])
    func `an expression means what RE2 means by it`(pattern: String, topic: String, expected: Bool) throws {
        #expect(try matches(pattern, topic) == expected)
    }

    @Test(arguments: [
        "(a)\\1", "\\1", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "a++", "a*+", "a?+", "a{1}+", "(?R)", "(?1)",
        "(?&n)", "(?P>n)", "(?P=n)", "(?C)", "(?#x)", "(?|a)", "(*ANY)a", "(*UTF)", "\\k<n>", "\\g1", "\\K", "\\R",
        "\\X", "\\G", "\\Z", "\\h", "\\N", "\\C", "\\cA", "\\e", "\\E", "(", ")", "(a", "a)", "[", "[a", "[z-a]", "*",
        "+a", "|*", "a{1001}", "a{2,1}", "\\", "[[:nope:]]", "[[:<:]]", "(?x)a", "(?^i)a", "(?i", "(?-)a", "(?P<>a)",
        "(?P<a", "a**", "\\x", "\\xg0", "\\x{110000}", "\\p{", "\\p{Nope}", "[\\b]", "[a-\\d]", "(?(1)a)"
    ])
    func `what RE2 refuses is refused`(pattern: String) {
        #expect(throws: TopicPatternProblem.self) { _ = try TopicPattern(pattern) }
    }

    @Test func `an expression made to take for ever ends soon`() throws {
        let name = String(repeating: "a", count: 249)
        #expect(try matches("(a+)+", name))
        #expect(try !matches("(a+)+b", name))
        #expect(try !matches("(a|aa)+(a|aa)+(a|aa)+b", name))
        #expect(try !matches("(.*)(.*)(.*)(.*)(.*)[^a]", name))
    }

    @Test func `an expression that is too large is refused`() {
        #expect(throws: TopicPatternProblem.self) {
            _ = try TopicPattern(String(repeating: "a", count: TopicPattern.lengthLimit + 1))
        }
        #expect(throws: TopicPatternProblem.self) { _ = try TopicPattern("((a{1000}){1000}){1000}") }
        #expect(throws: TopicPatternProblem.self) { _ = try TopicPattern(String(repeating: "(", count: 20_000)) }
    }

    @Test func `hashes of the sanity check of xxHash are met`() {
        // The generator and the sums are those of the reference's own test.
        var byte: UInt64 = 2_654_435_761
        var buffer: [UInt8] = []
        for _ in 0..<2367 {
            buffer.append(UInt8(truncatingIfNeeded: byte >> 56))
            byte = byte &* 11_400_714_785_074_694_797
        }
        let expected: [(Int, UInt64)] = [
            (12, 0xa713_daf0_dfbb_77e7), (24, 0xa3fe_70bf_9d35_10eb), (48, 0x397d_a259_ecba_1f11),
            (80, 0xbcde_fbbb_2c47_c90a), (195, 0xcd94_217e_e362_ec3a), (403, 0xcdeb_804d_65c6_dea4),
            (512, 0x617e_4959_9013_cb6b), (2048, 0xdd59_e2c3_a5f0_38e0), (2240, 0x6e73_a905_39cf_2948),
            (2367, 0xcb37_aeb9_e5d3_61ed)
        ]
        for (count, sum) in expected { #expect(Xxh3.hash(Array(buffer.prefix(count))) == sum, "\(count) bytes") }
    }

    @Test func `the hash of topics is the one that Kafka wrote`() throws {
        // From a record of `__consumer_offsets` of Kafka 4.4: a group of the topics codec-none and three.
        var image = ClusterImage(clusterId: "c")
        ConsumerHarness.add(try #require(Uuid("L7eQWCtsTlCb3ar3xBA6bg")), "codec-none", 1, to: &image)
        ConsumerHarness.add(try #require(Uuid("dcVHbLulTwWJTHgXlTWc8Q")), "three", 3, to: &image)
        #expect(SubscriptionHash.of(["three", "codec-none", "no-such"], in: image) == -5_929_540_871_432_348_075)
        #expect(SubscriptionHash.of(["no-such"], in: image) == 0)
    }

    @Test func `the hash tells racks and partitions apart`() {
        func image(_ partitions: Int32, _ racks: [String?]) -> ClusterImage {
            var image = ClusterImage(clusterId: "c")
            for (index, rack) in racks.enumerated() {
                image.replay(
                    .registerBroker(
                        .init {
                            $0.brokerId = Int32(index)
                            $0.rack = rack
                        }), at: Offset(Int64(index)))
            }
            ConsumerHarness.add(Uuid(high: 1, low: 1), "t", partitions, to: &image)
            return image
        }
        let images = [image(1, [nil]), image(2, [nil]), image(1, ["a"]), image(1, ["b"])]
        #expect(Set(images.map { SubscriptionHash.of(["t"], in: $0) }).count == 4)
    }
}
